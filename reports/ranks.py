"""Whether speed-ups are those of pruning methods: do they keep their order on other peripheries and placements?

    python reports/ranks.py [NETWORK ...]   writes ranks.md and ranks.json next to this file

Takes half an hour of CPU time; runs.sqlite keeps what has been run, so that an interrupted report goes on where it
stopped. NETWORK: VGG-16, ResNet-18 or ResNet-20; all of them by default.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import xbarch
from xbarch.cli.terminal import Bar
from xbarch.request import Request
from xbarch.result.result import Result
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.study import Study
from xbarch.studies.runs.bench import Bench, resumable_store
from xbarch.support.about import __version__, code
from xbarch.support.ranks import spearman

HERE = Path(__file__).resolve().parent
POLICY, REPLICATION, IMAGES, FASTER = "crossbars:4", "stripes", 16, 4
BASE = "isaac_like"
NETWORKS = {"VGG-16": ("field", "vgg16"), "ResNet-18": ("methods", "resnet18"), "ResNet-20": ("field20", "resnet20")}
"""Study whose workloads are run, and how their names begin."""


def asked(workload: str, architecture: str, policy: str = POLICY, **more: Any) -> Request:
    """Return the request to run a workload with as much weight replication as four dense copies take, or under another
    policy."""
    return Request(arch=architecture, workload=workload, policy=policy, images=IMAGES,
                   **{"replication": REPLICATION, **more})


def simulate(workload: str, architecture: str, policy: str = POLICY, **more: Any) -> Result:
    """Run what is asked for."""
    return xbarch.simulate(asked(workload, architecture, policy, **more))


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


@dataclass(frozen=True)
class Case:
    """A workload on a machine, by a data path or its own."""

    workload: str
    architecture: str
    datapath: str | None = None

    def request(self, **more: Any) -> Request:
        return asked(self.workload, self.architecture, datapath=self.datapath, **more)


def variants(case: Case, balanced: Result) -> dict[str, Request]:
    """Return the runs on the other machines that are compared, from the one on the balanced machine."""
    same = sizes(balanced, case.architecture)
    return {"faster": case.request(overrides=sizes(balanced, case.architecture, FASTER)),
            "row_major": case.request(overrides=same, placement="row_major"),
            "snake": case.request(overrides=same, placement="snake")}


def speed_up(base: Result, result: Result) -> float:
    """Return the ratio of the pipeline intervals."""
    return base.latency.pipeline_interval_ps / result.latency.pipeline_interval_ps


def bound(result: Result) -> str:
    return result.bound.by if result.bound else "–"


PAIRS = (("balanced", "faster", f"balanced, and all shared parts {FASTER} times as fast"),
         ("balanced", "row_major", "balanced, placements `traffic` and `row_major`"),
         ("balanced", "snake", "balanced, placements `traffic` and `snake`"),
         ("published", "balanced", "published and balanced"))
SHOWN = ("published", "balanced", "faster", "row_major", "snake")


def study(name: str) -> tuple[list[str], Mapping[str, str]]:
    """Return the workloads of a study, and the architectures of data paths that need one."""
    asked = load(name, Study, kind="studies")
    return list(asked.workloads), asked.machines


def cases(name: str) -> list[Case]:
    """Return a network's dense version, and every method's."""
    which, begin = NETWORKS[name]
    workloads, machines = study(which)
    mine = [w for w in workloads if w.rpartition("/")[2].startswith(begin)]
    return [Case(mine[0], BASE, "dense"), *(
        Case(w, machines.get(str(xbarch.load(w).datapath), BASE)) for w in mine)]


def measure(names: Iterable[str], bench: Bench) -> dict[str, dict[Case, dict[str, tuple[str, Result]]]]:
    """Run all variants of all networks: by network, case and variant, the name of the request and its result."""
    every = {name: cases(name) for name in names}
    flat = list(dict.fromkeys(case for each in every.values() for case in each))

    def run(requests: Mapping[tuple[Case, str], Request]) -> dict[tuple[Case, str], tuple[str, Result]]:
        with Bar("runs", False) as progress:
            answers = bench.run(requests.values(), progress)
        found = {key: bench.name(request) for key, request in requests.items()}
        for name in found.values():
            if answers[name].why:
                raise SystemExit(answers[name].why)
        return {key: (name, answers[name].result) for key, name in found.items()}

    found = run({(case, name): case.request(periphery=name) for case in flat for name in ("published", "balanced")})
    found |= run({(case, name): request for case in flat
                  for name, request in variants(case, found[case, "balanced"][1]).items()})
    return {name: {case: {v: found[case, v] for v in SHOWN} for case in each} for name, each in every.items()}


def lines(name: str, found: Mapping[Case, Mapping[str, tuple[str, Result]]]) -> list[str]:
    """Return the section of a network."""
    base, *each = [{v: result for v, (_, result) in made.items()} for made in found.values()]
    made = [f"## {name}", "", "| workload | " + " | ".join(f"{v}, bound by (dense / method)" for v in SHOWN) + " |",
            "|---" * (len(SHOWN) + 1) + "|"]
    for case, results in zip(list(found)[1:], each, strict=True):
        made.append(f"| {case.workload} | " + " | ".join(
            f"{speed_up(base[v], results[v]):.2f}×, {bound(base[v])} / {bound(results[v])}" for v in SHOWN) + " |")
    made += ["", f"| rank correlation of {len(each)} speed-ups between | Spearman | largest change of a speed-up |",
             "|---|---|---|"]
    for a, b, words in PAIRS:
        first, second = ([speed_up(base[v], results[v]) for results in each] for v in (a, b))
        change = max(abs(y / x - 1) for x, y in zip(first, second, strict=True))
        made.append(f"| {words} | {spearman(first, second):+.2f} | {change:.1%} |")
    return [*made, ""]


def manifest(found: Mapping[str, Mapping[Case, Mapping[str, tuple[str, Result]]]]) -> str:
    """Return what was run, by which code, and what came out, as JSON."""
    runs = [{"network": network, "workload": case.workload, "architecture": case.architecture, "variant": variant,
             "datapath": result.datapath.name, "request": name,
             "interval_ps": float(result.latency.pipeline_interval_ps), "bound_by": bound(result)}
            for network, each in found.items() for case, made in each.items()
            for variant, (name, result) in made.items()]
    about = {"policy": POLICY, "replication": REPLICATION, "images": IMAGES, "version": __version__, "code": code()}
    return json.dumps({**about, "runs": runs}, indent=1) + "\n"


def main() -> None:
    names = sys.argv[1:] or list(NETWORKS)
    if unknown := [name for name in names if name not in NETWORKS]:
        raise SystemExit(f"{unknown[0]}: no such network; give one of {', '.join(NETWORKS)}")
    text = ["# Speed-ups on other peripheries and placements", "",
            f"Written by `reports/ranks.py`. Every method's stored network under `{POLICY}`, replication "
            f"`{REPLICATION}`, {IMAGES} images, over the dense network on `{BASE}`. *Balanced* is sized for each run; "
            f"*faster* is that machine with every shared unit, port, bus and link {FASTER} times as fast; *row_major* "
            "and *snake* are the balanced machine with its tiles placed otherwise than by traffic. `ranks.json` names "
            "every run.", ""]
    with resumable_store(HERE, ["ranks", *names]) as store:
        found = measure(names, Bench(store))
        for name, each in found.items():
            text += lines(name, each)
        (HERE / "ranks.json").write_text(manifest(found), encoding="utf-8")
        (HERE / "ranks.md").write_text("\n".join(text), encoding="utf-8")
    print(HERE / "ranks.md")


if __name__ == "__main__":
    main()
