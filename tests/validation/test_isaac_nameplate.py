"""ISAAC's printed figures by nameplate roll-up: counts times power and area, arithmetic without simulation.

Shafiee et al., "ISAAC: A Convolutional Neural Network Accelerator with In-Situ Analog Arithmetic in Crossbars",
ISCA 2016, Table I as corrected in October 2016, and the peak figures of ISAAC-CE in its evaluation.
"""

import pytest

from xbarch.cli import catalog
from xbarch.cost.explore import headline
from xbarch.cost.nameplate import nameplate
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load


@pytest.fixture(scope="module")
def isaac():
    return nameplate(load("isaac_like", Architecture), weight_bits=16, input_bits=16)


@pytest.mark.parametrize("figure, printed, tolerance", [
    ("tile_power_w", 0.330, 0.005),
    ("tile_area_mm2", 0.372, 0.005),
    ("power_w", 65.8, 0.005),
    ("area_mm2", 85.4, 0.005),
    ("tops", 41.3, 0.005),
    ("gops_per_mm2", 479, 0.015),
    ("gops_per_w", 627.5, 0.005),
])
def test_printed(isaac, figure, printed, tolerance):
    assert getattr(isaac, figure) == pytest.approx(printed, rel=tolerance)


def test_adcs_take_58_percent_of_tile_power(isaac):
    # 12 IMAs x 16 mW of 330 mW; the text says 58 %
    assert isaac.converter == "adc" and isaac.adc_share == pytest.approx(0.58, abs=0.01)


@pytest.mark.parametrize("times, power, area, tolerance", [
    # Table I: a tile without its IMAs, its twelve IMAs, all tiles (mW, mm²)
    ({"tile": 1}, 40.9, 0.215, 0.0015), ({"ima": 12}, 289, 0.157, 0.003),
    ({"tile": 168, "ima": 12 * 168}, 55_400, 62.5, 0.001),
])
def test_printed_sums(times, power, area, tolerance):
    rows = [c for c in load("isaac_like", Architecture).components.values() if c.level in times and c.when is None]
    assert sum(c.power * times[c.level] for c in rows) / 1000 == pytest.approx(power, rel=tolerance)
    assert sum(c.area * times[c.level] for c in rows) / 1e12 == pytest.approx(area, rel=tolerance)


def test_shares_of_tile_area_and_the_density():
    """Text of the paper: ADCs 31 %, eDRAM and bus 47 % of a tile's area; Table IV: 0.74 MiB/mm²."""
    a = load("isaac_like", Architecture)
    tile = nameplate(a).tile_area_mm2 * 1e12
    assert a.components["adc"].area * 12 / tile == pytest.approx(0.31, rel=0.002)
    assert (a.components["edram"].area + a.components["bus"].area) / tile == pytest.approx(0.47, rel=0.012)
    assert headline(a).se == pytest.approx(0.74, rel=0.004)


def test_peak_halves_with_twice_the_input_bits_and_doubles_with_half_the_weight_bits():
    a = load("isaac_like", Architecture)
    whole = nameplate(a, 16, 16).tops
    assert nameplate(a, 16, 8).tops == pytest.approx(2 * whole)
    assert nameplate(a, 8, 16).tops == pytest.approx(2 * whole)


def test_one_tile_more_costs_one_tile_more():
    a = load("isaac_like", Architecture)
    b = load("isaac_like", Architecture, ["hierarchy.tiles=167"])
    one, less = nameplate(a), nameplate(b)
    assert one.power_w - less.power_w == pytest.approx(one.tile_power_w)
    assert one.area_mm2 - less.area_mm2 == pytest.approx(one.tile_area_mm2)


def test_the_share_is_of_what_converts():
    """PRIME's amplifiers: 327.5 mW in each of its IMAs; PipeLayer converts nothing."""
    tree, other = catalog.tree("prime_like"), catalog.tree("pipelayer_like")["nameplate"]
    rows = {r["component"]: r for r in tree["components"]}
    tiles = load("prime_like", Architecture).hierarchy.tiles
    share = rows["amplifier"]["power_mw"] / tiles / tree["nameplate"]["tile power (mW)"]
    assert 0 < share < 1 and tree["nameplate"]["amplifier share of tile power"] == pytest.approx(share)
    assert not any("share" in key for key in other)
