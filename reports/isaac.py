"""ISAAC's printed figures compared with this project's nameplate arithmetic and simulation.

    python reports/isaac.py       writes isaac.md next to this file
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.workload.graph import Layer, Workload

HERE = Path(__file__).resolve().parent
WINDOWS = 1500
# Shafiee et al., ISCA 2016, tables as corrected in October 2016
PRINTED = [("tile power (mW)", 330), ("tile area (mm²)", 0.372), ("chip power (W)", 65.8), ("chip area (mm²)", 85.4),
           ("peak, 16 bit (TOPS)", 41.3), ("GOPS/s/mm²", 479), ("GOPS/W", 627.5)]


def single(rows: int, filters: int) -> Workload:
    """Return a network of one 1 x 1 convolution with 16-bit weights, all of them one."""
    shape = (rows, 1, WINDOWS)
    return Workload(name="single", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=16),
        Layer(name="conv", op="conv", inputs=("input",), in_shape=shape, out_shape=(filters, 1, WINDOWS),
              weight_bits=16, input_bits=16, output_bits=16, weights=lambda: np.ones((filters, rows, 1, 1), np.int16))))


def rate(run: object) -> Fraction:
    """Return the output pixels per picosecond between the 300th and the 1200th."""
    done = np.sort(run.trace.done[1])
    return Fraction(900, int(done[1199] - done[299]))


def main() -> None:
    runs = {shape: xbarch.execute("isaac_like", single(*shape), images=1,
                                  overrides=["off_chip.ideal=true", "network.ideal=true"])
            for shape in ((512, 32), (1024, 16))}
    run = runs[512, 32]
    machine = run.machine.architecture
    n = nameplate(machine)
    own = [1000 * n.tile_power_w, n.tile_area_mm2, n.power_w, n.area_mm2, n.tops, n.gops_per_mm2, n.gops_per_w]
    lines = ["# ISAAC: printed, nameplate, simulated", "",
             "Written by `reports/isaac.py`. Printed: Shafiee et al., ISCA 2016, tables as corrected in October 2016.",
             "", "## Nameplate: counts times printed power and area, no simulation", "",
             "| | printed | here | difference |", "|---|---|---|---|"]
    lines += [f"| {what} | {printed:g} | {value:.5g} | {value / printed - 1:+.2%} |"
              for (what, printed), value in zip(PRINTED, own, strict=True)]
    peak = Fraction(12, 16 * 100_000)
    lines += ["", "## Simulation: one tile of 12 IMAs, 16 bit", "",
              "| layer in each IMA | share of the tile's peak | bottleneck |", "|---|---|---|"]
    for shape, binds in (((512, 32), "crossbars"), ((1024, 16), "the bus: 24 KB in 16 slots of 1 KB")):
        lines.append(f"| {shape[0]} × {shape[1]} | {float(rate(runs[shape]) / peak):.2%} | {binds} |")
    lines += ["", "## From the nameplate to the ledger: 512 × 32 at the simulated rate, mW of one tile", "",
              "| component | nameplate | ledger | difference |", "|---|---|---|---|"]
    total = [0.0, 0.0]
    for name, c in machine.components.items():
        if c.level == "chip":
            continue
        full = float(c.power * machine.instances(c) / machine.hierarchy.tiles) / 1000
        drawn = float(rate(run) * run.ledger.energy.get(("conv", name), 0) / WINDOWS) / 1000
        total = [total[0] + full, total[1] + drawn]
        lines.append(f"| {name} | {full:.3f} | {drawn:.3f} | {drawn - full:+.3f} |")
    lines.append(f"| tile | {total[0]:.2f} | {total[1]:.2f} | {total[1] - total[0]:+.2f} |")
    chip = total[1] * machine.hierarchy.tiles / 1000 + 10.4
    share = float(rate(run) / peak)
    lines += ["", f"A chip of such tiles with its HyperTransport links (10.4 W) draws {chip:.2f} W at "
              f"{n.tops * share:.2f} TOPS: {1000 * n.tops * share / chip:.0f} GOPS/W, where the nameplate gives "
              f"{n.gops_per_w:.1f}. eDRAM and bus are not busy in every cycle, no router is active, and the unit "
              f"column makes "
              "the converters 129/128 busy.", ""]
    (HERE / "isaac.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
