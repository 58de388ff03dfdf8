"""Homes of layers without crossbars."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import ceil

from xbarch.mapping.place import Floor
from xbarch.mapping.room import Pace
from xbarch.workload.graph import Workload


class Digital:
    """Homes of layers without crossbars: near their producer, where the tiles' shared parts are least busy. copies: of
    every layer, where they own stripes; else those that the interval asks for take windows in turn."""

    def __init__(self, workload: Workload, paces: Mapping[str, Pace], floor: Floor, interval: Fraction,
                 copies: Mapping[str, int] | None) -> None:
        self.workload, self.paces, self.floor, self.interval, self.copies = workload, paces, floor, interval, copies
        self.most = int(interval)  # ps per image that a tile's parts may work
        self.load: dict[int, int] = {}  # that its busiest shared part works
        self.rides: list[str] = []

    def add(self, layer: str, homes: list[int]) -> None:
        """Add a layer's work to the load of its homes."""
        share = ceil(self.paces[layer].time * self.workload[layer].windows / len(homes))
        for tile in homes:
            self.load[tile] = self.load.get(tile, 0) + share

    def place(self, layer: str, near: list[int]) -> list[int] | None:
        """Tiles of the layer's copies, or None where no buffer is free. near: homes of its first producer."""
        homes = self.ride(layer, near) or (self.spread if self.copies is None else self.along)(layer, near)
        if homes:
            self.add(layer, homes)
        return homes

    def ride(self, layer: str, near: list[int]) -> list[int] | None:
        """An addition processes window j on the tile where its producer's copy makes it, so that input stays on the
        tile; not one that is spread over more tiles than its producer."""
        if self.workload[layer].op != "add" or len(near) != (self.copies or {}).get(layer, len(near)):
            return None
        at, copies = self.floor.at(), dict[int, list[int]]()
        for copy, number in enumerate(near):
            copies.setdefault(number, []).append(copy)
        if not all(at[number][0].holds(at[number][1], 0, layer, *mine) for number, mine in copies.items()):
            return None
        self.take(layer, near)
        self.rides.append(layer)
        return list(near)

    def take(self, layer: str, homes: list[int]) -> None:
        """Take room for the layer's copies on these tiles."""
        at = self.floor.at()
        for copy, number in enumerate(homes):
            kind, tile = at[number]
            kind.take(tile, 0, layer, copy)

    def spread(self, layer: str, near: list[int]) -> list[int] | None:
        """As many copies as keep up with the crossbars, on the least busy tiles, near ones first; one of what keeps
        running sums, as every pixel is added to them."""
        work = self.paces[layer].time * self.workload[layer].windows
        count = max(1, ceil(work / self.interval)) if self.interval and not self.workload[layer].summed else 1
        share = ceil(work / count)

        def cost(tile: int) -> tuple[bool, bool, int, int]:
            load = self.load.get(tile, 0)
            return load + share > self.most, tile not in near, load, tile

        free = [number for number, kind, tile in self.floor.opened() if kind.holds(tile, 0, layer, 0)]
        chosen = sorted(free, key=cost)[:count]
        if not chosen:
            opened = self.floor.open(layer, 0)
            chosen = [] if opened is None else [opened]
        self.take(layer, chosen)
        return chosen or None

    def along(self, layer: str, near: list[int]) -> list[int] | None:
        """A tile for each stripe of the layer: the least busy one of those that compute the stripe's inputs, or of
        others where all of them are busy or full."""
        count, homes = (self.copies or {})[layer], list[int]()
        share = ceil(self.paces[layer].time * self.workload[layer].windows / count)
        at = self.floor.at()
        loads = {number: self.load.get(number, 0) for number in at}
        idle = sorted((load, number) for number, load in loads.items())

        def first(places: Iterable[tuple[int, int]], copy: int) -> tuple[int, int] | None:
            """The first place, (load, tile), with room for a copy."""
            return next((place for place in places if at[place[1]][0].holds(at[place[1]][1], 0, layer, copy)), None)

        for copy in range(count):
            beside = set(near[copy * len(near) // count:max(-(-(copy + 1) * len(near) // count), 1)])
            chosen = first(sorted((loads[number], number) for number in beside), copy)
            if chosen is None or chosen[0] + share > self.most:
                other = first(idle, copy)
                chosen = other if other and (chosen is None or other[0] + share <= self.most) else chosen
            if chosen is None:
                if (opened := self.floor.open(layer, copy)) is None:
                    return None
                at, chosen = self.floor.at(), (0, opened)
            else:
                idle.remove(chosen)
            load, number = chosen
            at[number][0].take(at[number][1], 0, layer, copy)
            loads[number] = load + share
            insort(idle, (load + share, number))
            homes.append(number)
        return homes
