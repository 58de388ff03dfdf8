"""The sums of a network in training as the crossbars of a machine that is not ideal give them.

Before every batch the weights are packed as they are and one draw of devices is made, by the executor that measures
accuracy, so that training and measuring cannot differ in what a device does. Where sums are linear in the weights the
gradient is that of the weights which the devices hold (noise injection: Joshi et al., Nature Communications 11, 2473,
2020); where converters round them it is that of exact products, passed straight through. Full scales of converters that
are calibrated follow the sums that the present weights make; `full_scale: stored` learns them, from calibrated ones on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xbarch.compress.quantizers.network import Network, Node
from xbarch.compress.quantizers.scales import FullScales
from xbarch.compress.training.export import workload
from xbarch.errors import InputError
from xbarch.functional.arrays import Crossbar, crossbars
from xbarch.functional.calibrate import by_significance, ranges, stored
from xbarch.functional.device import Range
from xbarch.functional.imperfect import Imperfectly
from xbarch.plugins import checked, guard
from xbarch.request import Request
from xbarch.run import Setup, prepare
from xbarch.specs.recipe import Adaptation, Recipe
from xbarch.workload.batch import Maps, Reals
from xbarch.workload.graph import Layer

_EPOCH = 1 << 24  # draws that an epoch has for itself
_SLOPES = 8  # images of a batch that say how sums grow with full scales


@dataclass
class Devices:
    """Draws of a machine's devices for the layers of a network in training."""

    network: Network
    setup: Setup
    clip: float | None = None
    draw: int = 0
    ranges: dict[str, dict[int, Range]] = field(default_factory=dict)
    """Calibrated ranges of each layer's converters: in training those of the batch, as weights move all the time;
    otherwise those of the first batch since `calibrate`."""

    @classmethod
    def of(cls, network: Network, recipe: Recipe, images: Tensor) -> Devices:
        """Devices of the recipe's machine. images: some [n, C, H, W], to know the workload.

        Raises:
            InputError: the machine cannot run the network, is ideal, or the network is a chain of powers of two.
        """
        asked = recipe.adaptation
        assert asked is not None
        if asked.clip is not None and recipe.quantization.weight_scale != "lsq":
            raise InputError("must be lsq for an adaptation with a clip: other scales follow the weights",
                             field="quantization.weight_scale")
        if recipe.quantization.chain != "real":
            raise InputError("must be real for an adaptation: in a chain of powers of two a filter's sign follows its "
                             "gain", field="quantization.chain")
        path, options = _path(recipe, asked)
        found = workload("adapted", network, images, datapath=path, options=options)
        try:
            setup = prepare(Request(arch=asked.arch, workload=found, overrides=tuple(asked.overrides),
                                    datapath=path, options=options))
        except InputError as error:
            if error.file is not None:
                raise
            raise InputError(error.message, field=f"adaptation.{error.field}".rstrip(".")) from None
        if all(setup.machine.of(n.layer.name).imperfect is None for n in network.compute_nodes()):
            raise InputError(f"must have noise, or nothing is learned; add overrides such as "
                             f"noise.effects.programming.independent=0.1 to {setup.architecture.name}",
                             field="adaptation.overrides")
        return cls(network, setup, asked.clip)

    def start(self) -> None:
        """Before the first epoch: weights get the range that the recipe asks for."""
        self.begin(0)
        if self.clip is not None:
            for node in self.network.compute_nodes():
                node.levels.widen(node.weight * node.mask, self.clip)

    def begin(self, epoch: int) -> None:
        """Start an epoch: its draws depend on its number alone."""
        self.draw, self.ranges = epoch * _EPOCH, {}

    def calibrate(self) -> None:
        """Calibrated ranges are found anew, with the next images that pass."""
        self.ranges = {}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The network's sums are those of devices within."""
        nodes = self.network.compute_nodes()
        for node in nodes:
            node.devices = partial(self.sums, first=node is nodes[0])
            found = self.setup.machine.of(node.layer.name).imperfect
            if node.scales is None and found is not None and found.noise.full_scale == "stored":
                node.scales = FullScales()
        try:
            yield
        finally:
            for node in nodes:
                node.devices = None

    def sums(self, node: Node, x: Tensor, first: bool) -> Tensor:
        """What `Node.sums` gives, on the devices of one draw for every pass through the network."""
        self.draw += first
        if self.setup.machine.of(node.layer.name).imperfect is None:
            return node.products(x, node.quantized())
        learning = torch.is_grad_enabled()
        if learning:
            self.ranges.pop(node.layer.name, None)
        with torch.no_grad():
            maps = _maps(node, x)
            made = self._drawn(node, maps)
            step = node.levels.step(node.weight * node.mask)
            unit = step * node.source()
        if made.converted or made.varies or made.geometry.offset(made.layer):
            exact = node.products(x, node.quantized())
            unit = unit.reshape(_across(step, exact))
            real = _shaped(made.sums(maps), node, len(x)) * unit
            found = exact + (real - exact).detach()
            return self._learning(node, found, made, maps, unit) if learning else found
        held = torch.from_numpy(_own(made.matrix, node.layer)).reshape(node.weight.shape).to(x.dtype)
        return node.products(x, node.quantized(held))

    def _learning(self, node: Node, found: Tensor, made: Imperfectly, maps: Maps, unit: Tensor) -> Tensor:
        """The sums, with the gradient of the full scales that a layer learns, from some images of the batch."""
        if node.scales is None:
            return found
        some = maps[:, :_SLOPES]
        slopes = {group: _shaped(slope, node, some.shape[1]) * unit for group, slope in made.slopes(some).items()
                  if node.scales.logarithms[group] != 0}
        shared: Tensor = node.scales(found, slopes, some.shape[1] / len(found)) if slopes else found
        return shared

    def _drawn(self, node: Node, maps: Maps) -> Imperfectly:
        """The layer with its present weights on the devices of this draw."""
        levels, _ = node.levels.integers(node.weight * node.mask)
        whole, mask = (t.reshape(*t.shape[:2], *node.layer.kernel).numpy() for t in (levels, node.mask))
        layer = replace(node.layer, weights=lambda: whole, mask=None if mask.all() else lambda: mask)
        machine = self.setup.machine.of(layer.name)
        assert machine.imperfect is not None
        with guard.asking(self.setup.path, "contents", layer.name, limited=False):
            made = list(crossbars(checked.blocks(self.setup.path, layer, machine.geometry), machine.geometry))
        device = machine.imperfect.device(layer.name, self.draw, self._ranges(made, node, layer, maps))
        return Imperfectly.of(made, layer, machine.geometry, device, machine.sensing)

    def _ranges(self, made: list[Crossbar], node: Node, layer: Layer, maps: Maps) -> dict[int, Range]:
        """What the codes of the converters span, found on the images of a batch or learned."""
        machine = self.setup.machine.of(layer.name)
        assert machine.imperfect is not None
        noise = machine.imperfect.noise
        some = maps[:, :noise.calibration.images]
        if noise.full_scale == "stored":
            assert node.scales is not None
            if not node.scales.known:
                node.scales.begin(by_significance(made, layer, machine.geometry, some, noise.calibration.percentile))
            return stored(made, replace(layer, full_scales=node.scales.whole), machine.geometry)
        if noise.full_scale != "calibrated":
            return {}
        if layer.name not in self.ranges:
            self.ranges[layer.name] = ranges(made, layer, machine.geometry, some, noise.calibration)
        return self.ranges[layer.name]


