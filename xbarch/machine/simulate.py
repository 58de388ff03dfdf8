"""How a compiled graph is simulated: by an engine, under supervision where units are processes, or put together from
periods where it has many images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xbarch.errors import InputError
from xbarch.machine.machine import Machine
from xbarch.sim.bounds import conserve
from xbarch.sim.engines import Ran
from xbarch.sim.engines import simulate as run
from xbarch.sim.graph import Sink, StageGraph
from xbarch.sim.modes import interval_of
from xbarch.sim.periodic import Long, run_long
from xbarch.support.progress import WindowProgress
from xbarch.workload.graph import Layer

WINDOWS = 5 * 10**7  # most output pixels of all layers and images that are simulated one by one: some minutes
_MANY = 2 * 10**6  # from so many on a run is put together from periods where it repeats: memory stays what it is


@dataclass(frozen=True)
class Asked:
    """What a request asks of the simulation."""

    mode: str
    engine: str
    images: int
    progress: WindowProgress | None = None


def may_repeat(asked: Asked, machine: Machine) -> bool:
    """Whether a run of many images may be put together from periods: only states of the fast engine can be compared,
    and a batch has no images that follow one another."""
    return asked.mode != "batch" and asked.engine != "simpy" and not machine.processes


def is_long(images: int, layers: Sequence[Layer]) -> bool:
    """Whether a run of so many images of a network is put together from periods, if it repeats."""
    return images * sum(layer.windows for layer in layers) > _MANY


def refuse_many(images: int, windows: int, why: str) -> None:
    """Refuse more images of so many output pixels (windows) than can be simulated one by one.

    Raises:
        InputError: how many there may be.
    """
    if images * windows > WINDOWS:
        raise InputError(f"{images:,} images of {windows:,} output pixels each are more than the {WINDOWS:,} output "
                         f"pixels that a run may have{why}; give at most {WINDOWS // windows:,} images", field="images")


def simulate_graph(machine: Machine, graph: StageGraph, plain: StageGraph, asked: Asked,
                   sink: Sink | None) -> tuple[Long, Ran]:
    """Simulate a graph and check what came out. plain: the graph before its mode was applied. sink: takes every visit;
    then all images are simulated.

    Raises:
        InputError: too many images that do not repeat.
        StuckError, ConservationError: the run cannot go on, or broke a law.
    """
    windows = sum(flow.windows for flow in graph.flows)
    if sink is None and asked.images * windows > _MANY and may_repeat(asked, machine):
        found = run_long(graph, WINDOWS, asked.progress)
        if found is not None:
            why = "asked for" if asked.engine == "fast" else "auto: images repeat exactly"
            return found, Ran(found.trace, "fast", why)
        refuse_many(asked.images, windows, ", as no exact repetition of images was found")
    refuse_many(asked.images, sum(flow.windows for flow in plain.flows), " where every image is simulated")
    ran = _supervised(machine, graph, asked, sink)
    return Long(ran.trace, conserve(graph, ran.trace), interval_of(graph, plain, ran.trace, asked.mode)), ran


def _supervised(machine: Machine, graph: StageGraph, asked: Asked, sink: Sink | None) -> Ran:
    """Run the graph, under supervision where units are processes; what supervises loads SimPy."""
    if not machine.processes:
        return run(graph, asked.engine, asked.progress, sink)
    from xbarch.machine.supervise import check_priced, supervise

    with supervise(machine.processes, graph) as beat:
        ran = run(graph, asked.engine, asked.progress, sink, beat)
        check_priced(machine.processes, graph, ran.trace, machine.prices())
    return ran
