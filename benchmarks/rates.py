"""How fast the engines are: SimPy, the fast one compiled, the fast one as plain Python, on one and the same graph."""

from __future__ import annotations

import gc
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from benchmarks.graphs import made, shared, uncontended, varied
from benchmarks.page import Goal, goals, number, table
from benchmarks.plots import bars
from benchmarks.spent import cpu
from benchmarks.steps import ENGINE, Steps
from xbarch.sim import engine, fast
from xbarch.sim.graph import StageGraph, Trace

TITLE = "Engines"
JOBS = [  # workload, images, chips
    ("resnet18_pruned", 4, 1), ("resnet18_dense", 4, 1), ("vgg16_dense", 16, 1),
    ("resnet18_imagenet_synthetic", 1, 1), ("vgg16_imagenet_dense16", 1, 5)]
QUICK = [("vgg7_pruned", 1, 1), ("resnet18_imagenet_synthetic", 1, 1)]
GOAL = "resnet18_imagenet_synthetic"  # ResNet-18 at 224 x 224


def measure(asked: Any, say: Any) -> dict[str, Any]:
    rows = []
    for workload, images, chips in QUICK if asked.quick else JOBS:
        say(f"{workload}, {images} images: packing, mapping, compiling")
        ready = made(workload, images=images, chips=chips)
        for contended in (True, False):
            say(f"{workload}, {'contended' if contended else 'contention-free'}: SimPy, fast, plain Python")
            graph = ready.graph if contended else uncontended(ready.graph)
            graph = varied(graph) if images > 1 else graph
            rows.append({"workload": workload, "images": images, "chips": chips, "contended": contended,
                         "shared": shared(graph), "before": ready.before, **raced(graph, asked.repeat)})
        del ready, graph
        gc.collect()
    return {"rows": rows}


def raced(graph: StageGraph, repeat: int) -> dict[str, Any]:
    """CPU seconds of the engines on a graph, and of the fast one's loop alone; its runs before and after SimPy's,
    whose median counts.

    Raises:
        RuntimeError: they do not agree on every time of every window.
    """
    fast.run(graph, compiled=True)  # loaded
    first = [split(graph, True) for _ in range(repeat)]
    slow, trace = cpu(lambda: engine.run(graph))
    quick = first + [split(graph, True) for _ in range(repeat)]
    plain = split(graph, False)
    for _, _, other in (quick[-1], plain):
        _equal(trace, other)
    return {"visits": trace.visits, "simpy_s": slow, "fast_s": median(call for call, _, _ in quick),
            "kernel_s": median(loop for _, loop, _ in quick), "plain_s": plain[0], "plain_kernel_s": plain[1]}


def split(graph: StageGraph, compiled: bool) -> tuple[float, float, Trace]:
    """CPU seconds of a run of the fast engine, and those of its loop; what it measured. The graph has its columns made
    for it, though in a run the check before has made them."""
    graph = replace(graph)
    gc.collect()
    with Steps(ENGINE) as steps:
        trace = fast.run(graph, compiled=compiled)
    return sum(steps.seconds.values()), steps.seconds["other"], trace


def _equal(one: Trace, other: Trace) -> None:
    same = one.makespan == other.makespan and all(
        np.array_equal(a, b) for a, b in zip(one.done + one.issued, other.done + other.issued, strict=True))
    if not same:
        raise RuntimeError("the engines do not agree: their rates mean nothing")


def lines(found: dict[str, Any]) -> list[str]:
    rows = found["rows"]
    text = [
        "Visits are tokens through stages. *Kernel* is the fast engine's loop alone; *engine* the whole call, with the",
        "tables it packs the graph into and the trace it takes from them; *with packing* adds what comes before in a",
        "process that keeps nothing: packing the network on crossbars, mapping, compiling the graph. Each is SimPy's",
        "CPU time on the same graph over that of the compiled engine, in the same run; the engines agreed on every",
        "time of every window. *Contention-free*: every stage that shares a server has one of its own and takes no",
        "room. Of several images the crossbars' time is drawn for every window: none is like another, none left out."]
    found_goals = []
    for contended in (True, False):
        mine = [row for row in rows if row["contended"] == contended]
        text += ["", f"**{'Contended: the machine as it is' if contended else 'Contention-free'}**"]
        text += table(["workload", "images", "visits", "SimPy, visits/s", "plain Python", "compiled",
                       "kernel, × SimPy", "engine, × SimPy", "with packing, × SimPy"],
                      [[row["workload"], row["images"], f"{row['visits']:,}",
                        *(number(row["visits"] / row[key]) for key in ("simpy_s", "plain_s", "fast_s")),
                        *(number(ratio) for ratio in ratios(row))] for row in mine])
        for row in mine:
            if row["workload"] == GOAL:
                kernel, whole, _ = ratios(row)
                kind = "contended" if contended else "contention-free"
                found_goals.append(Goal(f"ResNet-18 at 224×224, {kind}, kernel over SimPy", kernel,
                                        50 if contended else 200, "×", least=True))
                if contended:
                    found_goals += [
                        Goal("the same with packing into the kernel's tables", whole, 25, "×", least=True),
                        Goal("packing, mapping and compiling over SimPy's time", _before(row) / row["simpy_s"], 1, "×")]
    return [*text, *goals(found_goals)]


def ratios(row: dict[str, Any]) -> tuple[float, float, float]:
    """SimPy's time over the kernel's, the engine's, and that with packing, mapping and compiling before it."""
    kernel, whole = row["kernel_s"], row["fast_s"]
    return tuple(row["simpy_s"] / seconds for seconds in (kernel, whole, whole + _before(row)))


def _before(row: dict[str, Any]) -> float:
    """CPU seconds of packing, mapping and compiling."""
    return sum(row["before"][step] for step in ("pack", "plan", "compile"))


def pictures(found: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    mine: dict[str, list[float]] = {}
    for row in found["rows"]:
        mine.setdefault(row["workload"], []).append(ratios(row)[0])
    return {"engines": ("CPU time of SimPy over that of the compiled kernel", bars(
        mine, ["contended", "contention-free"], "times faster than SimPy (kernel)", log=True))}
