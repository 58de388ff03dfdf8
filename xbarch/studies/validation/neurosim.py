"""NeuroSim's runs of VGG-8, layer by layer, at the tool's own windows, tiles and copies.

The tool's figures are what its V1.3 (RRAM) and V1.4 (SRAM) print for VGG-8 with default Param.cpp (Peng et al.,
"DNN+NeuroSim", IEDM 2019). Every layer runs alone and unpadded on as many tiles as the tool gives it, of 9 PEs for 3 x
3 kernels and of 4 for others, with the tool's speed-up as copies.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from xbarch.result.run import Run
from xbarch.run import execute
from xbarch.studies.validation.macros import busiest
from xbarch.studies.validation.row import Row, Standing
from xbarch.support.progress import Progress
from xbarch.workload.graph import Workload
from xbarch.workload.networks import Net

RRAM, SRAM = "neurosim_rram_like", "neurosim_sram_like"
VERSIONS = {RRAM: "V1.3, RRAM", SRAM: "V1.4, SRAM"}
LAYERS = ((3, 32, 128), (128, 32, 128), (128, 16, 256), (256, 16, 256), (256, 8, 512), (512, 8, 512), (8192, 1, 1024),
          (1024, 1, 10))  # inputs, height and width, filters
TILES = {RRAM: (1, 1, 2, 2, 4, 4, 32, 1), SRAM: (2, 8, 4, 8, 8, 8, 64, 1)}
COPIES = {RRAM: (16, 4, 4, 2, 2, 1, 1, 8), SRAM: (16, 16, 4, 4, 2, 1, 1, 8)}
WINDOWS = (900, 900, 196, 196, 36, 36, 1, 1)
ENERGY = {RRAM: {"adc": 22.68, "accumulation": 4.86, "array": 5.01, "interconnect": 10.22, "periphery": 0.465},
          SRAM: {"adc": 24.15, "accumulation": 3.82, "array": 3.98, "interconnect": 3.05, "periphery": 0.187}}
"""Dynamic, uJ."""
TOTAL = {RRAM: 43.25, SRAM: 35.19}
TIME = {"buffers": 1001.82, "interconnect": 165.287, "converters": 63.0762, "accumulation": 125.180}
"""us of all layers of the RRAM chip, as V1.3 prints them."""
ALL_TIME, PERIOD = 1359.31, 133.0  # us: layer by layer, RRAM; pipelined, SRAM
RESNET = 5.49e3 / 29.9 / 1.22
"""uJ of ResNet-18 on V1.4's SRAM chip: 5.49 G operations at the 29.9 TOPS/W that it prints, which contain a factor of
1.22 for what follows layout."""
_APART = "taken apart in `docs/deviations.md`, section NeuroSim"


@cache
def alone(chip: str, number: int) -> Run:
    """A layer on tiles of its own."""
    inputs, side, filters = LAYERS[number]
    net = Net((inputs, side, side))
    if side > 1:
        net.unpadded("layer", "input", filters, 3)
    else:
        net.linear("layer", "input", filters)
    done = execute(chip, Workload(name=f"layer {number + 1}", layers=tuple(net.layers)), images=1, bits=8,
                   policy="chip", replication="in_turn", overrides=[
                       f"hierarchy.tiles={TILES[chip][number]}", "network.options.width=64",
                       f"hierarchy.imas_per_tile={9 if 1 <= number <= 5 else 4}"])
    copies = min(COPIES[chip][number], WINDOWS[number])
    assert (done.plan.copies["layer"], done.plan.tiles) == (copies, TILES[chip][number])
    return done


def added(done: Run, number: int) -> list[float]:
    """us of a layer if its stages did not overlap, as the tool adds them up: buffers, bus, conversions, sums."""
    sums, turns = done.machine.stages.has("merge")[0].latency, -(-WINDOWS[number] // done.plan.copies["layer"])
    return [busiest(done, kind) for kind in ("edram", "bus", "crossbar")] + [sums * turns / 10**6]


def spent(chip: str) -> dict[str, float]:
    """uJ of all layers, by component."""
    ours: Counter[str] = Counter()
    for number in range(len(LAYERS)):
        ours.update(alone(chip, number).ledger.by_component())
    return {name: energy / 10**12 for name, energy in ours.items()}


def rows(progress: Progress | None = None) -> list[Row]:
    """Energy and time of both chips, by component and in all."""
    found = []
    for number, chip in enumerate((RRAM, SRAM)):
        if progress is not None:
            progress(number, 2, f"NeuroSim {VERSIONS[chip]}")
        ours = spent(chip)
        found += [_row(chip, f"energy, {name}", "µJ", theirs, ours[name],
                       "independent" if name == "interconnect" else "given back")
                  for name, theirs in ENERGY[chip].items()]
        found.append(_row(chip, "energy, all", "µJ", TOTAL[chip], sum(ours.values()), "given back"))
    each = [sum(layer) for layer in zip(*(added(alone(RRAM, n), n) for n in range(len(LAYERS))), strict=True)]
    for name, ours_us in zip(("buffers", "interconnect", "converters", "accumulation"), each, strict=True):
        found.append(_row(RRAM, f"time without overlap, {name}", "µs", TIME[name], ours_us,
                          "given back" if name in ("buffers", "accumulation") else "independent"))
    makespans = {chip: [alone(chip, n).trace.makespan / 10**6 for n in range(len(LAYERS))] for chip in (RRAM, SRAM)}
    found.append(_row(RRAM, "time without overlap, all", "µs", ALL_TIME, sum(each), "given back"))
    found.append(_row(RRAM, "time, layer by layer", "µs", ALL_TIME, sum(makespans[RRAM]), "independent"))
    found.append(_row(SRAM, "period of the pipeline", "µs", PERIOD, max(makespans[SRAM]), "independent"))
    found.append(_row(SRAM, "energy, all", "µJ", RESNET, resnet(), "fitted", "ResNet-18 at 224 × 224"))
    return found


def resnet() -> float:
    """uJ of an image of ResNet-18 at 8 bits on the SRAM chip, with tiles and buffers enough. Its prices are divided
    from runs of VGG-8 alone. The tool computes windows without padding (25 of 49 in the last stage); here all count."""

    done = execute(SRAM, "resnet18_imagenet_dense16:weight_bits=8:input_bits=8", images=1, bits=8, policy="one_copy",
                   overrides=["hierarchy.tiles=400", "network.options.width=20", "network.options.height=20",
                              "buffer.size=64 MB"])
    return sum(done.ledger.by_component().values()) / 10**12


def _row(chip: str, quantity: str, unit: str, theirs: float, ours: float, standing: Standing,
         network: str = "VGG-8") -> Row:
    row = Row(about=f"NeuroSim {VERSIONS[chip]}, {network}", quantity=quantity, unit=unit, theirs=theirs, ours=ours,
              kind="circuit tool", standing=standing, source="Peng et al., DNN+NeuroSim, IEDM 2019; public tool, "
              "default Param.cpp")
    return row if row.holds else Row(**{**vars(row), "note": _APART})
