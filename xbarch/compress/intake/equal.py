"""The proof that a layer graph computes what the user's model computes, on random and on real images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from xbarch.compress.intake.copying import copied
from xbarch.compress.intake.evaluate import outputs, returned
from xbarch.compress.intake.graph import ModelGraph
from xbarch.compress.intake.reader import Reader
from xbarch.compress.intake.values import Value
from xbarch.errors import InputError
from xbarch.specs.text import brief

SHARE = 1e-4  # of the scores' spread by which model and graph may differ
_RANDOM, _LARGE = 2, 2**26  # random images; weights beyond which single precision is used


def check_equal(model: nn.Module, program: Any, reader: Reader, graph: ModelGraph, images: Tensor | None) -> None:
    """Refuse a graph that is another network.

    Raises:
        InputError: the first layer whose values differ, or what the model's code raises.
    """
    shape = reader.shape
    tried = torch.rand(_RANDOM, *shape, generator=torch.Generator().manual_seed(0))
    if reader.signed:
        tried = 4 * tried - 2
    if images is not None:
        tried = torch.cat([tried, images.to(tried.dtype)])
    with torch.no_grad():
        right, kind = _right(model, tried)
        parts = [returned(graph, one.to(kind)) for one in tried.split(1)]
        found = [torch.cat(each) for each in zip(*parts, strict=True)]
        if [y.shape for y in right] != [y.shape for y in found]:
            raise InputError(f"returns {_shapes(right)} for {len(tried)} images, where the layers that were read give "
                             f"{_shapes(found)}", field="model")
        for number, (its, ours) in enumerate(zip(right, found, strict=True)):
            apart = _apart(its, ours)
            if apart > SHARE:
                what = "the scores differ" if len(right) == 1 else f"its output {number + 1} differs"
                at = _first_difference(program, reader, graph, tried[:1])
                raise InputError(f"is read as another network: {what} by {apart:.2g} of their spread, first at layer "
                                 f"{at}; please report this model", field="model")


def answers(model: nn.Module, images: Tensor) -> list[Tensor]:
    """The tensors that a model returns, in whatever it wraps them, [n, ...] each.

    Raises:
        InputError: what the model's code raises, or no tensors of as many rows as there are images.
    """
    try:
        given = model(images)
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:
        text = brief(" ".join(str(error).split()) or type(error).__name__, 200)
        raise InputError(f"fails on {len(images)} images with {type(error).__name__}: {text}", field="model") from None
    found = [t for t in tree_leaves(given) if isinstance(t, Tensor)]
    if not found or any(t.shape[:1] != (len(images),) for t in found):
        raise InputError(f"must return tensors with a row for each of {len(images)} images, not "
                         f"{_shapes(found) or type(given).__name__}", field="model")
    return found


def _shapes(found: list[Tensor]) -> str:
    return brief(", ".join(str(tuple(t.shape)) for t in found), 100)


def _right(model: nn.Module, images: Tensor) -> tuple[list[Tensor], torch.dtype]:
    """What the model returns, in double precision where its size and its code allow that."""
    if sum(p.numel() for p in model.parameters()) <= _LARGE:
        try:
            wide: dict[int, Any] = {id(p): nn.Parameter(p.detach().double(), False) for p in model.parameters()}
            return answers(copied(model, wide).double().eval(), images.double()), torch.float64
        except Exception:  # a module may refuse to be copied, or compute with constants of its own precision
            pass
    return answers(model.eval(), images), torch.float32


def _apart(right: Tensor, found: Tensor) -> float:
    """Largest difference over the spread of the right values."""
    if not bool(right.isfinite().all()):
        return 0.0  # weights that are not finite are refused by their names
    spread = float(right.max() - right.min()) or float(right.abs().max()) or 1.0
    return float((right - found).abs().max()) / spread


def _first_difference(program: Any, reader: Reader, graph: ModelGraph, image: Tensor) -> str:
    """Name of the first layer whose values are not those of the program."""
    ours = outputs(graph, image)
    theirs: dict[fx.Node, Any] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            theirs[n] = super().run_node(n)
            return theirs[n]

    module = program.module()
    names = {n.name: n for n in program.graph.nodes}
    recorder = Recorder(module)
    recorder.run(image)
    last: dict[str, tuple[Value, Tensor]] = {}
    for node, result in theirs.items():
        known = reader.values.get(names[node.name]) if node.name in names else None
        if isinstance(known, Value) and isinstance(result, Tensor) and result.shape == known.shape:
            last[known.layer] = known, result
    for layer in graph.layers:
        if layer.name in last and layer.name in ours:
            value, result = last[layer.name]
            flat = torch.cat([torch.zeros(1), ours[layer.name].flatten()])[value.places.long().flatten()]
            if _apart(result.flatten(), flat) > SHARE:
                return layer.name
    return graph.layers[-1].name