def _path(recipe: Recipe, asked: Adaptation) -> tuple[str, dict[str, Any]]:
    """The data path that packs, with its options."""
    if asked.datapath is not None:
        return asked.datapath, asked.options
    if recipe.pruning is not None:
        return recipe.pruning.method, {**recipe.pruning.options, **asked.options}
    return "dense", asked.options


def _maps(node: Node, x: Tensor) -> Maps:
    """A layer's inputs as levels, [channels, images, height, width]."""
    levels = (x.double() / node.source().double()).round().to(torch.int32)
    found: Maps = np.ascontiguousarray(levels.reshape(len(x), *node.layer.in_shape).transpose(0, 1).numpy())
    return found


def _shaped(sums: Reals, node: Node, images: int) -> Tensor:
    """Sums [filters, images * windows] as a layer's outputs."""
    filters, height, width = node.layer.out_shape
    found = torch.from_numpy(np.ascontiguousarray(sums, np.float32)).reshape(filters, images, height, width)
    return found.transpose(0, 1) if node.layer.op == "conv" else found.transpose(0, 1).flatten(1)


def _across(step: Tensor, out: Tensor) -> tuple[int, ...]:
    """Shape in which steps, one or one for each filter, go along a layer's outputs."""
    return (-1, *(1,) * (out.dim() - 2)) if step.dim() else ()


def _own(matrix: Reals, layer: Layer) -> Reals:
    """Effective weights [filters, groups * rows] without those of other groups, [filters, rows]."""
    each = layer.filters // layer.groups
    parts = [matrix[g * each:(g + 1) * each, g * layer.rows:(g + 1) * layer.rows] for g in range(layer.groups)]
    found: Reals = np.concatenate(parts)
    return found
