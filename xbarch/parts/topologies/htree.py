"""H-tree: branching wires with the tiles at their ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from xbarch.parts.topologies.base import Link, Node, Point, Topology
from xbarch.specs.model import Options


class HTreeOptions(Options):
    """arity: branches of a node: 2 (binary) or 4 (quad)."""

    arity: Literal[2, 4] = 2


class HTree(Topology[HTreeOptions]):
    """Node (n, level) is the n-th node of its level. Tiles are at level 0; the root, with the off-chip link, is the
    last level. Packets go up to the nearest common node and then down; they never turn from down to up, so no ring of
    links forms. Each branch has a link up and a link down, of the same width on all levels (assumed)."""

    name: ClassVar[str] = "htree"
    summary: ClassVar[str] = "a binary or quad tree with the tiles as leaves: up to the common node and down"
    provenance: ClassVar[str] = ("Dong et al., NVSim, IEEE TCAD 2012, and Chen et al., NeuroSim, IEEE TCAD 2018 "
                                 "(H-tree between subarrays and tiles); packets and queues on it: assumed")
    Options: ClassVar[type[Options]] = HTreeOptions

    def __init__(self, tiles: int, options: HTreeOptions | Mapping[str, Any] | None = None) -> None:
        super().__init__(tiles, options)
        self.arity: int = self.options.arity
        self.levels = 0
        while self.arity ** self.levels < tiles:
            self.levels += 1

    @property
    def gate(self) -> Node:
        return 0, self.levels

    @property
    def shape(self) -> str:
        return f"{'binary' if self.arity == 2 else 'quad'} tree of {self.levels} levels, {self.tiles} tiles"

    def node(self, tile: int) -> Node:
        return tile, 0

    def path(self, source: Node, target: Node) -> list[Link]:
        up, down = list[Link](), list[Link]()
        while source != target:
            lower = source[1] - target[1]
            if lower <= 0:
                up.append((source, source := self._above(source)))
            if lower >= 0:
                down.append((self._above(target), target))
                target = self._above(target)
        return [*up, *reversed(down)]

    def _above(self, node: Node) -> Node:
        return node[0] // self.arity, node[1] + 1

    def links(self) -> list[Link]:
        made, count = list[Link](), self.tiles
        for level in range(self.levels):
            for n in range(count):
                node, above = (n, level), self._above((n, level))
                made += [(node, above), (above, node)]
            count = -(-count // self.arity)
        return made

    def spot(self, tile: int) -> tuple[float, float, float]:
        x, y = self._centre((tile, 0))
        return x - 0.33, y - 0.33, 0.66

    def line(self, link: Link) -> list[Point]:
        """From centre to centre, shifted slightly to the right of the link's direction."""
        (x, y), (u, v) = (self._centre(end) for end in link)
        long = max(abs(u - x), abs(v - y)) or 1.0
        across = -(v - y) / long * 0.06, (u - x) / long * 0.06
        return [(x + across[0], y + across[1]), (u + across[0], v + across[1])]

    def _centre(self, node: Node) -> Point:
        """Centre of the square or half square of leaves below a node: even bits of a leaf's number count to the right,
        odd bits down."""
        n, level = node
        bits = level * (self.arity // 2)
        first, sides = n << bits, (1 << (bits + 1) // 2, 1 << bits // 2)
        x, y = (sum((first >> (2 * i + odd) & 1) << i for i in range(first.bit_length())) for odd in (0, 1))
        return x + (sides[0] - 1) / 2, y + (sides[1] - 1) / 2
