"""Power at full activity where an architecture states the energy of an action alone."""

import pytest

from xbarch.cli.catalog import tree
from xbarch.cost.nameplate import full_power, nameplate
from xbarch.cost.pricing import reprice
from xbarch.errors import InputError
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

ISAAC = load("isaac_like", Architecture)
FROM_ENERGY = ["power=null", "actions=null", "per=null"]


def by_energy(name, *more):
    """ISAAC with the energy of the component's action instead of its power and rate."""
    c = ISAAC.components[name]
    return load("isaac_like", Architecture, [
        f"components.{name}.energy={c.energy_aj} aJ", *(f"components.{name}.{x}" for x in FROM_ENERGY), *more])


@pytest.mark.parametrize(("name", "within"), [
    ("adc", 1e-6), ("dac", 1e-4), ("sample_hold", 1e-2), ("crossbar", 1e-3), ("shift_add", 1e-4), ("edram", 1e-3),
    ("tile_output_register", 1e-3), ("input_register", 1e-3), ("output_register", 1e-2)])
def test_the_machines_rate_gives_table_i_again(name, within):
    """The printed power, but for 833 ps a cycle of 1.2 GHz and energies rounded to aJ (µW for the powers)."""
    a = reprice(by_energy(name))
    assert a.components[name].power is None and a.components[name].energy_aj == ISAAC.components[name].energy_aj
    assert full_power(a, a.components[name]) == pytest.approx(ISAAC.components[name].power, rel=within)
    assert nameplate(a).power_w == pytest.approx(nameplate(ISAAC).power_w, rel=1e-3)


def test_links_and_buses_have_rates_too():
    """5.83 pJ for 384 of 10.24 GB/s; a flit of 4.375 pJ per clock of 1 GHz."""
    bus, router = by_energy("bus"), by_energy("router")
    assert full_power(bus, bus.components["bus"]) == pytest.approx(5.833e-12 * 10.24e9 * 8 / 384 * 1e6, rel=1e-3)
    assert full_power(router, router.components["router"]) == pytest.approx(4.375e-12 * 1e9 * 1e6, rel=1e-3)


def test_power_follows_what_is_built_and_a_stated_rate():
    twice = load("isaac_like", Architecture, ["components.activation.power=null", "components.activation.energy=1 pJ"])
    assert full_power(twice, twice.components["activation"]) == 2400  # 240 of 1 pJ in 100 ns
    more = reprice(by_energy("adc", "hierarchy.crossbars_per_ima=16", "components.adc.count=16"))
    assert full_power(more, more.components["adc"]) == pytest.approx(2 * 16_000, rel=1e-6)


def test_a_power_that_nobody_knows_is_said():
    a = by_energy("maxpool")
    assert full_power(a, a.components["maxpool"]) is None
    less = nameplate(ISAAC).power_w - nameplate(a).power_w
    assert less == pytest.approx(168 * 400e-6)
    changes = ["components.maxpool.energy=1 pJ", *(f"components.maxpool.{x}" for x in FROM_ENERGY)]
    rows = {r["component"]: r for r in tree("isaac_like", changes)["components"]}
    assert [name for name, r in rows.items() if not r["power_known"]] == ["maxpool"]
    assert rows["maxpool"]["power_mw"] == 0 and rows["maxpool"]["energy_aj"] == 10**6


@pytest.mark.parametrize(("changes", "says"), [
    (["components.adc.energy=1 pJ"], "states the energy of an action twice, by energy and by power, actions and per; "
     "take one away: `power: null`"),
    (["components.adc.power=null"], "needs an action with energy, an action with power, actions and per, or constant: "
     "true with power; it has action, actions, per"),
    (["components.adc.per=null"], "actions and per belong together, but per is missing; to take an inherited one away"),
    (["components.hypertransport.power=null"], "constant: true needs power"),
])
def test_what_is_missing_or_twice_is_said(changes, says):
    with pytest.raises(InputError) as error:
        load("isaac_like", Architecture, changes)
    assert says in str(error.value)


@pytest.mark.parametrize(("path", "share"), [
    ("{name: dense}", 1), ("{name: dense, options: {sign: differential}}", 1 / 2), ("{name: xue}", 1 / 4)])
def test_the_peak_is_that_of_the_data_path_that_the_architecture_names(path, share):
    """16-bit weights: 8 cells of 2 bits; of two arrays, 16; of 1-bit cells for each sign, 32."""
    a = reprice(load("isaac_like", Architecture, [f"datapath={path}"]))
    assert nameplate(a).tops == pytest.approx(share * nameplate(ISAAC).tops)


def test_rates_follow_the_data_path_too():
    """The same converters on the same arrays, read without a pause: the same power, whatever the columns hold."""
    plain = reprice(by_energy("adc"))
    pairs = reprice(by_energy("adc", "datapath={name: dense, options: {sign: differential}}"))
    assert full_power(pairs, pairs.components["adc"]) == full_power(plain, plain.components["adc"])
