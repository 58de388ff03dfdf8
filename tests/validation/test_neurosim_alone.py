"""NeuroSim's runs of VGG-8 beside ours, at the tool's own windows, tiles and copies: component by component.

The tool's figures are what its V1.3 (RRAM) and V1.4 (SRAM) print for VGG-8 with default Param.cpp (Peng et al.,
"DNN+NeuroSim", IEDM 2019; `Chip.cpp`, `Tile.cpp`). Every layer runs alone and unpadded on as many tiles as the tool
gives it, of 9 PEs for 3 x 3 kernels and of 4 for others, with the tool's speed-up as copies. Then the same subarrays
convert, nearly the same bits pass the buses of tiles, and what still differs is the model: the tool adds up the times
of all stages, and here they overlap.
"""

from fractions import Fraction

import pytest

from xbarch.studies.validation import neurosim
from xbarch.studies.validation.macros import busiest
from xbarch.studies.validation.neurosim import LAYERS, RRAM, SRAM, TILES, WINDOWS, added, alone

# What V1.3 prints for each layer, ns: the layer's readLatency, and of it buffers and interconnect ("ic").
PRINTED = [(379809, 332214, 29856.7), (566444, 401220, 68567), (119167, 78651.3, 19200.3), (193417, 127664, 29246.1),
           (35428.3, 21686, 6940.5), (61200.4, 38038.2, 10628.9), (2595.14, 1288.19, 707.507),
           (1249.73, 1060.47, 140.319)]
TOTAL = neurosim.ALL_TIME
BUFFERS, WIRES, CONVERSIONS, SUMS = neurosim.TIME.values()
CLOCK, ALL_TILES = 2.03892, 47  # ns; tiles of the RRAM chip


# -- the tool's figures, from its own formulas ----------------------------------------------------------------------

def shape(number):
    """Rows and filters of a layer; whether a PE holds each of nine kernel positions; how many times less inputs are
    then read, as PEs hand them on."""
    inputs, side, filters = LAYERS[number]
    novel = 1 <= number <= 5
    return inputs * (9 if side > 1 else 1), filters, novel, 3 if novel else 1


def moved(number):
    """Bits that a layer takes from the tool's global buffer, and that it gives to it: a quarter where pooling
    follows."""
    rows, filters, _, reuse = shape(number)
    return rows * 8 * WINDOWS[number] / reuse, filters * 8 * WINDOWS[number] / (4 if number in (1, 3, 5) else 1)


def tile(number):
    """Bits that enter a tile of a layer, and bits of its sums, of 21 bits, that leave its PEs; PEs that hold kernel
    positions add them up to a ninth."""
    rows, filters, novel, reuse = shape(number)
    rows, filters = (rows, 128) if novel else (min(rows, 1024), min(filters, 256))
    return rows * 8 * WINDOWS[number] / reuse, filters * 21 * WINDOWS[number] / (9 if novel else 1)


