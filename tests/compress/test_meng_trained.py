"""Meng's groups through training: sizes, readings and thresholds; more strength and larger ratios remove no less; and
cuts before the first epoch."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from xbarch.compress.methods.lasso import Lasso
from xbarch.compress.training import data, export
from xbarch.compress.training.data import Images
from xbarch.compress.training.network import build
from xbarch.compress.training.trainer import Trainer, phases
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.meng import Meng, Routed
from xbarch.functional.execute import run
from xbarch.specs.recipe import Pruning, Recipe

torch.set_num_threads(1)

ISAAC = Geometry(128, 128, 2)
RECIPE = Recipe.model_validate({
    "kind": "trained", "model": "resnet20", "width": 8, "data": {"name": "digits", "size": 8},
    "quantization": {"weight_scale": "nonzero_mean"}, "baseline": {"epochs": 2, "rate": 0.05, "batch": 32}})


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """(trainer with few images, its network trained for two epochs)."""
    parts = data.load(RECIPE.data, 0)
    few = {name: Images(part.pixels[:count], part.labels[:count]) for name, part, count in (
        ("train", parts.train, 160), ("val", parts.val, 50), ("test", parts.test, 50))}
    parts = replace(parts, **few)
    trainer = Trainer(network=build(RECIPE, parts), parts=parts, recipe=RECIPE, folder=tmp_path_factory.mktemp("meng"))
    trainer.run(phases(RECIPE, "")[0], resume=False)
    return trainer


def asked(group_ch=8, density=None, cut_after=None, epochs=2, name="lasso", rate=0.05, **algorithm):
    return Pruning.model_validate({
        "method": "meng", "options": {"group_ch": group_ch}, "density": density, "cut_after": cut_after,
        "algorithm": {"name": name, **algorithm},
        "training": {"epochs": epochs, "rate": rate, "batch": 32, "schedule": "constant"}})


def prune(start, pruning, seen=None):
    """The trainer after this pruning of the common baseline; seen(pruner) after every step."""
    recipe = RECIPE.model_copy(update={"pruning": pruning})
    trainer = Trainer(network=deepcopy(start.network), parts=start.parts, recipe=recipe, folder=start.folder)
    if seen is not None:
        make = trainer.pruner

        def watched(phase):
            pruner = make(phase)
            step = pruner.step
            pruner.step = lambda rate, progress, epoch: (step(rate, progress, epoch), seen(pruner, progress))
            return pruner
        trainer.pruner = watched
    trainer.run(phases(recipe, "")[1], resume=False)
    return trainer


def nodes(trainer):
    """The layers that Meng's method prunes: 3 x 3 convolutions but the first."""
    return [n for n in trainer.network.compute_nodes()[1:] if n.weight.dim() == 4 and n.weight.shape[2:] == (3, 3)]


def alive(values, size):
    """Which groups [filters, groups] of `size` channels hold anything but zeros, by loops."""
    w = values.detach().numpy()
    return np.array([[bool(w[f, g:g + size].any()) for g in range(0, w.shape[1], size)] for f in range(w.shape[0])])


def sparsity(trainer, size):
    """Mean share of groups without a non-zero quantized weight."""
    return float(np.mean([1 - alive(n.quantized(), size).mean() for n in nodes(trainer)]))


# -- sizes of groups ----------------------------------------------------------------------------------------------

