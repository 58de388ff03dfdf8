"""The table behind the accuracy report: what every workload of a grid keeps, and what that costs in accuracy."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf, log2
from pathlib import Path

from xbarch.datapaths.base import title_of
from xbarch.errors import InputError
from xbarch.kept.measured import Measured, measure
from xbarch.kept.rows import read
from xbarch.plugins import kinds, registry
from xbarch.specs.grid import Grid, members
from xbarch.specs.load import Document, document, validate
from xbarch.support import bundled
from xbarch.support.progress import Progress
from xbarch.workload.store import MANIFEST

LONGER = "dense_longer"  # reference of each network: trains for the same number of epochs and removes nothing
GRID = "digit_pairs"
FEWEST = 2  # seeds whose mean has an interval
_NAME = re.compile(r"([A-Za-z0-9]+)_([A-Za-z0-9_]+)_([A-Za-z0-9]+)")  # network, method, point
_SEEDED = re.compile(_NAME.pattern + r"_s([0-9]+)")


@dataclass(frozen=True)
class Row:
    """A recipe of a grid."""

    network: str
    method: str
    point: str
    measured: Measured | None
    """None: not trained yet."""
    seed: int | None = None
    """Of a grid with seeds."""
    seeds: int = 1
    """How many the figures are means of."""

    @property
    def name(self) -> str:
        return f"{self.network}_{self.method}_{self.point}" + ("" if self.seed is None else f"_s{self.seed}")

    @property
    def title(self) -> str:
        """The method's name in print."""
        return method_title(self.method)

    @property
    def longer(self) -> bool:
        """Whether it is the reference of its network, which trains longer and removes nothing."""
        return f"{self.method}_{self.point}" == LONGER


def method_title(method: str) -> str:
    """The name of a method in print: that of the data path it is named for, else as in the names of its recipes."""
    path = registry.find(kinds.PATHS, method)
    return method if path is None else title_of(path)


def rows(folder: Path, progress: Progress | None = None) -> list[Row]:
    """Return the recipes of the grid in its order, then other workloads stored in the folder, by name. Those that are
    not stored may have rows in its `results.jsonl`.

    Raises:
        InputError: nothing is stored, or a workload is damaged or was not trained dense and then pruned.
    """
    kept = {name: row.measured for name, row in read(folder).items() if named(name)}
    there = [p.parent.name for p in sorted(folder.glob(f"*/{MANIFEST}")) if named(p.parent.name)]
    if not there and not kept:
        raise InputError(f"no workload NETWORK_METHOD_POINT is stored here; train some with `xbarch compress {GRID}` "
                         "or a grid of your own", file=folder)
    recipes, found = list_recipes(folder), []
    names = list(dict.fromkeys([*recipes, *there, *kept]))
    for number, name in enumerate(names):
        if progress is not None:
            progress(number, len(names), name)
        parts = recipes.get(name) or named(name)
        assert parts is not None, name
        network, method, point, seed = parts
        found.append(Row(network, method, point, measure(folder / name) if name in there else kept.get(name), seed))
    if progress is not None:
        progress(len(names), len(names), "done")
    longer = references(found)
    return [_against(row, longer.get((row.network, row.seed))) for row in found]


def named(name: str) -> tuple[str, str, str, int | None] | None:
    """Network, method, point and seed in a recipe's name; None if it is no such name."""
    if seeded := _SEEDED.fullmatch(name):
        return seeded[1], seeded[2], seeded[3], int(seeded[4])
    parts = _NAME.fullmatch(name)
    return parts and (parts[1], parts[2], parts[3], None)


def list_recipes(folder: Path) -> dict[str, tuple[str, str, str, int | None]]:
    """Return network, method, point and seed of the recipes by name, of the grid that has the folder's name and lies
    beside it or is bundled; empty if there is no such grid."""
    found = grid_of(folder)
    if found is None:
        return {}
    grid, source = found
    return {name: grid.names()[name] for name in members(grid, source)}


def list_left(folder: Path, found: Sequence[Row]) -> list[str]:
    """Return what the folder's grid leaves out, with its reasons, and points with fewer than two seeds so far."""
    source = grid_of(folder)
    words = [f"`{name}`: {reason}" for name, reason in source[0].without.items()] if source else []
    points: dict[tuple[str, str, str], list[bool]] = {}
    for row in found:
        if row.seed is not None:
            points.setdefault((row.network, row.method, row.point), []).append(row.measured is not None)
    few = [f"`{'_'.join(key)}` ({sum(there)})" for key, there in points.items() if sum(there) < FEWEST <= len(there)]
    return words + ([f"trained with fewer than {FEWEST} seeds so far, in brackets how many: {', '.join(few)}"]
                    if few else [])


def grid_of(folder: Path) -> tuple[Grid, Document] | None:
    """Return the grid of the folder's name that lies beside it or is bundled, with its file; None: there is none."""
    for place in (folder.resolve().parent, bundled.folder("workloads")):
        path = place / f"{folder.resolve().name}.yaml"
        if path.is_file() and (found := document(path, kind="workloads")).data.get("kind") == "grid":
            return validate(found, Grid), found
    return None


@dataclass(frozen=True)
class Reach:
    """Ratios at which a method's curves fall below a loss of accuracy; inf: beyond the trained range."""

    ratio: float
    """Of the change itself."""
    low: float
    """Of the lower end of its interval."""
    high: float
    """Of the upper end of its interval."""
    most: float
    """The highest ratio that was trained."""


def reach(found: Sequence[Measured], loss: float, across: Callable[[Measured], float]) -> Reach:
    """Return the ratios that a method reaches at a loss of accuracy (a share). Curves are straight lines over the
    logarithm of the ratio, from the unpruned network (ratio 1, no change) through each point: one of the changes, and
    one of each end of their intervals.

    found: at least one point, all of one network and method.
    """
    points = sorted(found, key=across)
    ratios = [1.0, *(across(m) for m in points)]
    curves = ([m.change for m in points], [m.change_low for m in points], [m.change_high for m in points])
    middle, low, high = (_crossing(ratios, [0.0, *curve], -loss) for curve in curves)
    return Reach(middle, low, high, ratios[-1])


def _crossing(ratios: Sequence[float], changes: Sequence[float], level: float) -> float:
    """Return the first ratio at which the changes fall below the level."""
    for (a, before), (b, after) in pairwise(zip(ratios, changes, strict=True)):
        if after < level:
            share = (before - level) / (before - after)
            return float(2 ** (log2(a) + share * (log2(b) - log2(a))))
    return inf


def references(found: Sequence[Row]) -> dict[tuple[str, int | None], Measured]:
    """Return the reference of each network and seed that has one."""
    return {(r.network, r.seed): r.measured for r in found if r.longer and r.measured is not None}


def _against(row: Row, longer: Measured | None) -> Row:
    if row.measured is None or longer is None or row.longer:
        return row
    difference = row.measured.accuracy_pruned - longer.accuracy_pruned
    return replace(row, measured=replace(row.measured, against_longer=difference))
