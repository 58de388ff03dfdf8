"""Which engine runs a graph. All give the same trace, time for time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from xbarch.errors import InputError
from xbarch.sim import fast
from xbarch.sim.graph import Sink, StageGraph, Trace

_log = logging.getLogger(__name__)
ENGINES: Mapping[str, str] = {
    "auto": "fast, unless the run is small or a server is a SimPy process: then simpy",
    "simpy": "a SimPy process for every server: the reference, in which server processes are written",
    "fast": "a compiled event loop over flat tables",
}
SMALL = 20_000  # visits of stages that SimPy finishes before the compiled loop is loaded


class Ran(NamedTuple):
    """A finished run. engine: which engine ran. why: the reason it was chosen."""

    trace: Trace
    engine: str
    why: str


def simulate(graph: StageGraph, name: str = "auto",
             progress: Callable[[int, int], None] | None = None, sink: Sink | None = None,
             beat: Callable[[], None] | None = None) -> Ran:
    """Run the graph on an engine of `ENGINES`. sink: receives every visit. beat: called before every event where
    servers are processes.

    Raises:
        StuckError: the run cannot go on.
        InputError: the fast engine is requested, but a server is a process that only SimPy runs.
    """
    why = "asked for"
    if name == "fast" and graph.processes:
        raise InputError(f"must be simpy or auto, not fast: {_unit(graph)} is a SimPy process", field="engine")
    if name == "auto":
        name, why = _chosen(graph)
    _log.info("engine %s (%s)", name, why)
    if name == "fast":
        return Ran(fast.run(graph, progress=progress, sink=sink), name, why)
    from xbarch.sim import engine  # SimPy is loaded where it runs

    return Ran(engine.run(graph, progress=progress, sink=sink, beat=beat), name, why)


def _chosen(graph: StageGraph) -> tuple[str, str]:
    if graph.processes:
        return "simpy", f"auto: {_unit(graph)} is a SimPy process"
    visits = sum(len(flow.copies[0]) * flow.windows for flow in graph.flows) * graph.images
    if visits < SMALL:
        return "simpy", f"auto: {visits:,} visits of stages are fewer than {SMALL:,}"
    return "fast", f"auto: {visits:,} visits of stages"


def _unit(graph: StageGraph) -> str:
    """Name of the first server that is a process."""
    return graph.servers[graph.processes[0]].name
