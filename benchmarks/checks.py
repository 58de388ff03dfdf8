"""What the checks take that every run passes: of the graph, of conservation, of bounds."""

from __future__ import annotations

from typing import Any

from benchmarks.graphs import ARCHITECTURE
from benchmarks.page import Goal, goals, number, table
from benchmarks.steps import RUN, Steps
from xbarch import run

TITLE = "Checks"
JOBS = [("resnet18_pruned", 8, 1), ("resnet18_dense", 8, 1), ("vgg16_dense", 8, 1),
        ("resnet18_imagenet_synthetic", 1, 1), ("resnet18_imagenet_synthetic", 8, 1), ("vgg16_imagenet_dense16", 1, 5)]
QUICK = [("vgg7_pruned", 1, 1)]
GOAL = 5.0  # % of a run
LAWS = {"graph": [("xbarch.run", "check")], "laws": [("xbarch.machine.simulate", "conserve")]}


def measure(asked: Any, say: Any) -> dict[str, Any]:
    watched = {**{step: names for step, names in RUN.items() if step != "check"},
               **LAWS}
    rows = []
    for workload, images, chips in QUICK if asked.quick else JOBS:
        say(f"{workload}, {images} images")
        runs = []
        for _ in range(asked.repeat):
            with Steps(watched) as steps:
                run.simulate(ARCHITECTURE, workload, images=images, chips=chips, engine="fast")
            runs.append({"workload": workload, "images": images, "steps": steps.seconds,
                         "cpu_s": sum(steps.seconds.values())})
        rows.append(sorted(runs, key=lambda row: share(row, "laws"))[len(runs) // 2])
    return {"rows": rows}


def share(row: dict[str, Any], step: str) -> float:
    """Percent of the call."""
    return 100 * row["steps"][step] / row["cpu_s"]


def lines(found: dict[str, Any]) -> list[str]:
    rows = found["rows"]
    return [
        "Part of a whole `xbarch.simulate` call, engine `fast`, that goes into checking: the *graph* before the run,",
        "and *conservation and bounds* after it; of several calls the one with the median of the latter.",
        *table(["workload", "images", "CPU s", "simulate, s", "graph, %", "conservation and bounds, %"], [
            [row["workload"], row["images"], number(row["cpu_s"]), number(row["steps"]["simulate"]),
             *(number(share(row, step)) for step in LAWS)] for row in rows]),
        *goals([Goal(f"`{row['workload']}`, images: {row['images']}", share(row, "laws"), GOAL, "%") for row in rows])]
