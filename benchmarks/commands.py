"""What whole commands cost, from the shell: CPU time, peak memory, and where the time goes."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import Goal, goals, number, table
from benchmarks.plots import bars
from benchmarks.spent import xbarch
from benchmarks.steps import ORDER

TITLE = "Whole commands"
JOBS = [  # workload, images, chips; most CPU seconds, of which simulating, and MB
    ("resnet18_pruned", 8, 1, None, None, 300), ("resnet18_dense", 8, 1, None, None, 300),
    ("vgg7_pruned", 8, 1, None, None, 300), ("vgg16_dense", 8, 1, None, None, 300),
    ("resnet18_imagenet_synthetic", 1, 1, 1.2, 0.15, 300), ("vgg16_imagenet_dense16", 1, 5, 2.5, None, 600)]
QUICK = [JOBS[2]]
ANSWERS = [["--help"], ["list"], ["validate", "isaac_like"]]
ANSWER = 0.3  # CPU seconds


def measure(asked: Any, say: Any) -> dict[str, Any]:
    rows = []
    for workload, images, chips, *limits in QUICK if asked.quick else JOBS:
        words = ["simulate", "-a", "isaac_like", "-w", workload, "--images", str(images), "--chips", str(chips)]
        say(f"xbarch {' '.join(words)}")
        first = xbarch(*words)
        runs = [xbarch(*words) for _ in range(asked.repeat)]
        with TemporaryDirectory() as folder:
            drawn = [xbarch(*words, "--out", folder) for _ in range(asked.repeat)]
        rows.append({"workload": workload, "images": images, "chips": chips, "limits": limits,
                     "first_s": first.cpu_s, "cpu_s": min(run.cpu_s for run in runs),
                     "out_s": min(run.cpu_s for run in drawn),
                     "peak_mb": max(run.peak_mb for run in runs), "steps": split(words)})
    answers = []
    for words in ANSWERS:
        say(f"xbarch {' '.join(words)}")
        runs = [xbarch(*words) for _ in range(asked.repeat + 1)][1:]
        answers.append({"command": f"xbarch {' '.join(words)}", "cpu_s": min(run.cpu_s for run in runs),
                        "peak_mb": max(run.peak_mb for run in runs)})
    return {"rows": rows, "answers": answers}


def split(words: list[str]) -> dict[str, float]:
    """CPU seconds of each step of a command (see `benchmarks.steps`), in a run of its own."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "steps.json"
        xbarch(out, *words, module="benchmarks.steps")
        return json.loads(out.read_text(encoding="utf-8"))


def lines(found: dict[str, Any]) -> list[str]:
    rows, kept = found["rows"], []
    for row in rows:
        seconds, simulating, megabytes = row["limits"]
        name = f"`{row['workload']}`, images: {row['images']}"
        kept += [Goal(f"{name}{what}", value, limit, unit) for what, value, limit, unit in (
            ("", row["cpu_s"], seconds, "s"), (", simulation", row["steps"]["simulate"], simulating, "s"),
            (", peak memory", row["peak_mb"], megabytes, "MB")) if limit is not None]
    kept += [Goal(f"`{row['command']}`", row["cpu_s"], ANSWER, "s") for row in found["answers"]]
    return [
        "`xbarch simulate` on `isaac_like`, policy `fit`, as a process of its own: all of its CPU time, and the most",
        "memory it held. *First*: with an empty cache, as right after the installation. The others: of the runs after",
        "it, the fastest, without and with `--out`, and the most memory.",
        *table(["workload", "images", "chips", "first, CPU s", "CPU s", "with --out, CPU s", "peak MB"], [
            [row["workload"], row["images"], row["chips"],
             *(number(row[k]) if k in row else "" for k in ("first_s", "cpu_s", "out_s", "peak_mb"))]
            for row in rows]),
        "Where it goes, CPU ms of one more run: *start* is the interpreter's, *import* loading modules, whenever that",
        "is, *other* the command line, its bar and its tables.",
        *table(["workload", *ORDER], [[row["workload"], *(f"{1000 * row['steps'][step]:,.0f}" for step in ORDER)]
                                      for row in rows]),
        *table(["command", "CPU s", "peak MB"], [[f"`{row['command']}`", number(row["cpu_s"]), number(row["peak_mb"])]
                                                 for row in found["answers"]]),
        *goals(kept)]


def pictures(found: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    return {"commands": ("CPU time of whole commands by step", bars(
        {row["workload"]: [row["steps"][step] for step in ORDER] for row in found["rows"]}, ORDER, "CPU s",
        stacked=True))}