@pytest.mark.full
@pytest.mark.parametrize("density", [0.5, 0.2])
@pytest.mark.parametrize("group_ch", [4, 8, 16])
def test_masks_are_whole_groups_and_pack(start, group_ch, density):
    """Cut, trained on, stored, packed: the share of groups asked for, and no weight of a removed one comes back."""
    made = prune(start, asked(group_ch, density, 1, form="proximal", threshold="layer_quantile", strength=0.04))
    layers = {la.name: la for la in export.layers(made.network)}
    path = Meng({"group_ch": group_ch})
    for node in nodes(made):
        kept = alive(node.mask, group_ch)
        wide = torch.from_numpy(kept.repeat(group_ch, axis=1)[:, :node.weight.shape[1], None, None])
        assert torch.equal(node.mask, wide.expand(node.mask.shape))
        assert kept.sum() == max(1, round(density * kept.size))
        assert not node.quantized()[~node.mask].any() and node.quantized()[node.mask].any()
        layer = layers[node.layer.name]
        assert np.array_equal(layer.mask(), node.mask.numpy()) and not path.check(layer, ISAAC)
        blocks = path.pack(layer, ISAAC)
        assert all(isinstance(b, Routed) for b in blocks) and sum(b.kept for b in blocks) == 2 * layer.kept_weights
        assert sum(b.outputs * b.rows for b in blocks) == layer.kept_weights  # segments without a hole
        x = np.random.default_rng(0).integers(0, 16, (3, layer.rows))
        assert np.array_equal(run(blocks, layer, ISAAC, x, "lossless").out, x @ layer.matrix.astype(int))
    for node in set(made.network.compute_nodes()) - set(nodes(made)):
        assert bool(node.mask.all())


@pytest.mark.full
@pytest.mark.parametrize("group_ch", [4, 8, 16])
def test_figures_are_the_share_of_groups_gone(start, group_ch):
    made = prune(start, asked(group_ch, form="proximal", strength=0.3, threshold="layer_quantile", ratio=0.5))
    row = made.history[-1]
    assert row["group_sparsity"] == pytest.approx(sparsity(made, group_ch)) and 0.2 < row["group_sparsity"] < 1
    assert not all(bool(n.mask.all()) for n in nodes(made))
    for node in nodes(made):  # without a cut, groups of zeros at the end are removed
        kept = alive(node.mask, group_ch)
        assert (kept >= alive(node.quantized(), group_ch)).all()
        assert np.array_equal(kept.repeat(group_ch, axis=1)[:, :node.mask.shape[1]], node.mask[:, :, 0, 0].numpy())


# -- readings -----------------------------------------------------------------------------------------------------

STRONG = {"form": "proximal", "threshold": "layer_quantile", "ratio": 0.5, "strength": 10.0}


def test_sub_groups_vanish_whole(start):
    """The proximal step comes last: at most half of the 16-channel groups of every layer are zero after it, and
    nothing else is."""
    gone = []

    def seen(pruner, progress):
        gone.append(np.mean([1 - alive(n.weight, 16).mean() for n in pruner.nodes]))
        for node in pruner.nodes:
            fine, whole = alive(node.weight, 4), alive(node.weight, 16)
            assert whole.size - whole.sum() <= int(0.5 * whole.size)
            assert np.array_equal(fine, whole.repeat(4, axis=1)[:, :fine.shape[1]])

    prune(start, asked(16, **STRONG), seen)
    assert 0.3 < gone[-1] <= 0.5


