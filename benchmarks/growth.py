"""How the fast engine's time grows with what it simulates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np

from benchmarks.graphs import chain, made, varied
from benchmarks.page import Goal, goals, number, table
from benchmarks.plots import lines as drawn
from benchmarks.rates import split
from xbarch.sim.graph import StageGraph

TITLE = "Growth"
MOST = 1.1  # exponent
LIMITED = ("images", "windows", "tiles")
WORKLOAD = "resnet18_dense"
SIZES = {"images": (1, 2, 4, 8, 16, 32, 64), "layers": (2, 4, 8, 16, 32), "windows": (6, 12, 24, 48, 96),
         "copies": (1, 2, 4, 8)}
QUICK = {"images": (1, 2, 4), "layers": (2, 4, 8), "windows": (6, 12), "copies": (1, 2)}
Sized = Iterator[tuple[dict[str, int], StageGraph]]


def measure(asked: Any, say: Any) -> dict[str, Any]:
    sizes = QUICK if asked.quick else SIZES
    series = {}
    for name, graphs in (("images", _images(sizes["images"])), ("layers", _layers(sizes["layers"])),
                         ("windows", _windows(sizes["windows"])), ("copies", _copies(sizes["copies"]))):
        series[name] = []
        for at, graph in graphs:
            say(", ".join(f"{what}: {count}" for what, count in at.items()))
            series[name].append({**at, **timed(graph, 2 * asked.repeat + 1)})
    tiles = series.pop("copies")
    return {"series": {**series, "tiles": tiles, "lanes": tiles}}


def timed(graph: StageGraph, repeat: int) -> dict[str, float]:
    """Median CPU seconds of the fast engine on a graph, and of its kernel; the graph's stages and visits of them."""
    split(graph, True)
    runs = [split(graph, True) for _ in range(repeat)]
    return {"cpu_s": median(call for call, _, _ in runs), "kernel_s": median(loop for _, loop, _ in runs),
            "stages": sum(len(copy) for flow in graph.flows for copy in flow.copies), "visits": runs[0][2].visits}


def _images(counts: Sequence[int]) -> Sized:
    for count in counts:
        yield {"images": count}, varied(made(WORKLOAD, images=count).graph)


def _layers(counts: Sequence[int]) -> Sized:
    for count in counts:
        yield {"layers": count}, made(chain(count, 16), policy="crossbars:2").graph


def _windows(sizes: Sequence[int]) -> Sized:
    for size in sizes:
        graph = made(chain(4, size), policy="crossbars:2").graph
        yield {"windows": sum(flow.windows for flow in graph.flows)}, graph


def _copies(budgets: Sequence[int]) -> Sized:
    for budget in budgets:
        ready = made(WORKLOAD, policy=f"crossbars:{budget}", images=8)  # as many as a run has by default
        lanes = sum(len(flow.copies) for flow in ready.graph.flows)
        yield {"tiles": ready.plan.tiles, "lanes": lanes}, varied(ready.graph)


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The power of x that y grows with: slope of the line of least squares through log y over log x."""
    x, y = np.log(np.array(points, float)).T
    x -= x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum())


def curves(found: dict[str, Any], key: str) -> dict[str, list[tuple[float, float]]]:
    """(size, figure) of every series."""
    return {name: [(point[name], point[key]) for point in points] for name, points in found["series"].items()}


def lines(found: dict[str, Any]) -> list[str]:
    times = curves(found, "cpu_s")
    fitted = {key: {name: exponent(points) for name, points in curves(found, key).items()}
              for key in ("cpu_s", "kernel_s", "visits", "stages")}
    return [
        "Median CPU time of the fast engine on the contended machine, tables and trace in it, and the exponent with",
        "which it grows: slope of the least squares line through the logarithms, and that between the last two sizes;",
        "beside it the exponents of its kernel, of visits and of stages, for what is simulated may grow faster than",
        f"the size. Images: `{WORKLOAD}`. Tiles and lanes (copies of layers): the same, 8 images, policies",
        "`crossbars:N`: the same windows on a larger part of the network on chip. Of these the time of crossbars is",
        "drawn for every window: no image is like another, none is left out. Layers and windows: chains of 3×3",
        "convolutions of 256 channels, policy `crossbars:2`, of 16×16 pixels and of four layers.",
        *table(["over", "from", "to", "CPU ms", "to", "exponent", "at the end", "kernel", "visits", "stages"], [
            [name, number(points[0][0]), number(points[-1][0]), number(1000 * points[0][1]),
             number(1000 * points[-1][1]), f"{fitted['cpu_s'][name]:.2f}", f"{exponent(points[-2:]):.2f}",
             *(f"{fitted[key][name]:.2f}" for key in ("kernel_s", "visits", "stages"))]
            for name, points in times.items()]),
        *goals([Goal(f"exponent in {name}", fitted["cpu_s"][name], MOST, "") for name in LIMITED])]


def pictures(found: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    return {"growth": ("CPU time of the fast engine over size", drawn(
        curves(found, "cpu_s"), "times the smallest size", "times its CPU time", MOST))}
