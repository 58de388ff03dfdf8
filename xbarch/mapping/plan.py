"""Policies: how many copies of each layer on how many tiles, and where; refused here if it cannot fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from xbarch.errors import CapacityError, InputError
from xbarch.mapping.copies import Demand, balance, interval_bound
from xbarch.mapping.pack import Packed
from xbarch.mapping.place import Part, Tiles, place
from xbarch.mapping.windows import Input, inputs, slack_needed
from xbarch.workload.graph import Workload

POLICIES = {
    "fit": "the smallest whole number of tiles that holds one copy of each layer, filled with copies",
    "one_copy": "one copy of each layer",
    "crossbars:K": "K times the crossbars of the dense network's single copy, whatever the method",
    "chip": "every crossbar of the chip(s)",
    "area": "the chip's area, the data path's own hardware included",
}


@dataclass(frozen=True)
class Room:
    """What the machine offers the plan. buffer: bits of a tile's eDRAM. overhead: factor by which the data
    path enlarges a tile's area (1: not at all), used by the `area` policy."""

    tiles: int
    crossbars_per_tile: int
    buffer: int
    overhead: Fraction = Fraction(1)

    @property
    def crossbars(self) -> int:
        return self.tiles * self.crossbars_per_tile


_Placement = tuple[dict[str, list[list[Part]]], dict[str, list[int]], Tiles]


@dataclass(frozen=True)
class Plan:
    """Where everything lies. parts[layer][copy] lists that copy's parts; homes[layer][copy] the tile that
    merges or, for layers without crossbars, executes it. least: smallest buffers, capacity: those given,
    in producer windows, by (consumer, input index). interval_bound: un-rounded interval in ps."""

    policy: str
    budget: int
    copies: Mapping[str, int]
    parts: Mapping[str, list[list[Part]]]
    homes: Mapping[str, list[int]]
    edges: Mapping[str, list[Input]]
    least: Mapping[tuple[str, int], int]
    capacity: Mapping[tuple[str, int], int]
    tiles: int
    crossbars: int
    dense_crossbars: int
    interval_bound: Fraction


def parse_policy(text: str) -> tuple[str, int]:
    """("crossbars", k) or (name, 0).

    Raises:
        InputError: not a policy.
    """
    name, _, number = text.partition(":")
    if name == "crossbars" and number.strip().isdecimal() and 1 <= int(number) <= 10**6:
        return name, int(number)
    if text in POLICIES:
        return text, 0
    raise InputError(f"found {text[:40]!r}, allowed {', '.join(POLICIES)} with a whole K of at least 1",
                     field="policy")


def plan(
    workload: Workload, packed: Mapping[str, Packed], digital: Mapping[str, int], dense_crossbars: int, room: Room,
    policy: str,
) -> Plan:
    """Copies and places of every layer.

    digital: ps a window takes in the layers without crossbars. dense_crossbars: crossbars of one copy of the
    same network packed densely on the same machine.

    Raises:
        CapacityError: one copy of each layer does not fit, with need, limit and remedy.
        InputError: unknown policy.
    """
    kind, factor = parse_policy(policy)
    demands = [Demand(name, p.crossbars, p.layer.windows, p.mean_occupancy) for name, p in packed.items()]
    single = sum(d.crossbars for d in demands)
    edges = inputs(workload)
    least = slack_needed(edges)
    buffers = {layer: sum(least[layer, i] * e.words * e.bits for i, e in enumerate(edges[layer]))
               for layer in edges}
    _refuse_early(packed, buffers, single, room)
    site = _Site(workload, packed, demands, digital, edges, buffers, room)
    limit = int(room.tiles / room.overhead) if kind == "area" else room.tiles
    if kind == "fit":
        limit = site.smallest()
    budget = {"one_copy": single, "crossbars": factor * dense_crossbars}.get(kind, limit * room.crossbars_per_tile)
    if budget < single:
        raise CapacityError(f"one copy of each layer needs {single} crossbars, the policy allows {budget}; "
                            f"crossbars:{ceil(single / dense_crossbars)} would hold it", field="policy")
    parts, homes, tiles = site.fill(budget, limit)
    return Plan(
        policy, budget, {name: len(h) for name, h in homes.items()}, parts, homes, edges, least,
        site.capacities(least, parts, homes, tiles), len(tiles.used), sum(tiles.used), dense_crossbars,
        interval_bound(demands, budget),
    )


