"""The outcome of a sweep: rows, CSV, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from xbarch.errors import InputError
from xbarch.render.document import Section, Table
from xbarch.result.schema import Record
from xbarch.result.summary import speed
from xbarch.specs.explain import lacking
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.axes import list_fields
from xbarch.studies.runs.paths import sentences
from xbarch.studies.sweep.points import Point
from xbarch.support import numbers
from xbarch.support.sheet import sheet

RUN = ("architecture", "workload", "datapath", "policy")
_LETTERS = 16  # of a digest: 64 bits, enough to tell 10^5 points apart
SPEED, LATENCY, AREA = "throughput.images_per_second", "latency.first_image_ps", "area.used_mm2"
EXACT, ACCURACY, TESTED = "correctness.exact", "accuracy.on_this_machine.value", "accuracy.on_this_machine.images"
UNSCALED = "architecture.unscaled"
SHARE, LARGER = "accuracy.on_this_machine.share", "accuracy.on_this_machine.larger"  # of measures other than top-1


def energy_of(asked: Sweep) -> str:
    """Return the figure that is the energy in the sweep's scope."""
    return f"energy.scopes_aj.{asked.scope}"


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


@dataclass(frozen=True)
class Swept:
    """A sweep with its points, in their order."""

    asked: Sweep
    rows: list[Row]

    @property
    def changed(self) -> list[str]:
        """The fields that the axes change."""
        return list_fields(self.asked.axes)

    def plain(self) -> list[dict[str, object]]:
        """Return a dict per point: its digest, what was run, the fields' values, why it did not run and the sweep's
        figures (None: no number)."""
        return [{"point": r.name[:_LETTERS], **dict(zip(RUN, r.point.run, strict=True)),
                 "images": r.point.request.images,
                 **dict(zip(self.changed, r.point.values, strict=True)), "why": r.why,
                 **{name: r.figures.get(name) for name in self.columns}} for r in self.rows]

    @property
    def columns(self) -> list[str]:
        """The figures in the CSV: those asked for, and accuracy if any point has one."""
        measured = any(ACCURACY in r.figures for r in self.rows)
        return list(dict.fromkeys([*self.asked.figures, *([ACCURACY, TESTED] if measured else [])]))

    def csv(self) -> str:
        """Return the table as CSV, one line per point in the order of the sweep."""
        lines = self.plain()
        return sheet(list(lines[0]), [list(line.values()) for line in lines])

    def front(self) -> list[Row]:
        """Return the Pareto front, fastest first: points that no other point equals or surpasses in images per second,
        energy per image in the sweep's scope and area used, and in accuracy if the sweep asks for it; of equal points
        the first. Points `left_out` are not on it. Where points of a single image are among them, which have no rate,
        the first image's latency takes its place."""
        out = {id(r) for r in self.left_out}
        found: list[tuple[Row, tuple[float, ...]]] = []
        ranked = sorted(((r, self.objectives(r)) for r in self.rows if not r.why and id(r) not in out),
                        key=lambda each: each[1])
        for row, mine in ranked:  # a point that surpasses it comes before it
            if not any(all(a <= b for a, b in zip(other, mine, strict=True)) for _, other in found):
                found.append((row, mine))
        return [row for row, _ in found]

    def objectives(self, row: Row) -> tuple[float, ...]:
        """Return what the front compares, less is better: images per second (or latency), energy, area, and accuracy
        if it is known."""
        f = row.figures
        return (-f[SPEED] if self.rated else f[LATENCY], f[energy_of(self.asked)], f[AREA],
                *([-f[ACCURACY] if f.get(LARGER, True) else f[ACCURACY]] if ACCURACY in f else []))

    @property
    def rated(self) -> bool:
        """Whether every point that ran has a throughput: more than one image."""
        return all(SPEED in r.figures for r in self.rows if not r.why)

    @property
    def left_out(self) -> list[Row]:
        """Points that ran and whose converters are not exact, where neither accuracy judges them nor the sweep
        tolerates clipping."""
        if self.asked.tolerate_clipping:
            return []
        return [r for r in self.rows if not r.why and not r.figures.get(EXACT, True) and ACCURACY not in r.figures]


def table_figures(asked: Sweep) -> list[str]:
    """Return the figures of a point that the tables need."""
    return list(dict.fromkeys([*asked.figures, SPEED, LATENCY, energy_of(asked), AREA, EXACT, ACCURACY, TESTED,
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
    why = Counter(r.why for r in found.rows if r.why)
    ran, out = len(found.rows) - sum(why.values()), len(found.left_out)
    left = [f"{numbers.number(out)} of {numbers.count(ran, 'point')} left out: their converters are not exact. "
            "`accuracy: N` in the sweep would judge them by their accuracy, `tolerate_clipping: true` would let them "
            "in."] if out else []
    return [
        Section(f"{found.asked.title}: Pareto front of {'speed' if found.rated else 'latency'}, energy per image "
                f"(scope {found.asked.scope}) and area", 2, bullets=[
                    *sentences([(*r.point.run[:3:2], r.point.instead) for r in found.rows]),
                    *([] if found.rated else [_UNRATED]), *left],
                table=_front(found)),
        *([Section("Not simulated", 2, table=Table(["why", "points"], [
            [text, numbers.number(count)] for text, count in why.most_common()], 1))] if why else []),
    ]


def _front(found: Swept) -> Table:
    parts = [i for i in range(len(RUN)) if len({r.point.run[i] for r in found.rows}) > 1] or [RUN.index("policy")]
    front = found.front()
    measured, unlike = (any(r.figures.get(name) for r in front) for name in (ACCURACY, UNSCALED))
    return Table(
        [*(RUN[i] for i in parts), *found.changed, "converters", "images/s", "first image",
         f"energy per image (scope {found.asked.scope})", "area used, mm²",
         *(["accuracy on this machine", "n"] if measured else []),
         *(["prices not for this geometry"] if unlike else [])],
        [[*(r.point.run[i] for i in parts), *map(str, r.point.values), r.converters, speed(r.figures.get(SPEED)),
          numbers.time(r.figures[LATENCY]), numbers.energy(r.figures[energy_of(found.asked)]),
          f"{r.figures[AREA]:.4g}",
          *([_accuracy(r), numbers.number(r.figures[TESTED])] if measured else []),
          *([numbers.count(int(r.figures[UNSCALED]), "component")] if unlike else [])] for r in front],
        len(parts) + len(found.changed) + 1)


def _accuracy(row: Row) -> str:
    return f"{row.figures[ACCURACY]:{'.2%' if row.figures.get(SHARE, True) else '.4g'}}"
