"""Bounds of points that differ in prices alone: those of all follow from those of a few.

What a component costs follows from its own price and from what it does, whatever other components cost; how long that
takes follows from its pace, if from anything of it, and which converters suffice from neither (`xbarch.machine.kept`).
So energy and area are sums of parts, one for each component, and of a family of points with every combination of prices
it is enough to bound a *star*: its first point, and those that differ from that one in the prices of one component. The
others' bounds are sums of whole numbers, and the same to the last digit as if each point were bounded by itself.
A point whose price changes a component's pace is bounded by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.specs.study import fields
from xbarch.specs.sweep import Space
from xbarch.studies.sweep.points import Points

Values = NDArray[np.float64]
Ints = NDArray[np.int64]

KNOWN, UNKNOWN, OUT, FAILED = range(4)
"""Of a bounded point: it has bounds; it has none; it cannot be on the front; it cannot run."""
_ALONE = 4  # nothing follows for it from others
NOBODY = -1
_PRICES = ("area", "energy", "leakage", "power")  # fields of a component that affect nothing but its own cost


def priced(asked: Space) -> list[list[int]]:
    """Return the axes, by number, that change prices alone: in one list those that change the prices of a component, or
    of several which one axis changes together."""
    found: list[tuple[set[str], list[int]]] = []
    for number, axis in enumerate(asked.axes):
        mine, together = {_component(field, asked.policies) for field in fields(axis)}, [number]
        if "" in mine:
            continue
        for each in [each for each in found if each[0] & mine]:
            found.remove(each)
            mine, together = mine | each[0], each[1] + together
        found.append((mine, together))
    return [sorted(together) for _, together in found]


def _component(field: str, policies: Sequence[str]) -> str:
    """The component of which a field is a price and nothing else; empty: there is none. Under the policy `area`, areas
    decide how many tiles there are."""
    above, _, price = field.rpartition(".")
    first, _, name = above.partition(".")
    own = first == "components" and "." not in name and price in _PRICES
    return name if own and not (price == "area" and "area" in policies) else ""


@dataclass(frozen=True)
class Bounded:
    """Bounds of points: arrays of one shape, less is better."""

    state: Ints
    """`KNOWN`, `UNKNOWN`, `OUT` or `FAILED`."""
    why: Ints
    """Of points that cannot run, which of different sentences says why."""
    time: Values
    energy: Ints
    """aJ per image."""
    area: Ints
    """nm²."""
    paces: Ints
    """Equal where all components have the same paces."""

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Bounded:
        """Return arrays to fill."""
        state, why, energy, area, paces = (np.zeros(shape, np.int64) for _ in range(5))
        return cls(state, why, np.zeros(shape), energy, area, paces)

    def values(self) -> Values:
        """Return what the front compares: float64 [..., 3], time, energy and area (mm²); -inf where nothing is known,
        and of points that cannot run, which have to say why; inf where a point cannot be on the front."""
        return _values(self.state, self.time, self.energy, self.area)


def _values(state: Ints, time: Values, energy: Ints, area: Ints) -> Values:
    found = np.stack(np.broadcast_arrays(time, energy, area / 1e12), axis=-1)
    found[state == OUT], found[(state != OUT) & (state != KNOWN)] = np.inf, -np.inf
    return found


class Families:
    """The points of a sweep, by number, those together that differ in prices alone."""

    def __init__(self, every: Points) -> None:
        sizes = every.sizes
        several = [place for place, size in enumerate(sizes) if size > 1]
        apart = [[1 + axis for axis in group if sizes[1 + axis] > 1] for group in priced(every.asked)]
        others = [place for place in several if place not in chain(*apart)]
        table = np.arange(len(every)).reshape([sizes[place] for place in several])
        table = table.transpose([several.index(place) for place in chain(others, *apart)])
        self.numbers: Ints = table.reshape(-1, *(prod(sizes[place] for place in group) for group in apart if group))
        """[families, prices of one component, of the next, …]"""
        self.most = 2**62 // self.numbers.ndim
        """The largest energy or area whose sums are whole numbers of 64 bits."""
        self._policies = sizes[-1]

    @property
    def stars(self) -> Ints:
        """The points to bound: [families, points of a star], the first of a family first."""
        rays = [self._ray(group)[:, 1:] for group in range(self.numbers.ndim - 1)]
        return np.hstack([self.numbers.reshape(len(self.numbers), -1)[:, :1], *rays])

    def _ray(self, group: int) -> Ints:
        """Points that differ from the first of their family in one component's prices alone: [families, prices]."""
        found: Ints = self.numbers[:, *(slice(None) if at == group else 0 for at in range(self.numbers.ndim - 1))]
        return found

    @property
    def order(self) -> list[int]:
        """The points of all stars in the order in which to bound them: those follow one another that share most."""
        stars = self.stars
        shared = stars.reshape(-1, self._policies, stars.shape[1]).transpose(0, 2, 1)  # policies share a machine
        return [int(number) for number in shared.ravel()]

    def bounds(self, found: Bounded) -> tuple[Values, Ints, Ints]:
        """Return the bounds of all points, as of `Bounded.values`, from those of stars; of points that cannot run, the
        number of the one that says why (else `NOBODY`): others have no need to run; and the numbers of the points that
        have to be bounded by themselves.
        """
        state, fault = self._states(found)
        values = _values(state, self._wide(found.time[:, 0]), self._sum(found.energy), self._sum(found.area))
        stars = self.stars
        reason = np.where(state == FAILED, np.take_along_axis(
            stars, fault.reshape(len(stars), -1), axis=1).reshape(state.shape), NOBODY)
        values[(state == FAILED) & (reason != self.numbers)] = np.inf
        bounds, like = np.empty((self.numbers.size, 3)), np.empty(self.numbers.size, np.int64)
        bounds[self.numbers], like[self.numbers] = values, reason
        return bounds, like, self.numbers[state == _ALONE]

    def _states(self, found: Bounded) -> tuple[Ints, Ints]:
        """The state of all points, and the column of stars that decides it."""
        first, fails = found.state[:, 0], self._fails(found)
        state, fault = np.full(self.numbers.shape, KNOWN), np.zeros(self.numbers.shape, np.int64)
        state[...] = self._wide(np.where((first == FAILED) & ~fails, _ALONE, first))
        for column, states in self._along(np.where(
                (found.state == KNOWN) & (found.paces != found.paces[:, :1]), _ALONE, found.state)):
            changes = (state == KNOWN) & (states != KNOWN)
            fault[changes] = np.broadcast_to(column, state.shape)[changes]
            state[changes] = np.broadcast_to(states, state.shape)[changes]
        return state, fault

    @staticmethod
    def _fails(found: Bounded) -> NDArray[np.bool_]:
        """Which families cannot run at all: whatever price is changed, the reason stays the same. A price that is at
        fault has another reason beside it once it is changed, or none."""
        fails: NDArray[np.bool_] = ((found.state == FAILED) & (found.why == found.why[:, :1])).all(axis=1)
        return fails

    def _along(self, values: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Yield, for each component whose prices change, the columns of the star that have them, and their values,
        in the shape in which arrays of all points can be combined with them."""
        start, (many, *sizes) = 1, self.numbers.shape
        for group, size in enumerate(sizes):
            columns = np.array([0, *range(start, start + size - 1)])
            shape = [size if at == group else 1 for at in range(len(sizes))]
            yield columns.reshape(1, *shape), values[:, columns].reshape(many, *shape)
            start += size - 1

    def _sum(self, values: Ints) -> Ints:
        """Return what the first point of each family has, and on top what each component's prices change."""
        first: Ints = self._wide(values[:, 0])
        return first + sum((each - first for _, each in self._along(values)), np.zeros_like(first))

    def _wide(self, values: NDArray[Any]) -> NDArray[Any]:
        """One value of each family, for arrays of all points."""
        return values.reshape(-1, *([1] * (self.numbers.ndim - 1)))
