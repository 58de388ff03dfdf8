"""The space of a search as an optimizer sees it: a parameter for everything that has more than one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod
from random import Random
from typing import Any

from xbarch.studies.sweep.points import Points

Places = tuple[int, ...]
_RUN, _POLICY = "run", "policy"
_DRAWS, _LISTED = 1000, 10**6  # tries to draw an untried point; points in a space that is small enough to list


@dataclass(frozen=True)
class Parameter:
    """What varies."""

    name: str
    at: int
    """Its place among `Points.sizes`."""
    values: Sequence[Any]
    """As an optimizer sees them: numbers, or their text."""

    @property
    def ordered(self) -> bool:
        """Whether the values are numbers that rise."""
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)
        return numbers and all(a < b for a, b in pairwise(self.values))

    @property
    def step(self) -> int | None:
        """The distance from each value to the next, if they are whole numbers that rise evenly."""
        if not self.ordered or not all(isinstance(value, int) for value in self.values):
            return None
        steps = {b - a for a, b in pairwise(self.values)}
        return steps.pop() if len(steps) == 1 else None


class Space:
    """Parameters of a search's points."""

    def __init__(self, points: Points) -> None:
        self.points, self.sizes = points, points.sizes
        asked = points.asked
        named = [(_RUN, points.runs), *((name, [*map(_plain, values)]) for name, values in asked.axes.items()),
                 (_POLICY, asked.policies)]
        self.parameters = [Parameter(name, at, values) for at, (name, values) in enumerate(named) if len(values) > 1]

    @property
    def size(self) -> int:
        """How many points there are."""
        return prod(self.sizes)

    def places(self, values: Mapping[str, Any]) -> Places:
        """Return the places of a point from the values of its parameters."""
        found = [0] * len(self.sizes)
        for each in self.parameters:
            found[each.at] = each.values.index(values[each.name])
        return tuple(found)

    def values(self, places: Places) -> dict[str, Any]:
        """Return the values of the parameters of a point."""
        return {each.name: each.values[places[each.at]] for each in self.parameters}

    def untried(self, tried: set[Places], seed: int) -> Places | None:
        """Draw a point that was not tried; None if all were, or none is found in a large space."""
        random = Random(seed)
        for _ in range(_DRAWS):
            found = tuple(random.randrange(size) for size in self.sizes)
            if found not in tried:
                return found
        if self.size > _LISTED:
            return None
        return next((found for found in product(*map(range, self.sizes)) if found not in tried), None)


def _plain(value: Any) -> Any:
    """Return an axis's value as an optimizer keeps it: several that change together are text."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value
