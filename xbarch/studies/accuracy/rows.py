"""What every workload of a grid keeps, and what that costs in accuracy."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf, log2, sqrt
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xbarch.datapaths.records import Geometry
from xbarch.errors import InputError
from xbarch.mapping.pack import dense_crossbars
from xbarch.request import Request
from xbarch.run import pack_network, prepare
from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import explain
from xbarch.specs.grid import Grid, members
from xbarch.specs.load import document, load, validate
from xbarch.specs.recipe import Recipe, Shape
from xbarch.specs.text import brief, dotted
from xbarch.studies.runs.bench import Progress
from xbarch.support import bundled
from xbarch.workload.graph import Workload
from xbarch.workload.store import MANIFEST
from xbarch.workload.store import load as stored

ARCHITECTURE = "isaac_like"
LONGER = "dense_longer"  # of each network: removes nothing and trains on for as many epochs
GRID = "digit_pairs"
_NORMAL = 1.959964  # of the standard normal distribution's mass, 95 % lie within as many deviations
_NAME = re.compile(r"[A-Za-z0-9]+(_[A-Za-z0-9]+){2}")



@dataclass(frozen=True, kw_only=True)
class Measured:
    """A trained network of a grid.

    weights, kept: of all conv and linear layers, before and after pruning; pruned_weights: before, of those layers from
    which any is removed. dense_crossbars, crossbars: of one copy of
    each layer, the dense network's on data path `dense` and this one's on its own. adc_bits: of the machine as built
    for it. accuracy_*: shares of the test images, `dense` before pruning, `cut` right after it, `pruned` after
    retraining, `crossbars` the same through packed crossbars and ADCs on the first `crossbar_images`; None: not
    measured. change: pruned - dense, with the ends of its 95 % interval (paired bootstrap over test images).
    against_longer: pruned - that of the network that trained on without removing anything (unpaired); None for itself.
    """

    weights: int
    kept: int
    pruned_weights: int
    dense_crossbars: int
    crossbars: int
    adc_bits: int
    accuracy_dense: float
    accuracy_cut: float | None
    accuracy_pruned: float
    accuracy_crossbars: float | None
    crossbar_images: int
    test_images: int
    change: float
    change_low: float
    change_high: float
    against_longer: float | None = None
    data: str
    epochs_dense: int
    epochs_pruning: int
    seed: int
    rows: int
    columns: int
    cell_bits: int

    @property
    def ratio(self) -> float:
        """All weights over those kept."""
        return self.weights / self.kept

    @property
    def pruned_ratio(self) -> float:
        """The same of those layers only from which any is removed; 1 where there is none."""
        left = self.pruned_weights - (self.weights - self.kept)
        return self.pruned_weights / left if left else inf if self.pruned_weights else 1.0

    @property
    def crossbar_ratio(self) -> float:
        """Crossbars of the dense network over this one's; below 1 where the data path takes more."""
        return self.dense_crossbars / self.crossbars

    @property
    def holds(self) -> bool:
        """Whether nothing measurable is lost: the interval of the change reaches 0 or lies above it."""
        return self.change_high >= 0

    @property
    def overlaps(self) -> bool:
        """Whether the accuracy's own 95 % interval still holds the lower end of the dense one's (binomial, normal
        approximation; unpaired, so weaker than `holds`)."""
        half = [_NORMAL * sqrt(a * (1 - a) / self.test_images) for a in (self.accuracy_pruned, self.accuracy_dense)]
        return self.accuracy_pruned + half[0] >= self.accuracy_dense - half[1]


@dataclass(frozen=True)
class Row:
    """A recipe of a grid. measured: None where it is not trained yet."""

    network: str
    method: str
    point: str
    measured: Measured | None

    @property
    def name(self) -> str:
        return f"{self.network}_{self.method}_{self.point}"

    @property
    def longer(self) -> bool:
        """Whether it is its network's reference: trained on without removing anything."""
        return f"{self.method}_{self.point}" == LONGER


def rows(folder: Path, progress: Progress | None = None) -> list[Row]:
    """Those of the grid in its order, then others that are stored there, by name.

    Raises:
        InputError: none is stored; a damaged one, or one that was not trained dense and then pruned.
    """
    there = [p.parent.name for p in sorted(folder.glob(f"*/{MANIFEST}")) if _NAME.fullmatch(p.parent.name)]
    if not there:
        raise InputError(f"found no stored workload NETWORK_METHOD_POINT, allowed after `xbarch compress {GRID}` or "
                         "one of a grid of your own", file=folder)
    found = []
    names = list(dict.fromkeys([*planned(folder), *there]))
    for number, name in enumerate(names):
        if progress is not None:
            progress(number, len(names), name)
        network, method, point = name.split("_")
        found.append(Row(network, method, point, measure(folder / name) if name in there else None))
    if progress is not None:
        progress(len(names), len(names), "done")
    longer = references(found)
    return [_against(row, longer.get(row.network)) for row in found]


def planned(folder: Path) -> list[str]:
    """Names of the recipes of the grid whose workloads lie in `folder`: the grid beside it, or the bundled one, of its
    name; none where there is no such grid."""
    for place in (folder.resolve().parent, bundled.folder("workloads")):
        path = place / f"{folder.resolve().name}.yaml"
        if path.is_file() and (read := document(path, kind="workloads")).data.get("kind") == "grid":
            return list(members(validate(read, Grid), read))
    return []


