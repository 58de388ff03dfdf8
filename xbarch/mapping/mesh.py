"""Routes over the (concentrated) mesh: XY, multicast along the tree the XY paths form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from xbarch.mapping.traffic import GATE, Transfer

Router = tuple[int, int, int]  # chip, x, y
Link = tuple[Router, Router]


def label(link: Link) -> str:
    """Of the server: chip:x,y-x,y, or chip-chip of a link of the chain."""
    (chip, x, y), (other, u, v) = link
    return f"{chip}:{x},{y}-{u},{v}" if chip == other else f"{chip}-{other}"


@dataclass(frozen=True)
class Mesh:
    """`width` x `height` routers a chip, `concentration` tiles on each. Chips form a chain; a packet leaves
    and enters a chip at router (0, 0) over the off-chip link."""

    width: int
    height: int
    concentration: int
    tiles: int

    def router(self, tile: int) -> Router:
        """The router tile `tile` (counted over all chips) hangs on."""
        chip, local = divmod(tile, self.tiles)
        y, x = divmod(local // self.concentration, self.width)
        return chip, x, y

    def path(self, source: Router, target: Router) -> list[Link]:
        """Links from router to router: along x first, then y; over the chain of chips where they differ."""
        if source[0] != target[0]:
            gate, step = (source[0], 0, 0), 1 if target[0] > source[0] else -1
            nearer = (source[0] + step, 0, 0)
            return [*self.path(source, gate), (gate, nearer), *self.path(nearer, target)]
        links, here = [], source
        while here != target:
            chip, x, y = here
            if x != target[1]:
                after = (chip, x + (1 if target[1] > x else -1), y)
            else:
                after = (chip, x, y + (1 if target[2] > y else -1))
            links.append((here, after))
            here = after
        return links

    def tree(self, source: Router, targets: Iterable[Router]) -> tuple[list[tuple[Link, int]], dict[Router, int]]:
        """Multicast from `source`: each link once, with the index of the link before it (-1: from the source).

        Returns the links, parents first, and for every target the index of the link that reaches it (-1 for
        the source itself).
        """
        nodes: list[tuple[Link, int]] = []
        reached: dict[Router, int] = {source: -1}
        for target in targets:
            before = -1
            for link in self.path(source, target):
                if link[1] not in reached:
                    nodes.append((link, before))
                    reached[link[1]] = len(nodes) - 1
                before = reached[link[1]]
        return nodes, reached

    def links(self, chip: int) -> list[Link]:
        """All links between routers of a chip that hold tiles, both ways."""
        there = {self.router(chip * self.tiles + t): None for t in range(self.tiles)}
        return [(a, b) for a in there for b in ((chip, a[1] + 1, a[2]), (chip, a[1] - 1, a[2]),
                                                (chip, a[1], a[2] + 1), (chip, a[1], a[2] - 1)) if b in there]

    def loads(self, transfers: Iterable[Transfer], cost: Callable[[int], int] = int) -> dict[Link, int]:
        """Sum of `cost(bits)`, as bits themselves, over all that cross each link; each link of a multicast once."""
        alike: Counter[tuple[int, tuple[int, ...], int]] = Counter()
        for t in transfers:
            alike[t.source, t.targets, t.bits] += t.windows
        found: dict[Link, int] = {}
        for (source, targets, bits), windows in alike.items():
            start = (0, 0, 0) if source == GATE else self.router(source)
            for link, _ in self.tree(start, dict.fromkeys(self.router(t) for t in targets))[0]:
                found[link] = found.get(link, 0) + cost(bits) * windows
        return found

    def bit_hops(self, transfers: Iterable[Transfer]) -> int:
        """Bits times links crossed, those between chips not counted."""
        return sum(bits for (a, b), bits in self.loads(transfers).items() if a[0] == b[0])
