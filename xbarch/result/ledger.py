"""Energy from counted actions: every count of the stage graph times one energy, by component and layer."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd

import numpy as np
from numpy.typing import NDArray

from xbarch.cost.price import Price
from xbarch.errors import ConservationError
from xbarch.machine.kept import Counts
from xbarch.result import exact
from xbarch.sim.graph import Flow, StageGraph, Trace


@dataclass(frozen=True)
class Ledger:
    """Actions and energies per image."""

    actions: Mapping[tuple[str, str], int]
    """By (layer, action). Where a machine has several kinds of tile, an action in tiles of one is `action@kind`."""
    energy: Mapping[tuple[str, str], int]
    """Dynamic energy in aJ by (layer, component)."""
    scope: Mapping[str, str] = field(default_factory=dict)
    """Of each component."""
    kinds: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Dynamic energy in aJ by (kind of tile, component), under an empty name what belongs to no kind."""

    def by_component(self) -> dict[str, int]:
        return _sums(self.energy, 1)

    def by_layer(self, scopes: Container[str] | None = None) -> dict[str, int]:
        """Dynamic energy (aJ) of each layer; scopes: of components in these scopes only."""
        return _sums({(layer, component): energy if scopes is None or self.scope[component] in scopes else 0
                      for (layer, component), energy in self.energy.items()}, 0)

    def by_action(self, kind: str | None = None) -> dict[str, int]:
        """Actions; kind: in tiles of that kind alone."""
        found: dict[str, int] = {}
        for (_, action), count in self.actions.items():
            name, _, where = action.partition("@")
            if kind is None or where == kind:
                found[name] = found.get(name, 0) + count
        return found


def _sums(table: Mapping[tuple[str, str], int], axis: int) -> dict[str, int]:
    result: dict[str, int] = {}
    for key, value in table.items():
        result[key[axis]] = result.get(key[axis], 0) + value
    return result


def _dealt(counts: NDArray[np.int64], flow: Flow, entry: int, windows: int) -> int:
    """Sum of the counts, which windows take in turn, of the first windows of an entry of the flow's copies: those of
    whole turns, and of what is left."""
    turn = int((flow.turns == entry).sum()) * (len(counts) // gcd(len(counts), len(flow.turns)))
    whole, rest = divmod(windows, turn)
    return sum(times * exact.total(counts[flow.taken(entry, part) % len(counts)])
               for times, part in ((whole, turn), (1, rest)) if times and part)


def ledger(graph: StageGraph, trace: Trace, prices: Mapping[str, Sequence[Price]]) -> Ledger:
    """Book every executed stage, and the actions of unit processes, to every component that is paid for them.

    Raises:
        ConservationError: as `booked`.
    """
    return booked(counted(graph, trace), graph.images, prices)


def counted(graph: StageGraph, trace: Trace) -> Counts:
    """Count what the executed stages and the unit processes did. Graphs with the same stages share what was counted,
    but for processes: `xbarch.sim.bounds.conserve` has checked that each stage ran as often as follows from it."""
    if graph.processes:
        return _counted(graph, trace)
    if graph.images not in graph.known.tallies:
        graph.known.tallies[graph.images] = _counted(graph, trace)
    found: Counts = graph.known.tallies[graph.images]
    return found


def _counted(graph: StageGraph, trace: Trace) -> Counts:
    actions: dict[tuple[str, str], int] = {}
    for flow, executed in zip(graph.flows, trace.executed, strict=True):
        for copy, (stages, counts) in enumerate(zip(flow.copies, executed, strict=True)):
            for stage, tokens in zip(stages, counts, strict=True):
                for action, count in stage.actions:
                    amount = _dealt(count, flow, copy, tokens) if isinstance(count, np.ndarray) else count * tokens
                    key = (flow.part_of or flow.name, action)
                    actions[key] = actions.get(key, 0) + amount
    for (_, number, action), count in trace.acted.items():
        key = (graph.flows[number].part_of or graph.flows[number].name, action)
        actions[key] = actions.get(key, 0) + count
    return actions


def booked(counts: Counts, images: int, prices: Mapping[str, Sequence[Price]]) -> Ledger:
    """Pay for what was counted. Energies are per image: run totals divided by the images, rounded down.

    Raises:
        ConservationError: an action has no price (a component the architecture does not declare).
    """
    energy: dict[tuple[str, str], int] = {}
    kinds: dict[tuple[str, str], int] = {}
    for (layer, action), amount in counts.items():
        if action not in prices:
            raise ConservationError(f"action {action} of layer {layer} has no component that pays for it")
        for price in prices[action]:
            energy[layer, price.component] = energy.get((layer, price.component), 0) + amount * price.energy
            there = action.partition("@")[2], price.component
            kinds[there] = kinds.get(there, 0) + amount * price.energy
    return Ledger({k: v // images for k, v in counts.items()}, {k: v // images for k, v in energy.items()},
                  {p.component: p.scope for paid in prices.values() for p in paid},
                  {k: v // images for k, v in kinds.items()})
