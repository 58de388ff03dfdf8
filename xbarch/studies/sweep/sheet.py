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
from xbarch.studies.sweep.points import Point
from xbarch.support import numbers
from xbarch.support.sheet import sheet

RUN = ("architecture", "workload", "datapath", "policy")
_LETTERS = 16  # of a digest: 64 bits, enough to tell 10^5 points apart
SPEED, LATENCY, AREA = "throughput.images_per_second", "latency.first_image_ps", "area.used_mm2"


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
                 **{name: r.figures.get(name) for name in self.asked.figures}} for r in self.rows]

    def csv(self) -> str:
        """Return the table as CSV, one line per point in the order of the sweep."""
        lines = self.plain()
        return sheet(list(lines[0]), [list(line.values()) for line in lines])

    def front(self) -> list[Row]:
        """Return the Pareto front, fastest first: points that no other point equals or surpasses in images per second,
        energy per image in the sweep's scope and area used; of equal points the first. Where points of a single image
        are among them, which have no rate, the first image's latency takes its place."""
        energy, sign = energy_of(self.asked), -1 if self.rated else 1
        fast = SPEED if self.rated else LATENCY
        ranked = sorted((r for r in self.rows if not r.why),
                        key=lambda r: (sign * r.figures[fast], r.figures[energy], r.figures[AREA]))
        found: list[Row] = []
        for row in ranked:  # a point that surpasses it comes before it
            if not any(other.figures[energy] <= row.figures[energy] and other.figures[AREA] <= row.figures[AREA]
                       for other in found):
                found.append(row)
        return found

    @property
    def rated(self) -> bool:
        """Whether every point that ran has a throughput: more than one image."""
        return all(SPEED in r.figures for r in self.rows if not r.why)


def table_figures(asked: Sweep) -> list[str]:
    """Return the figures of a point that the tables need."""
    return list(dict.fromkeys([*asked.figures, SPEED, LATENCY, energy_of(asked), AREA]))


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
    """Return the Pareto front and the reasons why points did not run, as tables."""
    parts = [i for i in range(len(RUN)) if len({r.point.run[i] for r in found.rows}) > 1] or [RUN.index("policy")]
    why = Counter(r.why for r in found.rows if r.why)
    return [
        Section(f"{found.asked.title}: Pareto front of {'speed' if found.rated else 'latency'}, energy per image "
                f"(scope {found.asked.scope}) and area", 2, bullets=[] if found.rated else [_UNRATED],
                table=Table([*(RUN[i] for i in parts), *found.changed, "images/s", "first image",
                             f"energy per image (scope {found.asked.scope})", "area used, mm²"], [
                    [*(r.point.run[i] for i in parts), *map(str, r.point.values),
                     speed(r.figures.get(SPEED)), numbers.time(r.figures[LATENCY]),
                     numbers.energy(r.figures[energy_of(found.asked)]), f"{r.figures[AREA]:.4g}"]
                    for r in found.front()], len(parts) + len(found.changed))),
        *([Section("Not simulated", 2, table=Table(["why", "points"], [
            [text, numbers.number(count)] for text, count in why.most_common()], 1))] if why else []),
    ]
