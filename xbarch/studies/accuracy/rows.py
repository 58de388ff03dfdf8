"""The table behind the accuracy report: what every workload of a grid keeps, and what that costs in accuracy."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf, log2, sqrt
from pathlib import Path

from xbarch.datapaths.base import title_of
from xbarch.datapaths.records import Geometry
from xbarch.errors import InputError
from xbarch.mapping.pack import dense_crossbars
from xbarch.plugins import kinds, registry
from xbarch.request import Request
from xbarch.run import pack_network, prepare
from xbarch.specs.architecture import Architecture
from xbarch.specs.grid import Grid, members
from xbarch.specs.load import document, load, validate
from xbarch.specs.recipe import Shape
from xbarch.studies.accuracy.manifest import read_facts
from xbarch.support import bundled
from xbarch.support.progress import Progress
from xbarch.workload.store import MANIFEST
from xbarch.workload.store import load as stored

ARCHITECTURE = "isaac_like"
LONGER = "dense_longer"  # reference of each network: trains for the same number of epochs and removes nothing
GRID = "digit_pairs"
_NORMAL = 1.959964  # standard deviations around the mean that hold 95 % of a normal distribution
_NAME = re.compile(r"([A-Za-z0-9]+)_([A-Za-z0-9_]+)_([A-Za-z0-9]+)")  # network, method, point


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A trained network of a grid. Crossbars are those of one copy of each layer; accuracies are shares of the test
    images."""

    weights: int
    """Of all conv and linear layers before pruning."""
    kept: int
    """Of these after pruning."""
    pruned_weights: int
    """Before pruning, of the layers from which weights are removed."""
    dense_crossbars: int
    """Of the dense network on data path `dense`."""
    crossbars: int
    """Of this network on its own data path."""
    adc_bits: int
    """Of the machine as built for this network."""
    accuracy_dense: float
    """Before pruning."""
    accuracy_cut: float | None
    """Right after pruning; None: not measured."""
    accuracy_pruned: float
    """After fine-tuning."""
    accuracy_crossbars: float | None
    """After fine-tuning, through packed crossbars and ADCs on the first `crossbar_images`; None: not measured."""
    crossbar_images: int
    test_images: int
    change: float
    """accuracy_pruned - accuracy_dense."""
    change_low: float
    """Lower end of its 95 % interval (paired bootstrap over test images)."""
    change_high: float
    """Upper end of its 95 % interval."""
    against_longer: float | None = None
    """accuracy_pruned minus that of the reference `LONGER` (unpaired); None for the reference itself."""
    data: str
    epochs_dense: int
    epochs_pruning: int
    seed: int
    rows: int
    columns: int
    cell_bits: int

    @property
    def ratio(self) -> float:
        """Compression ratio: all weights over those kept."""
        return self.weights / self.kept

    @property
    def pruned_ratio(self) -> float:
        """Compression ratio of the layers from which weights are removed; 1 if there are none."""
        left = self.pruned_weights - (self.weights - self.kept)
        return self.pruned_weights / left if left else inf if self.pruned_weights else 1.0

    @property
    def crossbar_ratio(self) -> float:
        """Crossbar saving: the dense network's crossbars over this one's; below 1 if the data path takes more."""
        return self.dense_crossbars / self.crossbars

    @property
    def holds(self) -> bool:
        """Whether no loss is measurable: the interval of the change reaches 0 or lies above it."""
        return self.change_high >= 0

    @property
    def overlaps(self) -> bool:
        """Whether the accuracy's own 95 % interval overlaps the dense network's (binomial, normal approximation;
        unpaired, so weaker than `holds`)."""
        half = [_NORMAL * sqrt(a * (1 - a) / self.test_images) for a in (self.accuracy_pruned, self.accuracy_dense)]
        return self.accuracy_pruned + half[0] >= self.accuracy_dense - half[1]


@dataclass(frozen=True)
class Row:
    """A recipe of a grid."""

    network: str
    method: str
    point: str
    measured: Measured | None
    """None: not trained yet."""

    @property
    def name(self) -> str:
        return f"{self.network}_{self.method}_{self.point}"

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
    """Return the recipes of the grid in its order, then other workloads stored in the folder, by name.

    Raises:
        InputError: no workload is stored, or one is damaged or was not trained dense and then pruned.
    """
    there = [p.parent.name for p in sorted(folder.glob(f"*/{MANIFEST}")) if _NAME.fullmatch(p.parent.name)]
    if not there:
        raise InputError(f"no workload NETWORK_METHOD_POINT is stored here; train some with `xbarch compress {GRID}` "
                         "or a grid of your own", file=folder)
    found = []
    names = list(dict.fromkeys([*list_recipes(folder), *there]))
    for number, name in enumerate(names):
        if progress is not None:
            progress(number, len(names), name)
        parts = _NAME.fullmatch(name)
        assert parts is not None, name
        network, method, point = parts.groups()
        found.append(Row(network, method, point, measure(folder / name) if name in there else None))
    if progress is not None:
        progress(len(names), len(names), "done")
    longer = references(found)
    return [_against(row, longer.get(row.network)) for row in found]


def list_recipes(folder: Path) -> list[str]:
    """Return the recipe names of the grid that has the folder's name and lies beside it or is bundled; empty if there
    is no such grid."""
    for place in (folder.resolve().parent, bundled.folder("workloads")):
        path = place / f"{folder.resolve().name}.yaml"
        if path.is_file() and (read := document(path, kind="workloads")).data.get("kind") == "grid":
            return list(members(validate(read, Grid), read))
    return []


def measure(folder: Path) -> Measured:
    """Measure a stored workload, packing it to count its crossbars.

    Raises:
        InputError: it is damaged, or was not trained dense and then pruned.
    """
    network = stored(folder)
    facts = read_facts(network)
    recipe, pruning = facts.recipe, facts.recipe.pruning
    assert pruning is not None and recipe.baseline is not None
    shape = pruning.geometry
    home, changes = machine_for(shape)
    setup = prepare(Request(arch=home, workload=network, overrides=tuple(changes)))
    whole = machine_for(shape.model_copy(update={"operation_unit": None}))[1]
    dense = Geometry.of(load(ARCHITECTURE, Architecture, whole).crossbar)
    layers = network.compute_layers
    sizes = {la.name: la.rows * la.filters for la in layers}
    kept = sum(la.kept_weights for la in layers)
    if not kept:
        raise InputError("the masks must keep at least one weight", file=network.file)
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
    """Return the bundled architecture that reads its crossbars as a recipe's crossbar is read, with overrides that give
    it that size: whole arrays on the base machine, operation units with all bit lines on `forms_like`, other operation
    units on `sre_like`."""
    unit = shape.operation_unit
    sizes = [f"crossbar.{k}={v}" for k, v in shape.model_dump(exclude={"operation_unit"}).items()]
    if unit is None:
        return ARCHITECTURE, sizes
    sizes += [f"crossbar.operation_unit.{k}={v}" for k, v in unit.model_dump().items()]
    return ("forms_like" if unit.columns == shape.columns else "sre_like"), sizes


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


def references(found: Sequence[Row]) -> dict[str, Measured]:
    """Return the reference of each network that has one."""
    return {r.network: r.measured for r in found if r.longer and r.measured is not None}


def _against(row: Row, longer: Measured | None) -> Row:
    if row.measured is None or longer is None or row.longer:
        return row
    difference = row.measured.accuracy_pruned - longer.accuracy_pruned
    return replace(row, measured=replace(row.measured, against_longer=difference))
