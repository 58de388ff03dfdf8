"""The outcome of a sweep: rows, CSV, tables."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xbarch.errors import InputError
from xbarch.render.document import Section, Table
from xbarch.result.schema import Record
from xbarch.result.summary import speed
from xbarch.specs.explain import lacking
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.axes import list_fields
from xbarch.studies.runs.paths import sentences
from xbarch.studies.sweep.front import Front
from xbarch.studies.sweep.rows import Row, chosen
from xbarch.studies.sweep.totals import ACCURACY, RUN, SPEED, Totals
from xbarch.support import numbers
from xbarch.support.defaults import SCOPES
from xbarch.support.files import stream
from xbarch.support.sheet import written

_LETTERS = 16  # of a digest: 64 bits, enough to tell 10^5 points apart
LATENCY, AREA = "latency.first_image_ps", "area.used_mm2"
EXACT, TESTED = "correctness.exact", "accuracy.on_this_machine.images"
UNSCALED = "architecture.unscaled"
SHARE, LARGER = "accuracy.on_this_machine.share", "accuracy.on_this_machine.larger"  # of measures other than top-1


_ENERGIES = tuple(f"energy.scopes_aj.{scope}" for scope in SCOPES)


def energy_of(asked: Sweep) -> str:
    """Return the figure that is the energy in the sweep's scope."""
    return f"energy.scopes_aj.{asked.scope}"


@dataclass(frozen=True)
class Passed:
    """What is known after a pass over all rows."""

    totals: Totals
    front: list[int]
    """Numbers of the rows on it, fastest first."""
    ran: bytes
    """Of each row, whether it ran."""


@dataclass(frozen=True)
class Swept:
    """A sweep with its points, in their order."""

    asked: Sweep
    rows: Sequence[Row]
    known: Passed | None = field(default=None, repr=False, compare=False)
    """What a pass over all rows finds, once there was one."""

    @property
    def changed(self) -> list[str]:
        """The fields that the axes change."""
        return list_fields(self.asked.axes)

    def plain(self) -> list[dict[str, object]]:
        """Return a dict per point: its digest, what was run, the fields' values, why it did not run and the sweep's
        figures (None: no number)."""
        return list(self.lines())

    def lines(self) -> Iterator[dict[str, object]]:
        """Yield the dicts of `plain` one by one."""
        heads = self.heads
        for cells in self._cells():
            yield dict(zip(heads, cells, strict=True))

    def _cells(self) -> Iterator[list[object]]:
        """Yield the cells of every line below `heads`; of columns of the same name the last counts."""
        columns, named = self.columns, self._named
        places = list({name: place for place, name in enumerate(named)}.values())
        for r in self._ranked():
            cells: list[object] = [r.name[:_LETTERS], *r.point.run, r.point.like.images, *r.point.values, r.why,
                                   *map(r.figures.get, columns)]
            yield cells if len(places) == len(cells) else [cells[place] for place in places]

    @property
    def _named(self) -> list[str]:
        return ["point", *RUN, "images", *self.changed, "why", *self.columns]

    @property
    def heads(self) -> list[str]:
        """The columns of the table."""
        return list(dict.fromkeys(self._named))

    @property
    def columns(self) -> list[str]:
        """The figures in the CSV: those asked for, and accuracy if any point has one."""
        asked = self.asked.accuracy is not None or "accuracy" in self.changed
        measured = [ACCURACY, TESTED] if asked and self.totals.measured else []
        return list(dict.fromkeys([*self.asked.figures, *measured]))

    def csv(self) -> str:
        """Return the table as CSV, one line per point in the order of the sweep."""
        return "".join(self._csv())

    def _csv(self) -> Iterator[str]:
        return written(self.heads, self._cells())

    def save(self, path: Path) -> Path:
        """Write the table as CSV, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        with stream(path) as file:
            file.writelines(self._csv())
        return path

    @property
    def totals(self) -> Totals:
        """What is counted over all points."""
        return self.passed.totals

    def front(self) -> list[Row]:
        """Return the Pareto front, fastest first: points that no other point equals or surpasses in images per second,
        energy per image in the sweep's scope and area used, and in accuracy if the sweep asks for it; of equal points
        the first. Points `left_out` are not on it. Where points of a single image are among them, which have no rate,
        the first image's latency takes its place."""
        return list(chosen(self.rows, self.passed.front))

    @property
    def passed(self) -> Passed:
        """What a pass over all rows finds."""
        if self.known is None:
            deque(self._ranked(), maxlen=0)
        assert self.known is not None
        return self.known

    def _ranked(self) -> Iterator[Row]:
        """Yield the rows; when all have passed, the totals and the front are known. A point without a throughput that
        comes late changes what all are compared by, so the front is then made anew."""
        if self.known is not None:
            yield from self.rows
            return
        totals, ranking, rated, ran = Totals(), Front[int](), None, bytearray()
        for number, row in enumerate(self.rows):
            left_out = not row.why and self.leaves_out(row)
            totals.add(row, left_out)
            ran.append(not row.why)
            rated = totals.rated if rated is None and totals.ran else rated
            if not row.why and not left_out and totals.rated == rated:
                ranking.add(number, self.objectives(row, totals.rated))
            yield row
        if rated != totals.rated:
            ranking = Front[int]()
            for number, row in enumerate(self.rows):
                if not row.why and not self.leaves_out(row):
                    ranking.add(number, self.objectives(row, totals.rated))
        object.__setattr__(self, "known", Passed(totals, ranking.found(), bytes(ran)))

    def objectives(self, row: Row, rated: bool) -> tuple[float, ...]:
        """Return what the front compares, less is better: images per second (or latency, if not all points are rated),
        energy, area, and accuracy if it is known."""
        f = row.figures
        return (-f[SPEED] if rated else f[LATENCY], f[energy_of(self.asked)], f[AREA],
                *([-f[ACCURACY] if f.get(LARGER, True) else f[ACCURACY]] if ACCURACY in f else []))

    @property
    def rated(self) -> bool:
        """Whether every point that ran has a throughput: more than one image."""
        return self.totals.rated

    def leaves_out(self, row: Row) -> bool:
        """Whether a point that ran is no candidate for the front: its converters are not exact, neither accuracy judges
        it nor does the sweep tolerate clipping."""
        return not self.asked.tolerate_clipping and not row.figures.get(EXACT, True) and ACCURACY not in row.figures

    @property
    def left_out(self) -> list[Row]:
        """Points that ran and are no candidates for the front."""
        return [r for r in self.rows if not r.why and self.leaves_out(r)]


