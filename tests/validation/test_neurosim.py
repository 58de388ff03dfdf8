"""NeuroSim's default chips beside what its tool computes for VGG-8.

Peng et al., "DNN+NeuroSim: An End-to-End Benchmarking Framework for Compute-in-Memory Accelerators with Versatile
Device Technologies", IEDM 2019; public tool V1.3 (RRAM) and V1.4 (SRAM), default Param.cpp, VGG-8 with synthetic data.
Energies of converters, arrays and sums and the buffers' times are given back: prices are divided from them, so a test
of them would be circular. Energy of the interconnect is independent, and is taken apart.
"""

from fractions import Fraction
from functools import cache

import pytest

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.find import resolve

CHIPS = ["neurosim_rram_like", "neurosim_sram_like"]
TILES = dict(zip(CHIPS, ([1, 1, 2, 2, 4, 4, 32, 1], [2, 8, 4, 8, 8, 8, 64, 1]), strict=True))
COPIES = dict(zip(CHIPS, ([16, 4, 4, 2, 2, 1, 1, 8], [16, 16, 4, 4, 2, 1, 1, 8]), strict=True))
NOVEL, TILE = 9 * 4 * 4, 4 * 4 * 4  # subarrays of a tile for 3 x 3 kernels (one PE a kernel position), and of another
UNPADDED = [900, 900, 196, 196, 36, 36, 1, 1]  # windows as the tool counts them


@cache
def packed(name):
    """VGG-8's layers on the chip, by name."""
    return xbarch.execute(name, "vgg8_dense8", policy="one_copy", images=1).packed


def crossbars(name):
    return [p.crossbars for p in packed(name).values()]


def tile_sizes():
    """The first convolution (3 channels) and the linear layers are mapped the conventional way."""
    return [TILE] + 5 * [NOVEL] + 2 * [TILE]


@pytest.mark.parametrize("name", CHIPS)
def test_the_tools_tiles_are_full_of_our_crossbars(name):
    """Crossbars as packed here times the tool's speed-ups fill the tool's tiles exactly, layer by layer."""
    held = [n * copies for n, copies in zip(crossbars(name), COPIES[name], strict=True)]
    assert [Fraction(n, size) for n, size in zip(held, tile_sizes(), strict=True)] == TILES[name]


@pytest.mark.parametrize("name, percent", [(CHIPS[0], 96.86), (CHIPS[1], 98.10)])
def test_memory_utilization(name, percent):
    """Mean over tiles of the cells used: only the first layer's 27 rows and the last one's columns leave any."""
    slices = 8 // load(name, Architecture).crossbar.cell_bits
    used = [la.rows * la.filters * slices / (n * 128 * 128)
            for la, n in zip(resolve("vgg8_dense8").compute_layers, crossbars(name), strict=True)]
    mean = sum(t * u for t, u in zip(TILES[name], used, strict=True)) / sum(TILES[name])
    assert 100 * mean == pytest.approx(percent, abs=0.006)


@pytest.mark.parametrize("name, arrays, cell_f2, mm2", [
    (CHIPS[0], 4048, 4 * 12, 1.5408), (CHIPS[1], 9472, 10 * 28, 21.0312)])
def test_array_area_from_the_cells(name, arrays, cell_f2, mm2):
    """The printed area of all arrays is their cells' at F = 22 nm, so the arrays are as many as above."""
    assert arrays == sum(t * size for t, size in zip(TILES[name], tile_sizes(), strict=True))
    assert arrays * 128 * 128 * cell_f2 * 22e-6**2 == pytest.approx(mm2, rel=1e-3)
    a = load(name, Architecture)
    each = a.components["array"].area / a.hierarchy.crossbars_per_ima
    assert each == pytest.approx(128 * 128 * cell_f2 * 22**2, rel=2e-3)


