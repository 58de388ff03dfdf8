"""The Pareto front of any number of points, of which only the front itself and some hundred points are in memory."""

from __future__ import annotations

from operator import le
from typing import Generic, TypeVar

P = TypeVar("P")
Values = tuple[float, ...]
_BLOCK = 1024  # points that join the front together
_FIRST = 8  # what surpassed a point and stands behind so many others is moved before them: it often does so again


class Front(Generic[P]):
    """Points that no other equals or surpasses in every value, less being better; of equal points the first."""

    def __init__(self) -> None:
        self._best: list[tuple[Values, P]] = []
        self._new: list[tuple[Values, P]] = []

    def add(self, point: P, values: Values) -> None:
        """Take a point into account."""
        if not _surpassed(values, self._best):
            self._new.append((values, point))
            if len(self._new) >= _BLOCK:
                self._join()

    def found(self) -> list[P]:
        """Return the front, the least first value first."""
        self._join()
        return [point for _, point in sorted(self._best, key=lambda each: each[0])]

    def _join(self) -> None:
        best: list[tuple[Values, P]] = []
        for each in sorted([*self._best, *self._new], key=lambda each: each[0]):  # what surpasses a point is before it
            if not _surpassed(each[0], best):
                best.append(each)
        self._best, self._new = best, []


def _surpassed(values: Values, by: list[tuple[Values, P]]) -> bool:
    for number, (other, _) in enumerate(by):
        if all(map(le, other, values)):
            if number > _FIRST:
                by.insert(0, by.pop(number))
            return True
    return False
