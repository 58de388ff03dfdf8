"""The network that a recipe trains: its model, with the checkpoint's weights if any, made trainable in integers."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn

from xbarch.compress.intake import models
from xbarch.compress.intake.checkpoint import restore
from xbarch.compress.intake.given import Given, aligned, settle_masks
from xbarch.compress.intake.subclass import settle_subclasses
from xbarch.compress.intake.trace import prepare, trace_model
from xbarch.compress.quantizers.network import Network, Node
from xbarch.compress.training.data import Parts
from xbarch.compress.training.start import take
from xbarch.errors import InputError
from xbarch.specs.recipe import Recipe
from xbarch.workload.find import resolve
from xbarch.workload.measures import TOP_ONE, Measure

_IMAGES = 2  # real ones on which model and graph must agree


def build(recipe: Recipe, parts: Parts, measure: Measure = TOP_ONE, model: nn.Module | None = None) -> Network:
    """The recipe's network before training. measure: of its outputs. model: the recipe's, where it exists already; it
    takes the checkpoint's weights.

    Raises:
        InputError: the model, the checkpoint or the start cannot be used for the data.
    """
    if model is None:
        stages = {key: found for key in ("filters", "kernels") if (found := getattr(recipe, key))}
        model = take_parts(models.build(recipe.model, parts.classes, recipe.width, recipe.seed, parts.shape[1:],
                                        stages), parts.inputs)
    given: dict[str, Given] = dict(getattr(model, "given", {}))
    if recipe.checkpoint is not None:
        prepare(model, parts.shape)
        given |= restore(model, recipe.checkpoint)
    given |= settle_masks(model) | settle_subclasses(model)
    graph = trace_model(model, parts.shape, parts.test[slice(0, _IMAGES)][0], parts.span[0] < 0)
    for name in (la.name for la in graph.layers):
        if not all(bool(t.isfinite().all()) for t in graph.tensors(name)):
            raise InputError(f"layer {name} has weights that are not finite numbers (NaN or infinite)",
                             file=recipe.checkpoint, field="" if recipe.checkpoint else "model")
    if problem := measure.refuse([output.shape for output in graph.outputs], parts.test.labels.numpy(), parts.classes):
        raise InputError(problem, field="measure" if measure.name in problem else "model")
    network = Network(graph, recipe.quantization, parts.span)
    stored = model.state_dict()
    for node in network.compute_nodes():
        source = node.weight_source
        if source.name in given:
            node.given = _as_used(given[source.name], stored[source.name], node)
        if node.given is not None and node.given.mask is not None:
            node.remove(node.given.mask)
    if recipe.start is not None:
        take(network, resolve(recipe.start), parts)
    return network


def take_parts(model: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> nn.Module:
    """Return the model as one of an image whose numbers are its inputs of these shapes, one behind the other, if there
    are any; its parameters and modules are the same, by the same names."""
    if not shapes:
        return model
    sizes = [prod(shape) for shape in shapes]

    def parted(images: Tensor) -> list[Tensor]:
        parts = images.flatten(1).split(sizes, 1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)]

    if isinstance(model, fx.GraphModule):  # which is exported by its graph, whatever `forward` says
        return _Program(model, parted)
    kind: Any = type(model)

    class Parted(kind):
        def forward(self, images: Tensor) -> Any:
            return super().forward(*parted(images))

    model.__class__ = Parted
    return model


class _Program(nn.Module):
    """A module of a graph, called with one image."""

    def __init__(self, inner: nn.Module, parted: Callable[[Tensor], list[Tensor]]) -> None:
        super().__init__()
        self.parted, self.given = parted, getattr(inner, "given", {})
        self._parameters, self._buffers, self._modules = inner._parameters, inner._buffers, inner._modules
        self.inner = [inner]  # no module of this one, which would change the names

    def train(self, mode: bool = True) -> _Program:
        self.inner[0].train(mode)
        return self

    def forward(self, images: Tensor) -> Any:
        return self.inner[0](*self.parted(images))


def refuse_shared(network: Network) -> None:
    """Refuse to train a module that is called more than once: its calls are layers of their own, with weights of their
    own, which training would pull apart.

    Raises:
        InputError: the layers.
    """
    first: dict[str, str] = {}
    for node in network.compute_nodes():
        name, own = node.weight_source.name, node.layer.name
        if name and (other := first.setdefault(name, own)) != own:
            raise InputError(f"layers {other} and {own} are two uses of one weight ({name}); training would pull them "
                             "apart, so give each a weight of its own, or import trained weights", field="model")


def _as_used(given: Given, stored: Tensor, node: Node) -> Given | None:
    """What is given of a stored weight, as the layer uses it; None where the layer's weight is computed from it.

    Raises:
        InputError: the steps of the weight's integers are not those of filters.
    """
    shape, origin = node.weight.shape, node.weight_source
    if not torch.equal(origin.moved(stored).reshape(shape).to(node.weight.dtype), node.weight.detach()):
        return None
    mask, levels = (None if part is None else origin.moved(part).reshape(shape) for part in (given.mask, given.levels))
    step = given.step
    if step is not None and step.numel() == 1:
        step = step.reshape(1)
    elif step is not None and levels is not None:
        each = origin.moved(aligned(step, stored).expand(stored.shape)).reshape(len(levels), -1)
        step = each[:, 0]
        if not bool((each == step[:, None]).all()):
            raise InputError(f"must have one scale for {origin.name}, or one for each filter of layer "
                             f"{node.layer.name}, which are its columns in a crossbar", field="weights")
    return Given(mask=mask, levels=levels, step=step)