@pytest.mark.parametrize("name, layers, ns", [
    (CHIPS[0], range(8), 63076.2),                # all layers, one after the other
    (CHIPS[1], [0], 6110.66), (CHIPS[1], [5], 3910.82),
])
def test_time_of_conversions(name, layers, ns):
    """A conversion a clock for each of 8 columns and 8 bits, in every copy: what the tool prints of its converters."""
    each = packed(name)["conv1_2"].occupancy.max() / 1000  # ns of a window
    assert each == 64 * load(name, Architecture).crossbar.conversion / 1000
    found = sum(Fraction(UNPADDED[i], COPIES[name][i]) for i in layers) * Fraction(each)
    assert float(found) == pytest.approx(ns, rel=5e-4)


@pytest.mark.parametrize("name, mm2, rest", [(CHIPS[0], 58.733, 64 / 63.25), (CHIPS[1], 80.056 - 3.773, 1)])
def test_area(name, mm2, rest):
    """64 tiles where the tool has 63.25; of the SRAM chip the tool's parts sum to 3.773 mm² less than its total."""
    assert nameplate(load(name, Architecture), 8, 8).area_mm2 == pytest.approx(mm2 * rest, rel=1e-3)


def test_interconnect_energy_taken_apart():
    """The price is the tool's 10.22 uJ for each of 27.56 Mb, of inputs, outputs and partial sums. Inputs alone, once
    per copy, are 0.59 of that; here each tile of a copy receives them (3.11 times as many bits), for padded windows
    too (1.50 times): 2.75 times the tool's energy. On the tool's windows and once per copy it would be 6.03 uJ."""
    executed = xbarch.execute(CHIPS[0], "vgg8_dense8", policy="chip", images=1)
    beats = [-(-la.rows * 8 // 512) for la in resolve("vgg8_dense8").compute_layers]
    once = sum(windows * each for windows, each in zip(UNPADDED, beats, strict=True))
    assert once * 512 / 1e6 == pytest.approx(15.97, rel=0.02)  # Mb of inputs, as the tool has them
    parts = [executed.plan.parts[name][0] for name in executed.packed]
    tiles = [sum(-(-p.drivers(part.start, part.stop) * 8 // 512) for part in copy)
             for p, copy in zip(executed.packed.values(), parts, strict=True)]
    unpadded, padded = (sum(windows * each for windows, each in zip(counts, tiles, strict=True)) for counts in (
        UNPADDED, [p.layer.windows for p in executed.packed.values()]))
    assert executed.ledger.by_action()["bus_transfer"] == padded
    assert executed.ledger.by_component()["interconnect"] == padded * 190 * 10**6
    factors = once * 512 / 27.56e6, unpadded / once, padded / unpadded
    assert factors == pytest.approx((0.589, 3.11, 1.50), rel=5e-3)
    assert once * 190e-6 == pytest.approx(6.03, rel=1e-3)
    assert padded * 190e-6 / 10.22 == pytest.approx(factors[0] * factors[1] * factors[2], rel=2e-3)


def test_the_pipelines_slowest_layer_is_the_tools():
    """With as many crossbars, in tiles enough, the copies chosen here need as many windows one after the other as the
    tool's speed-ups: 64 (1,024 windows / 16 copies). The chip's own 148 tiles lose some to layers that share none."""
    executed = xbarch.execute(CHIPS[1], "vgg8_dense8", policy="crossbars:9472", images=1, overrides=[
        "hierarchy.tiles=182", "network.options.width=14", "network.options.height=13"])
    layers = resolve("vgg8_dense8").compute_layers
    ours = max(-(-la.windows // executed.plan.copies[la.name]) for la in layers)
    theirs = max(-(-la.windows // c) for la, c in zip(layers, COPIES[CHIPS[1]], strict=True))
    assert (ours, theirs) == (64, 64)


def test_layer_by_layer_is_slower_than_pipelined():
    slow, fast = (xbarch.simulate(CHIPS[0], "vgg8_dense8", policy="fit", images=2, mode=mode)
                  for mode in ("layer_by_layer", "pipelined"))
    assert slow["latency.makespan_ps"] > fast["latency.makespan_ps"]
    assert slow["energy.dynamic_aj"] == fast["energy.dynamic_aj"]
    assert slow["energy.static_aj.periphery"] > fast["energy.static_aj.periphery"]  # leaks for longer
