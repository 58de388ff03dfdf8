"""What a pruning algorithm does while a network trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xbarch.compress.quantizers.network import Network, Node
from xbarch.datapaths.base import DataPath, Geometry, Project, Projection, Reals
from xbarch.datapaths.pruning import pruning
from xbarch.datapaths.tools.purify import shown
from xbarch.errors import InputError
from xbarch.plugins.guard import asking
from xbarch.specs.explain import unknown
from xbarch.specs.recipe import Pruning, Shape
from xbarch.workload.graph import Layer


def crossbar(shape: Shape) -> Geometry:
    """The crossbar of a recipe, as data paths see it."""
    unit = shape.operation_unit
    return Geometry(shape.rows, shape.columns, shape.cell_bits, ou_rows=unit.rows if unit else 0,
                    ou_columns=unit.columns if unit else 0)


Sampled = Callable[[int], list[tuple[Tensor, Tensor]]]
"""How many training images -> parts of them with their labels, as the network sees them; the same for every caller."""


def with_outputs(network: Network) -> tuple[Layer, ...]:
    """The layers, and a view that none reads of every output that a layer reads too: then what none reads is what the
    network returns, as data paths expect."""
    read, shapes = {name for layer in network.layers for name in layer.inputs}, network.shapes
    more = [Layer(name=f"output {number}", op="flatten", inputs=(output.layer,), in_shape=shapes[output.layer],
                  out_shape=(prod(shapes[output.layer]), 1, 1))
            for number, output in enumerate(network.outputs, 1) if output.layer in read]
    return (*network.layers, *more)


class Pruner:
    """Base of the algorithms, and itself the algorithm that cuts once: weights train freely until they are replaced by
    their projection. `progress` is the share of the epochs before the cut that is over.

    nodes: the layers that are pruned. Layers to which the recipe gives a density of 1 are not. Unless the recipe names
    them, neither is the network's first layer nor, where whole filters are removed, its last (its filters are the
    network's outputs).

    Raises:
        InputError: the recipe names a layer that does not exist, or the method cannot reach the density.

    sample: training images on which an algorithm may look at the network; seed: of what it draws. fresh: whether
    training starts anew after the cut, from the weights before any training.
    """

    sample: Sampled
    seed = 0
    fresh = False

    def __init__(self, network: Network, spec: Pruning, path: DataPath) -> None:
        self.network, self.spec, self.path = network, spec, pruning(path)
        self.geometry = crossbar(spec.geometry)
        compute = network.compute_nodes()
        names = [n.layer.name for n in compute]
        for name in spec.layers:
            if name not in names:
                raise InputError(unknown("layer", name, names), field="pruning.layers")
        spared = {compute[0].layer.name, *(shown(with_outputs(network)) if self.path.whole_filters else ())}
        with asking(self.path, "prunes"):
            self.nodes: list[Node] = [
                n for n in compute if spec.layers.get(n.layer.name, 0) != 1
                and (n.layer.name in spec.layers or (n.layer.name not in spared and self.path.prunes(n.layer)))]
        with asking(self.path, "learned") as wrong:
            found = self.path.learned([self.levels(n, n.weight) for n in self.nodes], [n.layer for n in self.nodes],
                                      self.geometry)
            if not isinstance(found, type(self.path)):
                raise wrong("must return a data path of its class")
            self.path = found
        self.hard = False

    # -- what algorithms differ in --------------------------------------------------------------------------

    def penalty(self, progress: float) -> Tensor | None:
        """Term that is added to the loss of a batch; None: nothing."""
        return None

    def step(self, rate: float, progress: float, epoch: int) -> None:
        """Called after an update of the weights at learning rate `rate` in epoch number `epoch`, counted from 1."""

    def close(self, epoch: int) -> None:
        """Called after epoch number `epoch`, before the cut."""

    def kept(self) -> Iterable[Projection]:
        """What the cut keeps of one layer after another; each is cut before the next is asked for."""
        assert self.spec.density is not None
        return self.projected([n.weight for n in self.nodes], self.spec.density)

    def own_state(self) -> dict[str, Any]:
        """What a checkpoint must hold besides the network."""
        return {}

    def own_restore(self, state: dict[str, Any]) -> None:
        """The inverse of `own_state`."""

    # -- what they share ------------------------------------------------------------------------------------

    def densities(self, target: float, weights: Sequence[Reals]) -> list[float]:
        """Density of every pruned layer; `target` is that of all layers together whose density the recipe does not
        set."""
        free = [i for i, n in enumerate(self.nodes) if n.layer.name not in self.spec.layers]
        with asking(self.path, "share"):
            shares = self.path.share([weights[i] for i in free], [self.nodes[i].layer for i in free], self.geometry,
                                     target)
        by_place = dict(zip(free, shares, strict=True))
        return [by_place[i] if i in by_place else self.spec.layers[n.layer.name] for i, n in enumerate(self.nodes)]

    @torch.no_grad()
    def projected(self, weights: Sequence[Tensor], density: float, how: Project | None = None) -> list[Projection]:
        """The projections of `weights`, one per node, in levels of the layers' quantizers."""
        levels = [self.levels(n, w) for n, w in zip(self.nodes, weights, strict=True)]
        shares = self.densities(density, levels)
        made = [self._projection(how or self.path.project, w, n, share)
                for n, w, share in zip(self.nodes, levels, shares, strict=True)]
        if any(f.allowed is not None and n.levels.scale != "lsq" for n, f in zip(self.nodes, made, strict=True)):
            raise InputError(f"must be lsq for {self.path.name}, which removes single bits of the levels: those of "
                             "lsq stay where they are", field="quantization.weight_scale")
        if any(f.ties is not None and n.chain for n, f in zip(self.nodes, made, strict=True)):
            raise InputError(f"must be real for {self.path.name}, which ties weights: in a chain of powers of two a "
                             "filter's sign follows its gain", field="quantization.chain")
        return made

    def _projection(self, how: Project, levels: Reals, node: Node, share: float) -> Projection:
        with asking(self.path, "project", node.layer.name) as wrong:
            found = how(levels, node.layer, self.geometry, share)
            if not isinstance(found, Projection) or any(np.shape(part) != np.shape(levels) for part in (
                    found.mask, *([] if found.ties is None else [found.ties]))):
                raise wrong("must return a Projection of the weights' shape")
            return found

    @torch.no_grad()
    def levels(self, node: Node, weight: Tensor) -> Reals:
        """Weights [F, C, kh, kw] in levels of the node's quantizer, float64."""
        found: Reals = (weight / node.levels.step(node.weight * node.mask)).double().cpu().numpy()
        return found if found.ndim == 4 else found[:, :, None, None]

    @torch.no_grad()
    def back(self, node: Node, values: Reals) -> Tensor:
        """Levels as weights of a node, in the shape of its weight."""
        shaped = torch.from_numpy(np.ascontiguousarray(values)).to(node.weight).reshape(node.weight.shape)
        return shaped * node.levels.step(node.weight * node.mask)

    @torch.no_grad()
    def harden(self) -> None:
        """Replace the weights by their projection; what it removes stays removed, and so does what came in removed."""
        self.hard = True
        for node, found in zip(self.nodes, self.kept(), strict=True):
            if found.allowed is not None:
                node.levels.allowed = torch.from_numpy(found.allowed.copy()).to(node.mask.device).reshape(
                    node.weight.shape)
            node.weight.copy_(self.back(node, found.weights))
            node.mask.copy_(torch.from_numpy(found.mask.copy()).reshape(node.mask.shape))
            node.ties = None if found.ties is None else found.ties.reshape(node.weight.shape)
            self.withhold(node)
        self.reduce()
        for node in self.nodes:
            if node.ties is not None:  # what is removed stays zero
                kept = node.mask if node.own is None else node.mask & node.own
                node.ties = np.where(kept.cpu().numpy(), node.ties, -1)
        self.network.tie()

    def withhold(self, node: Node) -> None:
        """What came in removed stays so: in the mask or, where the method keeps nothing less than whole blocks, as
        zeros in what it keeps."""
        if node.own is None:
            return
        node.weight.mul_(node.own)
        whole = node.mask.clone()
        node.mask.logical_and_(node.own)
        with asking(self.path, "check", node.layer.name):
            if self.path.check(node.stored(), self.geometry):
                node.mask.copy_(whole)

    @torch.no_grad()
    def reduce(self) -> None:
        """Apply the consequences of the cut to the rest of the network, including layers that are not pruned
        themselves."""
        nodes = {n.layer.name: n for n in self.network.compute_nodes()}
        weights = {name: self.levels(n, n.weight * n.mask) for name, n in nodes.items()}
        masks = {name: n.mask.cpu().numpy().reshape(weights[name].shape) for name, n in nodes.items()}
        with asking(self.path, "reduce"):
            reduced = self.path.reduce(with_outputs(self.network), masks, weights)
        for name, mask in reduced.items():
            if not np.array_equal(mask, masks[name]):
                nodes[name].mask.copy_(torch.from_numpy(mask.copy()).reshape(nodes[name].mask.shape))
                nodes[name].weight.mul_(nodes[name].mask)

    def settle(self) -> None:
        """Called after the last epoch."""

    @torch.no_grad()
    def sparsity(self) -> dict[str, float]:
        """Share of removed or zero weights of every pruned layer."""
        return {n.layer.name: 1 - float((n.mask & (n.quantized() != 0)).float().mean()) for n in self.nodes}

    def figures(self) -> dict[str, float]:
        """Figures of the epoch, for the history."""
        found = self.sparsity()
        return {"sparsity": sum(found.values()) / max(len(found), 1)}

    def state(self) -> dict[str, Any]:
        ties = [None if n.ties is None else torch.from_numpy(n.ties) for n in self.nodes]
        return {"hard": self.hard, "allowed": [n.levels.allowed for n in self.nodes], "ties": ties,
                "own": self.own_state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.hard = bool(state["hard"])
        for node, allowed, ties in zip(self.nodes, state["allowed"], state["ties"], strict=True):
            node.levels.allowed, node.ties = allowed, None if ties is None else ties.cpu().numpy()
        self.own_restore(state["own"])

