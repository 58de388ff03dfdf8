"""A long run: 64 images of ResNet-18 at 224 x 224 in flight, with times that depend on data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from benchmarks.graphs import ARCHITECTURE, varied
from benchmarks.page import Goal, goals, number, table
from benchmarks.spent import cpu
from benchmarks.steps import RUN, Steps
from xbarch import run
from xbarch.machine import alike
from xbarch.sim.graph import StageGraph

TITLE = "Many images"
WORKLOAD, IMAGES = "resnet18_imagenet_synthetic", 64
GOAL = 5.0  # CPU seconds
DRAWN = "drawn for every window"


def measure(asked: Any, say: Any) -> dict[str, Any]:
    images = 2 if asked.quick else IMAGES
    rows = []
    for name, change in (("the same for every window", lambda graph: graph), (DRAWN, varied)):
        say(f"{WORKLOAD}, {images} images, times {name}")
        rows.append({"times": name, "images": images, **simulated(WORKLOAD, images, change)})
    return {"rows": rows}


def simulated(workload: str, images: int, change: Callable[[StageGraph], StageGraph]) -> dict[str, Any]:
    """A whole `xbarch.simulate` of the workload, its stage graph changed: CPU seconds of its steps, and visits. What
    the change takes is no part of it."""
    compiled, changing = alike.compile_sent, 0.0

    def compile_sent(*given: Any) -> tuple[StageGraph, int]:
        nonlocal changing
        plain, widest = compiled(*given)
        changing, graph = cpu(lambda: change(plain))
        return graph, widest

    with patch.object(alike, "compile_sent", compile_sent), Steps(RUN) as steps:
        result = run.simulate(ARCHITECTURE, workload, images=images, engine="fast")
    steps.seconds["compile"] -= changing
    return {"steps": steps.seconds, "cpu_s": sum(steps.seconds.values()), "visits": result["counts.visits"]}


def lines(found: dict[str, Any]) -> list[str]:
    rows = found["rows"]
    return [
        f"`xbarch.simulate` of `{WORKLOAD}` in a running process, engine `fast`, contended;",
        "everything from loading to the record. *Drawn*: what the crossbars take for a window is, for every window of",
        "every image, drawn between half of the time and all of it, so no two images are alike; *the same*: where the",
        "state repeats exactly, the rest follows by arithmetic.",
        *table(["crossbars' times", "images", "visits", "CPU s", "simulate", "check", "record", "CPU ms per image"], [
            [row["times"], row["images"], f"{row['visits']:,}", number(row["cpu_s"]),
             *(number(row["steps"][step]) for step in ("simulate", "check", "record")),
             number(1000 * row["cpu_s"] / row["images"])] for row in rows]),
        *goals([Goal(f"{IMAGES} images, times {DRAWN}", row["cpu_s"], GOAL, "s")
                for row in rows if row["images"] == IMAGES and row["times"] == DRAWN])]
