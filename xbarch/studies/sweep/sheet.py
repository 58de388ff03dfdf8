"""What a sweep found: rows, CSV, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from xbarch.errors import InputError
from xbarch.render.document import Section, Table
from xbarch.result.schema import Record
from xbarch.specs.explain import lacking
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.axes import names
from xbarch.studies.sweep.points import Point
from xbarch.support import numbers
from xbarch.support.sheet import sheet

RUN = ("architecture", "workload", "datapath", "policy")
_LETTERS = 16  # of a name: 64 bits, of which 10^5 points share none
SPEED, ENERGY, AREA = "throughput.images_per_second", "energy.scopes_aj.whole", "area.used_mm2"


@dataclass(frozen=True)
class Row:
    """A point with the digest that names it, why it does not run (empty if it does), and its numbers by their paths in
    `result.json`."""

    point: Point
    name: str
    why: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Swept:
    """asked: the sweep. rows: its points, in their order."""

    asked: Sweep
    rows: list[Row]

    @property
    def changed(self) -> list[str]:
        """The architecture's fields that change."""
        return names(self.asked.axes)

    def plain(self) -> list[dict[str, object]]:
        """A dict a point: its name, what is run, the fields' values, why it does not run, the figures that were asked
        for; None where there is no number."""
        return [{"point": r.name[:_LETTERS], **dict(zip(RUN, r.point.run, strict=True)),
                 "images": r.point.request.images,
                 **dict(zip(self.changed, r.point.values, strict=True)), "why": r.why,
                 **{name: r.figures.get(name) for name in self.asked.figures}} for r in self.rows]

    def csv(self) -> str:
        """A line a point, in the order of the sweep."""
        lines = self.plain()
        return sheet(list(lines[0]), [list(line.values()) for line in lines])

    def front(self) -> list[Row]:
        """Those that ran and that no other equals or surpasses in images/s, energy an image and area used; of equal
        ones the first; fastest first."""
        ranked = sorted((r for r in self.rows if not r.why),
                        key=lambda r: (-r.figures[SPEED], r.figures[ENERGY], r.figures[AREA]))
        found: list[Row] = []
        for row in ranked:  # whoever surpasses it stands before it
            if not any(other.figures[ENERGY] <= row.figures[ENERGY] and other.figures[AREA] <= row.figures[AREA]
                       for other in found):
                found.append(row)
        return found


def shown(asked: Sweep) -> list[str]:
    """The figures of a point that tables show."""
    return list(dict.fromkeys([*asked.figures, SPEED, ENERGY, AREA]))


def figured(asked: Sweep) -> None:
    """Refuse figures that no result has.

    Raises:
        InputError: which, and what is allowed.
    """
    for number, name in enumerate(asked.figures):
        if wrong := lacking(Record, name):
            raise InputError(wrong, field=f"figures.{number}")


def sections(found: Swept) -> list[Section]:
    """The front, and why points do not run."""
    parts = [i for i in range(len(RUN)) if len({r.point.run[i] for r in found.rows}) > 1] or [RUN.index("policy")]
    why = Counter(r.why for r in found.rows if r.why)
    return [
        Section(f"{found.asked.title}: no other point is faster, takes less energy and less area at once", 2,
                table=Table([*(RUN[i] for i in parts), *found.changed, "images/s", "energy per image",
                             "area used, mm²"], [
                    [*(r.point.run[i] for i in parts), *map(str, r.point.values),
                     numbers.number(r.figures[SPEED]), numbers.energy(r.figures[ENERGY]), f"{r.figures[AREA]:.4g}"]
                    for r in found.front()], len(parts) + len(found.changed))),
        *([Section("Not simulated", 2, table=Table(["why", "points"], [
            [text, numbers.number(count)] for text, count in why.most_common()], 1))] if why else []),
    ]
