"""The outcome of a search: the points that were tried, their front, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from xbarch.plugins import registry
from xbarch.render.document import Section, Table
from xbarch.specs.search import Search
from xbarch.studies.runs.axes import list_fields
from xbarch.studies.runs.commands import command
from xbarch.studies.runs.paths import sentences
from xbarch.studies.sweep.front import Front
from xbarch.studies.sweep.points import Point
from xbarch.studies.sweep.totals import RUN
from xbarch.support import numbers
from xbarch.support.sheet import sheet

_LETTERS = 16  # of a digest


@dataclass(frozen=True)
class Tried:
    """A point with its answer."""

    trial: int
    """Number of the first trial that asked for it, as Optuna counts them."""
    point: Point
    name: str
    """Digest of its request."""
    why: str
    """Why it did not run; empty if it did."""
    figures: Mapping[str, float]
    """Numbers by their path in `result.json`."""
    converters: str = ""
    """Whether its converters suffice, in words."""
    broken: tuple[str, ...] = ()
    """Constraints that it breaks."""

    @property
    def command(self) -> str:
        """The command that runs it again."""
        return command(self.point.request, [str(file) for file in registry.files()])


@dataclass(frozen=True)
class Found:
    """A search with the points that were tried, in the order in which they were asked for."""

    asked: Search
    points: Sequence[Tried]

    @cached_property
    def front(self) -> list[Tried]:
        """The Pareto front: points that break no constraint and that no other such point equals or surpasses in every
        objective; of equal ones the first. The best of the first objective comes first."""
        ranking = Front[Tried]()
        for each in self.points:
            if self.counts(each):
                ranking.add(each, self.objectives(each))
        return ranking.found()

    def counts(self, tried: Tried) -> bool:
        """Whether a point may be on the front: it ran, has all objectives and breaks no constraint."""
        return not tried.why and not tried.broken and all(name in tried.figures for name in self.asked.objectives)

    def objectives(self, tried: Tried) -> tuple[float, ...]:
        """Return a point's objectives, less is better."""
        return tuple(tried.figures[name] * (1 if way == "min" else -1) for name, way in self.asked.objectives.items())

    @property
    def columns(self) -> list[str]:
        """The figures of the table: objectives, constraints, and those asked for."""
        return list(dict.fromkeys([*self.asked.objectives, *self.asked.constraints, *self.asked.figures]))

    def plain(self) -> list[dict[str, Any]]:
        """Return a dict per point: number of its trial, digest, what was run, the fields' values, why it did not run,
        constraints that it breaks, whether it is on the front, figures (None: no number), and the command that runs it
        again."""
        best, changed = {each.name for each in self.front}, list_fields(self.asked.axes)
        return [{"trial": t.trial, "point": t.name[:_LETTERS], **dict(zip(RUN, t.point.run, strict=True)),
                 "images": t.point.request.images, **dict(zip(changed, t.point.values, strict=True)), "why": t.why,
                 "breaks": ", ".join(t.broken), "front": t.name in best,
                 **{name: t.figures.get(name) for name in self.columns}, "command": t.command} for t in self.points]

    def csv(self) -> str:
        """Return the table as CSV."""
        lines = self.plain()
        return sheet(list(lines[0]), [list(line.values()) for line in lines])


def sections(found: Found) -> list[Section]:
    """Return the front, and what is not on it, as tables."""
    asked, front = found.asked, found.front
    ways = ", ".join(f"{name} ({way}.)" for name, way in asked.objectives.items())
    limits = Counter(", ".join(each.broken) for each in found.points if each.broken)
    why = Counter(each.why for each in found.points if each.why)
    fields = list_fields(asked.axes)
    instead = [(p.point.run[0], p.point.run[2], p.point.instead) for p in found.points]
    parts = [i for i in range(len(RUN)) if len({each.point.run[i] for each in found.points}) > 1]
    figures = list(dict.fromkeys([*asked.objectives, *asked.constraints]))
    return [
        Section(f"{asked.title}: Pareto front of {ways}", 2, bullets=[
            *sentences(instead),
            f"{numbers.count(len(front), 'point')} of {numbers.number(len(found.points))} that were tried.",
            *([f"{numbers.count(sum(limits.values()), 'point')} left out: broken constraints."] if limits else [])],
            table=Table(["trial", *(RUN[i] for i in parts), *fields, *figures], [
                [str(each.trial), *(each.point.run[i] for i in parts), *map(str, each.point.values),
                 *(_shown(name, each.figures.get(name)) for name in figures)] for each in front],
                1 + len(parts) + len(fields))),
        *([Section("Broken constraints", 2, table=Table(["constraints", "points"], [
            [text, numbers.number(count)] for text, count in limits.most_common()], 1))] if limits else []),
        *([Section("Not simulated", 2, table=Table(["why", "points"], [
            [text, numbers.number(count)] for text, count in why.most_common()], 1))] if why else []),
    ]


def _shown(name: str, value: float | None) -> str:
    """Return a figure in its unit, which its path names."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_ps"):
        return numbers.time(value)
    return numbers.energy(value) if "_aj" in name else numbers.number(value)
