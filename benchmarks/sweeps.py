"""How many points a sweep runs a minute, on one process and on two, what going on with a finished one costs, and where
the time of a point goes."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import Goal, goals, number, table
from benchmarks.spent import xbarch
from benchmarks.steps import Steps, Watched
from xbarch.machine import kept
from xbarch.specs.load import document
from xbarch.specs.sweep import Sweep
from xbarch.studies.sweep import sweep
from xbarch.studies.sweep.points import Points

TITLE = "Sweeps"
STUDY = "resnet18_sweep"
PART = {"policies": ["one_copy", "crossbars:2"],
        "axes": {"crossbar.rows, crossbar.columns": [64, 128, 256, 512], "crossbar.adc_bits": [5, 8]}}
QUICK = {"workloads": ["resnet18_dense"], "policies": ["fit"],
         "axes": {"crossbar.rows, crossbar.columns": [128], "crossbar.adc_bits": [6, 8]}}
GOAL = 3.0  # minutes for the whole study on two processes
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
    whole = document(STUDY, kind="studies").data
    part = {**whole, **(QUICK if asked.quick else PART)}
    count, every = (len(Points(Sweep.model_validate(study))) for study in (part, whole))
    rows = []
    with TemporaryDirectory() as folder:
        study = Path(folder) / "part.yaml"
        study.write_text(json.dumps(part), encoding="utf-8")  # JSON is YAML
        for processes in (1, 2):
            say(f"{count} points, processes: {processes}")
            out, cache = Path(folder) / f"on_{processes}", Path(folder) / f"cache_{processes}"
            cache.mkdir()  # none of these packings
            words = ["sweep", study, "--out", out, "--processes", str(processes)]
            first, again = xbarch(*words, cache=cache), xbarch(*words, cache=cache)
            rows.append({"processes": processes, "points": count, "wall_s": first.wall_s, "cpu_s": first.cpu_s,
                         "peak_mb": first.peak_mb, "again_s": again.wall_s})
        spent = {}
        for network in QUICK["workloads"] if asked.quick else POINT:
            for name, axes in VARIED.items():
                say(f"{network}: {name}")
                spent[f"{network}, {name}"] = split({**SMALL, "workloads": [network], "axes": axes},
                                                    Path(folder) / network / name)
    return {"rows": rows, "whole": every, "steps": spent}


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
    rows, whole = found["rows"], found["whole"]
    minutes = [whole * row["wall_s"] / row["points"] / 60 for row in rows]
    return [
        f"`xbarch sweep` of a part of `studies/{STUDY}.yaml` from the shell, into a new folder, no packing kept from",
        "before; wall time, so only a quiet machine shows what two processes give. *Again*: the same command when",
        "every point is in the store. Memory is that of the largest process.",
        *table(["processes", "points", "wall s", "CPU s", "points a minute", "speed-up", "again, s", "peak MB",
                f"{whole:,} points at that rate, min"], [
            [row["processes"], row["points"], number(row["wall_s"]), number(row["cpu_s"]),
             number(60 * row["points"] / row["wall_s"]), f"{rows[0]['wall_s'] / row['wall_s']:.2f}",
             number(row["again_s"]), number(row["peak_mb"]), number(least)]
            for row, least in zip(rows, minutes, strict=True)]),
        *_steps(found.get("steps", {})),
        *goals([*(Goal(f"a point of {name}", sum(spent.values()), POINT[name.partition(",")[0]], "ms")
                  for name, spent in found.get("steps", {}).items() if name.partition(",")[0] in POINT),
                Goal(f"{whole:,} points on two processes, at the rate of this part", minutes[-1], GOAL, "min")])]


def _steps(steps: dict[str, dict[str, float]]) -> list[str]:
    """The table of steps; nothing of raw numbers from before there was one."""
    return [
        "", "CPU time of a point of a sweep by step, in percent, by network and by what its 96 points differ in beside",
        "their policy. *Other* is what no step takes: points, their names, the store, the table.",
        *table(["network, points differ in", "ms a point", *next(iter(steps.values()))], [
            [name, number(sum(spent.values())), *(f"{100 * each / sum(spent.values()):.0f}" for each in spent.values())]
            for name, spent in steps.items()])] if steps else []
