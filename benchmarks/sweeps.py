"""How many points a sweep runs a minute, on one process and on two, and what going on with a finished one costs."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import Goal, goals, number, table
from benchmarks.spent import xbarch
from xbarch.specs.load import document
from xbarch.specs.sweep import Sweep
from xbarch.studies.sweep.points import Points

TITLE = "Sweeps"
STUDY = "resnet18_sweep"
PART = {"policies": ["one_copy", "crossbars:2"],
        "axes": {"crossbar.rows, crossbar.columns": [64, 128, 256, 512], "crossbar.adc_bits": [5, 8]}}
QUICK = {"workloads": ["resnet18_dense"], "policies": ["fit"],
         "axes": {"crossbar.rows, crossbar.columns": [128], "crossbar.adc_bits": [6, 8]}}
GOAL = 3.0  # minutes for the whole study on two processes


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
    return {"rows": rows, "whole": every}


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
        *goals([Goal(f"{whole:,} points on two processes, at the rate of this part", minutes[-1], GOAL, "min")])]
