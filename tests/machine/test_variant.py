"""The machine of a run: what workload and data path add, take away or resize."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.cost.pricing import point
from xbarch.datapaths.base import Added, Geometry
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.xue import Xue
from xbarch.errors import CapacityError
from xbarch.machine.variant import tile_area, variant
from xbarch.parts.scaling.adc import CapDac, IsaacSplit
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer, Workload

ISAAC = load("isaac_like", Architecture)
EIGHT = point(ISAAC)
GEOMETRY = Geometry(128, 128, 2)


def single(scale=None, weights=None):
    codes = np.ones((32, 128, 1, 1), np.int8) if weights is None else weights
    shape = (128, 4, 4)
    return Workload(name="single", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=4),
        Layer(name="conv", op="conv", inputs=("input",), in_shape=shape, out_shape=(32, 4, 4), weight_bits=4,
              input_bits=4, output_bits=4, relu=True, weights=lambda: codes, scale=scale)))


class Wide(Dense):
    """Adds hardware of a given area to every tile and IMA."""

    tile, ima = 0, 0

    def components(self, geometry):
        parts = [Added(name="more", level="tile", count=2, area=self.tile, action="sort", energy=500, source="test"),
                 Added(name="less", level="ima", count=1, area=self.ima, action="merge", energy=500, source="test")]
        return [part for part in parts if part.area]


@pytest.mark.parametrize("bits", range(1, 11))
def test_adc_models_by_their_formulas(bits):
    energy, area = IsaacSplit().ratios(EIGHT, replace(EIGHT, adc_bits=bits))
    assert float(energy) == pytest.approx((0.19488 * bits + 4.2005e-4 * 2**bits) / (0.19488 * 8 + 4.2005e-4 * 256))
    assert float(area) == pytest.approx((81.727 * bits + 2.13353 * 2**bits) / (81.727 * 8 + 2.13353 * 256))
    energy, area = CapDac().ratios(EIGHT, replace(EIGHT, adc_bits=bits))
    assert energy == area == Fraction(2**bits * 9, 256 * (bits + 1))


@pytest.mark.parametrize("scale, built", [
    (None, False), (np.full(32, 0.25), False), (np.full(32, 0.3), True),
    (np.where(np.arange(32) == 5, 0.3, 0.5), True)])
def test_the_multiplier_is_built_where_scales_are_no_powers_of_two(scale, built):
    made = variant(ISAAC, single(scale), Dense(), GEOMETRY)
    assert ("requantizer" in made.components) == built
    assert nameplate(made).area_mm2 == pytest.approx(nameplate(ISAAC).area_mm2 + 168 * 0.00699 * built)
    result = xbarch.simulate("isaac_like", single(scale), images=1)
    assert result["counts.actions"].get("requantize", 0) == (32 * 16 if built else 0)
    assert result["energy.by_component_aj"].get("requantizer", 0) == (32 * 16 * 3_100_000 if built else 0)


def test_the_nameplate_leaves_out_what_is_built_on_demand():
    assert ISAAC.components["requantizer"].when == "scales"
    assert nameplate(ISAAC).area_mm2 == pytest.approx(85.4, rel=5e-3)


@pytest.mark.parametrize("ones, bits", [(3, 2), (4, 3), (7, 3), (8, 4), (128, 8)])
def test_adcs_follow_what_xue_guarantees(ones, bits):
    """`ones` weights of 1 in a column: the largest sum, so the fewest bits that hold it."""
    codes = np.zeros((32, 128, 1, 1), np.int8)
    codes[:, :ones] = 1
    made = variant(ISAAC, single(weights=codes), Xue(), GEOMETRY)
    assert made.crossbar.adc_bits == bits
    energy, area = IsaacSplit().ratios(EIGHT, replace(EIGHT, adc_bits=bits))
    adc, before = made.components["adc"], ISAAC.components["adc"]
    assert adc.area == round(before.area * area) and adc.energy_aj == round(before.energy_aj * energy)
    result = xbarch.simulate("isaac_like", single(weights=codes), datapath="xue", images=1)
    assert result["energy.by_component_aj.adc"] == result["counts.conversions"] * adc.energy_aj
    for row in xbarch.verify("isaac_like", replace(single(weights=codes), activations={
            "conv": np.full((1, 128, 4, 4), 15, np.uint8)}), datapath="xue"):
        assert (row["mismatches"], row["clips"], row["adc_bits"]) == (0, 0, bits)


def test_an_override_of_the_bits_changes_the_price():
    a = load("isaac_like", Architecture, ["crossbar.adc_bits=6", "components.adc.scaling=capdac"])
    made = variant(a, single(), Dense(), GEOMETRY)
    assert made.components["adc"].area == round(ISAAC.components["adc"].area * Fraction(64 * 9, 7 * 256))


@pytest.mark.parametrize("tile, ima", [(0, 0), (10**9, 0), (10**10, 10**9), (0, 5 * 10**9)])
def test_equal_area(tile, ima):
    path = Wide()
    path.tile, path.ima = tile, ima
    made = variant(ISAAC, single(), path, GEOMETRY, "area")
    base = tile_area(ISAAC.components.values(), 12)
    each = base + 2 * tile + 12 * ima
    assert made.hierarchy.tiles == 168 * base // each
    assert tile_area(made.components.values(), 12) == each


def test_smaller_adcs_leave_room_for_more_tiles():
    codes = np.zeros((32, 128, 1, 1), np.int8)
    codes[:, :3] = 1
    made = variant(ISAAC, single(weights=codes), Xue(), GEOMETRY, "area")
    assert made.hierarchy.tiles > 168
    options = made.network.options
    assert options["width"] * options["height"] * options["concentration"] >= made.hierarchy.tiles
    result = xbarch.simulate("isaac_like", single(weights=codes), datapath="xue", policy="area", images=1)
    assert result["area.total_mm2"] <= nameplate(ISAAC).area_mm2


def test_hardware_larger_than_the_chip_is_refused():
    path = Wide()
    path.tile = 10**15
    with pytest.raises(CapacityError, match="more area than the whole chip"):
        variant(ISAAC, single(), path, GEOMETRY, "area")
