"""Leakage: power that occupied hardware draws all the time, or only while it works where it is power-gated."""

from __future__ import annotations

from fractions import Fraction

from xbarch.machine.machine import Machine
from xbarch.mapping.plan import Plan
from xbarch.sim.graph import StageGraph, Trace
from xbarch.specs.architecture import Component


def leakage(machine: Machine, plan: Plan, graph: StageGraph, trace: Trace, interval: Fraction) -> dict[str, int]:
    """Energy per image (aJ) of each component that leaks; a microwatt for a picosecond is an attojoule.

    Unoccupied hardware is off: tiles without crossbars or buffers of the network, IMAs without its crossbars. The rest
    leaks for the whole pipeline interval (ps). Gated hardware of an IMA leaks while a crossbar works, in proportion to
    the crossbars that do; gated hardware of a tile leaks while its server is held. A server that the architecture calls
    ideal is not gated.
    """
    leaking = {name: c for name, c in machine.architecture.components.items() if c.leakage}
    if not leaking:
        return {}
    parts = [part for copies in plan.parts.values() for copy in copies for part in copy]
    per = machine.crossbars_per_ima
    imas = {(p.tile, slot // per) for p in parts for slot in range(p.slot, p.slot + p.crossbars)}
    occupied = {"chip": machine.chips, "tile": plan.tiles, "ima": len(imas)}
    busy = _busy(plan, graph, trace)

    def energy(name: str, component: Component) -> int:
        if not component.gated or name in machine.ideal:
            return int(component.leakage * occupied[component.level] * interval)
        share, kind = (per, "crossbar") if component.level == "ima" else (1, name)
        return int(Fraction(component.leakage * busy.get(kind, 0), share * graph.images))

    return {name: energy(name, component) for name, component in leaking.items()}


def _busy(plan: Plan, graph: StageGraph, trace: Trace) -> dict[str, int]:
    """ps that servers of each kind were held in the run; a server of crossbars counts once for each of them."""
    crossbars = {f"crossbar@{name}.{number}.tile{p.tile}.{p.slot}": p.crossbars
                 for name, copies in plan.parts.items() for number, copy in enumerate(copies) for p in copy}
    found: dict[str, int] = {}
    for server, held in zip(graph.servers, trace.busy, strict=True):
        found[server.kind] = found.get(server.kind, 0) + int(held) * crossbars.get(server.name, 1)
    return found
