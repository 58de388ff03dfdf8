"""Whether speed-ups are those of pruning methods: do they keep their order on other peripheries and placements?

    python reports/ranks.py       writes ranks.md next to this file; takes half an hour of CPU time
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import xbarch
from xbarch.result.result import Result
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.study import Study

HERE = Path(__file__).resolve().parent
POLICY, REPLICATION, IMAGES, FASTER = "crossbars:4", "stripes", 8, 4
BASE = "isaac_like"
NETWORKS = {"VGG-16": ("field", "vgg16"), "ResNet-18": ("methods", "resnet18"), "ResNet-20": ("field20", "resnet20")}
"""Study whose workloads are run, and how their names begin."""


def simulate(workload: str, architecture: str, policy: str = POLICY, **more: Any) -> Result:
    """Run a workload with as much weight replication as four dense copies take, or under another policy."""
    return xbarch.simulate(architecture, workload, policy=policy, images=IMAGES, engine="fast",
                           **{"replication": REPLICATION, **more})


def sizes(result: Result, architecture: str, times: int = 1) -> list[str]:
    """Return the overrides that make every shared part `times` as fast as in the balanced run of `result`."""
    published, found = load(architecture, Architecture), result.architecture.periphery
    assert found is not None

    def grown(place: str, value: int) -> int:
        return round(value * Fraction(found.factors.get(place, 1)).limit_denominator(10**6) * times)

    bus, made = published.bus, []
    for name, c in published.components.items():
        if c.action in ("activation", "merge_add", "pool") and c.actions:
            made.append(f"components.{name}.actions={grown(f'components.{name}', c.actions)}")
    return [*made, f"bus.wires={grown('bus.wires', bus.wires)}",
            f"bus.bandwidth={grown('bus.wires', bus.bandwidth) // 8} B/s",
            f"buffer.ports={grown('buffer.ports', 1)}", f"network.planes={grown('network.planes', 1)}",
            f"off_chip.bandwidth={grown('off_chip.bandwidth', published.off_chip.bandwidth) // 8} B/s"]


def variants(workload: str, architecture: str, datapath: str | None = None) -> dict[str, Result]:
    """Run a workload on each machine that is compared."""
    def made(**more: Any) -> Result:
        return simulate(workload, architecture, datapath=datapath, **more)

    balanced = made(periphery="balanced")
    placed = {name: made(overrides=sizes(balanced, architecture), placement=name) for name in ("snake", "greedy")}
    return {"published": made(), "balanced": balanced, "faster": made(overrides=sizes(balanced, architecture, FASTER)),
            **placed}


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the rank correlation of two lists; equal values share their mean rank."""
    def ranks(values: Sequence[float]) -> np.ndarray[Any, Any]:
        x = np.array(values)
        return np.array([((x < v).sum() + (x <= v).sum() - 1) / 2 for v in x])
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def speed_up(base: Result, result: Result) -> float:
    """Return the ratio of the pipeline intervals."""
    return base.latency.pipeline_interval_ps / result.latency.pipeline_interval_ps


def bound(result: Result) -> str:
    return result.bound.by if result.bound else "–"


PAIRS = (("balanced", "faster", f"balanced, and all shared parts {FASTER} times as fast"),
         ("balanced", "snake", "balanced, placements `row_major` and `snake`"),
         ("balanced", "greedy", "balanced, placements `row_major` and `greedy`"),
         ("published", "balanced", "published and balanced"))


def study(name: str) -> tuple[list[str], Mapping[str, str]]:
    """Return the workloads of a study, and the architectures of data paths that need one."""
    asked = load(name, Study, kind="studies")
    return list(asked.workloads), asked.machines


def measure(name: str) -> tuple[dict[str, Result], dict[str, dict[str, Result]]]:
    """Run a network's dense version and every method's."""
    which, begin = NETWORKS[name]
    workloads, machines = study(which)
    mine = [w for w in workloads if w.rpartition("/")[2].startswith(begin)]
    found = {w: variants(w, machines.get(xbarch.load(w).datapath, BASE)) for w in mine}
    return variants(mine[0], BASE, "dense"), found


def lines(name: str, base: Mapping[str, Result], found: Mapping[str, Mapping[str, Result]]) -> list[str]:
    """Return the section of a network."""
    shown = ("published", "balanced", "faster", "snake", "greedy")
    made = [f"## {name}", "", "| workload | " + " | ".join(f"{v}, bound by (dense / method)" for v in shown) + " |",
            "|---" * (len(shown) + 1) + "|"]
    for workload, each in found.items():
        made.append(f"| {workload} | " + " | ".join(
            f"{speed_up(base[v], each[v]):.2f}×, {bound(base[v])} / {bound(each[v])}" for v in shown) + " |")
    made += ["", f"| rank correlation of {len(found)} speed-ups between | Spearman |", "|---|---|"]
    for a, b, words in PAIRS:
        first, second = ([speed_up(base[v], each[v]) for each in found.values()] for v in (a, b))
        made.append(f"| {words} | {spearman(first, second):+.2f} |")
    return [*made, ""]


def main() -> None:
    text = ["# Speed-ups on other peripheries and placements", "",
            f"Written by `reports/ranks.py`. Every method's stored network under `{POLICY}`, replication "
            f"`{REPLICATION}`, {IMAGES} images, over the dense network on `{BASE}`. *Balanced* is sized for each run; "
            f"*faster* is that machine with every shared unit, port, bus and link {FASTER} times as fast; *snake* and "
            "*greedy* are the balanced machine with its tiles placed otherwise.", ""]
    for name in NETWORKS:
        text += lines(name, *measure(name))
    (HERE / "ranks.md").write_text("\n".join(text), encoding="utf-8")
    print(HERE / "ranks.md")


if __name__ == "__main__":
    main()
