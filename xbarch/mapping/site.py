"""The places of a plan: copies and buffers, by what each layer needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import ceil

from xbarch.mapping.buffers import Buffers
from xbarch.mapping.copies import Demand
from xbarch.mapping.digital import Digital
from xbarch.mapping.pack import Packed
from xbarch.mapping.place import Floor, Needs, Part, Tiles, fits, place
from xbarch.mapping.reads import Slide
from xbarch.mapping.room import KindRoom, Pace, Room
from xbarch.mapping.shares import Share
from xbarch.mapping.windows import Input, footprint, inputs, slack_needed
from xbarch.workload.graph import Layer, Workload

_log = logging.getLogger(__name__)

Sizes = Mapping[tuple[str, int], int]  # of buffers in producer windows, by (consumer, input index)

# A layer asks for at most 1/_SHARE of a tile's buffer beyond what it needs: other layers use the tile too.
_SHARE = 4


@dataclass(frozen=True)
class Asked:
    """What is to be placed. copies: of layers on crossbars and, where copies own stripes, of all others too. interval:
    ps per image that the busiest crossbars work. shares, edges, least: see `xbarch.mapping.plan.Plan`. spread: whether
    a tile's buffer is smaller than what a layer without crossbars keeps, so that several share it."""

    copies: Mapping[str, int]
    interval: Fraction
    shares: Mapping[str, Share]
    edges: Mapping[str, list[Input]]
    least: Sizes
    spread: bool = False


@dataclass(frozen=True)
class Placement:
    """A placement that was found. rides: layers whose copies are on the same tiles as their first producer's copies."""

    asked: Asked
    parts: dict[str, list[list[Part]]]
    homes: dict[str, list[int]]
    rides: frozenset[str]
    floor: Floor
    capacity: Sizes


