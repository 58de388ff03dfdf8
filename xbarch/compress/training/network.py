"""The network that a recipe trains: its model, with the checkpoint's weights if any, made trainable in integers."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from xbarch.compress.intake import models
from xbarch.compress.intake.checkpoint import restore
from xbarch.compress.intake.given import Given, settle_masks
from xbarch.compress.intake.subclass import settle_subclasses
from xbarch.compress.intake.trace import prepare, trace_model
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training.data import Parts
from xbarch.errors import InputError
from xbarch.specs.recipe import Recipe

_IMAGES = 2  # real ones on which model and graph must agree


def build(recipe: Recipe, parts: Parts, model: nn.Module | None = None) -> Network:
    """The recipe's network before training. model: the recipe's, where it exists already; it takes the checkpoint's
    weights.

    Raises:
        InputError: the model or the checkpoint cannot be used for the data.
    """
    model = model or models.build(recipe.model, parts.classes, recipe.width, recipe.seed)
    if parts.vectors:
        model.register_forward_pre_hook(_flat)
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
    _check_scores(graph.layers[-1].out_shape, parts.classes)
    network = Network(graph, recipe.quantization, parts.span)
    stored = model.state_dict()
    for node in network.compute_nodes():
        source = node.weight_source = graph.parameters[node.layer.name].source
        if source in given:
            node.given = _as_used(given[source], stored[source], node.weight)
        if node.given is not None and node.given.mask is not None:
            node.remove(node.given.mask)
    return network


def _flat(_: nn.Module, images: tuple[Tensor]) -> tuple[Tensor]:
    """Vectors as the user's file has them."""
    return (images[0].flatten(1),)


def refuse_shared(network: Network) -> None:
    """Refuse to train a module that is called more than once: its calls are layers of their own, with weights of their
    own, which training would pull apart.

    Raises:
        InputError: the layers.
    """
    first: dict[str, str] = {}
    for node in network.compute_nodes():
        if node.weight_source and (other := first.setdefault(node.weight_source, node.layer.name)) != node.layer.name:
            raise InputError(f"layers {other} and {node.layer.name} are two calls of one module; training would pull "
                             "their weights apart, so give each call a module of its own, or import trained weights",
                             field="model")


def _as_used(given: Given, stored: Tensor, weight: Tensor) -> Given | None:
    """What is given of a stored weight, in the shape in which the layer uses it; None where the layer's weight is
    another, as a turned kernel of a transposed convolution is."""
    own = weight.detach().flatten()
    if stored.numel() != own.numel() or not torch.equal(stored.flatten().to(own.dtype), own):
        return None
    return replace(given, mask=None if given.mask is None else given.mask.reshape(weight.shape),
                   levels=None if given.levels is None else given.levels.reshape(weight.shape))


def _check_scores(shape: tuple[int, int, int], classes: int) -> None:
    if shape[0] < classes or shape[1:] != (1, 1):
        found = f"{shape[0]} scores" if shape[1:] == (1, 1) else f"values of shape {shape}"
        raise InputError(f"must return one score for each of {classes} classes, not {found}", field="model")
