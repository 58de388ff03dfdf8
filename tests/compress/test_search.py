"""Densities found layer by layer, measured again; what a recipe may ask for."""

import json
from itertools import product

import pytest
import torch
from pydantic import ValidationError

from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.training import data
from xbarch.compress.training.annealing import annealed
from xbarch.compress.training.network import build
from xbarch.compress.training.reinforced import reinforced
from xbarch.compress.training.run import train
from xbarch.compress.training.search import search
from xbarch.compress.training.trainer import Trainer
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.specs.recipe import Recipe, Search
from xbarch.workload import store
from xbarch.workload.graph import Layer

torch.set_num_threads(1)
VALUES = [0.05, 0.5, 0.75]
SEARCHED = ("layer1.0.conv1", "layer2.1.conv2", "layer3.2.conv1", "fc")
DENSE = {f"layer{s}.{b}.conv{c}": 1.0 for s in (1, 2, 3) for b in (0, 1, 2) for c in (1, 2)
         if f"layer{s}.{b}.conv{c}" not in SEARCHED}


def recipe(guard, layers, **more):
    return {
        "kind": "trained", "model": "resnet20", "width": 4, "data": {"name": "digits", "size": 16},
        "quantization": {"weight_scale": "lsq"}, "baseline": {"epochs": 1, "rate": 0.05}, "crossbar_images": 0,
        "pruning": {"method": "dense", "geometry": {"rows": 36, "columns": 16, "cell_bits": 2},
                    "algorithm": {"name": "cut"}, "density": 0.5, "cut_after": 0, "layers": layers,
                    "search": {"option": "density", "values": VALUES, **more,
                               **({} if guard is None else {"guard": guard})},
                    "training": {"epochs": 1, "rate": 0.02}}}


def trainer(folder, guard, layers=DENSE, **more):
    """A network that was never trained: its accuracy moves with what is removed, up or down."""
    spec = Recipe.model_validate(recipe(guard, layers, **more))
    parts = data.load(spec.data, spec.seed)
    return Trainer(network=build(spec, parts), parts=parts, recipe=spec, folder=folder, progress=None), spec.pruning


@pytest.mark.full
def test_densities_are_the_first_within_the_guard(tmp_path):
    made, pruning = trainer(tmp_path, 0.0)
    untouched = {name: tensor.clone() for name, tensor in made.network.state_dict().items()}
    found = search(made, pruning, "k")
    assert found.search is None and found.options == {} and found.density == 0.5
    assert set(found.layers) == {*SEARCHED, *DENSE} and all(found.layers[name] == 1 for name in DENSE)
    state = made.network.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in untouched.items())

    def accuracy(*density):
        made.network.load_state_dict(untouched)
        for node, value in density:
            one = Pruner(made.network, pruning.model_copy(update={"layers": {node.layer.name: value}}),
                         registry.datapath("dense"))
            one.nodes = [node]
            one.harden()
        return made.accuracy(made.parts.val)

    full, measured = accuracy(), 0
    for node in (n for n in made.network.compute_nodes() if n.layer.name in SEARCHED):
        losses = [full - accuracy((node, value)) for value in VALUES]
        within = [v for v, loss in zip(VALUES, losses, strict=True) if loss <= 0]
        assert found.layers[node.layer.name] == (within or VALUES[-1:])[0]
        measured += max(losses) > 0
    assert measured  # the guard decides somewhere
    made.accuracy = None  # kept beside the checkpoints: not measured again
    assert search(made, pruning, "k") == found


@pytest.mark.full
def test_a_searched_workload_keeps_what_was_found(tmp_path):
    """Guard 1 takes the least density of every layer that the recipe does not set; those it sets keep theirs."""
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(recipe(1.0, {**DENSE, "fc": 0.9})))
    loaded = store.load(train(file, out=tmp_path / "out", cache=tmp_path / "cache"))
    kept = {la.name: la.kept_weights / (la.rows * la.filters) for la in loaded.compute_layers}
    assert kept.pop("conv1") == 1 and kept.pop("fc") == pytest.approx(0.9, abs=0.01)
    assert {name: kept.pop(name) for name in DENSE} == DENSE
    assert set(kept) == {*SEARCHED} - {"fc"} and all(k == pytest.approx(0.05, abs=0.01) for k in kept.values())


