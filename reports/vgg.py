"""16-bit VGG networks on ISAAC chips: the balanced pipeline in closed form and in simulation.

    python reports/vgg.py       writes vgg.md next to this file; takes minutes of CPU time
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from pathlib import Path

import xbarch
from xbarch.mapping.copies import Demand, balance
from xbarch.result.run import Run
from xbarch.workload.zoo import synthetic

HERE = Path(__file__).resolve().parent
NETWORKS = ("vgg11_imagenet", "vgg13_imagenet", "vgg16_imagenet", "vgg19_imagenet")
CHIPS, IMAGES = 5, 2
IDEAL = ("off_chip.ideal=true", "bus.ideal=true", "network.ideal=true", "buffer.ideal=true")
ROOMY = "buffer.size=8 MB"


def runs(name: str, chips: int = CHIPS, images: int = IMAGES) -> dict[str, Run]:
    """Simulate a network whose copies fill the chips: limited by the crossbars only, by ISAAC's buffers as well, and by
    ISAAC's interconnect as well."""
    network = synthetic(name, name, 16, 16, seed=16)
    machines = {"ideal": (*IDEAL, ROOMY), "buffers": IDEAL, "real": ()}
    return {what: xbarch.execute("isaac_like", network, policy="chip", chips=chips, images=images, overrides=overrides)
            for what, overrides in machines.items()}


def closed(run: Run) -> Fraction:
    """Return the pipeline interval of the slowest layer, windows * occupancy / copies (ps)."""
    return max(Fraction(p.layer.windows) * p.mean_occupancy / run.plan.copies[n] for n, p in run.packed.items())


def whole(demands: list[Demand], budget: int) -> int:
    """Return ISAAC's own balance, in whole windows: the least T with sum(crossbars * ceil(windows / T)) in the budget
    (replication of Shafiee et al., ISCA 2016), by halving; an image takes T windows of the slowest copy."""
    low, high = 1, max(d.windows for d in demands)
    while low < high:
        middle = (low + high) // 2
        fits = sum(d.crossbars * ceil(Fraction(d.windows, middle)) for d in demands) <= budget
        low, high = (low, middle) if fits else (middle + 1, high)
    return low


def rate(interval: Fraction) -> str:
    return f"{float(10**12 / interval):,.0f}"


def main() -> None:
    made = {name: runs(name) for name in NETWORKS}
    lines = ["# VGG on ISAAC: the balanced pipeline, in closed form and simulated", "",
             "Written by `reports/vgg.py`. 224 × 224 images, 16-bit weights and inputs, random weights (the figures do "
             f"not depend on them), on {CHIPS} chips of 16,128 crossbars, {IMAGES} images.", "",
             "## Crossbars and copies", "",
             "| network | crossbars, one copy | chips for one copy | copies of the first layer for one output pixel "
             "per image "
             f"of the last | copies placed on {CHIPS} chips | T, whole windows | images/s at T × 1.6 µs |",
             "|---|---|---|---|---|---|---|"]
    for name, each in made.items():
        run = each["ideal"]
        demands = [Demand(n, p.crossbars, p.layer.windows, p.mean_occupancy) for n, p in run.packed.items()]
        one, chip = sum(d.crossbars for d in demands), run.machine.crossbars // CHIPS
        most = balance(demands, sum(d.crossbars * d.windows for d in demands))[0]
        fewest = whole(demands, CHIPS * chip)
        lines.append(f"| {name} | {one:,} | {ceil(one / chip)} | {most:,} | {run.plan.copies[demands[0].name]} | "
                     f"{fewest:,} | {rate(fewest * demands[0].occupancy)} |")
    lines += ["", "## Images per second", "",
              "| network | closed form | simulated, crossbars only | difference | with 64 KB buffers | "
              "and ISAAC's eDRAM ports, bus, mesh and off-chip links |", "|---|---|---|---|---|---|"]
    for name, each in made.items():
        form, (ideal, *bound) = closed(each["ideal"]), (run.steady.interval_ps for run in each.values())
        rates = " | ".join(map(rate, bound))
        lines.append(f"| {name} | {rate(form)} | {rate(ideal)} | {float(form / ideal) - 1:+.2%} | {rates} |")
    lines += ["", "T is ISAAC's balance in whole output pixels (windows), on crossbars counted regardless of their "
              "place. The rest "
              "follows the plan: row blocks of a column block share a tile, which leaves gaps, so fewer copies can be "
              "placed. Closed form: windows × 1.6 µs / copies of the slowest layer of that plan.", "",
              "Output pixels go to the copies in turn, so every tile of a layer keeps the rows that all its copies "
              "read; "
              "64 KB of eDRAM hold hardly more than the rows of one output pixel, and the copies wait for one another: "
              "the buffers cost what replication gains. ISAAC's paper sizes the buffer for a single copy.", ""]
    (HERE / "vgg.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
