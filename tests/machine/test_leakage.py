"""Leakage over time and power gating, by hand."""

import pytest
from rigs import single

import xbarch
from xbarch.errors import InputError
from xbarch.result.record import record


def energies(*changes, images=4, policy="one_copy"):
    run = xbarch.execute("isaac_like", single(300, 40, 40), images=images, policy=policy,
                         overrides=[f"components.{c}" for c in changes])
    return run, record(run).document()["energy"]


def test_none_by_default():
    _, e = energies()
    assert set(e["static_aj"]) == {"hypertransport"}


@pytest.mark.parametrize(("name", "occupied"), [("adc", 2), ("edram", 1), ("router", 1), ("maxpool", 1)])
def test_all_the_time_it_is_power_times_interval(name, occupied):
    """Nine crossbars on two IMAs of one tile; what is not occupied is off."""
    plain, before = energies()
    run, e = energies(f"{name}.leakage=3 mW")
    leaked = int(3000 * occupied * run.steady.interval_ps)
    assert e["static_aj"][name] == leaked
    assert e["by_component_aj"][name] == before["by_component_aj"].get(name, 0) + leaked
    assert e["per_image_aj"] == before["per_image_aj"] + leaked == sum(e["by_component_aj"].values())
    assert e["dynamic_aj"] == before["dynamic_aj"] and run.steady == plain.steady
    inside = {"router": ("chip", "whole")}.get(name, ("compute", "chip", "whole"))
    for scope, value in e["scopes_aj"].items():
        assert value == before["scopes_aj"][scope] + leaked * (scope in inside)


def test_gated_an_ima_leaks_while_its_crossbars_work():
    """40 windows of 16 cycles: nine eighths of an IMA's crossbars, each for itself."""
    _, e = energies("adc.leakage=3 mW", "adc.gated=true")
    assert e["static_aj"]["adc"] == 3000 * 9 * 40 * 16 * 100_000 // 8
    _, copies = energies("adc.leakage=3 mW", "adc.gated=true", policy="fit")
    assert copies["static_aj"]["adc"] == e["static_aj"]["adc"]  # more crossbars, each busy for fewer windows


def test_gated_a_tile_unit_leaks_while_it_is_held():
    run, e = energies("activation.leakage=1 mW", "activation.gated=true")
    held = sum(int(b) for b, s in zip(run.trace.busy, run.graph.servers, strict=True) if s.kind == "activation")
    assert e["static_aj"]["activation"] == 1000 * held // 4 > 0
    _, always = energies("activation.leakage=1 mW")
    assert e["static_aj"]["activation"] < always["static_aj"]["activation"]


@pytest.mark.parametrize(("change", "says"), [
    (["adc.gated=true"], "components.adc.gated=true: needs leakage"),
    (["hypertransport.leakage=1 W"], "must be left out of constant power"),
    (["router.gated=true", "router.leakage=1 mW"],
     "gated=true: must be false at level tile; gated are components of level ima, and edram"),
    (["adc.leakage=-1 W"], "components.adc.leakage=-1 W: must be a power of at least 0, not '-1 W'"),
])
def test_what_is_refused(change, says):
    with pytest.raises(InputError) as caught:
        energies(*change)
    assert says in str(caught.value)
