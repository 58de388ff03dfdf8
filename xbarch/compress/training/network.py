"""The network that a recipe trains: its model, with the checkpoint's weights if any, made trainable in integers."""

from __future__ import annotations

from xbarch.compress.intake import models
from xbarch.compress.intake.checkpoint import restore
from xbarch.compress.intake.given import Given
from xbarch.compress.intake.trace import trace_model
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training.data import Parts
from xbarch.errors import InputError
from xbarch.specs.recipe import Recipe


def build(recipe: Recipe, parts: Parts) -> Network:
    """The recipe's network before training.

    Raises:
        InputError: the model or the checkpoint cannot be used for the data.
    """
    model = models.build(recipe.model, parts.classes, recipe.width, recipe.seed)
    graph = trace_model(model, parts.shape)
    given: dict[str, Given] = {}
    if recipe.checkpoint is not None:
        given = restore(model, recipe.checkpoint)
        graph = trace_model(model, parts.shape)
    for name, parameters in graph.parameters.items():
        if not all(bool(t.isfinite().all()) for t in parameters.tensors()):
            raise InputError(f"layer {name} has weights that are not finite numbers (NaN or infinite)",
                             file=recipe.checkpoint, field="" if recipe.checkpoint else "model")
    _check_scores(graph.layers[-1].out_shape, parts.classes)
    network = Network(graph, recipe.quantization)
    for node in network.compute_nodes():
        node.given = given.get(f"{node.layer.name}.weight")
    return network


def _check_scores(shape: tuple[int, int, int], classes: int) -> None:
    if shape[0] < classes or shape[1:] != (1, 1):
        found = f"{shape[0]} scores" if shape[1:] == (1, 1) else f"values of shape {shape}"
        raise InputError(f"must return one score for each of {classes} classes, not {found}", field="model")