def _refuse_early(packed: Mapping[str, Packed], buffers: Mapping[str, int], single: int, room: Room) -> None:
    """Static refusals, before anything is placed."""
    if single > room.crossbars:
        chips = ceil(single / room.crossbars)
        raise CapacityError(f"one copy of each layer needs {single} crossbars, the machine has {room.crossbars}; "
                            f"{chips} times as many tiles (or --chips) would hold it")
    for layer, bits in buffers.items():
        if bits > room.buffer:
            raise CapacityError(f"layer {layer} needs a line buffer of {ceil(bits / 8192)} KB, a tile has "
                                f"{room.buffer // 8192} KB; a larger eDRAM (buffer.size) would hold it")


@dataclass
class _Site:
    """Tries budgets until copies and buffers can really be placed."""

    workload: Workload
    packed: Mapping[str, Packed]
    demands: list[Demand]
    digital: Mapping[str, int]
    edges: Mapping[str, list[Input]]
    buffers: Mapping[str, int]
    room: Room

    def attempt(self, copies: list[int], limit: int) -> _Placement | None:
        tiles = Tiles(self.room.crossbars_per_tile, self.room.buffer, limit)
        placed = place({d.name: d.crossbars for d in self.demands}, {n: p.cuts for n, p in self.packed.items()},
                       self.buffers, dict(zip(self.packed, copies, strict=True)), tiles)
        if placed is None:
            return None
        homes = {name: [copy[0].tile for copy in layer] for name, layer in placed.items()}
        interval = max(Fraction(d.windows * d.occupancy, c) for d, c in zip(self.demands, copies, strict=True))
        for layer, edges in self.edges.items():
            if layer in placed:
                continue
            if not edges:  # the input comes from outside
                homes[layer] = [0]
                continue
            wanted = ceil(self.digital[layer] * self.workload[layer].windows / interval) if interval else 1
            near = list(dict.fromkeys(homes[edges[0].producer]))
            chosen: list[int] = []
            for number in range(max(1, wanted)):
                options = [t for t in near[number:] if t not in chosen
                           and tiles.holds(t, 0, layer, self.buffers[layer])]
                tile = options[0] if options else tiles.fit(0, layer, self.buffers[layer], 0)
                if tile is None:
                    return None
                if tile in chosen:
                    break
                tiles.take(tile, 0, layer, self.buffers[layer])
                chosen.append(tile)
            homes[layer] = chosen
        return placed, {layer: homes[layer] for layer in self.edges}, tiles

    def smallest(self) -> int:
        """Fewest tiles that hold one copy of each layer and its buffers."""
        placement = self.attempt([1] * len(self.demands), self.room.tiles)
        return self.room.tiles if placement is None else len(placement[2].used)

    def fill(self, budget: int, limit: int) -> _Placement:
        """As many copies as the budget gives and the tiles really hold."""
        ones = [1] * len(self.demands)
        while True:
            copies = balance(self.demands, budget)
            placement = self.attempt(copies, limit)
            if placement is not None:
                return placement
            if copies == ones:
                raise CapacityError(f"one copy of each layer and its line buffers do not fit {limit} tiles of "
                                    f"{self.room.crossbars_per_tile} crossbars and {self.room.buffer // 8192} KB; "
                                    f"more tiles (or --chips) or a larger buffer would hold them")
            # Fragments of tiles stay empty; give up about one percent and try again.
            budget = min(budget, sum(c * d.crossbars for c, d in zip(copies, self.demands, strict=True)))
            budget -= max(1, budget // 100)

    def capacities(self, least: Mapping[tuple[str, int], int], parts: Mapping[str, list[list[Part]]],
                   homes: Mapping[str, list[int]], tiles: Tiles) -> dict[tuple[str, int], int]:
        """The room each tile has left, shared out in proportion to need; the scarcest tile of a layer decides."""
        share = [Fraction(tiles.buffer, max(1, filled)) for filled in tiles.filled]
        result = {}
        for (layer, index), smallest in least.items():
            used = {p.tile for copy in parts[layer] for p in copy} if layer in parts else set(homes[layer])
            scale = min(share[tile] for tile in sorted(used))
            windows = self.workload[self.edges[layer][index].producer].windows
            result[layer, index] = max(smallest, min(int(smallest * scale), 2 * windows))
        return result
