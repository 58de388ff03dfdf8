"""16-bit VGG networks on ISAAC chips: the balanced pipeline in closed form and in simulation.

    python reports/vgg.py       writes vgg.md next to this file; takes ten minutes of CPU time
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from pathlib import Path

import xbarch
from xbarch.mapping.copies import Demand, balance
from xbarch.mapping.network import label
from xbarch.mapping.traffic import traffic
from xbarch.result.run import Run
from xbarch.workload.graph import Workload
from xbarch.workload.zoo import synthetic

HERE = Path(__file__).resolve().parent
NETWORKS = {"A": "vgg11_imagenet", "B": "vgg13_imagenet", "C": "vgg16c_imagenet", "D": "vgg16_imagenet",
            "E": "vgg19_imagenet"}
CHIPS, MORE, IMAGES = 5, (8, 16, 32), 2
IDEAL = ("off_chip.ideal=true", "bus.ideal=true", "network.ideal=true", "buffer.ideal=true")
ROOMY = "buffer.size=8 MB"
MACHINES = {"ideal": (*IDEAL, ROOMY), "buffers": IDEAL, "real": ()}
PRINTED = 3.2  # GB/s of a link, at most (Shafiee et al., ISCA 2016)


def network(name: str) -> Workload:
    return synthetic(name, name, 16, 16, seed=16)


def run(name: str, chips: int = CHIPS, machine: str = "real", replication: str = "auto") -> Run:
    """Simulate a network whose copies fill the chips."""
    return xbarch.execute("isaac_like", network(name), policy="chip", chips=chips, images=IMAGES,
                          replication=replication, placement="traffic", overrides=MACHINES[machine])


def closed(run: Run) -> Fraction:
    """Return the pipeline interval of the slowest layer, windows of its busiest copy * occupancy (ps)."""
    return max(ceil(Fraction(p.layer.windows, run.plan.copies[n])) * p.mean_occupancy for n, p in run.packed.items())


def linked(run: Run) -> tuple[int, str, int]:
    """Return the bits per image over the busiest link inside a chip, its name, and how long they hold it (ps)."""
    sent = traffic(run.workload, run.packed, run.plan, run.machine.sum_bits)
    bits, held = (run.machine.network.loads(sent, cost) for cost in (int, run.machine.link_time))
    inside = [link for link in held if link[0][0] == link[1][0]]
    link = max(inside, key=lambda each: held[each])
    return bits[link], label(link), held[link]


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


def counted() -> list[str]:
    """The table of crossbars and copies."""
    lines = ["## Crossbars and copies", "",
             "| VGG | crossbars, one copy | chips for one copy | copies of the first layer for one output pixel per "
             f"image of the last | T on {CHIPS} chips, whole windows | images/s at T × 1.6 µs |",
             "|---|---|---|---|---|---|"]
    for letter, name in NETWORKS.items():
        one = xbarch.execute("isaac_like", network(name), policy="one_copy", chips=CHIPS, images=1, overrides=IDEAL)
        demands = [Demand(n, p.crossbars, p.layer.windows, p.mean_occupancy) for n, p in one.packed.items()]
        single, chip = sum(d.crossbars for d in demands), one.machine.crossbars // CHIPS
        most = balance(demands, sum(d.crossbars * d.windows for d in demands))[0]
        fewest = whole(demands, CHIPS * chip)
        lines.append(f"| {letter} | {single:,} | {ceil(single / chip)} | {most:,} | {fewest:,} | "
                     f"{rate(fewest * demands[0].occupancy)} |")
    return lines


def simulated() -> list[str]:
    """The table of what limits a pipeline on the fewest chips."""
    lines = [f"## Images per second on {CHIPS} chips", "",
             "| VGG | pixels to copies | copies of the first layer | closed form | simulated, crossbars only | "
             "with 64 KB buffers | and ISAAC's eDRAM ports, bus, mesh and off-chip links | of the closed form |",
             "|---|---|---|---|---|---|---|---|"]
    for letter, name in NETWORKS.items():
        for replication in ("auto", "in_turn"):
            made = {machine: run(name, CHIPS, machine, replication) for machine in MACHINES}
            form, real = closed(made["real"]), made["real"]
            rates = " | ".join(rate(each.steady.interval_ps) for each in made.values())
            first = real.plan.copies[next(iter(real.packed))]
            lines.append(f"| {letter} | {real.plan.replication} | {first} | {rate(form)} | {rates} | "
                         f"{float(form / real.steady.interval_ps):.0%} |")
    return lines


def larger() -> list[str]:
    """The table of more chips, with what the busiest link has to carry."""
    lines = ["## Images per second on more chips, everything on", "",
             "| VGG | chips | closed form, crossbars | busiest link | Mbit per image over it | closed form, that link "
             f"| images/s at which it carries {PRINTED} GB/s | simulated | of the smaller closed form |",
             "|---|---|---|---|---|---|---|---|---|"]
    for letter, name in NETWORKS.items():
        for chips in (CHIPS, *MORE):
            done = run(name, chips)
            form, (bits, link, held) = closed(done), linked(done)
            found = done.steady.interval_ps
            lines.append(f"| {letter} | {chips} | {rate(form)} | {link} | {bits / 1e6:.1f} | {rate(Fraction(held))} | "
                         f"{8e9 * PRINTED / bits:,.0f} | {rate(found)} | {float(max(form, held) / found):.0%} |")
    return lines


def main() -> None:
    image = 224 * 224 * 3 * 16
    lines = ["# VGG on ISAAC: the balanced pipeline, in closed form and simulated", "",
             "Written by `reports/vgg.py`. 224 × 224 images, 16-bit weights and inputs, random weights (the figures do "
             f"not depend on them), chips of 16,128 crossbars, {IMAGES} images.", "", *counted(), "",
             "T is ISAAC's balance in whole output pixels (windows), on crossbars counted regardless of their place. "
             "The rest follows the plan: row blocks of a column block share a tile, which leaves gaps, so fewer copies "
             "can be placed.", "", *simulated(), "",
             "Closed form: windows × 1.6 µs / copies of the slowest layer of the plan for 64 KB buffers; with larger "
             "ones more copies may be placed. Where copies take pixels in turn, every tile of a layer keeps the rows "
             "that all its copies read; 64 KB hold hardly more than the rows of one output pixel, and the copies wait "
             "for one another. Where they own stripes, a tile keeps the rows of its stripes.", "", *larger(), "",
             "Closed form of a link: what the plan sends over it per image, at 32 bits a nanosecond. On more chips the "
             "links around the gates bind, not the crossbars: maps that pass from chip to chip, and the image, take "
             "one router. The image alone, "
             f"{image / 1e6:.1f} Mbit, fills a link of {PRINTED} GB/s at {8e9 * PRINTED / image:,.0f} images/s, so "
             "ISAAC's balance on 16 chips (12,755 images/s for VGG-D) is beyond it whatever the mapping; the paper "
             "does not say at how many routers the four HyperTransport links of a chip enter its mesh. Here it is "
             "one.", ""]
    (HERE / "vgg.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