def tool_buffers(number):
    """Cycles of the global buffer, of 12 words of 128 bits each, times the tiles of the chip for each tile of the
    layer, rounded up; and of a tile's buffers, written and read, 64 bits of inputs and 32 or 40 of sums at a time."""
    (inputs, sums), novel = tile(number), shape(number)[2]
    share = -(-ALL_TILES // TILES[RRAM][number])
    return sum(moved(number)) / (12 * 128) * share + 2 * inputs / 64 + 2 * sums / (32 if novel else 40)


def tool_wires(number):
    """Cycles of the chip's H-tree, of 1,512 bits each, 9 to large tiles and 6 to others; and of a tile's, 6 for 1,152
    bits or one for 256."""
    novel = shape(number)[2]
    return -(-sum(moved(number)) // 1512) * (9 if novel else 6) + sum(tile(number)) / (1152 / 6 if novel else 256)


def tool_inputs(chip, number):
    """Bits of inputs to all tiles that need them: tiles are cut along columns, 512 or 1,024 cells wide."""
    rows, filters, novel, _ = shape(number)
    columns = filters * (4 if chip == RRAM else 8)
    return rows * 8 * WINDOWS[number] * -(-columns // (512 if novel else 1024))


@pytest.mark.parametrize("number", range(8))
def test_the_tools_times_follow_from_its_formulas(number):
    """Wires to the last printed digit but one; buffers but for the registers of PEs, 1.1 % of the sum below."""
    _, buffers, wires = PRINTED[number]
    assert tool_wires(number) * CLOCK == pytest.approx(wires, rel=1e-5)
    assert 0.975 * buffers < tool_buffers(number) * CLOCK < buffers


def test_the_tools_sums_follow_from_its_formulas():
    assert sum(map(tool_wires, range(8))) * CLOCK / 1000 == pytest.approx(WIRES, rel=1e-5)
    assert sum(map(tool_buffers, range(8))) * CLOCK / 1000 == pytest.approx(BUFFERS / 1.0116, rel=1e-4)
    assert [sum(layer[part] for layer in PRINTED) / 1000 for part in range(3)] == pytest.approx(
        [TOTAL, BUFFERS, WIRES], rel=1e-5)
    for chip, megabits in ((RRAM, 27.56), (SRAM, 54.92)):  # what the interconnect's price is divided by
        assert sum(tool_inputs(chip, number) for number in range(8)) / 1e6 == pytest.approx(megabits, rel=1e-3)


# -- ours beside them -----------------------------------------------------------------------------------------------

@pytest.mark.quick(2)
@pytest.mark.parametrize("number, share", [(0, Fraction(512, 216)), (1, 1), (2, Fraction(1, 2)), (3, Fraction(1, 2)),
                                           (4, Fraction(1, 2)), (5, 1), (6, 8), (7, 1)])
def test_bits_on_the_buses_of_tiles(number, share):
    """The first layer's 216 bits fill a word of the bus; copies that fit a tile are not cut over two; and the seventh
    layer's tiles hold all 8,192 rows of fewer columns instead of 1,024 rows of more."""
    assert alone(RRAM, number).ledger.by_action()["bus_transfer"] * 512 == tool_inputs(RRAM, number) * share


@pytest.mark.full
@pytest.mark.parametrize("chip", [RRAM, SRAM])
def test_energy_by_component(chip):
    """Dynamic, uJ. All within 25 % but the interconnect of the SRAM chip: the tool cuts copies over two to eight tiles,
    where most fit one here: 35.26 instead of 54.92 Mb of inputs, at the same price."""
    ours = neurosim.spent(chip)
    ratios = {name: ours[name] / energy for name, energy in neurosim.ENERGY[chip].items()}
    bus = sum(alone(chip, number).ledger.by_action()["bus_transfer"] for number in range(8)) * 512
    asked = sum(tool_inputs(chip, number) for number in range(8))
    assert ratios.pop("interconnect") == pytest.approx(bus / asked, rel=3e-3)
    assert bus / asked == pytest.approx(0.832 if chip == RRAM else 0.642, abs=1e-3)
    assert all(0.98 < ratio < 1.25 for ratio in ratios.values()), ratios
    assert sum(ours.values()) / neurosim.TOTAL[chip] == pytest.approx(1, abs=0.05)


@pytest.mark.full
def test_time_layer_by_layer():
    """What the tool adds up, us: 1,001.8 in buffers, 165.3 on wires, 125.2 of accumulation, 63.1 of conversions and 4.0
    of the rest. Ours, added up likewise: each within 25 % (accumulation and the mean of buffers are prices that were
    divided from it), 1,267 in all. As they overlap, the busiest port of a buffer is all that is left of them."""
    parts = [added(alone(RRAM, number), number) for number in range(8)]
    sums = [sum(layer) for layer in zip(*parts, strict=True)]
    ratios = [ours / theirs for ours, theirs in zip(sums, (BUFFERS, WIRES, CONVERSIONS, SUMS), strict=True)]
    assert ratios == pytest.approx([0.943, 0.809, 1.002, 1.002], abs=2e-3)
    assert sum(sums) / TOTAL == pytest.approx(0.932, abs=2e-3)
    ours = sum(alone(RRAM, number).trace.makespan for number in range(8)) / 10**6
    assert sums[0] < ours < 1.005 * sums[0]
    assert ours / TOTAL == pytest.approx(0.697, abs=2e-3)


@pytest.mark.full
def test_period_of_the_pipeline():
    """The tool's slowest layer is its first, 133.0 us: 104.9 in buffers, 21.3 on wires and 6.1 of conversions. Of the
    buffers' time 102.7 us is one buffer for sums in a tile, which are activated elsewhere: 21 bits each, written and
    read 40 bits per clock in all. Here sums are activated in their tile and written as 8 bits, to a buffer of the mean
    rate: conversions are the same, and another layer is the slowest."""
    assert 0.97 < tile(0)[1] / 40 * 1.6974 / 1000 / 104.9 < 1
    times = [alone(SRAM, number).trace.makespan / 10**6 for number in range(8)]
    first = alone(SRAM, 0)
    assert busiest(first, "crossbar") == pytest.approx(6.111, rel=0.015)  # 57 windows of a copy, not 56.25
    assert busiest(first, "edram") == pytest.approx(7.7, abs=0.1)
    assert times.index(max(times)) == 1 and max(times) == pytest.approx(20.7, abs=0.1)
