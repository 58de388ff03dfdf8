"""Options of a method chosen layer by layer under an accuracy guard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from xbarch import plugins
from xbarch.compress.network import Node
from xbarch.compress.pruner import Pruner
from xbarch.compress.train import Trainer
from xbarch.spec.recipe import Pruning


def searched(trainer: Trainer, pruning: Pruning, key: str) -> Pruning:
    """`pruning` with the options its `search` finds on the trained, dense network.

    Every pruned layer is projected alone, all others as they are, with one value after the other; the first whose
    validation accuracy (batch norm recalibrated, nothing trained) is at most `guard` below the dense network's is the
    layer's, else the last. The result is kept beside the checkpoints under `key`.
    """
    search = pruning.search
    if search is None:
        return pruning
    place = trainer.folder / f"search-{key}.json"
    found = _kept(place)
    if found is None:
        dense = trainer.accuracy(trainer.parts.val)
        found = {"*": search.values[-1]}
        for node in _pruner(trainer, pruning, search.values[-1]).nodes:
            for value in search.values:
                found[node.layer.name] = value
                if trainer.progress is not None:
                    trainer.progress(len(found), len(trainer.network.compute_nodes()), f"search: {node.layer.name}")
                if dense - _alone(trainer, pruning, node, value) <= search.guard:
                    break
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(found))
    return pruning.model_copy(update={"options": {**pruning.options, search.option: found}, "search": None})


def _kept(place: Path) -> dict[str, int] | None:
    try:
        found: dict[str, int] = json.loads(place.read_text())
    except (OSError, ValueError):
        return None
    return found


def _pruner(trainer: Trainer, pruning: Pruning, value: int) -> Pruner:
    assert pruning.search is not None
    options: dict[str, Any] = {**pruning.options, pruning.search.option: {"*": value}}
    return Pruner(trainer.network, pruning, plugins.datapath(pruning.method, options))


def _alone(trainer: Trainer, pruning: Pruning, node: Node, value: int) -> float:
    """Validation accuracy with this layer projected and nothing else."""
    before = node.weight.detach().clone(), node.mask.clone()
    pruner = _pruner(trainer, pruning, value)
    pruner.nodes = [node]
    pruner.harden()
    accuracy = trainer.accuracy(trainer.parts.val)
    with torch.no_grad():
        node.weight.copy_(before[0])
        node.mask.copy_(before[1])
    node.levels.allowed = None
    return accuracy
