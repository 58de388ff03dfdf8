"""Options or densities of a method chosen for each layer by what they cost: under a guard, by annealing, by
reinforcement."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Node
from xbarch.compress.training.annealing import annealed
from xbarch.compress.training.reinforced import reinforced
from xbarch.compress.training.trainer import Trainer
from xbarch.plugins import registry
from xbarch.plugins.guard import asking
from xbarch.specs.recipe import Pruning

Found = dict[str, int | float]


def search(trainer: Trainer, pruning: Pruning, key: str) -> Pruning:
    """`pruning` with the options, or the densities of layers, that its `search` finds on the trained, dense network, by
    the validation accuracy of what is projected (batch norm recalibrated, nothing trained). Layers whose density the
    recipe sets keep it. The result is kept beside the checkpoints under `key`.
    """
    if pruning.search is None:
        return pruning
    place = trainer.folder / f"search-{key}.json"
    found = _kept(place)
    trainer.setup.meet()  # before one of the processes writes it
    if found is None:
        found = _guarded(trainer, pruning) if pruning.search.by == "guard" else _together(trainer, pruning)
        if not trainer.setup.rank:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(found))
    return _with(pruning, found)


def _guarded(trainer: Trainer, pruning: Pruning) -> Found:
    """Every pruned layer is projected alone, all others as they are, with one value after the other; the first whose
    accuracy is at most `guard` below the dense network's is the layer's, else the last."""
    assert pruning.search is not None and pruning.search.guard is not None
    with _unchanged(trainer):
        dense = _worth(trainer)
    found: Found = {}
    for node in _nodes(trainer, pruning):
        for value in pruning.search.values:
            found[node.layer.name] = value
            if trainer.progress is not None:
                trainer.progress(len(found), len(trainer.network.compute_nodes()), f"search: {node.layer.name}")
            if dense - _projected(trainer, pruning, {node.layer.name: value})[0] <= pruning.search.guard:
                break
    return found


def _together(trainer: Trainer, pruning: Pruning) -> Found:
    """Densities of all layers, by annealing or by reinforcement."""
    spec, seed = pruning.search, trainer.recipe.seed
    assert spec is not None and pruning.density is not None
    layers, tried = [node.layer for node in _nodes(trainer, pruning)], 0
    dense = _projected(trainer, pruning, {la.name: 1.0 for la in layers}, packed=True)[1]

    def accuracy(densities: Mapping[str, float]) -> tuple[float, int]:
        nonlocal tried
        tried += 1
        if trainer.progress is not None:
            trainer.progress(min(tried, spec.trials), spec.trials, f"search: {spec.by}")
        return _projected(trainer, pruning, densities, packed=spec.by == "reinforcement")

    def reward(densities: Mapping[str, float]) -> float:
        right, crossbars = accuracy(densities)
        return right + spec.saving * (1 - crossbars / dense)

    if spec.by == "annealing":
        sizes = {la.name: la.rows * la.filters for la in layers}
        return dict(annealed(lambda d: -accuracy(d)[0], sizes, spec.values, pruning.density, spec.trials, seed))
    return dict(reinforced(reward, layers, spec.values, spec.trials, seed))


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


def _projected(trainer: Trainer, pruning: Pruning, found: Mapping[str, int | float],
               packed: bool = False) -> tuple[float, int]:
    """Validation accuracy with these layers projected and nothing else, and the crossbars that they occupy if they are
    `packed`."""
    with _unchanged(trainer):
        pruner = _pruner(trainer, _with(pruning, dict(found)))
        pruner.nodes = [n for n in pruner.nodes if n.layer.name in found]
        pruner.harden()
        crossbars = 0
        for node in (n for n in trainer.network.compute_nodes() if packed and n.layer.name in found):
            with asking(pruner.path, "pack", node.layer.name):
                crossbars += len({b.crossbar for b in pruner.path.pack(node.stored(), pruner.geometry)})
        accuracy = _worth(trainer)
    for node in pruner.nodes:
        node.levels.allowed = node.ties = None
    return accuracy, crossbars


def _worth(trainer: Trainer) -> float:
    """Validation accuracy; of a measure that is better when it is less, its negative."""
    return trainer.accuracy(trainer.parts.val) * (1 if trainer.measure.larger else -1)


@contextmanager
def _unchanged(trainer: Trainer) -> Iterator[None]:
    """The network afterwards as it was: measuring moves the statistics of batch norm and the ranges of branches, on
    which the next measurement would depend."""
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    yield
    trainer.network.load_state_dict(before)
