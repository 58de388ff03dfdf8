"""Recipes at equal loss: every method of a grid once more, at the density at which its curve loses so much.

A curve says at which compression ratio a method loses one point of accuracy; what hardware gains there is known only
once a network of that ratio is trained. So the density is read from the curve as the ratio is, and a recipe is made of
it that otherwise is the nearest trained point's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from math import isfinite, log
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from xbarch.errors import InputError
from xbarch.kept.measured import Measured
from xbarch.specs.grid import Grid, Part
from xbarch.specs.merging import merged
from xbarch.studies.accuracy.rows import LONGER, Row, grid_of, reach, rows
from xbarch.studies.accuracy.seeds import averaged

LOSSES = (0.01, 0.02)  # of accuracy


@dataclass(frozen=True)
class Between:
    """Where a method's curve falls below a loss."""

    ratio: float
    """Compression ratio there."""
    before: str
    """The trained point of the next lower ratio; empty: the unpruned network."""
    after: str
    """The trained point of the next higher ratio."""
    share: float
    """Of the way from one to the other, over the logarithm of the ratio."""

    @property
    def nearest(self) -> str:
        """The nearer of the two; the trained one where the other is the unpruned network."""
        return self.before if self.before and self.share < 0.5 else self.after

    def density(self, densities: dict[str, float]) -> float:
        """Return the density there, between those of the points; the unpruned network has density 1."""
        low, high = densities.get(self.before, 1.0), densities[self.after]
        return float(round(low ** (1 - self.share) * high ** self.share, 4))


def point_name(loss: float) -> str:
    """Return the name of the recipe for a loss (a share): lost1 for one point of accuracy."""
    return f"lost{100 * loss:g}".replace(".", "p")


def between(found: Sequence[tuple[str, Measured]], loss: float) -> Between | None:
    """Return where the curve through a method's points (name, measured) falls below a loss; None: beyond them."""
    ratio = reach([m for _, m in found], loss, lambda m: m.ratio).ratio
    if not isfinite(ratio):
        return None
    points = [("", 1.0), *sorted(((name, m.ratio) for name, m in found), key=lambda each: each[1])]
    for (before, low), (after, high) in pairwise(points):
        if low <= ratio <= high and low < high:
            return Between(ratio, before, after, log(ratio / low) / log(high / low))
    return None


def equal_grid(folder: Path, losses: Sequence[float] = LOSSES) -> str:
    """Return the text of a grid with the recipes of the first network of the grid in `folder` at equal losses. Methods
    whose recipes set no density, or whose curve does not lose so much, are not in it.

    Raises:
        InputError: the folder has no grid of its name, or nothing of it is trained.
    """
    found = grid_of(folder)
    if found is None:
        raise InputError(f"no grid of this folder's name, {folder.resolve().name}.yaml, lies beside it", file=folder)
    grid = found[0]
    each = rows(folder)
    shown = [r for r in (averaged(each) if grid.seeds else each) if r.network == next(iter(grid.networks))]
    methods = {LONGER.partition("_")[0]: _reference(grid)}
    for name in dict.fromkeys(r.method for r in shown if not r.longer):
        points = _points(grid, name, [r for r in shown if r.method == name], losses)
        if points:
            methods[name] = {"shared": grid.methods[name].shared, "points": points}
    return _text({
        "kind": "grid", "description": f"at equal loss: {grid.description}"[:200], "recipe": grid.recipe,
        "networks": dict(list(grid.networks.items())[:1]), **({"seeds": grid.seeds, "stored": "first"}
                                                             if grid.seeds else {}), "methods": methods}, folder)


def _reference(grid: Grid) -> Part:
    """The network that trains as long and removes nothing, against which changes are measured."""
    method, _, point = LONGER.partition("_")
    spec = grid.methods[method]
    return {"shared": spec.shared, "points": {point: spec.points[point]}}


def _points(grid: Grid, method: str, found: Sequence[Row], losses: Sequence[float]) -> Part:
    trained = [(r.point, r.measured) for r in found if r.measured is not None]
    densities: dict[str, float] = {}
    for name, part in grid.methods[method].points.items():
        if (density := part.get("pruning", {}).get("density")) is not None:
            densities[name] = density
    points: Part = {}
    for loss in losses:
        at = between(trained, loss)
        if at is not None and at.after in densities and (not at.before or at.before in densities):
            density = {"pruning": {"density": at.density(densities)}}
            points[point_name(loss)] = merged(grid.methods[method].points[at.nearest], density)
    return points


def _text(data: dict[str, Any], folder: Path) -> str:
    yaml, stream = YAML(typ="safe"), StringIO()
    yaml.default_flow_style, yaml.width, yaml.sort_base_mapping_type_on_output = None, 110, False
    yaml.dump(data, stream)
    return (f"# Written by `xbarch report accuracy --workloads workloads/{folder.resolve().name} --equal-loss "
            f"{folder.resolve().name}_equal.yaml`: the densities\n# at which the curves lose 1 and 2 points.\n"
            + stream.getvalue())
