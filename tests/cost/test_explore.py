"""ISAAC's design points: what geometry near their labels gives with Table I's unit prices.

Shafiee et al., ISAAC, ISCA 2016, comparison table as corrected in October 2016: CE 478.95, PE 627.5, SE 0.74 of
ISAAC-CE; 103.35, 312.5, 20.25 of ISAAC-SE. The labels H128-A8-C8-I12 and H256-A8-C512-I4 are recalled, not seen.
"""

import pytest

from xbarch.cost.explore import headline, point
from xbarch.cost.nameplate import nameplate
from xbarch.cost.pricing import reprice
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

ISAAC = load("isaac_like", Architecture)
SE = (256, 8, 512, 4)
PUBLISHED = {"ce": 103.35, "pe": 312.5, "se": 20.25}


def test_ce_is_the_chip_itself():
    made = point(ISAAC, 128, 8, 8, 12)
    for name, component in ISAAC.components.items():
        again = made.components[name]
        assert (again.area, again.power, again.energy_aj) == (component.area, component.power, component.energy_aj)
    assert nameplate(made) == nameplate(ISAAC)


@pytest.mark.parametrize("figure, printed, tolerance", [
    ("ce", 478.95, 0.01), ("pe", 627.5, 0.001), ("se", 0.74, 0.005)])
def test_ce_is_reproduced(figure, printed, tolerance):
    assert getattr(headline(point(ISAAC, 128, 8, 8, 12)), figure) == pytest.approx(printed, rel=tolerance)


def test_the_recalled_label_agrees_with_what_is_printed_of_se():
    """32 MiB and 163.84 GOPS a tile, and both published densities say that it has the same area: 1.58 mm²."""
    made = point(ISAAC, *SE)
    assert made.crossbar.adc_bits == 9
    per_tile = 1000 * nameplate(made).tops / 168
    storage = 4 * 512 * 256 * 256 * 2 / 8 / 2**20
    assert (storage, per_tile) == (32, pytest.approx(2 * 256 * 32 * 512 * 4 / (16 * 12_800)))
    assert storage / PUBLISHED["se"] == pytest.approx(per_tile / PUBLISHED["ce"], rel=0.005)
    assert headline(made).se * nameplate(made).area_mm2 / 168 == pytest.approx(storage)


@pytest.mark.parametrize("figure", ["ce", "pe", "se"])
def test_se_lies_between_two_readings_of_its_registers(figure):
    """Registers in proportion to rows and columns are too large, as many bytes as in ISAAC-CE too few."""
    grown, printed = (getattr(headline(point(ISAAC, *SE, registers=r)), figure) for r in (True, False))
    assert grown < PUBLISHED[figure] < printed


def test_se_moves_in_the_published_direction():
    ce, se = headline(ISAAC), headline(point(ISAAC, *SE))
    assert se.ce < ce.ce / 4 and se.pe < ce.pe / 1.5 and se.se > 15 * ce.se


def test_prices_follow_the_geometry():
    """Cells, rows, columns and converters; arrays are read as often as eight converters of 512 crossbars let them."""
    made = point(ISAAC, *SE).components
    old = ISAAC.components
    assert made["crossbar"].area == old["crossbar"].area * 512 // 8 * 4
    assert made["crossbar"].power == 2 * old["crossbar"].power  # 256 times the cells, read 128 times less often
    assert made["dac"].area == old["dac"].area * 128
    assert made["dac"].power == old["dac"].power * 17 / 16  # of which a sixteenth drives the word line
    assert made["adc"].area == round(old["adc"].area * (81.727 * 9 + 2.13353 * 512) / (81.727 * 8 + 2.13353 * 256))
    assert made["adc"].count == "8" and made["edram"].area == old["edram"].area


def test_a_geometry_that_agrees_with_pe():
    """ISAAC-PE's 409.67 GOPS/s/mm², 644.2 GOPS/W, 0.62 MB/mm² come with no geometry; H128-A8-C4-I24 has all three
    within 5 %, if the second converter of a crossbar draws no power while it has nothing to convert."""
    found = headline(point(ISAAC, 128, 8, 4, 24))
    assert (found.ce, found.pe, found.se) == pytest.approx((409.67, 644.2, 0.62), rel=0.05)


@pytest.mark.parametrize(("rows", "read", "slot"), [
    (64, 100_000, 100_000), (144, 112_500, 112_500), (256, 200_000, 100_000), (320, 250_000, 125_000)])
def test_a_larger_array_is_read_in_proportion_and_in_whole_slots(rows, read, slot):
    made = reprice(load("isaac_like", Architecture, [f"crossbar.rows={rows}"]))
    assert (made.crossbar.read, made.pipeline.slot) == (read, slot)
    again = reprice(load("isaac_like", Architecture, [f"crossbar.rows={rows}", "crossbar.read=90 ns"]))
    assert (again.crossbar.read, again.pipeline.slot) == (90_000, 100_000)  # stated for this array
