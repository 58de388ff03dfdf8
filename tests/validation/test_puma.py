"""PUMA's printed totals from its component table (Ankit et al., ASPLOS 2019)."""

from fractions import Fraction

import pytest
from rigs import single

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.machine.machine import Machine
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

PUMA = load("puma_like", Architecture)
MVMU_MW, PRODUCT_NJ = 19.09, 43.97


def test_tile_and_node_totals():
    """A tile's rows sum to 378.0 mW and 0.495 mm² (recalled totals 373.8 and 0.479); the node takes 62.5 W."""
    plate, router = nameplate(PUMA), PUMA.components["router"]
    assert 1000 * plate.tile_power_w - router.power / 1000 == pytest.approx(378.04, rel=1e-3)
    assert 1000 * plate.tile_power_w - router.power / 1000 == pytest.approx(373.8, rel=0.012)
    assert plate.tile_area_mm2 - router.area / 1e12 == pytest.approx(0.479, rel=0.034)
    assert plate.power_w == pytest.approx(62.5, rel=0.011)
    assert router.power * 138 / 1e3 == pytest.approx(570.63, rel=1e-4)


def test_capacity():
    """69 MiB: 2,208 matrices of 128 x 128 weights of 16 bits."""
    assert PUMA.crossbars * 128 * 128 * 2 / 8 == 69 * 2**20


def test_a_product_takes_2304_ns_and_44_nj():
    """16 bits, 144 cycles each; an MVMU's eight arrays at full activity draw its 19.09 mW."""
    run = xbarch.execute(PUMA, single(128, 128, 3), policy="one_copy", images=1)
    assert set(run.packed["conv"].occupancy.tolist()) == {16 * 144_000} and run.packed["conv"].crossbars == 8
    prices = {action: price.energy for action, [price] in Machine(PUMA).prices().items()}
    energy = 8 * 16 * 128 * (prices["conversion"] + 128 * prices["cell_read"])
    assert energy / 1e9 == pytest.approx(PRODUCT_NJ, rel=1e-3)
    assert Fraction(energy, 2304 * 1000) / 1000 == pytest.approx(MVMU_MW, rel=1e-3)


def test_the_printed_peak_does_not_follow_from_the_printed_latency():
    """52.31 TOPS would need a product every 1,383 ns; 2,304 ns give 31.4."""
    assert nameplate(PUMA).tops == pytest.approx(2 * 128 * 128 * 2208 / 2304e-9 / 1e12)
    assert nameplate(PUMA).tops == pytest.approx(31.4, rel=1e-3)
