"""What a topology tells the machine: at which node a tile hangs, and over which links one node talks to another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any

from xbarch.specs.model import OptionsT, Plugin

Node = tuple[int, int]  # of a chip: two numbers from 0, what they mean is the topology's own
Link = tuple[Node, Node]  # one direction
Point = tuple[float, float]  # of a picture: right, down


class Topology(Plugin[OptionsT]):
    """The connections of one chip's `tiles`. Registered by name, used from any architecture's YAML.

    A link moves a packet at a time; behind it lies a queue. The union of the paths from one node to several must be a
    tree, and no ring of links may have each followed by the next on some path: then packets never wait for each other
    in a ring (Dally and Seitz, IEEE Transactions on Computers, 1987).
    """

    def __init__(self, tiles: int, options: OptionsT | Mapping[str, Any] | None = None) -> None:
        self.tiles = tiles
        super().__init__(options)

    @property
    @abstractmethod
    def shape(self) -> str:
        """What it looks like, in a few words."""

    @property
    def gate(self) -> Node:
        """Where the chip's off-chip link is."""
        return 0, 0

    @property
    def room(self) -> int:
        """Tiles that could hang on it."""
        return self.tiles

    def grown(self, tiles: int) -> dict[str, Any]:
        """Options with which there is room for so many tiles."""
        options: dict[str, Any] = self.options.model_dump()
        return options

    @abstractmethod
    def node(self, tile: int) -> Node:
        """Where tile 0 to tiles - 1 hangs."""

    @abstractmethod
    def path(self, source: Node, target: Node) -> list[Link]:
        """Links from one node to another, in order; none where they are the same."""

    @abstractmethod
    def links(self) -> list[Link]:
        """Every link that a path between tiles and the gate may take, each once."""

    def queues(self, link: Link, ends: Collection[Node]) -> list[Link]:
        """Names of the queues a packet enters behind `link`. ends: the targets whose paths it is on."""
        return [link]

    @abstractmethod
    def spot(self, tile: int) -> tuple[float, float, float]:
        """(right, down, side) of the square that a picture shows for a tile, by its upper left corner."""

    @abstractmethod
    def line(self, link: Link) -> list[Point]:
        """The line that a picture shows for a link."""
