"""Homes of layers without crossbars."""

from __future__ import annotations

from collections.abc import Mapping
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
        self.load: dict[int, Fraction] = {}  # ps per image that a tile's busiest shared part works
        self.rides: list[str] = []

    def add(self, layer: str, homes: list[int]) -> None:
        """Add a layer's work to the load of its homes."""
        share = Fraction(self.paces[layer].time * self.workload[layer].windows, len(homes))
        for tile in homes:
            self.load[tile] = self.load.get(tile, Fraction(0)) + share

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
        share = Fraction(work, count)

        def cost(tile: int) -> tuple[bool, bool, Fraction, int]:
            load = self.load.get(tile, Fraction(0))
            return load + share > self.interval, tile not in near, load, tile

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
        count, homes, mine = (self.copies or {})[layer], list[int](), dict[int, Fraction]()
        share = Fraction(self.paces[layer].time * self.workload[layer].windows, count)

        def cost(tile: int) -> tuple[bool, bool, Fraction, int]:
            load = self.load.get(tile, Fraction(0)) + mine.get(tile, Fraction(0))
            return load + share > self.interval, tile not in beside, load, tile

        at = self.floor.at()
        for copy in range(count):
            beside = set(near[copy * len(near) // count:max(-(-(copy + 1) * len(near) // count), 1)])
            fitting = [number for number in sorted(beside) if at[number][0].holds(at[number][1], 0, layer, copy)]
            if not fitting or cost(min(fitting, key=cost))[0]:  # full, or too busy: any other tile may be better
                fitting = [number for number, (kind, tile) in at.items() if kind.holds(tile, 0, layer, copy)]
            chosen = min(fitting, key=cost, default=None)
            if chosen is None:
                chosen = self.floor.open(layer, copy)
                at = self.floor.at()
            if chosen is None:
                return None
            kind, tile = at[chosen]
            kind.take(tile, 0, layer, copy)
            mine[chosen] = mine.get(chosen, Fraction(0)) + share
            homes.append(chosen)
        return homes
