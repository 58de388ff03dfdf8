"""Screening: of a sweep's points, those are run that can be on its front given the bounds of all.

Bounds of points that differ in prices alone follow from those of a few (`xbarch.studies.sweep.prices`); other points
are neither named nor stored before they run.

A point whose bounds a point that ran equals or surpasses cannot be on the front. Points are run in the order of the
product of their bounds. What surpasses the bounds of a point has a smaller product and is run before it, so that one at
a time, just those points are run that no other of the sweep rules out; of several at a time a few more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError, XbarchError
from xbarch.request import Request
from xbarch.specs.explain import shown
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.answer import LOST, Answer
from xbarch.studies.runs.axes import list_fields
from xbarch.studies.runs.batch import Named
from xbarch.studies.runs.bench import Bench, describe
from xbarch.studies.runs.bounds import PACES, USED, bounds_name
from xbarch.studies.runs.store import Buffer, Store
from xbarch.studies.sweep.points import Points
from xbarch.studies.sweep.prices import FAILED, KNOWN, NOBODY, OUT, UNKNOWN, Bounded, Families, Ints, Values
from xbarch.studies.sweep.rows import BYTES, Rows
from xbarch.studies.sweep.sheet import EXACT, LATENCY, Swept, energy_of, table_figures
from xbarch.studies.sweep.totals import SPEED
from xbarch.support.progress import Progress

_SOME = 500  # answers that are read together


def check_count(most: int | None) -> None:
    """Refuse what is no number of points that are to run at a time; None: nothing is screened."""
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise InputError(f"must be a whole number of at least 1, not {shown(most)}", field="screen")


def check_screen(asked: Sweep, every: Points) -> None:
    """Refuse to screen what no bounds are known of.

    Raises:
        InputError: the sweep measures accuracy, or some of its points have a single image and others more.
    """
    if asked.accuracy is not None or "accuracy" in list_fields(asked.axes):
        raise InputError("no bound of it is known, so that screening could leave no point out; run the sweep without "
                         "--screen", field="accuracy" if asked.accuracy is not None else "axes")
    if len({point.like.images == 1 for point in every.samples()}) > 1:
        raise InputError("--screen compares rates or, of single images, latencies; give every point one image, or "
                         "every point more", field="axes")


@dataclass
class Screen:
    """What a screened sweep has to do: bound its points, then run some of them."""

    asked: Sweep
    every: Points
    bench: Bench
    store: Path
    most: int
    """Points that are run at a time, before others are ruled out."""
    lost: list[Request]
    """Receives points whose processes died."""
    progress: Progress | None = None

    def __post_init__(self) -> None:
        self.names, self.ran = bytearray(BYTES * len(self.every)), 0
        self.rated = all(point.like.images > 1 for point in self.every.samples())

    def run(self) -> Buffer:
        """Bound the points and run those that can be on the front; return the digests of all, one behind the other:
        of points that were neither bounded nor run, none (zeros), or that of a point that cannot run for the same
        reason."""
        bounds = self.bounds()
        with self.bench.staying(self.most):
            run_candidates(bounds, self.most, lambda numbers, left: self._run(numbers, left, bounds))
        return self.names

    def bounds(self) -> Values:
        """Return the bounds of what the front compares, less is better, one row for each point: -inf where none is
        known, inf where it cannot be on the front whatever they are."""
        families = Families(self.every)
        self._bound(families.order)
        values, like, alone = families.bounds(self._bounded(families.stars, families.most))
        self._bound(alone.tolist())
        values[alone] = self._bounded(alone, families.most).values()
        names, alike = np.frombuffer(self.names, np.uint8).reshape(-1, BYTES), like != NOBODY
        names[alike] = names[like[alike]]
        return values

    def _bound(self, numbers: list[int]) -> None:
        """Bound points, unless the store has their bounds."""
        named = ((bounds_name(self._name(number)), self.every[number].request) for number in numbers)
        for _ in self.bench.bounding().stream(named, len(numbers), self.progress):
            pass

    def _bounded(self, numbers: Ints, most: int) -> Bounded:
        """Read the bounds of points from the store. most: the largest whole number."""
        found, reasons = Bounded.of(numbers.shape), dict[str, int]()
        with Store(self.store, writes=False) as store:
            for at in range(0, numbers.size, _SOME):
                places = range(at, min(at + _SOME, numbers.size))
                names = [bounds_name(self._name(int(numbers.flat[place]))) for place in places]
                answers = store.answers(set(names))
                for place, name in zip(places, names, strict=True):
                    answer = answers[name]
                    figures = answer.figures()
                    found.why.flat[place] = reasons.setdefault(answer.why, len(reasons))
                    found.state.flat[place] = state = self._state(answer, figures, most)
                    if state == KNOWN:
                        found.time.flat[place] = -figures[SPEED] if self.rated else figures[LATENCY]
                        found.energy.flat[place] = figures[energy_of(self.asked)]
                        found.area.flat[place], found.paces.flat[place] = figures[USED], figures[PACES]
        return found

    def _state(self, answer: Answer, figures: Mapping[str, float], most: int) -> int:
        if answer.why:
            return UNKNOWN if answer.error == LOST else FAILED
        if energy_of(self.asked) not in figures or max(figures[energy_of(self.asked)], figures[USED]) > most:
            return UNKNOWN
        return KNOWN if self.asked.tolerate_clipping or figures.get(EXACT, True) else OUT

    def _name(self, number: int) -> str:
        """Return the digest of a point, which is found once."""
        place = slice(BYTES * number, BYTES * (number + 1))
        if not any(self.names[place]):
            self.names[place] = bytes.fromhex(self.bench.digest(self.every[number].request))
        return self.names[place].hex()

    def _run(self, numbers: list[int], left: int, bounds: Values) -> Iterator[tuple[int, Values]]:
        """Run points and yield what the front compares of those that may be on it. left: how many may follow."""
        def named() -> Iterator[Named]:
            for number in numbers:
                yield self._name(number), self.every[number].request

        def report(done: int, total: int, text: str) -> None:
            if self.progress is not None:
                self.progress(self.ran + done, self.ran + total + left, text)

        for _, request, answer in self.bench.stream(named(), len(numbers), report):
            if answer.error == LOST:
                self.lost.append(request)
        self.ran += len(numbers)
        rows = Rows(self.every, self.names, self.store, table_figures(self.asked))
        swept = Swept(self.asked, rows)
        for number, row in zip(numbers, rows.some(numbers), strict=True):
            if not row.why and not swept.leaves_out(row):
                values = np.array(swept.objectives(row, self.rated), np.float64)
                if (values < bounds[number]).any():
                    raise XbarchError(f"{describe(row.point.request)} is better than its bounds, on which screening "
                                      "relies (a bug in xbarch; please report it); run the sweep without --screen")
                yield number, values


def run_candidates(bounds: Values, most: int,
                   run: Callable[[list[int], int], Iterable[tuple[int, Values]]]) -> None:
    """Run the points that can be on the front.

    bounds: float64 [points, values], less is better; -inf where no bound is known, inf throughout where a point cannot
    be on the front whatever the others are. run: takes the numbers of at most `most` points, and of how many others may
    have to run after them; returns the number and values of each that may be on the front.
    """
    left = ordered(bounds)
    while len(left):
        batch, left = left[:most], left[most:]
        for number, values in run(batch.tolist(), len(left)):
            left = left[~_ruled_out(bounds[left], values, left > number)]


def ordered(bounds: Values) -> Ints:
    """Return the numbers of the points that may be on the front: first those without bounds, then the smallest product
    of time per image (or latency), energy and area; of equals the first."""
    may = np.flatnonzero((bounds < np.inf).any(axis=1))
    first, others = bounds[may, 0], bounds[may, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        time = np.where(first < 0, -np.log(-first), np.log(first))  # a rate stands there with a minus
        size = time + np.log(others).sum(axis=1)
    size[np.isnan(size)] = -np.inf
    return may[np.argsort(size, kind="stable")]


def _ruled_out(bounds: Values, values: Values, later: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which points cannot be on the front given the values of one that ran: of equal points the first is on it.
    bounds: float64 [points, values]. later: whether they come after that one."""
    found: NDArray[np.bool_] = (values <= bounds).all(axis=1) & ((values < bounds).any(axis=1) | later)
    return found
