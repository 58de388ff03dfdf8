"""Accuracy of every method's network on devices and converters with errors, beside its energy and speed.

    python reports/noise.py [STUDY]   writes noise/noise.md, .json and .svg next to this file

STUDY: a study whose axis is noise; the bundled `noise` by default. Takes a quarter of an hour of CPU time;
noise/runs.sqlite keeps what has been run, and the cache finished draws, so that an interrupted report goes on where it
stopped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import StatisticsError
from typing import Any

from matplotlib.figure import Figure

import xbarch
from xbarch.cli.terminal import Bar
from xbarch.render.look import colour, mark, saved, styled
from xbarch.request import Request
from xbarch.result.result import Result
from xbarch.result.schema import Measured
from xbarch.specs.load import load
from xbarch.specs.study import Study
from xbarch.studies.runs.axes import Variant, variants
from xbarch.studies.runs.bench import Bench, resumable_store
from xbarch.support.about import __version__, code
from xbarch.support.ranks import spearman

HERE = Path(__file__).resolve().parent / "noise"
NONE = "none"
INTRODUCTION = (
    "Written by `reports/noise.py` from `studies/noise.yaml`: the first {images} test images. Errors of cells are "
    "measured without converters, so that cells alone differ, those of converters on each machine's own. Draws of "
    "devices have the seed 0. `noise.json` names every run; `docs/noise.md` says what an error is a share of. Networks "
    "are small and devices few, so only large differences count.")


@dataclass(frozen=True)
class Case:
    """A network with one kind of errors."""

    workload: str
    noise: str
    request: Request


def cases(study: Study) -> list[Case]:
    """Return every network with every kind of errors, without errors first."""
    found = []
    for workload in study.workloads:
        path = str(xbarch.load(workload).datapath)
        for variant in variants(study.axes):
            request = Request(arch=study.machines.get(path, study.architectures[0]), workload=workload,
                              policy=study.policies[0], **variant.apply(study.choices))
            found.append(Case(workload, name(variant), request))
    return found


def name(variant: Variant) -> str:
    """Return the preset, or what else the noise of a variant is called."""
    return str(dict(zip(variant.names, variant.values, strict=True))["noise.preset"] or NONE)


def run(asked: list[Case], bench: Bench) -> dict[Case, Result]:
    with Bar("runs", False) as progress:
        answers = bench.run([case.request for case in asked], progress)
    found = {case: answers[bench.name(case.request)] for case in asked}
    for case, answer in found.items():
        if answer.why:
            raise SystemExit(f"{case.workload}, {case.noise}: {answer.why}")
    return {case: answer.result for case, answer in found.items()}


def measured(result: Result) -> Measured:
    found = result.record.accuracy
    assert found is not None and found.on_this_machine is not None
    return found.on_this_machine


def lines(found: Mapping[Case, Result]) -> list[str]:
    """Return the tables."""
    noises, networks = (list(dict.fromkeys(getattr(c, field) for c in found)) for field in ("noise", "workload"))
    by = {(case.workload, case.noise): result for case, result in found.items()}
    made = ["## Accuracy", "", "In brackets half the 95 % interval, over devices and images, in points.", "",
            "| network | integer network | " + " | ".join(noises) + " |", "|---" * (len(noises) + 2) + "|"]
    for network in networks:
        each = [measured(by[network, noise]) for noise in noises]
        made.append(f"| {short(network)} | {each[0].integer_network:.1%} | " + " | ".join(
            f"{m.value:.1%} ({50 * (m.interval_95[1] - m.interval_95[0]):.1f})" for m in each) + " |")
    made += ["", "## Energy and speed", "", "| network | machine | energy per image | images/s | crossbars |",
             "|---|---|---|---|---|"]
    for network in networks:
        result = by[network, NONE]
        made.append(f"| {short(network)} | {result.architecture.name} | "
                    f"{result.energy.scopes_aj['chip'] * 1e-12:.3g} µJ | "
                    f"{result.throughput.images_per_second:,.0f} | {result.mapping.crossbars:,} |")
    return [*made, "", *orders(by, networks, noises)]


def orders(by: Mapping[tuple[str, str], Result], networks: list[str], noises: list[str]) -> list[str]:
    """Return how far errors change the order of methods by accuracy."""
    made = ["## Order of the methods", "",
            "Spearman's rank correlation between the methods' accuracies without errors and with them.", "",
            "| errors | rank correlation | most accurate | least accurate | mean loss, points |",
            "|---|---|---|---|---|"]
    at = {noise: [measured(by[network, noise]).value for network in networks] for noise in noises}
    for noise in noises:
        try:
            rank = f"{spearman(at[NONE], at[noise]):+.2f}"
        except StatisticsError:
            rank = "–"
        most, least = (short(networks[at[noise].index(pick(at[noise]))]) for pick in (max, min))
        loss = 100 * sum(a - b for a, b in zip(at[NONE], at[noise], strict=True)) / len(networks)
        made.append(f"| {noise} | {rank} | {most} | {least} | {loss:.1f} |")
    return [*made, ""]


def short(workload: str) -> str:
    return workload.rpartition("/")[2]


def manifest(study: Study, found: Mapping[Case, Result], bench: Bench) -> str:
    """Return what was run, by which code, and what came out, as JSON."""
    runs: list[dict[str, Any]] = [
        {"workload": case.workload, "noise": case.noise, "architecture": str(case.request.arch),
         "overrides": list(case.request.overrides), "draws": case.request.draws, "request": bench.name(case.request),
         "accuracy": measured(result).model_dump(mode="json"), "energy_aj": result.energy.scopes_aj["chip"],
         "images_per_second": result.throughput.images_per_second} for case, result in found.items()]
    about = {"title": study.title, "accuracy_images": study.accuracy, "seed": 0, "version": __version__, "code": code()}
    return json.dumps({**about, "runs": runs}, indent=1) + "\n"


def picture(found: Mapping[Case, Result]) -> bytes:
    """Return accuracy by kind of errors, a line of marks for each network, as SVG."""
    noises, networks = (list(dict.fromkeys(getattr(c, field) for c in found)) for field in ("noise", "workload"))
    with styled():
        figure = Figure(figsize=(8, 0.45 * len(noises) + 2), layout="constrained")
        axes = figure.subplots()
        for place, network in enumerate(networks):
            values = [100 * measured(result).value for case, result in found.items() if case.workload == network]
            heights = [row + 0.6 * (place / max(1, len(networks) - 1) - 0.5) for row in range(len(noises))]
            axes.plot(values, heights, mark(place), color=colour(place), markersize=4, label=short(network))
        axes.set_yticks(range(len(noises)), noises)
        axes.invert_yaxis()
        axes.set_xlabel("accuracy, %")
        axes.grid(axis="x", linewidth=0.3)
        figure.legend(fontsize=7, ncols=4, loc="outside lower center", frameon=False)
        return saved(figure)


def main() -> None:
    study = load(sys.argv[1] if len(sys.argv) > 1 else "noise", Study, kind="studies")
    HERE.mkdir(exist_ok=True)
    with resumable_store(HERE, ["noise", *sys.argv[1:]]) as store:
        bench = Bench(store, 1)
        found = run(cases(study), bench)
        text = [f"# {study.title}", "", INTRODUCTION.format(images=study.accuracy), "",
                "![Accuracy by kind of errors; the numbers are in the tables](noise.svg)", "", *lines(found)]
        (HERE / "noise.json").write_text(manifest(study, found, bench), encoding="utf-8")
        (HERE / "noise.svg").write_bytes(picture(found))
        (HERE / "noise.md").write_text("\n".join(text), encoding="utf-8")
    print(HERE / "noise.md")


if __name__ == "__main__":
    main()
