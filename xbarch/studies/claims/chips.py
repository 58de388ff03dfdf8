"""The smallest chip that holds a network and the largest network that fits a chip, before and after pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xbarch.machine.machine import Machine
from xbarch.mapping.capacity import Candidate, Chip, largest, smallest
from xbarch.run import Setup, pack_network


@dataclass(frozen=True)
class Held:
    """A network packed for a machine, and the smallest chip of that machine's tiles."""

    candidate: Candidate
    chip: Chip
    machine: Machine


@dataclass(frozen=True)
class Choice:
    """The largest network that a chip of so many tiles holds, dense and pruned; "" none."""

    tiles: int
    before: str
    after: str


def hold(setup: Setup) -> Held:
    """The smallest chip of the machine's tiles for one copy of each layer.

    Raises:
        CapacityError: a line buffer is larger than a tile's.
    """
    network, machine, packed = setup.network, setup.machine, pack_network(setup)
    paces = {la.name: machine.pace(la, packed.get(la.name)) for la in network.layers}
    candidate = Candidate(network, packed, paces)

    def area(tiles: int) -> int:
        """nm² of a chip of so many tiles, with what it has beside them."""
        hierarchy = machine.architecture.hierarchy.model_copy(update={"tiles": tiles})
        return Machine(machine.architecture.model_copy(update={"hierarchy": hierarchy})).areas(tiles)[1]

    return Held(candidate, smallest(candidate, machine.room(), area), machine)


def choices(before: Sequence[Held], after: Sequence[Held]) -> list[Choice]:
    """For every size of chip at which the answer may change: the smallest chip of each network, in ascending order."""
    sizes = sorted({held.chip.tiles for held in (*before, *after)})
    return [Choice(tiles, _largest(before, tiles), _largest(after, tiles)) for tiles in sizes]


def _largest(held: Sequence[Held], tiles: int) -> str:
    if not held:
        return ""
    found = largest([h.candidate for h in held], replace(held[0].machine.room(), tiles=tiles))
    return found.workload.name if found else ""
