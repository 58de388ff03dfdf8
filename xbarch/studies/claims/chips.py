"""The smallest chip that holds a network, and the largest network that fits on a chip, before and after pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xbarch.errors import InputError
from xbarch.machine.machine import Machine
from xbarch.mapping.capacity import Candidate, Chip, largest, smallest
from xbarch.run import Setup, pack_network


@dataclass(frozen=True)
class Fitted:
    """A network packed for a machine, with the smallest chip of that machine's tiles that holds it."""

    candidate: Candidate
    chip: Chip
    machine: Machine


@dataclass(frozen=True)
class Choice:
    """The largest dense and pruned networks that fit on a chip of so many tiles; empty if none does."""

    tiles: int
    before: str
    after: str


def fit(setup: Setup) -> Fitted:
    """Find the smallest chip of the machine's tiles that holds one copy of each layer.

    Raises:
        CapacityError: a layer needs a larger line buffer than a tile has.
    """
    if setup.machine.kinds:
        raise InputError("a chip with several kinds of tile has no smallest size; compare architectures with one kind",
                         field="kinds")
    network, machine, packed = setup.network, setup.machine, pack_network(setup)
    paces = {la.name: machine.pace(la, packed.get(la.name)) for la in network.layers}
    candidate = Candidate(network, packed, paces)

    def area(tiles: int) -> int:
        """Return the area (nm²) of a chip with so many tiles and everything besides."""
        hierarchy = machine.architecture.hierarchy.model_copy(update={"tiles": tiles})
        return Machine(machine.architecture.model_copy(update={"hierarchy": hierarchy})).areas()[1]

    return Fitted(candidate, smallest(candidate, machine.room(), area), machine)


def choices(before: Sequence[Fitted], after: Sequence[Fitted]) -> list[Choice]:
    """Return the choice for every chip size at which it may change: the smallest chips of the networks, in order."""
    sizes = sorted({each.chip.tiles for each in (*before, *after)})
    return [Choice(tiles, _largest(before, tiles), _largest(after, tiles)) for tiles in sizes]


def _largest(fitted: Sequence[Fitted], tiles: int) -> str:
    if not fitted:
        return ""
    found = largest([h.candidate for h in fitted], replace(fitted[0].machine.room(), tiles=tiles))
    return found.workload.name if found else ""
