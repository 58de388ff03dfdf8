"""Routes over the chips: each chip's topology, and the chain of off-chip links between their gates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from xbarch.errors import InputError
from xbarch.mapping.traffic import GATE, Transfer
from xbarch.parts.topologies.base import Node, Point, Topology
from xbarch.plugins.guard import asking
from xbarch.specs.text import brief

Router = tuple[int, int, int]  # chip and node
Link = tuple[Router, Router]


def label(link: Link) -> str:
    """Name of the link's server: chip:x,y-x,y, or chip-chip for a link between chips."""
    (chip, x, y), (other, u, v) = link
    return f"{chip}:{x},{y}-{u},{v}" if chip == other else f"{chip}-{other}"


@dataclass(frozen=True)
class Hop:
    """A link of a multicast tree: the index of the link before it (-1: it starts at the source), and the queues behind
    it (none behind a link between chips)."""

    link: Link
    before: int
    queues: tuple[Link, ...]


class Network:
    """Chips in a chain, all of one topology; packets leave and enter a chip at its gate."""

    def __init__(self, topology: Topology) -> None:
        self.topology, self.tiles = topology, topology.tiles
        self._paths: dict[tuple[Node, Node], list[tuple[Node, Node]]] = {}
        self._behind: dict[tuple[tuple[Node, Node], tuple[Node, ...]], list[tuple[Node, Node]]] = {}
        if topology.room < self.tiles:
            raise InputError(f"the topology has room for {topology.room} tiles; it must hold all of hierarchy.tiles "
                             f"= {self.tiles}",
                             field="network.options")
        with asking(topology, "node") as wrong:
            self._nodes = [topology.node(tile) for tile in range(self.tiles)]
            self._gate = topology.gate
            for node in (*self._nodes, self._gate):
                if not (isinstance(node, tuple) and len(node) == 2 and all(type(n) is int and n >= 0 for n in node)):
                    raise wrong(f"returned {brief(node)}, must return two whole numbers of at least 0")

    def gate(self, chip: int = 0) -> Router:
        return chip, *self._gate

    def router(self, tile: int) -> Router:
        """The node to which tile `tile` (counted over all chips) is attached."""
        chip, local = divmod(tile, self.tiles)
        return chip, *self._nodes[local]

    def path(self, source: Router, target: Router) -> list[Link]:
        """Links from node to node, along the chain of chips where the nodes are on different chips."""
        return [link for link, _ in self._legs(source, target)]

    def tree(self, source: Router, targets: Iterable[Router]) -> tuple[list[Hop], dict[Router, int]]:
        """Multicast from `source`: each link once, after the links before it; and for every target the index of the
        link that reaches it (-1 for the source itself)."""
        order: dict[Link, int] = {}
        befores, ends, reached = list[int](), list[dict[Node, None]](), dict[Router, int]()
        for target in targets:
            before = -1
            for link, end in self._legs(source, target):
                if link not in order:
                    order[link] = len(order)
                    befores.append(before)
                    ends.append({})
                before = order[link]
                ends[before][end] = None
            reached[target] = before
        return [Hop(link, before, self._queues(link, tuple(leads)))
                for link, before, leads in zip(order, befores, ends, strict=True)], reached

    def links(self, chip: int) -> list[Link]:
        """All links of a chip that packets may take, both ways."""
        with asking(self.topology, "links"):
            return [((chip, *a), (chip, *b)) for a, b in self.topology.links()]

    def spots(self, most: int) -> list[tuple[float, float, float]]:
        """Squares that a picture shows for the first `most` tiles of a chip."""
        with asking(self.topology, "spot"):
            return [self.topology.spot(tile) for tile in range(min(most, self.tiles))]

    def lines(self, links: Sequence[Link]) -> list[list[Point]]:
        """The line that a picture shows for each link, empty between chips."""
        with asking(self.topology, "line"):
            return [self.topology.line(((a[0], a[1]), (b[0], b[1]))) if chip == other else []
                    for (chip, *a), (other, *b) in links]

    def loads(self, transfers: Iterable[Transfer], cost: Callable[[int], int] = int) -> dict[Link, int]:
        """Sum of `cost(bits)` over all packets that cross each link (the default cost: the bits); a multicast crosses
        each of its links once."""
        inside: Counter[tuple[int, Node, frozenset[Node]]] = Counter()
        between: Counter[tuple[int, int]] = Counter()
        alike: Counter[tuple[int, tuple[int, ...], int]] = Counter()
        for t in transfers:
            alike[t.source, t.targets, t.bits] += t.windows
        for (source, targets, bits), windows in alike.items():
            amount, start = cost(bits) * windows, self.gate() if source == GATE else self.router(source)
            pieces, steps = self._spread(start, targets)
            for piece in pieces:
                inside[piece] += amount
            for step in steps:
                between[step] += amount
        found: dict[Link, int] = {(self.gate(a), self.gate(b)): amount for (a, b), amount in between.items()}
        for (chip, entry, ends), amount in inside.items():
            for a, b in {link for end in ends for link in self._inside(entry, end)}:
                link = (chip, *a), (chip, *b)
                found[link] = found.get(link, 0) + amount
        return found

    def _spread(self, source: Router, targets: Iterable[int]) -> tuple[
            list[tuple[int, Node, frozenset[Node]]], list[tuple[int, int]]]:
        """A multicast chip by chip: (chip, node where it starts there, nodes that it reaches), and the steps that it
        takes from chip to chip."""
        home, start = source[0], source[1:]
        reached: dict[int, set[Node]] = {}
        for target in targets:
            chip, local = divmod(target, self.tiles)
            reached.setdefault(chip, set()).add(self._nodes[local])
        low, high = min((home, *reached)), max((home, *reached))
        if low < high:
            reached.setdefault(home, set()).add(self._gate)
        steps = [(chip, chip + 1) for chip in range(home, high)] + [(chip, chip - 1) for chip in range(home, low, -1)]
        return [(chip, start if chip == home else self._gate, frozenset(ends)) for chip, ends in reached.items()], steps

    def bit_hops(self, transfers: Iterable[Transfer]) -> int:
        """Bits times links crossed, not counting links between chips."""
        return sum(bits for (a, b), bits in self.loads(transfers).items() if a[0] == b[0])

    def _legs(self, source: Router, target: Router) -> list[tuple[Link, Node]]:
        """Links of a path, each with the node of its chip at which the path aims."""
        if source[0] == target[0]:
            chip, *end = target
            return [(((chip, *a), (chip, *b)), (end[0], end[1])) for a, b in self._inside(source[1:], target[1:])]
        gate, nearer = self.gate(source[0]), self.gate(source[0] + (1 if target[0] > source[0] else -1))
        return [*self._legs(source, gate), ((gate, nearer), nearer[1:]), *self._legs(nearer, target)]

    def _inside(self, source: Node, target: Node) -> list[tuple[Node, Node]]:
        """The path within a chip; the topology is asked once."""
        if (source, target) not in self._paths:
            with asking(self.topology, "path") as wrong:
                found = list(self.topology.path(source, target))
                ends = [source, *(end for _, end in found)] if source != target else []
                if bool(found) != (source != target) or len(set(ends)) < len(ends) - 1:
                    raise wrong(f"returned {brief(found)} from {source} to {target}, must return "
                                "links, none twice and none from a node to itself")
            self._paths[source, target] = found
        return self._paths[source, target]

    def _queues(self, link: Link, ends: tuple[Node, ...]) -> tuple[Link, ...]:
        """Queues behind a link; the topology is asked once, since all chips are alike."""
        (chip, *a), (other, *b) = link
        if chip != other:
            return ()
        inside = (a[0], a[1]), (b[0], b[1])
        if (inside, ends) not in self._behind:
            with asking(self.topology, "queues"):
                self._behind[inside, ends] = list(dict.fromkeys(self.topology.queues(inside, ends)))
        return tuple(((chip, *start), (chip, *end)) for start, end in self._behind[inside, ends])
