"""The rows of a sweep: points with their answers, read from the store when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from xbarch.studies.runs.answer import Answer
from xbarch.studies.runs.store import Store
from xbarch.studies.sweep.points import Point

_BYTES = 32  # of a digest
_SOME = 500  # rows that are read together


@dataclass(frozen=True)
class Row:
    """A point with its answer."""

    point: Point
    name: str
    """Digest of its request."""
    why: str
    """Why it did not run; empty if it did."""
    figures: Mapping[str, float]
    """Numbers by their path in `result.json`."""
    converters: str = ""
    """Whether its converters suffice, in words."""


class Rows(Sequence[Row]):
    """The rows in the order of the points. A digest is all that memory holds of each."""

    def __init__(self, points: Sequence[Point], names: bytes, store: Path, wanted: Sequence[str]) -> None:
        """names: the digests of the points, one behind the other. wanted: figures that a row has."""
        self._points, self._names, self._store, self._wanted = points, names, store, tuple(wanted)

    def __len__(self) -> int:
        return len(self._names) // _BYTES

    def __iter__(self) -> Iterator[Row]:
        points = iter(self._points)
        with Store(self._store, writes=False) as store:
            for at in range(0, len(self), _SOME):
                names = [self._name(number) for number in range(at, min(at + _SOME, len(self)))]
                found = store.answers(set(names))
                for name in names:
                    yield self._row(next(points), name, found[name])

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        number = range(len(self))[at]
        name = self._name(number)
        with Store(self._store, writes=False) as store:
            return self._row(self._points[number], name, store.answers([name])[name])

    def _name(self, number: int) -> str:
        return self._names[_BYTES * number:_BYTES * (number + 1)].hex()

    def _row(self, point: Point, name: str, answer: Answer) -> Row:
        return Row(point, name, answer.why, *answer.measured(self._wanted))