@pytest.mark.parametrize("option, values", [("adc_bits", [1, 4]), ("density", [0.1, 1]), ("density", [1])])
def test_values_allowed_stay_as_they_are_written(option, values):
    found = Search.model_validate({"option": option, "values": values, "guard": 0.0})
    assert [(type(v), v) for v in found.values] == [(type(v), v) for v in values]
    assert Search.model_validate(found.model_dump(mode="json")) == found


@pytest.mark.parametrize("option, values, says", [
    ("adc_bits", [1, 2.5], "must be whole numbers, not 2.5"),
    ("density", [0.0, 0.5], "must be above 0 up to 1, not 0"), ("density", [1.5], "must be above 0 up to 1, not 1.5"),
    ("density", [0.5, 0.25], "must rise"), ("density", [True], "values"), ("density", [], "values")])
def test_values_refused(option, values, says):
    with pytest.raises(ValidationError, match=says):
        Search.model_validate({"option": option, "values": values, "guard": 0.0})


# -- all layers together --------------------------------------------------------------------------------


def test_annealing_finds_the_least_cost_within_the_budget():
    """Against every combination, where layers bear pruning differently."""
    sizes, values = {"a": 100, "b": 300, "c": 50}, [0.1, 0.25, 0.5, 1.0]
    bears = {"a": 3.0, "b": 0.1, "c": 1.0}

    def cost(found):
        return sum(bears[n] * (1 - d) ** 2 for n, d in found.items())

    def kept(found):
        return sum(sizes[n] * d for n, d in found.items())

    every = [dict(zip(sizes, each, strict=True)) for each in product(values, repeat=3)]
    best = min(cost(f) for f in every if kept(f) <= 0.4 * 450)
    found = annealed(cost, sizes, values, 0.4, 400, seed=0)
    assert kept(found) <= 0.4 * 450 and cost(found) == pytest.approx(best)
    assert annealed(cost, sizes, values, 0.4, 400, seed=0) == found
    with pytest.raises(InputError, match=r"must begin with at most 0\.05, the density of all layers"):
        annealed(cost, sizes, values, 0.05, 10, seed=0)


def test_reinforcement_finds_the_largest_reward():
    """And names it more and more often: the last episodes earn more than the first."""
    layers = [Layer(name=f"l{i}", op=op, inputs=("x",), in_shape=(c, s, s), out_shape=(f, s, s), kernel=(k, k),
                    padding=(k // 2, k // 2))
              for i, (op, c, f, s, k) in enumerate([("conv", 1, 6, 28, 5), ("conv", 6, 16, 14, 5),
                                                    ("linear", 400, 120, 1, 1), ("linear", 120, 10, 1, 1)])]
    best, earned = {la.name: 0.25 if la.op == "conv" else 1.0 for la in layers}, []

    def reward(found):
        earned.append(sum(found[n] == best[n] for n in best) / len(best))
        return earned[-1]

    assert reinforced(reward, layers, [0.25, 0.5, 1.0], 300, seed=0) == best
    assert len(earned) < 300  # densities named again are not tried again


@pytest.mark.full
@pytest.mark.parametrize("by", ["annealing", "reinforcement"])
def test_densities_of_all_layers_together(tmp_path, by):
    made, pruning = trainer(tmp_path, None, DENSE, by=by, trials=4)
    untouched = {name: tensor.clone() for name, tensor in made.network.state_dict().items()}
    found = search(made, pruning, "k")
    assert set(found.layers) == {*SEARCHED, *DENSE} and {found.layers[n] for n in SEARCHED} <= set(VALUES)
    if by == "annealing":
        sizes = {n.layer.name: n.weight.numel() for n in made.network.compute_nodes() if n.layer.name in SEARCHED}
        assert sum(sizes[n] * found.layers[n] for n in sizes) <= 0.5 * sum(sizes.values())
    assert all(torch.equal(tensor, made.network.state_dict()[name]) for name, tensor in untouched.items())


@pytest.mark.parametrize("fields, says", [
    ({"by": "guard"}, "guard: must be given for a search by guard"),
    ({"by": "annealing", "guard": 0.1}, "guard: must not be given for a search by annealing"),
    ({"by": "annealing", "option": "adc_bits", "values": [1]}, "option: must be density for a search by annealing")])
def test_searches_refused(fields, says):
    with pytest.raises(ValidationError, match=says):
        Search.model_validate({"option": "density", "values": [0.5], **fields})
