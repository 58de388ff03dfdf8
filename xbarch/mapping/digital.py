"""Homes of layers without crossbars."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil

from xbarch.mapping.place import Tiles
from xbarch.mapping.room import Pace
from xbarch.workload.graph import Workload


class Digital:
    """Homes of layers without crossbars: near their producer, where the tiles' shared parts are least busy. copies: of
    every layer, where they own stripes; else those that the interval asks for take windows in turn."""

    def __init__(self, workload: Workload, paces: Mapping[str, Pace], tiles: Tiles, interval: Fraction,
                 copies: Mapping[str, int] | None) -> None:
        self.workload, self.paces, self.tiles, self.interval, self.copies = workload, paces, tiles, interval, copies
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
        tile."""
        copies: dict[int, list[int]] = {}
        for copy, tile in enumerate(near):
            copies.setdefault(tile, []).append(copy)
        if self.workload[layer].op != "add" or not all(
                self.tiles.holds(tile, 0, layer, *mine) for tile, mine in copies.items()):
            return None
        for copy, tile in enumerate(near):
            self.tiles.take(tile, 0, layer, copy)
        self.rides.append(layer)
        return list(near)

    def spread(self, layer: str, near: list[int]) -> list[int] | None:
        """As many copies as keep up with the crossbars, on the least busy tiles, near ones first; one of what keeps
        running sums, as every pixel is added to them."""
        work = self.paces[layer].time * self.workload[layer].windows
        count = max(1, ceil(work / self.interval)) if self.interval and not self.workload[layer].summed else 1
        share = Fraction(work, count)

        def cost(tile: int) -> tuple[bool, bool, Fraction, int]:
            load = self.load.get(tile, Fraction(0))
            return load + share > self.interval, tile not in near, load, tile

        free = [t for t in range(len(self.tiles.used)) if self.tiles.holds(t, 0, layer, 0)]
        chosen = sorted(free, key=cost)[:count]
        if not chosen:
            opened = self.tiles.open()
            chosen = [] if opened is None else [opened]
        for copy, tile in enumerate(chosen):
            self.tiles.take(tile, 0, layer, copy)
        return chosen or None

    def along(self, layer: str, near: list[int]) -> list[int] | None:
        """A tile for each stripe of the layer: the least busy one of those that compute the stripe's inputs, or of
        others where all of them are busy or full."""
        count, homes, mine = (self.copies or {})[layer], list[int](), dict[int, Fraction]()
        share = Fraction(self.paces[layer].time * self.workload[layer].windows, count)

        def cost(tile: int) -> tuple[bool, bool, Fraction, int]:
            load = self.load.get(tile, Fraction(0)) + mine.get(tile, Fraction(0))
            return load + share > self.interval, tile not in beside, load, tile

        for copy in range(count):
            beside = set(near[copy * len(near) // count:max(-(-(copy + 1) * len(near) // count), 1)])
            fitting = [t for t in range(len(self.tiles.used)) if self.tiles.holds(t, 0, layer, copy)]
            tile = min(fitting, key=cost, default=None)
            if tile is None and (tile := self.tiles.fit(0, layer, copy, len(self.tiles.used))) is None:
                return None
            self.tiles.take(tile, 0, layer, copy)
            mine[tile] = mine.get(tile, Fraction(0)) + share
            homes.append(tile)
        return homes
