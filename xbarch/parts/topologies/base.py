"""The contract of a topology: to which node each tile is attached, and which links connect one node to another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any

from xbarch.specs.model import OptionsT, Plugin

Node = tuple[int, int]  # of a chip: two numbers from 0, whose meaning is up to the topology
Link = tuple[Node, Node]  # one direction
Point = tuple[float, float]  # in a picture: right, down


class Topology(Plugin[OptionsT]):
    """The connections of one chip's `tiles`. Registered by name, used from any architecture's YAML.

    A link moves one packet at a time; behind it is a queue. The union of the paths from one node to several must be a
    tree. There must be no ring of links in which each link is followed by the next on some path; then packets never
    wait for each other in a ring (Dally and Seitz, IEEE Transactions on Computers, 1987).
    """

    def __init__(self, tiles: int, options: OptionsT | Mapping[str, Any] | None = None) -> None:
        self.tiles = tiles
        super().__init__(options)

    @property
    @abstractmethod
    def shape(self) -> str:
        """A short description of the topology."""

    @property
    def gate(self) -> Node:
        """The node with the chip's off-chip link."""
        return 0, 0

    @property
    def room(self) -> int:
        """Number of tiles that could be attached."""
        return self.tiles

    def grown(self, tiles: int) -> dict[str, Any]:
        """Options with which there is room for `tiles` tiles."""
        options: dict[str, Any] = self.options.model_dump()
        return options

    @abstractmethod
    def node(self, tile: int) -> Node:
        """The node to which a tile, 0 to tiles - 1, is attached."""

    @abstractmethod
    def path(self, source: Node, target: Node) -> list[Link]:
        """Links from one node to another, in order; none where they are the same."""

    @abstractmethod
    def links(self) -> list[Link]:
        """Every link that a path between tiles and the gate may take, each once."""

    def queues(self, link: Link, ends: Collection[Node]) -> list[Link]:
        """Names of the queues that a packet enters behind `link`. ends: the targets whose paths use the link."""
        return [link]

    @abstractmethod
    def spot(self, tile: int) -> tuple[float, float, float]:
        """(right, down, side) of the square that a picture shows for a tile: the upper left corner and the side's
        length."""

    @abstractmethod
    def line(self, link: Link) -> list[Point]:
        """The line that a picture shows for a link."""