@dataclass(kw_only=True)
class Site:
    """The tiles on which a network is placed. rooms: of the kinds of tile. striped: whether copies own stripes of their
    output. by_layer: whether layers are placed one after another."""

    workload: Workload
    packed: Mapping[str, Packed]
    demands: list[Demand]
    paces: Mapping[str, Pace]
    room: Room
    rooms: Sequence[KindRoom]
    striped: bool
    by_layer: bool = True
    large: dict[str, None] = field(default_factory=dict)
    """Layers of which a copy was too large for a tile, the last one last."""

    @cached_property
    def in_turn(self) -> tuple[dict[str, list[Input]], Sizes]:
        """Inputs, and the smallest buffers, of layers whose pixels are computed along the rows."""
        edges = inputs(self.workload)
        return edges, slack_needed(edges)

    @cached_property
    def ones(self) -> dict[str, int]:
        """A copy of each layer on crossbars."""
        return {d.name: 1 for d in self.demands}

    @cached_property
    def alone(self) -> Asked:
        """What is to be placed of single copies."""
        return self.ask(self.ones)

    def on(self, room: KindRoom) -> list[Demand]:
        """The demands of a kind's layers."""
        return [d for d in self.demands if d.name in room.layers]

    def roomiest(self, layer: str) -> KindRoom:
        """The tiles with the largest buffer that the layer can have: any kind of tile holds a layer without
        crossbars."""
        return next((r for r in self.rooms if layer in r.layers), max(self.rooms, key=lambda r: r.buffer))

    def largest(self, layer: str) -> int:
        """Bits of the largest buffer that the layer can have."""
        return self.roomiest(layer).buffer

    def ask(self, copies: Mapping[str, int]) -> Asked:
        """What is to be placed with so many copies of each layer on crossbars."""
        interval = max(d.time(copies[d.name]) for d in self.demands)
        if not self.striped:
            return Asked(copies, interval, {}, *self.in_turn)
        spread = dict[str, Share]()
        while True:
            shares = self.shares(copies, interval, spread)
            edges = inputs(self.workload, shares)
            asked = Asked({name: share.copies for name, share in shares.items()}, interval, shares, edges,
                          slack_needed(edges), bool(spread))
            more = self.spread(asked)
            if not more:
                return asked
            spread |= more

    def shares(self, copies: Mapping[str, int], interval: Fraction, spread: Mapping[str, Share]) -> dict[str, Share]:
        """How the copies of every layer own its output. spread: of layers that one tile does not hold."""
        found: dict[str, Share] = {}
        for name, edges in self.in_turn[0].items():
            layer = self.workload[name]
            if name in copies:
                found[name] = Share(*layer.out_shape[1:], copies[name])
            elif name in spread:
                found[name] = spread[name]
            elif layer.op == "add":
                found[name] = found[edges[0].producer]
            else:
                found[name] = self.paced(layer, interval, *(found[e.producer].copies for e in edges))
        return found

    def spread(self, asked: Asked) -> dict[str, Share]:
        """Narrower stripes of layers without crossbars, if the inputs of one fill more than a tile's buffer, as a map
        does that waits for a gate of its own: each then fits half of one, where that is possible, so that there is room
        for more than the least."""
        most = {name: self.most(asked, name, share) for name, share in asked.shares.items() if name not in self.packed}
        if all(bits <= self.largest(layer) for layer, bits in most.items()):
            return {}
        found = dict[str, Share]()
        for layer, bits in most.items():
            half, share = self.largest(layer) // 2, asked.shares[layer]
            narrower = (replace(share, copies=copies) for copies in range(
                share.copies + 1, min(share.width, self.room.tiles) + 1))
            best, least = share, bits
            while least > half and (each := next(narrower, None)):
                if (need := self.most(asked, layer, each)) < least:
                    best, least = each, need
            if best is not share:
                found[layer] = best
        return found

    def most(self, asked: Asked, layer: str, share: Share) -> int:
        """Bits of the smallest buffer of the copy that needs most, if a layer's copies shared its output so."""
        needs = Buffers(self.workload.by_name, asked.edges, {**asked.shares, layer: share}, asked.least)
        return max(needs(layer, [copy]) for copy in range(share.copies))

    def paced(self, layer: Layer, interval: Fraction, *sources: int) -> Share:
        """A layer without weights: a stripe for each of the producer's, up to one for each column, so that no tile
        keeps more, or as many copies as keep up with the crossbars, if there are tiles for them. sources: copies of
        the producers."""
        height, width = layer.out_shape[1:]
        if layer.op == "input" or layer.summed:
            return Share(height, width)
        most = interval // time if (time := self.paces[layer.name].time) else layer.windows
        fast = min(ceil(layer.windows / max(1, most)), self.room.tiles)
        return Share(height, width, max(fast, min(width, *sources)))

    def buffers(self, asked: Asked, capacity: Sizes) -> Buffers:
        return Buffers(self.workload.by_name, asked.edges, asked.shares, capacity)

    def lines(self) -> dict[str, int]:
        """Bits of the smallest buffer of every layer, with one copy of each on crossbars."""
        asked = self.alone
        needs = self.buffers(asked, asked.least)
        return {layer: max(needs(layer, [copy]) for copy in range(asked.copies[layer] if self.striped else 1))
                for layer in asked.edges}

    def wanted(self, asked: Asked) -> dict[tuple[str, int], int]:
        """Buffers with which no copy waits for room at full rate, within a layer's share of a tile's buffer. They hold
        the least that works, the windows that the producer's copies have under way, those that the consumer's crossbars
        work on and, in front of a join, as many windows as the longest branch has under way beyond this one. Where
        copies own stripes the producer also works on the rows after those that the consumer is working on."""
        result, copies = {}, asked.copies
        under_way, needs = self.under_way(asked), self.buffers(asked, asked.least)
        for (layer, index), smallest in asked.least.items():
            edge, la = asked.edges[layer][index], self.workload[layer]
            behind = copies.get(edge.producer, 1) * self.paces[edge.producer].flight
            before = copies.get(layer, 1) * self.room.ahead * la.stride[1]
            beside = max(under_way[e.producer] for e in asked.edges[layer]) - under_way[edge.producer]
            source = needs.source(edge)
            columns = needs.columns(layer, index, range(self.together(layer, copies)))
            here = next((r.buffer for r in self.rooms if layer in r.layers), self.room.buffer)
            room = here * source.width // columns
            least = smallest + self.next_rows(asked.shares.get(edge.producer), copies.get(layer, 1), edge)
            most = max(least, room // (_SHARE * len(asked.edges[layer]) * edge.words * edge.bits))
            size = min(least + behind + before + beside, most)
            if self.striped and copies[layer] > 1 and source.height > 1:
                size = source.whole(size)  # which needs no more
            result[layer, index] = size
        return result

    def next_rows(self, source: Share | None, copies: int, edge: Input) -> int:
        """Where copies own stripes, the pixels that the producer computes while a layer is at work on those before.
        source: of the producer; copies: of the layer."""
        return 0 if source is None or max(source.copies, copies) == 1 or source.height == 1 else edge.ahead

    def together(self, layer: str, copies: Mapping[str, int]) -> int:
        """Copies of a layer of which a tile can hold the crossbars."""
        if layer not in self.packed:
            return 1
        room = next(r for r in self.rooms if layer in r.layers)
        return min(copies[layer], max(1, room.crossbars_per_tile // self.packed[layer].crossbars))

    def under_way(self, asked: Asked) -> dict[str, int]:
        """Windows under way from the input to a layer along its longest branch, in windows of that layer."""
        found: dict[str, int] = {}
        for layer, edges in asked.edges.items():
            windows = self.workload[layer].windows
            before = max((ceil(Fraction(found[e.producer] * windows, self.workload[e.producer].windows))
                          for e in edges), default=0)
            found[layer] = before + asked.copies.get(layer, 1) * self.paces[layer].flight
        return found

    def attempt(self, copies: Mapping[str, int], limits: Sequence[int], roomy: bool) -> Placement | None:
        """Places and buffers, or None where they do not fit. roomy: buffers as `wanted`; else the least."""
        asked = self.ask(copies)
        capacity = self.wanted(asked) if roomy else dict(asked.least)
        needs = self.buffers(asked, capacity)
        if (large := next((la for la in asked.edges if needs(la, [0]) > self.largest(la)), None)) is not None:
            self.large.pop(large, None)
            self.large[large] = None
            return None
        floor = self.floor(limits, needs)
        parts = self.placed(copies, floor)
        if parts is None:
            return None
        digital = Digital(self.workload, self.paces, floor, asked.interval, asked.copies if self.striped else None)
        homes = {name: [copy[0].tile for copy in layer] for name, layer in parts.items()}
        for name, tile in homes.items():
            digital.add(name, tile)
        for layer, edges in asked.edges.items():
            if layer not in parts:
                found = digital.place(layer, homes[edges[0].producer]) if edges else [0]  # pixels arrive at tile 0
                if found is None:
                    return None
                homes[layer] = found
        homes = {layer: homes[layer] for layer in asked.edges}
        return Placement(asked, parts, homes, frozenset(digital.rides), floor,
                         self.capacities(asked, capacity, parts, homes, floor))

    def too_large(self, copies: Mapping[str, int]) -> bool:
        """Whether a copy of a layer that was too large for a tile before is so again. It is looked at by itself, with
        the least that `wanted` gives it, which is known of a layer behind one other on crossbars."""
        for layer in reversed(self.large):
            edges, la = self.in_turn[0][layer], self.workload[layer]
            before = edges[0].producer
            if not self.striped or len(edges) > 1 or edges[0].moved or not {layer, before} <= copies.keys():
                continue
            shares = {name: Share(*self.workload[name].out_shape[1:], copies[name]) for name in (layer, before)}
            need, release = footprint(Slide.of(la), shares[before], shares[layer])
            edge = replace(edges[0], need=need, release=release)
            least = edge.least + self.next_rows(shares[before], copies[layer], edge)
            needs = Buffers(self.workload.by_name, {layer: [edge]}, shares, {(layer, 0): least})
            if needs(layer, [0]) > self.largest(layer):
                return True
        return False

    def fits(self, copies: Mapping[str, int], limits: Sequence[int]) -> bool:
        """Whether there are crossbars enough for these copies, each on tiles of its layer's kind."""
        cuts = {name: p.cuts for name, p in self.packed.items()}
        for room, limit in zip(self.rooms, limits, strict=True):
            own = {d.name: d.crossbars for d in self.on(room)}
            if sum(copies[name] * count for name, count in own.items()) > limit * room.crossbars_per_tile or not fits(
                    own, cuts, self.order(copies, list(own)), room.crossbars_per_tile, limit):
                return False
        return True

    def floor(self, limits: Sequence[int], needs: Needs) -> Floor:
        """Empty tiles of all kinds, so many of each."""
        return Floor([Tiles(room.crossbars_per_tile, room.buffer, limit, needs, room.numbers)
                      for room, limit in zip(self.rooms, limits, strict=True)])

    def placed(self, copies: Mapping[str, int], floor: Floor) -> dict[str, list[list[Part]]] | None:
        """Parts of all copies, each on tiles of its layer's kind, or None where some do not fit."""
        parts: dict[str, list[list[Part]]] = {}
        cuts = {name: p.cuts for name, p in self.packed.items()}
        for room, tiles in zip(self.rooms, floor.kinds, strict=True):
            own = {d.name: d.crossbars for d in self.on(room)}
            found = place(own, cuts, self.order(copies, list(own)), tiles)
            if found is None:
                return None
            parts |= found
        return {name: parts[name] for name in self.packed}

    def order(self, copies: Mapping[str, int], layers: Sequence[str]) -> list[tuple[str, int]]:
        """The copies of these layers in the order in which they are placed: layer by layer, or from left to right
        through all layers, so that those lie together which compute the same part of the image."""
        every = [(layer, copy) for layer in layers for copy in range(copies[layer])]
        if self.by_layer:
            return every

        def place(each: tuple[str, int]) -> tuple[bool, float]:
            return copies[each[0]] == 1, each[1] / copies[each[0]]

        return sorted(every, key=place)

    def capacities(self, asked: Asked, wanted: Sizes, parts: Mapping[str, list[list[Part]]],
                   homes: Mapping[str, list[int]], floor: Floor) -> dict[tuple[str, int], int]:
        """Buffers enlarged by the room that tiles have left, in proportion to need; a layer's fullest tile decides.
        Where tiles keep some columns only, what each column has grows by no more; of a single row it cannot grow."""
        share = {number: Fraction(kind.buffer, max(1, kind.filled[tile])) for number, kind, tile in floor.opened()}
        result = {}
        for (layer, index), size in wanted.items():
            used = {p.tile for copy in parts[layer] for p in copy} if layer in parts else set(homes[layer])
            scale = min(share[tile] for tile in sorted(used))
            producer = asked.edges[layer][index].producer
            grown = min(int(size * scale), 2 * self.workload[producer].windows)
            if self.striped and asked.copies[layer] > 1:
                source = asked.shares[producer]
                if source.height > 1 or grown > source.width:
                    grown = source.within(grown, int(source.tallest(size) * scale))
            result[layer, index] = max(size, grown)
        return result
