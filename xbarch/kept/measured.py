"""Accuracy and size of a trained network, and their measurement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, sqrt
from pathlib import Path

from xbarch.datapaths.records import Geometry
from xbarch.errors import InputError
from xbarch.kept.facts import read_facts
from xbarch.mapping.pack import dense_crossbars
from xbarch.request import Request
from xbarch.result.accuracy import Sample
from xbarch.result.accuracy import measure as accuracy
from xbarch.run import pack_network, prepare
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.recipe import Shape
from xbarch.workload.graph import Workload
from xbarch.workload.store import load as stored

ARCHITECTURE = "isaac_like"
NOISY_IMAGES, DEVICES = 100, 2  # on which the accuracy under noise is measured
_NORMAL = 1.959964  # standard deviations around the mean that hold 95 % of a normal distribution


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
    accuracy_noise: Mapping[str, float] = field(default_factory=dict)
    """Of the first images on devices with the noise of a preset, by the presets that the recipe names."""
    test_images: int
    change: float
    """accuracy_pruned - accuracy_dense."""
    change_low: float
    """Lower end of its 95 % interval (paired bootstrap over test images)."""
    change_high: float
    """Upper end of its 95 % interval."""
    against_longer: float | None = None
    """accuracy_pruned minus that of the reference `dense_longer` (unpaired); None for the reference itself."""
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
        accuracy_noise={name: _under(name, network, home, changes) for name in recipe.noise},
        test_images=facts.data.test, change=change.mean, change_low=change.low, change_high=change.high,
        data=recipe.data.name, epochs_dense=recipe.baseline.epochs, epochs_pruning=pruning.training.epochs,
        seed=recipe.seed, rows=shape.rows, columns=shape.columns, cell_bits=shape.cell_bits)


def _under(preset: str, network: Workload, home: str, changes: list[str]) -> float:
    """Accuracy under the noise of a preset, on the machine on which crossbars are counted."""
    noise = f"noise={json.dumps({'preset': preset})}"
    setup = prepare(Request(arch=home, workload=network, overrides=(noise, *changes)))
    return accuracy(setup.network, setup.path, setup.machine, pack_network(setup), Sample(NOISY_IMAGES, DEVICES)).value


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
