"""The outcome of a sweep: rows, CSV, tables."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
from xbarch.studies.sweep.rows import Row
from xbarch.support import numbers
from xbarch.support.defaults import SCOPES
from xbarch.support.files import stream
from xbarch.support.sheet import written

RUN = ("architecture", "workload", "datapath", "policy")
_REASONS, _OTHERS = 1000, "other reasons"  # why points did not run that are told apart
_LETTERS = 16  # of a digest: 64 bits, enough to tell 10^5 points apart
SPEED, LATENCY, AREA = "throughput.images_per_second", "latency.first_image_ps", "area.used_mm2"
EXACT, ACCURACY, TESTED = "correctness.exact", "accuracy.on_this_machine.value", "accuracy.on_this_machine.images"
UNSCALED = "architecture.unscaled"
SHARE, LARGER = "accuracy.on_this_machine.share", "accuracy.on_this_machine.larger"  # of measures other than top-1


_ENERGIES = tuple(f"energy.scopes_aj.{scope}" for scope in SCOPES)


def energy_of(asked: Sweep) -> str:
    """Return the figure that is the energy in the sweep's scope."""
    return f"energy.scopes_aj.{asked.scope}"


@dataclass(frozen=True)
class Swept:
    """A sweep with its points, in their order."""

    asked: Sweep
    rows: Sequence[Row]
    _best: list[Row] | None = field(default=None, init=False, repr=False, compare=False)

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
        columns, changed = self.columns, self.changed
        for r in self._ranked():
            yield {"point": r.name[:_LETTERS], **dict(zip(RUN, r.point.run, strict=True)),
                   "images": r.point.request.images, **dict(zip(changed, r.point.values, strict=True)), "why": r.why,
                   **{name: r.figures.get(name) for name in columns}}

    @property
    def heads(self) -> list[str]:
        """The columns of the table."""
        return list(dict.fromkeys(["point", *RUN, "images", *self.changed, "why", *self.columns]))

    @property
    def columns(self) -> list[str]:
        """The figures in the CSV: those asked for, and accuracy if any point has one."""
        return list(dict.fromkeys([*self.asked.figures, *([ACCURACY, TESTED] if self.totals.measured else [])]))

    def csv(self) -> str:
        """Return the table as CSV, one line per point in the order of the sweep."""
        return "".join(self._csv())

    def _csv(self) -> Iterator[str]:
        return written(self.heads, (list(line.values()) for line in self.lines()))

    def save(self, path: Path) -> Path:
        """Write the table as CSV, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        with stream(path) as file:
            file.writelines(self._csv())
        return path

    @cached_property
    def totals(self) -> Totals:
        """What is counted over all points."""
        return Totals.of(self)

    def front(self) -> list[Row]:
        """Return the Pareto front, fastest first: points that no other point equals or surpasses in images per second,
        energy per image in the sweep's scope and area used, and in accuracy if the sweep asks for it; of equal points
        the first. Points `left_out` are not on it. Where points of a single image are among them, which have no rate,
        the first image's latency takes its place."""
        if self._best is None:
            deque(self._ranked(), maxlen=0)
        return list(self._best or ())

    def _ranked(self) -> Iterator[Row]:
        """Yield the rows; when all have passed, the front is known."""
        ranking = Front[Row]()
        for row in self.rows:
            if self._best is None and not row.why and not self.leaves_out(row):
                ranking.add(row, self.objectives(row))
            yield row
        if self._best is None:
            object.__setattr__(self, "_best", ranking.found())

    def objectives(self, row: Row) -> tuple[float, ...]:
        """Return what the front compares, less is better: images per second (or latency), energy, area, and accuracy
        if it is known."""
        f = row.figures
        return (-f[SPEED] if self.rated else f[LATENCY], f[energy_of(self.asked)], f[AREA],
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


@dataclass(frozen=True)
class Totals:
    """What is counted over all points of a sweep."""

    ran: int
    left_out: int
    rated: bool
    """Whether every point that ran has a throughput."""
    measured: bool
    """Whether any point has an accuracy."""
    why: Mapping[str, int]
    """How many points did not run, by reason."""
    first: str
    """The first of these reasons."""
    runs: tuple[Collection[str], ...]
    """The different architectures, workloads, data paths and policies."""
    instead: Collection[tuple[str, str, tuple[str, ...]]]
    """Architectures that require a data path, with that one and those that did not run."""

    @classmethod
    def of(cls, found: Swept) -> Totals:
        """Count."""
        why, ran, left, rated, measured = Counter[str](), 0, 0, True, False
        runs, instead = tuple(dict[str, None]() for _ in RUN), dict[tuple[str, str, tuple[str, ...]], None]()
        for row in found.rows:
            said = row.point.run
            for each, name in zip(runs, said, strict=True):
                each[name] = None
            if row.point.instead:
                instead[said[0], said[2], row.point.instead] = None
            if row.why:
                why[row.why if row.why in why or len(why) < _REASONS else _OTHERS] += 1
                continue
            ran += 1
            left += found.leaves_out(row)
            rated = rated and SPEED in row.figures
            measured = measured or ACCURACY in row.figures
        return cls(ran, left, rated, measured, why, next(iter(why), ""), runs, instead)


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
