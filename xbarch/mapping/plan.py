"""Allocation policies: how many copies of each layer, on which tiles. What cannot fit is refused here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil

from xbarch.errors import CapacityError, InputError
from xbarch.mapping.copies import Demand, balance, interval_bound
from xbarch.mapping.pack import Packed
from xbarch.mapping.place import Floor, Part, Tiles, place
from xbarch.mapping.room import KindRoom, Room
from xbarch.mapping.windows import Input, inputs, slack_needed
from xbarch.specs.explain import guess, listed
from xbarch.workload.graph import Workload

_log = logging.getLogger(__name__)
POLICIES = {
    "fit": "the smallest whole number of tiles that holds one copy of each layer, filled with copies",
    "one_copy": "one copy of each layer",
    "crossbars:K": "K times the crossbars of the dense network's single copy, whatever the method",
    "chip": "every crossbar of the chip(s)",
    "area": "the chip's area, the data path's own hardware included",
}


# A layer asks for at most 1/_SHARE of a tile's buffer beyond what it needs: other layers use the tile too.
_SHARE = 4


@dataclass(frozen=True)
class Pace:
    """How fast a layer uses its tile.

    time: ps that the slowest of the tile's shared servers (activation, pooling, adder, buffer port) needs per window.
    flight: windows that a copy has under way, from issue to delivery, at full rate.
    """

    time: int
    flight: int


@dataclass(frozen=True)
class _Placement:
    """A placement that was found. rides: layers whose copies are on the same tiles as their first producer's copies."""

    parts: dict[str, list[list[Part]]]
    homes: dict[str, list[int]]
    rides: frozenset[str]
    floor: Floor


