"""Bus: one medium that all tiles share."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil, sqrt
from typing import ClassVar

from xbarch.parts.topologies.base import Link, Node, Point, Topology

_WIRE: Node = (0, 1)
WIRE: Link = (_WIRE, _WIRE)


class Bus(Topology):
    """Node (tile, 0) is a tile's port; one more node is the port of the off-chip link. The sender holds the wire; all
    receivers listen at once, each into a queue of its own, and the sender waits until all of them have room."""

    name: ClassVar[str] = "bus"
    summary: ClassVar[str] = "one medium for all tiles: one packet at a time, to all of its receivers at once"
    provenance: ClassVar[str] = ("Dally and Towles, Principles and Practices of Interconnection Networks, 2004, "
                                 "chapter on buses; requests in the order of their times (assumed)")

    @property
    def gate(self) -> Node:
        return self.tiles, 0

    @property
    def shape(self) -> str:
        return f"one bus, {self.tiles} tiles"

    def node(self, tile: int) -> Node:
        return tile, 0

    def path(self, source: Node, target: Node) -> list[Link]:
        return [WIRE] if source != target else []

    def links(self) -> list[Link]:
        return [WIRE]

    def queues(self, link: Link, ends: Collection[Node]) -> list[Link]:
        return [(_WIRE, end) for end in sorted(ends)]

    def spot(self, tile: int) -> tuple[float, float, float]:
        y, x = divmod(tile, self._columns)
        return x - 0.33, y - 0.42, 0.66

    def line(self, link: Link) -> list[Point]:
        """Below every row of tiles, back and forth."""
        right, points = self._columns - 0.6, list[Point]()
        for row in range(ceil(self.tiles / self._columns)):
            ends = (-0.4, row + 0.42), (right, row + 0.42)
            points += ends if row % 2 == 0 else ends[::-1]
        return points

    @property
    def _columns(self) -> int:
        return ceil(sqrt(self.tiles))
