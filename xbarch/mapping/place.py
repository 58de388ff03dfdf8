"""First-fit placement of layer copies on tiles, within both crossbars and buffer bits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """The crossbars [start, stop) of one copy that lie on one tile; `slot` is the first one's position in the tile."""

    tile: int
    start: int
    stop: int
    slot: int

    @property
    def crossbars(self) -> int:
        return self.stop - self.start


Needs = Callable[[str, Sequence[int]], int]  # (layer, copies) -> bits of buffer that a tile with parts of them needs


@dataclass
class Tiles:
    """Free room on every tile of one kind, filled first-fit. numbers: what the chip numbers them; none: as they are
    here. held: the copies of which each tile holds a part, by layer. asked: bits of its buffer, by layer. vacancies:
    see `vacant`."""

    crossbars: int
    buffer: int
    limit: int
    needs: Needs
    numbers: Sequence[int] = ()
    used: list[int] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)
    held: list[dict[str, list[int]]] = field(default_factory=list)
    asked: list[dict[str, int]] = field(default_factory=list)
    vacancies: dict[int, int] = field(default_factory=dict)

    def number(self, tile: int) -> int:
        """What the chip numbers a tile."""
        return self.numbers[tile] if self.numbers else tile

    def open(self) -> int | None:
        """A fresh tile, or None when the machine is full."""
        if len(self.used) >= self.limit:
            return None
        self.used.append(0)
        self.filled.append(0)
        self.held.append({})
        self.asked.append({})
        return len(self.used) - 1

    def extra(self, tile: int, layer: str, copies: Sequence[int]) -> int:
        """Bits that the layer's input buffer on the tile grows by with parts of these copies."""
        there = self.held[tile].get(layer)
        if there is None:
            return self.needs(layer, copies)
        new = [copy for copy in copies if copy not in there]
        return self.needs(layer, [*there, *new]) - self.asked[tile].get(layer, 0) if new else 0

    def holds(self, tile: int, crossbars: int, layer: str, *copies: int) -> bool:
        """Whether the tile has room for that many crossbars of copies and for the inputs that they read."""
        return (self.used[tile] + crossbars <= self.crossbars
                and self.filled[tile] + self.extra(tile, layer, copies) <= self.buffer)

    def take(self, tile: int, crossbars: int, layer: str, copy: int) -> int:
        slot = self.used[tile]
        self.used[tile] += crossbars
        there = self.held[tile].setdefault(layer, [])
        if copy not in there:
            more = self.extra(tile, layer, [copy])
            self.filled[tile] += more
            self.asked[tile][layer] = self.asked[tile].get(layer, 0) + more
            there.append(copy)
        return slot

    def vacant(self, crossbars: int) -> int:
        """The first tile with so many crossbars left. Tiles only fill up, so the search goes on where it ended."""
        tile = self.vacancies.get(crossbars, 0)
        while tile < len(self.used) and self.used[tile] + crossbars > self.crossbars:
            tile += 1
        self.vacancies[crossbars] = tile
        return tile

    def fit(self, crossbars: int, layer: str, copy: int, first: int = 0) -> int | None:
        """The first tile with room, from tile `first` on; a new one is opened if necessary. None if that is too small,
        or the machine is full."""
        for tile in range(max(first, self.vacant(crossbars)), len(self.used)):
            if self.holds(tile, crossbars, layer, copy):
                return tile
        opened = self.open()
        return opened if opened is not None and self.holds(opened, crossbars, layer, copy) else None


class Floor:
    """The tiles of all kinds by their numbers on the chip."""

    def __init__(self, kinds: Sequence[Tiles]) -> None:
        self.kinds = kinds

    def opened(self) -> Iterator[tuple[int, Tiles, int]]:
        """Number, kind and place in the kind of every tile that is open, in the order of the kinds."""
        for kind in self.kinds:
            for tile in range(len(kind.used)):
                yield kind.number(tile), kind, tile

    def at(self) -> dict[int, tuple[Tiles, int]]:
        """Kind and place in the kind of every tile that is open, by its number."""
        return {number: (kind, tile) for number, kind, tile in self.opened()}

    def open(self, layer: str, copy: int) -> int | None:
        """The number of a fresh tile whose buffer holds what a copy reads, of the first kind that has one."""
        for kind in self.kinds:
            if kind.needs(layer, [copy]) <= kind.buffer and (tile := kind.open()) is not None:
                return kind.number(tile)
        return None


def place(
    crossbars: Mapping[str, int], cuts: Mapping[str, Sequence[int]], order: Iterable[tuple[str, int]], tiles: Tiles,
) -> dict[str, list[list[Part]]] | None:
    """Parts of every copy of every layer on tiles of one kind, or None when they run out.

    crossbars: by layer. cuts: crossbar indices at which a layer may be cut between tiles without splitting a column
    block (ascending, 0 and the total included); a column block larger than a tile is cut anywhere. order: layers and
    numbers of copies, in the order in which they are placed; those of a layer ascending.
    """
    pieces = {layer: _pieces(total, cuts[layer], tiles.crossbars) for layer, total in crossbars.items()}
    result: dict[str, list[list[Part]]] = {layer: [] for layer in crossbars}
    firsts: dict[str, dict[int, int]] = {layer: {} for layer in crossbars}
    for layer, number in order:
        copy, known = [], firsts[layer]
        for start, stop in pieces[layer]:
            # Where a piece did not fit, no piece of the layer that is as large will fit later.
            first = max((tile for size, tile in known.items() if size <= stop - start), default=0)
            tile = tiles.fit(stop - start, layer, number, first)
            if tile is None:
                return None
            known[stop - start] = tile
            slot = tiles.take(tile, stop - start, layer, number)
            copy.append(Part(tiles.number(tile), start, stop, slot))
        result[layer].append(copy)
    return result


def fits(crossbars: Mapping[str, int], cuts: Mapping[str, Sequence[int]], order: Iterable[tuple[str, int]],
         room: int, limit: int) -> bool:
    """Whether `place` would find room if nothing but crossbars were needed: `room` on each of `limit` tiles."""
    sizes = {layer: [stop - start for start, stop in _pieces(total, cuts[layer], room)]
             for layer, total in crossbars.items()}
    used, first = list[int](), dict.fromkeys((size for some in sizes.values() for size in some), 0)
    for layer, _ in order:
        for size in sizes[layer]:
            tile = first[size]  # tiles only fill up, so the search goes on where it ended
            while tile < len(used) and used[tile] + size > room:
                tile += 1
            first[size] = tile
            if tile == len(used):
                if tile >= limit:
                    return False
                used.append(0)
            used[tile] += size
    return True


def _pieces(total: int, cuts: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Cut `total` crossbars into pieces of at most `room`, at column-block borders where possible."""
    if total <= room:
        return [(0, total)]
    pieces, start = [], 0
    while start < total:
        reach = start + room
        border = cuts[bisect_right(cuts, reach) - 1]
        if border <= start:
            border = min(reach, total)
        pieces.append((start, border))
        start = border
    return pieces
