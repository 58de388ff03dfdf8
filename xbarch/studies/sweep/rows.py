"""The rows of a sweep: points with their answers, read from the store when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from xbarch.studies.runs.answer import Answer
from xbarch.studies.runs.store import Buffer, Store
from xbarch.studies.sweep.points import Point

BYTES = 32  # of a digest
_SOME = 500  # rows that are read together
SCREENED = ("screened out: its converters are not exact, or a point that ran is at least as good as the bounds of this "
            "one")


@dataclass(frozen=True)
class Row:
    """A point with its answer."""

    point: Point
    name: str
    """Digest of its request, or, in a screened sweep, of one that cannot run for the same reason; empty if it was
    neither bounded nor run."""
    why: str
    """Why it did not run; empty if it did."""
    figures: Mapping[str, float]
    """Numbers by their path in `result.json`."""
    converters: str = ""
    """Whether its converters suffice, in words."""


class Rows(Sequence[Row]):
    """The rows in the order of the points. A digest is all that memory holds of each."""

    def __init__(self, points: Sequence[Point], names: Buffer, store: Path, wanted: Sequence[str],
                 screened: bool = False) -> None:
        """names: the digests of the points, one behind the other. wanted: figures that a row has. screened: whether
        points without an answer were screened out."""
        self._points, self._names, self._store, self._wanted = points, names, store, tuple(wanted)
        self._missing = Answer(SCREENED) if screened else None

    def __len__(self) -> int:
        return len(self._names) // BYTES

    def __iter__(self) -> Iterator[Row]:
        return self._read(range(len(self)), self._points)

    def some(self, numbers: Sequence[int]) -> Iterator[Row]:
        """Yield the rows with these numbers."""
        return self._read(numbers, (self._points[number] for number in numbers))

    def _read(self, numbers: Sequence[int], points: Iterable[Point]) -> Iterator[Row]:
        each = iter(points)
        with Store(self._store, writes=False) as store:
            for at in range(0, len(numbers), _SOME):
                names = [self._name(number) for number in numbers[at:at + _SOME]]
                found = store.answers({*names} - {""})
                for name in names:
                    yield self._row(next(each), name, found.get(name, self._missing) or found[name])

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, slice):
            return list(self.some(range(*at.indices(len(self)))))
        return next(self.some([range(len(self))[at]]))

    def _name(self, number: int) -> str:
        name = self._names[BYTES * number:BYTES * (number + 1)]
        return name.hex() if any(name) else ""

    def _row(self, point: Point, name: str, answer: Answer) -> Row:
        return Row(point, name, answer.why, *answer.measured(self._wanted))


def chosen(rows: Sequence[Row], numbers: Sequence[int]) -> Iterable[Row]:
    """Return the rows with these numbers, those of a store together."""
    return rows.some(numbers) if isinstance(rows, Rows) else [rows[number] for number in numbers]
