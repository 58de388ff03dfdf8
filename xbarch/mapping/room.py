"""What a machine offers a plan, and how fast a layer uses it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """What the machine offers the plan.

    buffer: bits of a tile's eDRAM.
    ahead: windows that a copy may have between issue and the end of its crossbars' work.
    """

    tiles: int
    crossbars_per_tile: int
    buffer: int
    ahead: int = 2

    @property
    def crossbars(self) -> int:
        return self.tiles * self.crossbars_per_tile


@dataclass(frozen=True)
class Pace:
    """How fast a layer uses its tile.

    time: ps that the slowest of the tile's shared servers (activation, pooling, adder, buffer port) needs per window.
    flight: windows that a copy has under way, from issue to delivery, at full rate.
    """

    time: int
    flight: int