_Found = tuple[_Placement, dict[tuple[str, int], int]]  # and the buffers


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many copies each layer has, and where everything lies.

    budget: crossbars that the policy allows.
    parts: parts[layer][copy] lists the parts of that copy.
    homes: homes[layer][copy] is the tile that merges the copy or, for layers without crossbars, executes it.
    edges: the inputs of each layer.
    least: the smallest buffer that works, in producer windows, by (consumer, input index).
    capacity: the buffer given, in producer windows, by (consumer, input index).
    rides: layers whose copy c takes its first input from copy c of the producer on the same tile.
    tiles: tiles used.
    crossbars: crossbars used.
    dense_crossbars: crossbars of one dense copy of the network.
    interval_bound: the pipeline interval in ps with fractional copies; no plan does better.
    placement: how the tiles are numbered (see `xbarch.mapping.placement`).
    kinds: tiles used of each kind of tile; of one kind, under an empty name.
    """

    policy: str
    budget: int
    copies: Mapping[str, int]
    parts: Mapping[str, list[list[Part]]]
    homes: Mapping[str, list[int]]
    edges: Mapping[str, list[Input]]
    least: Mapping[tuple[str, int], int]
    capacity: Mapping[tuple[str, int], int]
    rides: frozenset[str]
    paces: Mapping[str, Pace]
    tiles: int
    crossbars: int
    dense_crossbars: int
    interval_bound: Fraction
    placement: str = "row_major"
    kinds: Mapping[str, int] = field(default_factory=dict)


def parse_policy(text: str) -> tuple[str, int]:
    """("crossbars", k) or (name, 0).

    Raises:
        InputError: not a policy.
    """
    name, _, number = text.partition(":")
    if name == "crossbars" and number.strip().isdecimal() and len(number) < 10 and 1 <= int(number) <= 10**6:
        return name, int(number)
    if text in POLICIES:
        return text, 0
    near = [policy.replace("K", number) if number.strip("0").isdecimal() else policy for policy in POLICIES]
    raise InputError(f"must be {listed(list(POLICIES))} with a whole K from 1 to 1,000,000, not {text[:40]!r}"
                     f"{guess(text, near)}", field="policy")


def plan(
    workload: Workload, packed: Mapping[str, Packed], paces: Mapping[str, Pace], dense_crossbars: int, room: Room,
    policy: str,
) -> Plan:
    """Copies and places of every layer.

    paces: one for every layer. dense_crossbars: crossbars of one copy of the same network packed densely on the same
    machine.

    Raises:
        CapacityError: one copy of each layer does not fit, with need, limit and remedy.
        InputError: unknown policy.
    """
    kind, factor = parse_policy(policy)
    demands = [Demand(name, p.crossbars, p.layer.windows, p.mean_occupancy) for name, p in packed.items()]
    edges, rooms = inputs(workload), room.each(list(packed), dense_crossbars)
    site = _Site(workload=workload, packed=packed, demands=demands, paces=paces, edges=edges, least=slack_needed(edges),
                 room=room, rooms=rooms)
    _refuse_early(site)
    limits = site.smallest() if kind == "fit" else [r.tiles for r in rooms]
    budgets = [_budget(kind, factor, r, limit, sum(d.crossbars for d in site.on(r)))
               for r, limit in zip(rooms, limits, strict=True)]
    placed, capacity = site.fill(budgets, limits)
    used = {r.kind: len(tiles.used) for r, tiles in zip(rooms, placed.floor.kinds, strict=True)}
    return Plan(
        policy=policy, budget=sum(budgets), copies={name: len(h) for name, h in placed.homes.items()},
        parts=placed.parts, homes=placed.homes, edges=edges, least=site.least, capacity=capacity, rides=placed.rides,
        paces=paces, tiles=sum(used.values()), crossbars=sum(sum(tiles.used) for tiles in placed.floor.kinds),
        dense_crossbars=dense_crossbars, kinds=used,
        interval_bound=max(interval_bound(own, budget) for r, budget in zip(rooms, budgets, strict=True)
                           if (own := site.on(r))))


def _budget(kind: str, factor: int, room: KindRoom, limit: int, single: int) -> int:
    """Crossbars of one kind of tile that the policy allows. single: of one copy of each layer there."""
    most = limit * room.crossbars_per_tile
    budget = {"one_copy": single, "crossbars": min(factor * room.dense, most)}.get(kind, most)
    if budget < single:
        remedy = f"crossbars:{ceil(single / room.dense)}" if kind == "crossbars" else "chip, or more tiles,"
        raise CapacityError(f"one copy of each layer{_there(room)} needs {single} crossbars, the policy allows "
                            f"{budget}; {remedy} would hold it", field="policy")
    return budget


def _there(room: KindRoom) -> str:
    return f" on tiles of kind {room.kind}" if room.kind else ""


def _refuse_early(site: _Site) -> None:
    """Refuse what can be ruled out before anything is placed."""
    for room in site.rooms:
        single = sum(d.crossbars for d in site.on(room))
        if single > room.crossbars:
            chips = ceil(single / room.crossbars)
            raise CapacityError(f"one copy of each layer{_there(room)} needs {single} crossbars, the machine has "
                                f"{room.crossbars}; {chips} times as many tiles (or --chips) would hold it")
    for layer, bits in site.buffers(site.least).items():
        if bits > (most := site.largest(layer)):
            raise CapacityError(f"layer {layer} needs a line buffer of {ceil(bits / 8192)} KB, a tile has "
                                f"{most // 8192} KB; a larger eDRAM (buffer.size) would hold it")


@dataclass(kw_only=True)
class _Site:
    """Tries smaller and smaller budgets until copies and buffers can be placed."""

    workload: Workload
    packed: Mapping[str, Packed]
    demands: list[Demand]
    paces: Mapping[str, Pace]
    edges: Mapping[str, list[Input]]
    least: Mapping[tuple[str, int], int]
    room: Room
    rooms: Sequence[KindRoom]

    def on(self, room: KindRoom) -> list[Demand]:
        """The demands of a kind's layers."""
        return [d for d in self.demands if d.name in room.layers]

    def largest(self, layer: str) -> int:
        """Bits of the largest buffer that the layer can have: any kind of tile holds a layer without crossbars."""
        return next((r.buffer for r in self.rooms if layer in r.layers), max(r.buffer for r in self.rooms))

    def buffers(self, capacity: Mapping[tuple[str, int], int]) -> dict[str, int]:
        """Bits of buffer of every layer."""
        return {layer: sum(capacity[layer, i] * e.words * e.bits + e.sums for i, e in enumerate(edges))
                for layer, edges in self.edges.items()}

    def wanted(self, copies: Mapping[str, int]) -> dict[tuple[str, int], int]:
        """Buffers with which no copy waits for room at full rate, within a layer's share of a tile's buffer. They hold
        the least that works, the windows that the producer's copies have under way, those that the consumer's crossbars
        work on and, in front of a join, as many windows as the longest branch has under way beyond this one."""
        result = {}
        under_way = self.under_way(copies)
        for (layer, index), smallest in self.least.items():
            edge, la = self.edges[layer][index], self.workload[layer]
            behind = copies.get(edge.producer, 1) * self.paces[edge.producer].flight
            before = copies.get(layer, 1) * self.room.ahead * la.stride[1]
            beside = max(under_way[e.producer] for e in self.edges[layer]) - under_way[edge.producer]
            size = next((r.buffer for r in self.rooms if layer in r.layers), self.room.buffer)
            most = max(smallest, size // (_SHARE * len(self.edges[layer]) * edge.words * edge.bits))
            result[layer, index] = min(smallest + behind + before + beside, most)
        return result

    def under_way(self, copies: Mapping[str, int]) -> dict[str, int]:
        """Windows under way from the input to a layer along its longest branch, in windows of that layer."""
        found: dict[str, int] = {}
        for layer, edges in self.edges.items():
            windows = self.workload[layer].windows
            before = max((ceil(Fraction(found[e.producer] * windows, self.workload[e.producer].windows))
                          for e in edges), default=0)
            found[layer] = before + copies.get(layer, 1) * self.paces[layer].flight
        return found

    def attempt(self, copies: Mapping[str, int], limits: Sequence[int], roomy: bool) -> _Found | None:
        """Places and buffers, or None where they do not fit. roomy: buffers as `wanted`; else the least."""
        capacity = self.wanted(copies) if roomy else dict(self.least)
        buffers = self.buffers(capacity)
        if any(bits > self.largest(layer) for layer, bits in buffers.items()):
            return None
        floor = Floor([Tiles(room.crossbars_per_tile, room.buffer, limit, room.numbers)
                       for room, limit in zip(self.rooms, limits, strict=True)])
        parts = self.placed(copies, buffers, floor)
        if parts is None:
            return None
        interval = max(Fraction(d.windows * d.occupancy, copies[d.name]) for d in self.demands)
        digital = _Digital(self, floor, buffers, interval)
        homes = {name: [copy[0].tile for copy in layer] for name, layer in parts.items()}
        for name, tile in homes.items():
            digital.add(name, tile)
        for layer, edges in self.edges.items():
            if layer not in parts:
                found = digital.place(layer, homes[edges[0].producer]) if edges else [0]  # pixels arrive at tile 0
                if found is None:
                    return None
                homes[layer] = found
        homes = {layer: homes[layer] for layer in self.edges}
        placed = _Placement(parts, homes, frozenset(digital.rides), floor)
        return placed, self.capacities(capacity, placed)

    def placed(self, copies: Mapping[str, int], buffers: Mapping[str, int],
               floor: Floor) -> dict[str, list[list[Part]]] | None:
        """Parts of all copies, each on tiles of its layer's kind, or None where some do not fit."""
        parts: dict[str, list[list[Part]]] = {}
        cuts = {name: p.cuts for name, p in self.packed.items()}
        for room, tiles in zip(self.rooms, floor.kinds, strict=True):
            found = place({d.name: d.crossbars for d in self.on(room)}, cuts, buffers, copies, tiles)
            if found is None:
                return None
            parts |= found
        return {name: parts[name] for name in self.packed}

    def smallest(self) -> list[int]:
        """The fewest tiles of each kind that hold one copy of each layer and its buffers."""
        ones, limits = {d.name: 1 for d in self.demands}, [room.tiles for room in self.rooms]
        for roomy in (True, False):
            found = self.attempt(ones, limits, roomy)
            if found is not None:
                return [len(tiles.used) for tiles in found[0].floor.kinds]
        return limits

    def balanced(self, budgets: Sequence[int]) -> dict[str, int]:
        """Copies of each layer within the crossbars of its kind; a kind does not run ahead of the slowest one."""
        copies, enough = dict[str, int](), Fraction(0)
        for last in (False, True) if len(self.rooms) > 1 else (True,):
            for room, budget in zip(self.rooms, budgets, strict=True):
                own = self.on(room)
                copies |= zip((d.name for d in own), balance(own, budget, enough), strict=True)
            if not last:
                enough = max(Fraction(d.windows * d.occupancy, copies[d.name]) for d in self.demands)
        return {d.name: copies[d.name] for d in self.demands}

    def fill(self, budgets: Sequence[int], limits: Sequence[int]) -> _Found:
        """As many copies as the budgets allow and the tiles hold."""
        while True:
            copies = self.balanced(budgets)
            single = set(copies.values()) == {1}
            found = self.attempt(copies, limits, True)
            if found is None and single:
                found = self.attempt(copies, limits, False)
            if found is not None:
                return found
            if single:
                raise CapacityError("one copy of each layer and its line buffers do not fit " + " and ".join(
                    f"{replace(room, tiles=limit).words} of {room.crossbars_per_tile} crossbars and "
                    f"{room.buffer // 8192} KB" for room, limit in zip(self.rooms, limits, strict=True)
                ) + "; more tiles (or --chips) or a larger buffer would hold them")
            # Parts of tiles stay empty, so not all copies fit: lower the budgets by about one percent and try again.
            used = [sum(copies[d.name] * d.crossbars for d in self.on(room)) for room in self.rooms]
            budgets = [(least := min(budget, own)) - max(1, least // 100)
                       for budget, own in zip(budgets, used, strict=True)]
            _log.info("copies do not fit the tiles: crossbars lowered to %s", f"{sum(budgets):,}")

    def capacities(self, wanted: Mapping[tuple[str, int], int], placed: _Placement) -> dict[tuple[str, int], int]:
        """Buffers enlarged by the room that tiles have left, in proportion to need; a layer's fullest tile decides."""
        share = {number: Fraction(kind.buffer, max(1, kind.filled[tile]))
                 for number, kind, tile in placed.floor.opened()}
        result = {}
        for (layer, index), size in wanted.items():
            used = {p.tile for copy in placed.parts[layer] for p in copy} if layer in placed.parts \
                else set(placed.homes[layer])
            scale = min(share[tile] for tile in sorted(used))
            windows = self.workload[self.edges[layer][index].producer].windows
            result[layer, index] = max(size, min(int(size * scale), 2 * windows))
        return result


class _Digital:
    """Homes of layers without crossbars: near their producer, where the tiles' shared parts are least busy."""

    def __init__(self, site: _Site, floor: Floor, buffers: Mapping[str, int], interval: Fraction) -> None:
        self.site, self.floor, self.buffers, self.interval = site, floor, buffers, interval
        self.load: dict[int, Fraction] = {}  # ps per image that a tile's busiest shared part works
        self.rides: list[str] = []

    def add(self, layer: str, homes: list[int]) -> None:
        """Add a layer's work to the load of its homes."""
        share = Fraction(self.site.paces[layer].time * self.site.workload[layer].windows, len(homes))
        for tile in homes:
            self.load[tile] = self.load.get(tile, Fraction(0)) + share

    def place(self, layer: str, near: list[int]) -> list[int] | None:
        """Tiles of the layer's copies, or None where no buffer is free. near: homes of its first producer."""
        homes = self.ride(layer, near) or self.spread(layer, near)
        if homes:
            self.add(layer, homes)
        return homes

    def ride(self, layer: str, near: list[int]) -> list[int] | None:
        """An addition processes window j on the tile where its producer's copy makes it, so that input stays on the
        tile."""
        if self.site.workload[layer].op != "add":
            return None
        at = self.floor.at()
        tiles = [at[number] for number in dict.fromkeys(near)]
        if not all(kind.holds(tile, 0, layer, self.buffers[layer]) for kind, tile in tiles):
            return None
        for kind, tile in tiles:
            kind.take(tile, 0, layer, self.buffers[layer])
        self.rides.append(layer)
        return list(near)

    def spread(self, layer: str, near: list[int]) -> list[int] | None:
        """As many copies as keep up with the crossbars, on the least busy tiles, near ones first; one of what keeps
        running sums, as every pixel is added to them."""
        work = self.site.paces[layer].time * self.site.workload[layer].windows
        count = max(1, ceil(work / self.interval)) if self.interval and not self.site.workload[layer].summed else 1
        share = Fraction(work, count)

        def cost(tile: int) -> tuple[bool, bool, Fraction, int]:
            load = self.load.get(tile, Fraction(0))
            return load + share > self.interval, tile not in near, load, tile

        bits = self.buffers[layer]
        free = [number for number, kind, tile in self.floor.opened() if kind.holds(tile, 0, layer, bits)]
        chosen = sorted(free, key=cost)[:count]
        if not chosen:
            opened = self.floor.open(bits)
            chosen = [] if opened is None else [opened]
        at = self.floor.at()
        for number in chosen:
            kind, tile = at[number]
            kind.take(tile, 0, layer, bits)
        return chosen or None
