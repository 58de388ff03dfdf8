"""The smallest chip that holds a network, and the largest network that a chip holds: the purpose of pruning in whole
crossbars (Huai et al., DATE 2023)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from xbarch.errors import CapacityError
from xbarch.mapping.pack import Packed
from xbarch.mapping.plan import Plan, first_fitting, plan
from xbarch.mapping.room import Pace, Room
from xbarch.workload.graph import Workload


@dataclass(frozen=True)
class Candidate:
    """A network packed by its data path, with the pace of each layer."""

    workload: Workload
    packed: Mapping[str, Packed]
    paces: Mapping[str, Pace]

    @property
    def crossbars(self) -> int:
        """Crossbars of one copy of each layer."""
        return sum(p.crossbars for p in self.packed.values())

    @property
    def weights(self) -> int:
        """Weights of the network before pruning."""
        return sum(la.rows * la.filters for la in self.workload.compute_layers)

    def place(self, room: Room) -> Plan:
        """One copy of each layer, on the tiles that the policy `fit` would take.

        Raises:
            CapacityError: it does not fit.
        """
        def planned(replication: str) -> Plan:
            return plan(self.workload, self.packed, self.paces, self.crossbars, room, "one_copy", replication)

        return first_fitting(planned, "in_turn", "stripes")


@dataclass(frozen=True)
class Chip:
    """tiles: how many it has. area: mm². used: crossbars occupied by one copy of each layer."""

    tiles: int
    area: float
    used: int


def smallest(candidate: Candidate, room: Room, area: Callable[[int], int]) -> Chip:
    """The smallest chip of such tiles that holds one copy of each layer and its line buffers.

    Line buffers are large enough for full rate where that takes no more tiles, else the smallest that work.

    Args:
        room: a tile of this machine; its number of tiles does not matter. area: nm² of a chip with a given number of
            tiles.

    Raises:
        CapacityError: no number of tiles is enough: a line buffer is larger than a tile's buffer.
    """
    # A tile for every crossbar and for every column of every layer is enough.
    most = candidate.crossbars + sum(la.out_shape[2] for la in candidate.workload.layers)
    found = candidate.place(replace(room, tiles=most))
    try:
        while found.tiles > 1:
            found = candidate.place(replace(room, tiles=found.tiles - 1))
    except CapacityError:
        pass
    return Chip(found.tiles, area(found.tiles) / 10**12, candidate.crossbars)


def largest(candidates: Iterable[Candidate], room: Room) -> Candidate | None:
    """The network with the most weights before pruning that fits the tiles of `room`, of equals the first; None: no
    network fits."""
    fitting = [c for c in candidates if _fits(c, room)]
    return max(fitting, key=lambda c: c.weights, default=None)


def _fits(candidate: Candidate, room: Room) -> bool:
    try:
        candidate.place(room)
    except CapacityError:
        return False
    return True
