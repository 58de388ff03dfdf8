"""Leakage: power that occupied hardware draws all the time, or only while it works where it is power-gated."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from xbarch.machine.machine import Machine
from xbarch.mapping.plan import Plan
from xbarch.sim.graph import StageGraph, Trace


def leakage(machine: Machine, plan: Plan, graph: StageGraph, trace: Trace, interval: Fraction) -> dict[str, int]:
    """Energy per image (aJ) of each component that leaks; a microwatt for a picosecond is an attojoule.

    Unoccupied hardware is off: tiles without crossbars or buffers of the network, IMAs without its crossbars. The rest
    leaks for the whole pipeline interval (ps). Gated hardware of an IMA leaks while a crossbar works, in proportion to
    the crossbars that do; gated hardware of a tile leaks while its server is held. A server that the architecture calls
    ideal is not gated.
    """
    found: dict[str, int] = {}
    for each in dict.fromkeys((*machine.each, machine)):
        for name, energy in _leaked(machine, each, plan, graph, trace, interval):
            found[name] = found.get(name, 0) + energy
    return found


def _leaked(machine: Machine, own: Machine, plan: Plan, graph: StageGraph, trace: Trace,
            interval: Fraction) -> Iterator[tuple[str, int]]:
    """`leakage` of the tiles of one kind, `own`, or where that is the machine itself, of what belongs to chips."""
    leaking = {name: c for name, c in own.architecture.components.items() if c.leakage}
    if not leaking:
        return
    parts = [part for copies in plan.parts.values() for copy in copies for part in copy if machine.at(part.tile) is own]
    per = own.crossbars_per_ima
    imas = {(p.tile, slot // per) for p in parts for slot in range(p.slot, p.slot + p.crossbars)}
    occupied = {"chip": machine.chips if own is machine else 0, "tile": plan.kinds.get(own.kind, 0), "ima": len(imas)}
    busy = _busy(machine, own, plan, graph, trace)
    for name, component in leaking.items():
        if not component.gated or name in machine.ideal:
            yield name, int(component.leakage * occupied[component.level] * interval)
            continue
        share, kind = (per, "crossbar") if component.level == "ima" else (1, name)
        yield name, int(Fraction(component.leakage * busy.get(kind, 0), share * graph.images))


def _busy(machine: Machine, own: Machine, plan: Plan, graph: StageGraph, trace: Trace) -> dict[str, int]:
    """ps that servers of each kind in tiles of one kind were held in the run; a server of crossbars counts once for
    each of them."""
    crossbars = {f"crossbar@{name}.{number}.tile{p.tile}.{p.slot}": p for name, copies in plan.parts.items()
                 for number, copy in enumerate(copies) for p in copy}
    found: dict[str, int] = {}
    for server, held in zip(graph.servers, trace.busy, strict=True):
        part, place = crossbars.get(server.name), server.name.partition("@tile")[2]
        tile = part.tile if part else int(place) if place.isdecimal() else None
        if tile is None or machine.at(tile) is own:
            found[server.kind] = found.get(server.kind, 0) + int(held) * (part.crossbars if part else 1)
    return found
