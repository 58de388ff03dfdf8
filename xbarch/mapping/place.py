"""First-fit placement of layer copies on tiles, within both crossbars and buffer bits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
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


@dataclass
class Tiles:
    """Free room on every tile of one kind, filled first-fit. numbers: what the chip numbers them; none: as they are
    here."""

    crossbars: int
    buffer: int
    limit: int
    numbers: Sequence[int] = ()
    used: list[int] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)
    buffered: list[dict[str, int]] = field(default_factory=list)

    def number(self, tile: int) -> int:
        """What the chip numbers a tile."""
        return self.numbers[tile] if self.numbers else tile

    def open(self) -> int | None:
        """A fresh tile, or None when the machine is full."""
        if len(self.used) >= self.limit:
            return None
        self.used.append(0)
        self.filled.append(0)
        self.buffered.append({})
        return len(self.used) - 1

    def holds(self, tile: int, crossbars: int, layer: str, bits: int) -> bool:
        """Whether the tile has room for that many crossbars and for the layer's input buffer, which it holds once."""
        extra = 0 if layer in self.buffered[tile] else bits
        return self.used[tile] + crossbars <= self.crossbars and self.filled[tile] + extra <= self.buffer

    def take(self, tile: int, crossbars: int, layer: str, bits: int) -> int:
        slot = self.used[tile]
        self.used[tile] += crossbars
        if layer not in self.buffered[tile]:
            self.buffered[tile][layer] = bits
            self.filled[tile] += bits
        return slot

    def fit(self, crossbars: int, layer: str, bits: int, first: int = 0) -> int | None:
        """The first tile with room, from tile `first` on; a new one is opened if necessary."""
        for tile in range(first, len(self.used)):
            if self.holds(tile, crossbars, layer, bits):
                return tile
        return self.open()


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

    def open(self, bits: int) -> int | None:
        """The number of a fresh tile whose buffer holds so many bits, of the first kind that has one."""
        for kind in self.kinds:
            if bits <= kind.buffer and (tile := kind.open()) is not None:
                return kind.number(tile)
        return None


def place(
    crossbars: Mapping[str, int], cuts: Mapping[str, Sequence[int]], buffers: Mapping[str, int],
    copies: Mapping[str, int], tiles: Tiles,
) -> dict[str, list[list[Part]]] | None:
    """Parts of every copy of every layer on tiles of one kind, or None when they run out.

    crossbars, copies: by layer. cuts: crossbar indices at which a layer may be cut between tiles without
    splitting a column block (ascending, 0 and the total included); a column block larger than a tile is cut
    anywhere. buffers: bits of line buffer each tile that holds a part of the layer must set aside.
    """
    result: dict[str, list[list[Part]]] = {}
    for layer, total in crossbars.items():
        pieces = _pieces(total, cuts[layer], tiles.crossbars)
        firsts, parts = dict[int, int](), []
        for _ in range(copies[layer]):
            copy = []
            for start, stop in pieces:
                # Where a piece did not fit, no piece of the layer that is as large will fit later.
                first = max((tile for size, tile in firsts.items() if size <= stop - start), default=0)
                tile = tiles.fit(stop - start, layer, buffers[layer], first)
                if tile is None:
                    return None
                firsts[stop - start] = tile
                slot = tiles.take(tile, stop - start, layer, buffers[layer])
                copy.append(Part(tiles.number(tile), start, stop, slot))
            parts.append(copy)
        result[layer] = parts
    return result


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
