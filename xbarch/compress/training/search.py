"""Options or densities of a method chosen layer by layer under an accuracy guard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Node
from xbarch.compress.training.trainer import Trainer
from xbarch.plugins import registry
from xbarch.specs.recipe import Pruning

Found = dict[str, int | float]


def search(trainer: Trainer, pruning: Pruning, key: str) -> Pruning:
    """`pruning` with the options, or the densities of layers, that its `search` finds on the trained, dense network.

    Every pruned layer is projected alone, all others as they are, with one value after the other; the first whose
    validation accuracy, or other measure (batch norm recalibrated, nothing trained), is at most `guard` worse than the
    dense network's is the layer's, else the last. Layers whose density the recipe sets keep it. The result is kept
    beside the checkpoints under `key`.
    """
    if pruning.search is None:
        return pruning
    values, guard = pruning.search.values, pruning.search.guard
    place = trainer.folder / f"search-{key}.json"
    found = _kept(place)
    trainer.setup.meet()  # before one of the processes writes it
    if found is None:
        with _unchanged(trainer):
            dense = trainer.accuracy(trainer.parts.val)
        found = {}
        for node in _nodes(trainer, pruning):
            for value in values:
                found[node.layer.name] = value
                if trainer.progress is not None:
                    trainer.progress(len(found), len(trainer.network.compute_nodes()), f"search: {node.layer.name}")
                lost = dense - _alone(trainer, pruning, node, value)
                if (lost if trainer.measure.larger else -lost) <= guard:
                    break
        if not trainer.setup.rank:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(found))
    return _with(pruning, found)


def _kept(place: Path) -> Found | None:
    try:
        found: Found = json.loads(place.read_text())
    except (OSError, ValueError):
        return None
    return found


def _with(pruning: Pruning, found: Found) -> Pruning:
    """The recipe with what the search found, or tries, in place of the search."""
    spec = pruning.search
    assert spec is not None
    if spec.option == "density":
        return pruning.model_copy(update={"layers": {**found, **pruning.layers}, "search": None})
    each = {"*": spec.values[-1], **found}
    return pruning.model_copy(update={"options": {**pruning.options, spec.option: each}, "search": None})


def _pruner(trainer: Trainer, pruning: Pruning) -> Pruner:
    return Pruner(trainer.network, pruning, registry.datapath(pruning.method, pruning.options))


def _nodes(trainer: Trainer, pruning: Pruning) -> list[Node]:
    """The layers searched."""
    assert pruning.search is not None
    given = pruning.layers if pruning.search.option == "density" else {}
    return [n for n in _pruner(trainer, _with(pruning, {})).nodes if n.layer.name not in given]


def _alone(trainer: Trainer, pruning: Pruning, node: Node, value: int | float) -> float:
    """Validation accuracy with this layer projected and nothing else."""
    with _unchanged(trainer):
        pruner = _pruner(trainer, _with(pruning, {node.layer.name: value}))
        pruner.nodes = [node]
        pruner.harden()
        accuracy = trainer.accuracy(trainer.parts.val)
    node.levels.allowed = node.ties = None
    return accuracy


@contextmanager
def _unchanged(trainer: Trainer) -> Iterator[None]:
    """The network afterwards as it was: measuring moves the statistics of batch norm and the ranges of branches, on
    which the next measurement would depend."""
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    yield
    trainer.network.load_state_dict(before)
