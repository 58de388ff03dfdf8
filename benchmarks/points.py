"""Where the CPU time of a point of a sweep goes, by what neighbouring points differ in."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import Goal, goals, number, table
from benchmarks.steps import Steps, Watched
from xbarch.machine import kept
from xbarch.specs.sweep import Sweep
from xbarch.studies.sweep import sweep
from xbarch.studies.sweep.points import Points

TITLE = "Points of a sweep"
QUICK = ("vgg7_pruned",)
SMALL = {"kind": "sweep", "architectures": ["isaac_like"], "images": 1,
         "policies": ["one_copy", "fit", "crossbars:1", "crossbars:2"]}
POINT = {"vgg7_pruned": 8.0, "resnet18_pruned": 40.0}  # network: most ms of a point
VARIED = {"prices": {"crossbar.adc_bits": [5, 6, 7, 8],
                     "components.adc.power": ["1.2 mW", "1.4 mW", "1.6 mW", "1.8 mW", "2 mW", "2.2 mW"]},
          "buffers": {"buffer.size": ["48 KB", "64 KB", "96 KB", "128 KB"],
                      "network.queue": [256, 288, 320, 384, 448, 512]}}
STEPS: Watched = {
    "load": [("xbarch.studies.runs.answer", "prepare")],
    "pack": [("xbarch.run", "pack_network")],
    "plan": [("xbarch.run", "plan")],
    "place": [("xbarch.run", "place_tiles")],
    "compile": [("xbarch.machine.alike", "compile_sent")],
    "bounds": [("xbarch.machine.alternatives", name) for name in ("check", "survey")],
    "run": [("xbarch.machine.simulate", "run")],
    "conserve": [("xbarch.machine.simulate", "conserve")],
    "cost": [*(("xbarch.run", name) for name in ("counted", "booked", "nameplate")),
             ("xbarch.studies.runs.answer", "record")],
    "write": [("xbarch.studies.sweep.run", name) for name in ("page", "html")]}



def measure(asked: Any, say: Any) -> dict[str, Any]:
    spent = {}
    with TemporaryDirectory() as folder:
        for network in QUICK if asked.quick else POINT:
            for name, axes in VARIED.items():
                say(f"{network}: {name}")
                spent[f"{network}, {name}"] = split({**SMALL, "workloads": [network], "axes": axes},
                                                    Path(folder) / network / name)
    return {"steps": spent}


def split(study: dict[str, Any], out: Path) -> dict[str, float]:
    """CPU milliseconds of a point of a sweep by step, in this process, its packings and the kernel being there."""
    asked = Sweep.model_validate(study)
    sweep(asked, out / "first", processes=1)
    for each in (kept.plans, kept.machines, kept.shapes, kept.graphs, kept.runs):
        each.clear()
    with Steps(STEPS) as steps:
        sweep(asked, out / "again", processes=1)
    return {step: 1000 * seconds / len(Points(asked)) for step, seconds in steps.seconds.items()}


def lines(found: dict[str, Any]) -> list[str]:
    steps = found["steps"]
    return [
        "CPU time of a point of a sweep by step, in percent, by network and by what its 96 points differ in beside",
        "their policy. *Other* is what no step takes: points, their names, the store, the table.",
        *table(["network, points differ in", "ms a point", *next(iter(steps.values()))], [
            [name, number(sum(spent.values())), *(f"{100 * each / sum(spent.values()):.0f}" for each in spent.values())]
            for name, spent in steps.items()]),
        *goals([Goal(f"a point of {name}", sum(spent.values()), POINT[name.partition(",")[0]], "ms")
                for name, spent in steps.items()])]