def measure(folder: Path) -> Measured:
    """A stored workload, packed to count its crossbars.

    Raises:
        InputError: it is damaged, or was not trained dense and then pruned.
    """
    network = stored(folder)
    facts = _facts(network)
    recipe, pruning = facts.recipe, facts.recipe.pruning
    assert pruning is not None
    shape = pruning.geometry
    home, sizes_ = machine_for(shape)
    setup = prepare(Request(arch=home, workload=network, overrides=tuple(sizes_)))
    whole = machine_for(shape.model_copy(update={"operation_unit": None}))[1]
    dense = Geometry.of(load(ARCHITECTURE, Architecture, whole).crossbar)
    layers = network.compute_layers
    sizes = {la.name: la.rows * la.filters for la in layers}
    kept = sum(la.kept_weights for la in layers)
    if not kept:
        raise InputError("found masks that keep no weight, allowed at least one", file=network.file)
    found, change = facts.accuracy, facts.change
    return Measured(
        weights=sum(sizes.values()), kept=kept,
        pruned_weights=sum(sizes[la.name] for la in layers if la.kept_weights < sizes[la.name]),
        dense_crossbars=dense_crossbars(network, dense),
        crossbars=sum(p.crossbars for p in pack_network(setup).values()), adc_bits=setup.machine.geometry.adc_bits,
        accuracy_dense=found.baseline, accuracy_cut=found.cut, accuracy_pruned=found.pruning,
        accuracy_crossbars=found.crossbars, crossbar_images=min(recipe.crossbar_images, facts.data.test),
        test_images=facts.data.test, change=change.mean, change_low=change.low, change_high=change.high,
        data=recipe.data.name, epochs_dense=recipe.baseline.epochs, epochs_pruning=pruning.training.epochs,
        seed=recipe.seed, rows=shape.rows, columns=shape.columns, cell_bits=shape.cell_bits)


def machine_for(shape: Shape) -> tuple[str, list[str]]:
    """The bundled architecture that is read as a recipe's crossbar is, with the changes that give it that size: whole
    arrays on the base machine, operation units of all bit lines on FORMS's, others on SRE's."""
    unit = shape.operation_unit
    sizes = [f"crossbar.{k}={v}" for k, v in shape.model_dump(exclude={"operation_unit"}).items()]
    if unit is None:
        return ARCHITECTURE, sizes
    sizes += [f"crossbar.operation_unit.{k}={v}" for k, v in unit.model_dump().items()]
    return ("forms_like" if unit.columns == shape.columns else "sre_like"), sizes


@dataclass(frozen=True)
class Reach:
    """A ratio at which a curve falls below a loss, and those at which the curves of its intervals' ends do; inf: not
    within what was trained, up to `most`."""

    ratio: float
    low: float
    high: float
    most: float


def reach(found: Sequence[Measured], loss: float, across: Callable[[Measured], float]) -> Reach:
    """How far one method's points go at a loss of accuracy, a share: straight lines over the logarithm of the ratio
    from the unpruned network (ratio 1, no change) to each point, of the changes and of both ends of their intervals.

    found: of one network and method, one at least.
    """
    points = sorted(found, key=across)
    ratios = [1.0, *(across(m) for m in points)]
    curves = ([m.change for m in points], [m.change_low for m in points], [m.change_high for m in points])
    middle, low, high = (_crossing(ratios, [0.0, *curve], -loss) for curve in curves)
    return Reach(middle, low, high, ratios[-1])


def _crossing(ratios: Sequence[float], changes: Sequence[float], level: float) -> float:
    """The first ratio at which the changes fall below the level."""
    for (a, before), (b, after) in pairwise(zip(ratios, changes, strict=True)):
        if after < level:
            share = (before - level) / (before - after)
            return float(2 ** (log2(a) + share * (log2(b) - log2(a))))
    return inf


def references(found: Sequence[Row]) -> dict[str, Measured]:
    """By network, the one that trained on without removing anything; where it is trained."""
    return {r.network: r.measured for r in found if r.longer and r.measured is not None}


def _against(row: Row, longer: Measured | None) -> Row:
    if row.measured is None or longer is None or row.longer:
        return row
    difference = row.measured.accuracy_pruned - longer.accuracy_pruned
    return replace(row, measured=replace(row.measured, against_longer=difference))


# -- what a manifest must have ------------------------------------------------------------------------------------

Share = Annotated[float, Field(ge=0, le=1)]
Change = Annotated[float, Field(ge=-1, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class _Accuracy(_Part):
    baseline: Share
    pruning: Share
    cut: Share | None = None
    crossbars: Share | None = None


class _Interval(_Part):
    mean: Change
    low: Change
    high: Change

    @model_validator(mode="after")
    def _ordered(self) -> _Interval:
        if not self.low <= self.mean <= self.high:
            raise ValueError(f"found {self.low:g}, {self.mean:g}, {self.high:g}, allowed low, mean, high in ascending "
                             "order")
        return self


class _Data(_Part):
    test: Annotated[int, Field(ge=1)]


class _Facts(_Part):
    accuracy: _Accuracy
    change: _Interval
    data: _Data
    recipe: Recipe

    @model_validator(mode="after")
    def _pruned(self) -> _Facts:
        if self.recipe.pruning is None:
            raise ValueError("recipe: found one without pruning, allowed one that prunes")
        return self


def _facts(network: Workload) -> _Facts:
    data: dict[str, Any] = dict(network.manifest)
    try:
        return _Facts.model_validate(data)
    except ValidationError as error:
        message, trail = explain(error, data, _Facts)
        raise InputError(brief(message, 400), file=network.file, field=dotted(trail)) from None
