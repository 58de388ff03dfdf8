"""What runs of one process share where they agree in what it follows from: machines, plans, stage graphs and, of
machines that differ in prices alone, whole simulations. Nothing is kept unless a program of many runs asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from xbarch.cost.nameplate import Nameplate
from xbarch.datapaths.base import DataPath
from xbarch.machine.alike import Compiled
from xbarch.machine.machine import Machine
from xbarch.mapping import traffic
from xbarch.mapping.pack import Packed
from xbarch.mapping.packings import Memo, memo
from xbarch.mapping.plan import Plan
from xbarch.plugins import guard
from xbarch.sim.engines import Ran
from xbarch.sim.graph import StageGraph
from xbarch.sim.periodic import Long
from xbarch.specs.architecture import Architecture
from xbarch.support.latest import Latest

Counts = Mapping[tuple[str, str], int]
"""How often a run did what, by (layer, action), for all its images."""
plans: Latest[Plan] = Latest()
machines: Latest[Machine] = Latest()
graphs: Latest[tuple[Plan, StageGraph]] = Latest()
runs: Latest[tuple[Long, Ran, Counts]] = Latest()
shapes: Latest[list[Compiled]] = Latest()
"""Compiled plans of machines that differ in prices and in the sizes of buffers and queues."""
plates: Latest[Nameplate] = Latest()
reads: Latest[tuple[Fraction, Fraction]] = Latest()
"""For how long word lines are driven and converters at work (`xbarch.result.record`)."""
writes: Latest[Any] = Latest()
"""What writing the cells of a plan takes (`xbarch.result.programming`)."""

_PRICED = {"name", "summary", "source", "technology", "node", "node_model", "noise", "components", "crossbar", "kinds"}
"""Fields that have prices, or words, or errors of cells; what times follow from in them is added one by one."""


def keep(packings: int, made: int, compiled: int) -> None:
    """Keep what was made for the latest runs, for those that follow in this process: packings of so many networks, so
    many plans, and so many compiled plans with their runs."""
    kept: Sequence[tuple[Memo | Latest[Any], int]] = (
        (memo, packings), (plans, made), (machines, 1), (graphs, compiled), (runs, compiled), (plates, 1), (shapes, 1),
        (reads, packings), (writes, compiled),
        (traffic.known, 4 * compiled))
    for each, most in kept:
        each.most = max(each.most, most)


def comparable(machine: Machine, path: DataPath) -> bool:
    """Whether all that runs follow from can be compared: code that does not come with xbarch may look at anything."""
    return not machine.processes and all(guard.is_builtin(each) for each in (
        path, machine.network.topology, *(m.sensing for m in machine.each)))


def timed(machine: Machine, sized: bool = True) -> list[object]:
    """Values whose texts are equal where machines differ in nothing but prices, errors of cells and the resolution of
    converters; what this does to the times of a packed layer is in `read`. sized: whether buffers and queues between
    links must have the same sizes."""
    return [machine.chips, machine.on,
            *(each for m in dict.fromkeys((machine, *machine.each)) for each in _machine(m, sized))]


def _machine(machine: Machine, sized: bool) -> Iterator[object]:
    a = machine.architecture
    if not sized:
        a = a.model_copy(update={
            "network": a.network.model_copy(update={"queue": None if machine.queue is None else 1}),
            "buffer": a.buffer and a.buffer.model_copy(update={"size": 1})})
    yield machine.kind
    yield a.crossbar.model_copy(update={"adc_bits": 1})
    yield [getattr(a, name) for name in Architecture.model_fields if name not in _PRICED]
    yield paces(machine)


def paces(machine: Machine) -> list[object]:
    """What times follow from in the components of one kind of tile. A component's `per` may follow from its price where
    that decides which machine it is written for."""
    components = machine.architecture.components
    return [(name, c.level, c.action, c.covers, c.actions, c.per) for name, c in components.items()]


def read(packed: Mapping[str, Packed]) -> list[object]:
    """What reading the crossbars of each packed layer takes, and how often it does what."""
    return [(name, p.sensing.conversion, p.occupancy.shape, p.occupancy.tobytes(),
             [(action, counts.shape, counts.tobytes()) for action, counts in p.actions.items()])
            for name, p in packed.items()]
