"""A periphery that keeps up with the crossbars: sizes of shared units, ports, buses and links, from what a plan asks
for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import ceil

from xbarch.errors import CapacityError, InputError
from xbarch.machine.machine import Machine
from xbarch.machine.periphery import Periphery, value_at
from xbarch.sim.bounds import survey
from xbarch.sim.graph import StageGraph
from xbarch.specs.architecture import Architecture

TARGET = Fraction(4, 5)
"""Busy time of a shared unit over that of the busiest crossbars, at most. A unit that is asked for that much at random
times makes those who ask wait little; ISAAC's own tile reaches it at 16 bits and nowhere passes it."""

_ROUNDS = 20
_ACTIONS = {"activation": "activation", "tile_shift_add": "merge_add", "maxpool": "pool"}  # of components with a rate
_BESIDE = {"activation": "requantize"}  # a unit for each of these units, without a rate of its own
_PLACES = {"bus": "bus.wires", "edram": "buffer.ports", "global_buffer": "global_buffer.ports",
           "link": "network.planes", "hypertransport": "off_chip.bandwidth"}


def balance(published: Architecture, build: Callable[[Periphery], Machine],
            graphs: Callable[[Machine], Iterable[StageGraph]]) -> Machine:
    """Return the machine whose shared parts keep up with the crossbars: every server but those is busy for at most
    `TARGET` of the time of the busiest crossbars, by what the stage graphs ask for. No part is smaller than published.

    The plan follows the machine (buffers follow rates; under the policy `area` so does the number of tiles), so sizes
    and plan are made in turn until the sizes suffice. They only grow, so this ends.

    Args:
        build: makes the machine with a periphery.
        graphs: plans and compiles what runs on a machine.

    Raises:
        InputError: a unit process serves the crossbars, so their time is not known beforehand.
        CapacityError: no sizes were found.
    """
    factors: dict[str, Fraction] = {}
    for _ in range(_ROUNDS):
        machine, needed = build(Periphery("balanced", factors)), dict[str, Fraction]()
        for graph in graphs(machine):
            for kind, more in shortfalls(graph).items():
                needed[kind] = max(more, needed.get(kind, Fraction(1)))
        found = {place: factor for kind, more in needed.items()
                 for place, factor in _grown(published, machine.architecture, kind, more)}
        if not found:
            return machine
        factors |= found
    raise CapacityError(f"no sizes of {', '.join(found)} keep up with the crossbars; use published", field="periphery")


def shortfalls(graph: StageGraph) -> dict[str, Fraction]:
    """Return how many times as fast the servers of each kind must be for the busiest of them to take at most `TARGET`
    of the time of the busiest crossbars; kinds that are fast enough are left out."""
    most = dict[str, int]()
    for server, work in zip(graph.servers, survey(graph).work, strict=True):
        most[server.kind] = max(work, most.get(server.kind, 0))
    crossbars = most.pop("crossbar", 0)
    if not crossbars:
        raise InputError("must be published where a unit process serves the crossbars: only a run shows how long they "
                         "take", field="periphery")
    return {kind: more for kind, work in most.items() if (more := work / (TARGET * crossbars)) > 1}


def _grown(published: Architecture, built: Architecture, kind: str, more: Fraction) -> Iterator[tuple[str, Fraction]]:
    """Yield the places that make the servers of a kind `more` times as fast as they are built, with their factors over
    what is published, rounded up to whole units. Kinds that are not known stay as they are."""
    if kind in _PLACES:
        place = _PLACES[kind]
        whole = value_at(published, place)
        yield place, Fraction(ceil(value_at(built, place) * more), whole)
    if kind not in _ACTIONS:
        return
    times = {name: Fraction(c.per, c.actions) for name, c in built.components.items()
             if c.action == _ACTIONS[kind] and c.actions and c.per and name in published.components}
    for name, time in times.items():
        factor = time / max(times.values()) * more  # of several, each has a part in every operation
        if factor > 1:
            yield from _counted(published, built, name, factor)
    for name, c in built.components.items():
        if times and kind in _BESIDE and c.action == _BESIDE[kind]:
            yield from _counted(published, built, name, more)


def _counted(published: Architecture, built: Architecture, name: str, more: Fraction) -> Iterator[tuple[str, Fraction]]:
    now, first = (Fraction(a.components[name].count) for a in (built, published))
    unit = first if first.denominator > 1 else Fraction(1)  # a share of a unit stands for the whole one
    yield f"components.{name}", ceil(now * more / unit) * unit / first
