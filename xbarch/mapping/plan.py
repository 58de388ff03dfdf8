"""Allocation policies: how many copies of each layer, on which tiles. What cannot fit is refused here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil
from operator import itemgetter

from xbarch.errors import CapacityError, InputError
from xbarch.mapping.copies import Demand, interval_bound
from xbarch.mapping.fill import fill, smallest
from xbarch.mapping.pack import Packed
from xbarch.mapping.place import Part
from xbarch.mapping.room import KindRoom, Pace, Room
from xbarch.mapping.shares import Share
from xbarch.mapping.site import Site
from xbarch.mapping.windows import Input
from xbarch.specs.explain import guess, listed
from xbarch.workload.graph import Workload

POLICIES = {
    "fit": "the smallest whole number of tiles that holds one copy of each layer, filled with copies",
    "one_copy": "one copy of each layer",
    "crossbars:K": "K times the crossbars of the dense network's single copy, whatever the method",
    "chip": "every crossbar of the chip(s)",
    "area": "the chip's area, the data path's own hardware included",
}


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
    replication: how output pixels are shared among copies (`xbarch.mapping.shares.REPLICATIONS`).
    shares: which copies own which output pixels, by layer; none where copies take them in turn.
    interval: ps per image that the busiest crossbars work.
    declined: crossbars of the budget that copies were not to use.
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
    replication: str = "in_turn"
    shares: Mapping[str, Share] = field(default_factory=dict)
    interval: Fraction = Fraction(0)
    declined: int = 0

    @cached_property
    def readers(self) -> Mapping[str, list[tuple[str, int]]]:
        """The inputs that each layer's outputs are, (consumer, input index)."""
        found: dict[str, list[tuple[str, int]]] = {name: [] for name in self.edges}
        for name, edges in self.edges.items():
            for index, edge in enumerate(edges):
                found[edge.producer].append((name, index))
        return found

    def tiles_of(self, layer: str, copy: int) -> list[int]:
        """Tiles that hold a part of a copy."""
        return self._tiles[layer][copy]

    @cached_property
    def _tiles(self) -> Mapping[str, list[list[int]]]:
        """Of every layer, the tiles that hold a part of each copy."""
        return {layer: [sorted({p.tile for p in copy}) for copy in self.parts[layer]] if layer in self.parts
                else [[tile] for tile in homes] for layer, homes in self.homes.items()}


Planned = Callable[[str], Plan]  # how copies share a layer's output -> the plan


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
    policy: str, replication: str = "in_turn", most: Fraction | None = None,
) -> Plan:
    """Copies and places of every layer.

    paces: one for every layer. dense_crossbars: crossbars of one copy of the same network packed densely on the same
    machine. replication: one of `xbarch.mapping.shares.REPLICATIONS` but `auto`. most: times those crossbars that are
    used at most, of what the policy allows; None: all.

    Raises:
        CapacityError: one copy of each layer does not fit, with need, limit and remedy.
        InputError: unknown policy.
    """
    kind, factor = parse_policy(policy)
    striped = replication != "in_turn"
    demands = [Demand(name, p.crossbars, p.layer.windows, p.mean_occupancy, striped) for name, p in packed.items()]
    rooms = room.each(list(packed), dense_crossbars)
    site = Site(workload=workload, packed=packed, demands=demands, paces=paces, room=room, rooms=rooms, striped=striped,
                by_layer=replication != "stripes")
    _refuse_early(site)
    limits = smallest(site) if kind == "fit" else [r.tiles for r in rooms]
    budgets = [_budget(kind, factor, r, limit, sum(d.crossbars for d in site.on(r)))
               for r, limit in zip(rooms, limits, strict=True)]
    used = budgets if most is None else [min(budget, int(most * r.dense))
                                         for budget, r in zip(budgets, rooms, strict=True)]
    if any(own < sum(d.crossbars for d in site.on(r)) for own, r in zip(used, rooms, strict=True)):
        raise CapacityError("one copy of each layer does not fit on so few crossbars", field="policy")
    placed = fill(site, used, limits)
    tiles = {r.kind: len(kind.used) for r, kind in zip(rooms, placed.floor.kinds, strict=True)}
    return Plan(
        policy=policy, budget=sum(budgets), copies={name: len(h) for name, h in placed.homes.items()},
        parts=placed.parts, homes=placed.homes, edges=placed.asked.edges, least=placed.asked.least,
        capacity=placed.capacity, rides=placed.rides, paces=paces, tiles=sum(tiles.values()),
        crossbars=sum(sum(kind.used) for kind in placed.floor.kinds), dense_crossbars=dense_crossbars, kinds=tiles,
        replication=replication, shares=placed.asked.shares, interval=placed.asked.interval,
        declined=sum(budgets) - sum(used),
        interval_bound=max(interval_bound(own, budget) for r, budget in zip(rooms, budgets, strict=True)
                           if (own := site.on(r))))


def fitting(planned: Planned, replication: str) -> Plan | None:
    """The plan of a replication; None where it does not fit."""
    try:
        return planned(replication)
    except CapacityError:
        return None


def first_fitting(planned: Planned, first: str, last: str) -> Plan:
    """The plan of the first of two replications that fits.

    Raises:
        CapacityError: neither does, as the last one says.
    """
    return fitting(planned, first) or planned(last)


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


def _refuse_early(site: Site) -> None:
    """Refuse what can be ruled out before anything is placed."""
    for room in site.rooms:
        single = sum(d.crossbars for d in site.on(room))
        if single > room.crossbars:
            chips = ceil(single / room.crossbars)
            raise CapacityError(f"one copy of each layer{_there(room)} needs {single} crossbars, the machine has "
                                f"{room.crossbars}; {chips} times as many tiles (or --chips) would hold it")
    over = {layer: bits for layer, bits in site.lines().items() if bits > site.largest(layer)}
    if over:
        layer, bits = max(over.items(), key=itemgetter(1))
        room, size = site.roomiest(layer), ceil(bits / 8192)
        apart = "" if site.striped or layer in site.packed or site.workload[layer].out_shape[2] == 1 else (
            "; stripes (--replication) would spread it over several tiles, or")
        kind, path = (f" of kind {room.kind}", f"kinds.{room.kind}.") if room.kind else ("", "")
        raise CapacityError(f"layer {layer} needs a line buffer of {size} KB, a tile{kind} has {room.buffer // 8192} "
                            f"KB{apart or ';'} a larger eDRAM (--set {path}buffer.size={size}KB) would hold it")
