"""Prices of what makes up for errors: hardware of the machine, in area and energy."""

import pytest

import xbarch
from xbarch.parts.effects.stuck import Stuck

WORKLOAD, IMAS = "digit_pairs/vgg7_xue_2bit", 168 * 12
BIT = 2_100_000_000 / 16_384 * 1e-12  # mm^2, of ISAAC's input register
READ = 1_033_333  # aJ, 64 bits of it
ARRAYS = 0.0002  # mm^2, of the arrays of an IMA


def ran(*overrides):
    found = xbarch.simulate("isaac_like", WORKLOAD, images=1, overrides=[f"noise.effects.{o}" for o in overrides]).data
    return found["area"]["by_component_mm2"], found["energy"]["by_component_aj"], found["counts"]["actions"], found


@pytest.fixture(scope="module")
def base():
    return ran("stuck.off=0.001")


def test_spare_bit_lines_have_their_share_of_the_array_and_a_table(base):
    area, energy, actions, found = ran("stuck.spare_columns=4")
    assert area["spare_bit_lines"] == pytest.approx(ARRAYS * 4 / 128 * IMAS)
    assert area["bit_line_index"] == pytest.approx(4 * 8 * 8 * BIT * IMAS)  # 4 entries of 8 bits, 8 crossbars
    assert energy["bit_line_index"] == actions["or_access"] * (READ * 8 // 64)
    assert found["latency"] == base[3]["latency"]
    assert {k: v for k, v in energy.items() if k not in ("bit_line_index", "spare_bit_lines")} == base[1]


def test_any_bit_line_takes_an_entry_for_each(base):
    area, energy, actions, _ = ran("stuck.remap=true")
    assert area["bit_line_index"] == pytest.approx(128 * 7 * 8 * BIT * IMAS) and "spare_bit_lines" not in area
    assert energy["bit_line_index"] == actions["or_access"] * (READ * 7 // 64)


@pytest.mark.parametrize(("per", "gains"), [("column", 128), ("array", 1)])
def test_a_gain_is_stored_and_multiplied(base, per, gains):
    area, energy, actions, _ = ran(f"trim.per={per}")
    assert area["gains"] == pytest.approx(gains * 8 * 8 * BIT * IMAS)
    assert area["gain_multiplier"] == pytest.approx(8 * 282e-6 * IMAS)
    assert energy["gains"] == actions["conversion"] * (READ * 8 // 64)
    assert energy["gain_multiplier"] == actions["conversion"] * 200_000


def test_errors_alone_cost_nothing(base):
    ideal = xbarch.simulate("isaac_like", WORKLOAD, images=1).data
    assert base[3]["energy"] == ideal["energy"] and base[3]["area"] == ideal["area"]


def test_a_plugin_that_adds_what_it_must_not_is_named(monkeypatch):
    monkeypatch.setattr(Stuck, "spares", lambda self: -1)
    with pytest.raises(xbarch.XbarchError, match=r"effect stuck: spares.*whole number of at least 0"):
        ran("stuck.off=0.001")