def table_figures(asked: Sweep) -> list[str]:
    """Return the figures of a point that the tables need."""
    return list(dict.fromkeys([*asked.figures, SPEED, LATENCY, *_ENERGIES, AREA, EXACT, ACCURACY, TESTED,
                               SHARE, LARGER, UNSCALED]))


def check_figures(asked: Sweep) -> None:
    """Refuse figures that no result has.

    Raises:
        InputError: which one, and what exists.
    """
    for number, name in enumerate(asked.figures):
        if wrong := lacking(Record, name):
            raise InputError(wrong, field=f"figures.{number}")


_UNRATED = "A single image has a latency and no throughput: `images: 2` or more gives images/s."


def sections(found: Swept) -> list[Section]:
    """Return the Pareto front, what it leaves out, and the reasons why points did not run, as tables."""
    totals = found.totals
    why, ran, out = Counter(totals.why), totals.ran, totals.left_out
    left = [f"{numbers.number(out)} of {numbers.count(ran, 'point')} left out: their converters are not exact. "
            "`accuracy: N` in the sweep would judge them by their accuracy, `tolerate_clipping: true` would let them "
            "in."] if out else []
    return [
        Section(f"{found.asked.title}: Pareto front of {'speed' if found.rated else 'latency'}, energy per image "
                f"(scope {found.asked.scope}) and area", 2, bullets=[
                    *sentences(totals.instead),
                    *([] if found.rated else [_UNRATED]), *left],
                table=_front(found)),
        *([Section("Not simulated", 2, table=Table(["why", "points"], [
            [text, numbers.number(count)] for text, count in why.most_common()], 1))] if why else []),
    ]


def _front(found: Swept) -> Table:
    parts = [i for i in range(len(RUN)) if len(found.totals.runs[i]) > 1] or [RUN.index("policy")]
    front = found.front()
    measured, unlike = (any(r.figures.get(name) for r in front) for name in (ACCURACY, UNSCALED))
    other = any(SHARE in r.figures for r in front)  # which top-1 leaves out
    return Table(
        [*(RUN[i] for i in parts), *found.changed, "converters", "images/s", "first image",
         f"energy per image (scope {found.asked.scope})", "area used, mm²",
         *([f"{'measure of the workload' if other else 'accuracy'} on this machine", "n"] if measured else []),
         *(["prices not for this geometry"] if unlike else [])],
        [[*(r.point.run[i] for i in parts), *map(str, r.point.values), r.converters, speed(r.figures.get(SPEED)),
          numbers.time(r.figures[LATENCY]), numbers.energy(r.figures[energy_of(found.asked)]),
          f"{r.figures[AREA]:.4g}",
          *([_accuracy(r), numbers.number(r.figures[TESTED])] if measured else []),
          *([numbers.count(int(r.figures[UNSCALED]), "component")] if unlike else [])] for r in front],
        len(parts) + len(found.changed) + 1)


def _accuracy(row: Row) -> str:
    return f"{row.figures[ACCURACY]:{'.2%' if row.figures.get(SHARE, True) else '.4g'}}"
