"""Which engine runs a graph. All give the same trace, time for time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec

from xbarch.sim import engine, fast
from xbarch.sim.graph import Sink, StageGraph, Trace

ENGINES: Mapping[str, str] = {
    "auto": "fast where Numba is installed and the run is not small, else simpy",
    "simpy": "a SimPy process for every server, in which units are written and understood",
    "fast": "an event loop over flat tables, compiled where Numba is installed (the extra `fast`)",
}
SMALL = 20_000  # visits of stages that SimPy is through with before the compiled loop is loaded


def simulate(graph: StageGraph, name: str = "auto",
             progress: Callable[[int, int], None] | None = None, sink: Sink | None = None) -> tuple[Trace, str]:
    """Run the graph on an engine of `ENGINES`; the trace, and which engine it was. sink: takes every visit.

    Raises:
        StuckError: the run cannot go on.
    """
    if name == "auto":
        visits = sum(len(flow.copies[0]) * flow.windows for flow in graph.flows) * graph.images
        name = "fast" if visits >= SMALL and find_spec("numba") is not None else "simpy"
    return (fast if name == "fast" else engine).run(graph, progress=progress, sink=sink), name
