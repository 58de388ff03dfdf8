"""Mesh: routers in rows and columns, with one or several tiles on each."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, sqrt
from typing import Any, ClassVar

from pydantic import Field

from xbarch.parts.topologies.base import Link, Node, Point, Topology
from xbarch.specs.model import Options


class MeshOptions(Options):
    """Routers of one chip, `concentration` tiles on each."""

    width: int = Field(ge=1, le=1024)
    height: int = Field(ge=1, le=1024)
    concentration: int = Field(1, ge=1, le=1024)


class Mesh(Topology[MeshOptions]):
    """Node (x, y) is a router. Packets go along x first, then along y (XY routing); no turn from y to x, so no
    ring."""

    name: ClassVar[str] = "mesh"
    summary: ClassVar[str] = "routers in rows and columns with `concentration` tiles on each, XY routes"
    provenance: ClassVar[str] = ("Dally and Towles, Principles and Practices of Interconnection Networks, 2004 "
                                 "(dimension-order routing); concentrated: Balfour and Dally, ICS 2006")
    Options: ClassVar[type[Options]] = MeshOptions

    def __init__(self, tiles: int, options: MeshOptions | Mapping[str, Any] | None = None) -> None:
        super().__init__(tiles, options)
        o = self.options
        self.width: int = o.width
        self.height: int = o.height
        self.concentration: int = o.concentration

    @property
    def shape(self) -> str:
        on_each = f"{self.concentration} tiles" if self.concentration > 1 else "1 tile"
        return f"{self.width} × {self.height} routers, {on_each} on each"

    @property
    def room(self) -> int:
        return self.width * self.height * self.concentration

    def grown(self, tiles: int) -> dict[str, Any]:
        rows = max(self.height, ceil(tiles / (self.width * self.concentration)))
        return {**self.options.model_dump(), "height": rows}

    def node(self, tile: int) -> Node:
        y, x = divmod(tile // self.concentration, self.width)
        return x, y

    def path(self, source: Node, target: Node) -> list[Link]:
        links, (x, y) = [], source
        while (x, y) != target:
            before = x, y
            if x != target[0]:
                x += 1 if target[0] > x else -1
            else:
                y += 1 if target[1] > y else -1
            links.append((before, (x, y)))
        return links

    def links(self) -> list[Link]:
        routers = ceil(self.tiles / self.concentration)
        wide, high = min(self.width, routers), ceil(routers / self.width)  # where packets pass, tiles or not
        return [((x, y), (u, v)) for y in range(high) for x in range(wide)
                for u, v in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)) if 0 <= u < wide and 0 <= v < high]

    def spot(self, tile: int) -> tuple[float, float, float]:
        x, y = self.node(tile)
        side = ceil(sqrt(self.concentration))
        down, right = divmod(tile % self.concentration, side)
        step = 0.72 / side
        return x - 0.36 + right * step, y - 0.36 + down * step, step * 0.92

    def line(self, link: Link) -> list[Point]:
        """In the gap between two routers' tiles, to the right of the link's direction."""
        (x, y), (u, v) = link
        across = -(v - y) * 0.09, (u - x) * 0.09
        return [(x + across[0] + share * (u - x), y + across[1] + share * (v - y)) for share in (0.37, 0.63)]