@pytest.mark.full
def test_size_schedule_doubles_the_channels_before_the_cut(start):
    """Groups of 4, 8, then 16 channels, a third of three epochs each; the cut removes whole groups of 16."""
    sizes = []

    def seen(pruner, progress):
        size = 4 if progress < 1 / 3 else 8 if progress < 2 / 3 else 16
        sizes.append(size)
        for node in pruner.nodes:
            found = alive(node.weight, size)
            assert found.size - found.sum() <= int(0.5 * found.size)
            if size == 4 and node.weight.shape[1] == 32:  # and not yet whole groups
                assert alive(node.weight, 16).sum() > found.sum() / 4

    made = prune(start, asked(16, 0.5, 3, 4, reading="size_schedule", **STRONG), seen)
    assert sizes == [4] * 5 + [8] * 5 + [16] * 5
    for node in nodes(made):
        whole = alive(node.mask, 16).repeat(4, axis=1)[:, :node.weight.shape[1] // 4]
        assert np.array_equal(alive(node.mask, 4), whole)


@pytest.mark.parametrize("group_ch, wanted", [(4, [4] * 5), (8, [4, 4, 8, 8, 8]), (16, [4, 8, 8, 16, 16])])
def test_the_schedule_ends_at_the_groups_own_size(start, group_ch, wanted):
    pruner = Lasso(deepcopy(start.network), asked(group_ch, reading="size_schedule"), Meng({"group_ch": group_ch}))
    assert [pruner.sizes(p)[-1] for p in (0, 0.4, 0.5, 0.9, 1)] == [(1, 9 * s) for s in wanted]


# -- thresholds ---------------------------------------------------------------------------------------------------

def test_plain_group_lasso_can_empty_a_network_and_strength_zero_nothing(start):
    everything = prune(start, asked(epochs=1, threshold="none", form="proximal", strength=10.0))
    nothing = prune(start, asked(epochs=1, threshold="none", form="proximal", strength=0.0))
    assert all(not n.weight.any() for n in nodes(everything)) and all(bool(n.weight.all()) for n in nodes(nothing))


def test_a_threshold_below_the_mean_norm_leaves_every_layer_alive(start):
    """The largest norm is never below the mean, so that `layer` with a ratio up to 1 keeps a group of every layer."""
    made = prune(start, asked(threshold="layer", ratio=1.0, form="proximal", strength=10.0))
    for node in nodes(made):
        found = alive(node.weight, 8)
        assert 0 < found.sum() < found.size


@pytest.mark.full
def test_global_removes_more_where_weights_are_small(start):
    """Layers whose mean|w| is small lose more of their groups, and some layers lose none or nearly none; a quantile
    in every layer takes the same share of all."""
    first = [float(n.weight.detach().abs().mean()) for n in nodes(start)]
    losses = {}
    for threshold in ("global", "layer_quantile"):
        made = prune(start, asked(4, epochs=1, rate=1e-6, threshold=threshold, ratio=0.3, form="proximal",
                                  strength=10.0))
        norms = [float((a.weight.norm() / b.weight.norm()).detach())
                 for a, b in zip(nodes(made), nodes(start), strict=True)]
        losses[threshold] = [1 - n for n in norms]
    assert np.ptp(losses["global"]) > 3 * np.ptp(losses["layer_quantile"])
    assert np.corrcoef(first, losses["global"])[0, 1] < -0.3


# -- more is never less -------------------------------------------------------------------------------------------

# Norms of a fresh layer's groups lie close around their mean: `layer` finds none far below it.
RATIO = {"layer": 1.0, "layer_quantile": 0.6, "global": 0.6, "none": 0.6}


@pytest.mark.full
@pytest.mark.parametrize("reading", ["sub_groups", "size_schedule"])
@pytest.mark.parametrize("threshold", ["layer", "layer_quantile", "global", "none"])
def test_more_strength_never_removes_less(start, threshold, reading):
    found = [prune(start, asked(threshold=threshold, reading=reading, ratio=RATIO[threshold], form="proximal",
                                strength=s)).history[-1]["group_sparsity"] for s in (0, 0.01, 0.1, 1)]
    assert all(a <= b for a, b in pairwise(found)) and found[-1] > found[0] + 0.2, found


@pytest.mark.full
@pytest.mark.parametrize("threshold, ratios", [
    ("layer", (0.8, 1.0, 2.0)), ("layer_quantile", (0.2, 0.5, 0.8)), ("global", (0.2, 0.5, 0.8))])
def test_a_larger_ratio_never_removes_less(start, threshold, ratios):
    found = [prune(start, asked(threshold=threshold, ratio=r, form="proximal", strength=10.0)
                   ).history[-1]["group_sparsity"] for r in ratios]
    assert all(a <= b for a, b in pairwise(found)) and found[-1] > found[0] + 0.2, found


@pytest.mark.full
@pytest.mark.parametrize("threshold", ["layer", "layer_quantile", "global", "none"])
def test_the_gradient_form_shrinks_groups_the_more_the_stronger_it_is(start, threshold):
    """Sum of the norms of the weaker half of all groups."""
    found = []
    for strength in (0, 0.01, 0.1):
        made = prune(start, asked(threshold=threshold, ratio=RATIO[threshold], strength=strength))
        norms = [n.weight.detach().unfold(1, 8, 8).flatten(2).norm(dim=2) for n in nodes(made)]
        found.append(sum(float(n.flatten().sort().values[:n.numel() // 2].sum()) for n in norms))
    assert found[0] > found[1] > found[2], found


# -- what is left open --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("density, cut_after, ratio", [
    (0.25, 1, 0.75), (0.5, 0, 0.5), (None, None, 0.7), (1.0, 1, 1e-6)])
def test_ratio_left_open_is_what_is_to_be_removed(start, density, cut_after, ratio):
    path = Meng({"group_ch": 8})
    for threshold in ("layer", "layer_quantile", "global"):
        pruners = [Lasso(start.network, asked(8, density, cut_after, threshold=threshold, ratio=r), path)
                   for r in (None, ratio)]
        assert pruners[0].ratio == pytest.approx(ratio)
        a, b = (p.thresholds(p.whole) for p in pruners)
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# -- a cut before the first epoch ---------------------------------------------------------------------------------

@pytest.mark.full
@pytest.mark.parametrize("algorithm", [
    {"name": "lasso", "form": "proximal", "strength": 1.0, "threshold": "none"},
    {"name": "lasso", "strength": 1.0, "threshold": "none"}, {"name": "admm", "rho": 0.1},
    {"name": "recover", "ramp": 1}, {"name": "cut"}])
def test_cut_before_the_first_epoch(start, algorithm):
    """The strongest groups of the baseline stay, accuracy right after the cut is told once, and no algorithm does
    anything any more: all end with the same network."""
    made = prune(start, asked(8, 0.25, 0, **algorithm))
    plain = prune(start, asked(8, 0.25, 0, name="cut"))
    for node, before, other in zip(nodes(made), nodes(start), nodes(plain), strict=True):
        norms = before.weight.detach().unfold(1, 8, 8).flatten(2).norm(dim=2).numpy()
        kept = alive(node.mask, 8)
        assert kept.sum() == max(1, round(0.25 * kept.size))
        assert norms[kept].min() >= norms[~kept].max() - 1e-6
        assert not node.quantized()[~node.mask].any()
        assert torch.equal(node.weight, other.weight) and torch.equal(node.mask, other.mask)
    rows = [r for r in made.history if r["phase"] == "pruning"]
    assert [("test_accuracy_cut" in r, "val_accuracy_cut" in r) for r in rows] == [(True, True), (False, False)]
    cut = deepcopy(start.network)
    trainer = Trainer(network=cut, parts=start.parts, recipe=RECIPE, folder=start.folder)
    for node, kept in zip(nodes(trainer), nodes(made), strict=True):
        with torch.no_grad():
            node.mask.copy_(kept.mask)
            node.weight.mul_(kept.mask)
    assert rows[0]["test_accuracy_cut"] == trainer.accuracy(start.parts.test)


@pytest.mark.full
@pytest.mark.parametrize("algorithm", ["lasso", "admm", "recover"])
def test_a_cut_at_the_start_is_made_once(start, tmp_path, algorithm):
    """Stopped after the first epoch and resumed, with weights that meanwhile would be cut otherwise."""
    recipe = RECIPE.model_copy(update={"pruning": asked(8, 0.25, 0, 3, name=algorithm)})
    phase = phases(recipe, "")[1]

    def fresh(folder, **more):
        return Trainer(network=deepcopy(start.network), parts=start.parts, recipe=recipe, folder=tmp_path / folder,
                       **more)

    whole = fresh("whole")
    whole.run(phase)

    def stop(done, total, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fresh("parts", progress=stop).run(phase)
    again = fresh("parts")
    again.run(phase)
    assert sum("test_accuracy_cut" in r for r in again.history) == 1 and again.history == whole.history
    assert all(torch.equal(a, b) for a, b in zip(again.network.state_dict().values(),
                                                 whole.network.state_dict().values(), strict=True))
