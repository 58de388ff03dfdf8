"""Shared units of a machine: whom one serves, where, and how long work takes there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TypeVar

import numpy as np

from xbarch.mapping.pack import Ints
from xbarch.mapping.place import Part
from xbarch.specs.architecture import Architecture
from xbarch.specs.pipeline import SharedUnit

Count = int | Ints
Amount = TypeVar("Amount", int, Ints, Count)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A shared unit of a machine.

    served: crossbars that share one. turns: of these, those that have a turn of their own: stacks of crossbars that are
    sensed together, IMAs where these drive. together: so many work on a request side by side.
    """

    name: str
    spec: SharedUnit
    tiles: int
    served: int
    turns: int
    together: int

    @classmethod
    def of(cls, name: str, a: Architecture) -> Shared:
        """The unit of that name."""
        spec, roles = a.units[name], {stage.role for stage in a.pipeline.stages if stage.unit == name}
        served, converts = spec.serves * a.shared_by(spec.level), "convert" in roles
        alike = a.stack if converts else a.hierarchy.crossbars_per_ima if a.drives_imas else 1
        return cls(name=name, spec=spec, tiles=a.hierarchy.tiles, served=served, turns=max(1, served // alike),
                   together=int(a.converters(spec)) if converts else spec.count or 1)

    @property
    def queues(self) -> bool:
        """Whether requests queue; else everybody has a turn of its own."""
        return self.spec.rule == "first_come"

    def place(self, tile: int, slot: int = 0) -> str:
        """Where the unit is that serves crossbar `slot` of a tile."""
        if self.spec.level == "chip":
            return f"chip{tile // self.tiles // self.spec.serves * self.spec.serves}"
        if self.spec.level == "tile":
            return f"tile{tile // self.spec.serves * self.spec.serves}"
        return f"tile{tile}.{slot // self.served}"

    def pieces(self, part: Part) -> Iterable[tuple[str, int, int]]:
        """Crossbars of a part by the unit that serves them: (where it is, first crossbar, end)."""
        cuts = [] if self.spec.level in ("tile", "chip") else list(
            range(part.start + self.served - part.slot % self.served, part.stop, self.served))
        for start, stop in pairwise([part.start, *cuts, part.stop]):
            yield self.place(part.tile, part.slot + start - part.start), start, stop

    def crossbars_time(self, counts: Ints, each: Fraction) -> Count:
        """Time (ps) for the actions of crossbars, [..., crossbars], that take `each` on one of those side by side: all
        of them where requests queue, else those of the slowest crossbar in its share of the time."""
        together: Ints = counts.sum(axis=-1) if self.queues else counts.max(axis=-1) * self.turns
        return plain(np.asarray(self._time(together, each)))

    def tile_time(self, actions: Amount, each: Fraction) -> Amount:
        """Time (ps) for the actions of a tile; in its share of the time where all have turns."""
        parents = self.spec.serves * (self.tiles if self.spec.level == "chip" else 1)
        return self._time(actions if self.queues else actions * parents, each)

    def _time(self, actions: Amount, each: Fraction) -> Amount:
        return -(-actions * each.numerator // (each.denominator * self.together))


def plain(found: Ints) -> Count:
    """A count of every window, or one of all of them as a plain number."""
    return int(found) if found.ndim == 0 else found
