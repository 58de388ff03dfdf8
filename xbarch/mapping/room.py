"""What the machine offers the plan, tiles of one kind or of several, and how fast a layer uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """Tiles.

    buffer: bits of a tile's eDRAM; of several kinds, of the smallest.
    ahead: windows that a copy may have between issue and the end of its crossbars' work.
    kinds: the rooms of the kinds, where there are several; the numbers of tiles and crossbars are then those of all.
    """

    tiles: int
    crossbars_per_tile: int
    buffer: int
    ahead: int = 2
    kinds: tuple[KindRoom, ...] = ()

    @property
    def crossbars(self) -> int:
        return sum(kind.crossbars for kind in self.kinds) or self.tiles * self.crossbars_per_tile

    def each(self, layers: Sequence[str], dense: int) -> tuple[KindRoom, ...]:
        """The rooms of all kinds; of one kind, that of all `layers`, whose dense copies take `dense` crossbars."""
        return self.kinds or (KindRoom(self.tiles, self.crossbars_per_tile, self.buffer, self.ahead,
                                       layers=frozenset(layers), dense=dense),)


@dataclass(frozen=True)
class KindRoom(Room):
    """The tiles of one kind.

    kind: its name.
    layers: the compute layers that run there.
    dense: crossbars of one dense copy of these.
    numbers: what the chips number its tiles; none: 0, 1, 2 and so on.
    """

    kind: str = ""
    layers: frozenset[str] = frozenset()
    dense: int = 0
    numbers: Sequence[int] = ()

    @property
    def words(self) -> str:
        """For messages."""
        return f"{self.tiles} tiles{f' of kind {self.kind}' if self.kind else ''}"


@dataclass(frozen=True)
class Pace:
    """How fast a layer uses its tile.

    time: ps that the slowest of the tile's shared servers (activation, pooling, adder, buffer port) needs per window.
    flight: windows that a copy has under way, from issue to delivery, at full rate.
    """

    time: int
    flight: int
