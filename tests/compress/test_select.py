"""What algorithms keep, against brute force, closed forms and definitions written out."""

from itertools import combinations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import nn

from xbarch.compress.intake.trace import trace_model
from xbarch.compress.methods import choosing
from xbarch.compress.methods.admm import nearest_level
from xbarch.compress.methods.decorrelate import correlated
from xbarch.compress.methods.looking import looked
from xbarch.compress.methods.select import Select
from xbarch.compress.methods.stepwise import Stepwise
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training import data
from xbarch.compress.training.network import build
from xbarch.compress.training.trainer import Trainer, phases
from xbarch.datapaths.dense import Dense
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.specs.learning import Training
from xbarch.specs.recipe import Pruning, Quantization, Recipe

torch.set_num_threads(1)
CHANNELS = {"filters": 0.0, "shape": "channels", "purify": False}


def two_layers(seed=0):
    """Two convolutions of which the second is pruned."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3, stride=2, padding=1), nn.ReLU(),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))
    return Network(trace_model(model, (3, 8, 8)), Quantization(weight_bits=8, activation_bits=8))


def select(by, network, method="tiny_but_accurate", options=CHANNELS, density=0.5, layers=None, **more):
    names = [n.layer.name for n in network.compute_nodes()]
    free = layers or {names[0]: 1, names[2]: 1}
    cut_after = 0 if by == "random" else 2
    spec = Pruning(method=method, options=options, algorithm={"name": "select", "by": by, **more}, density=density,
                   cut_after=cut_after, layers=free, training=Training(epochs=4, rate=0.1))
    made = Select(network, spec, registry.datapath(method, options))
    torch.manual_seed(1)
    images, labels = torch.rand(64, 3, 8, 8), torch.randint(0, 4, (64,))
    made.sample = lambda n: [(images[:n], labels[:n])]
    return made, images, labels


# -- ThiNet ---------------------------------------------------------------------------------------------


def test_thinet_removes_what_changes_sums_least():
    rng = np.random.default_rng(0)
    for _ in range(20):
        parts, keep = rng.normal(size=(40, 7)), int(rng.integers(1, 7))
        removed = []
        while len(removed) < 7 - keep:
            left = [c for c in range(7) if c not in removed]
            removed.append(min(left, key=lambda c: np.square(parts[:, [*removed, c]].sum(axis=1)).sum()))
        assert set(np.flatnonzero(~choosing.thinet(parts, keep))) == set(removed)


def test_thinet_is_the_best_choice_where_channels_add_different_things():
    rng = np.random.default_rng(1)
    orthogonal = np.linalg.qr(rng.normal(size=(30, 6)))[0] * rng.uniform(0.5, 2, 6)
    best = min(combinations(range(6), 4), key=lambda out: np.square(orthogonal[:, list(out)].sum(axis=1)).sum())
    assert set(np.flatnonzero(~choosing.thinet(orthogonal, 2))) == set(best)


def test_factors_and_weights_are_least_squares():
    rng = np.random.default_rng(2)
    parts, sums = rng.normal(size=(50, 4)), rng.normal(size=50)
    assert np.allclose(parts.T @ (parts @ choosing.factors(parts, sums) - sums), 0, atol=1e-10)
    patches, many = rng.normal(size=(90, 12)), rng.normal(size=(90, 5))
    assert np.allclose(patches.T @ (patches @ choosing.rebuilt(patches, many).T - many), 0, atol=1e-10)


# -- Channel Pruning ------------------------------------------------------------------------------------


def test_lasso_keeps_the_largest_products_of_orthonormal_channels():
    """There a factor is the product with the target, shrunk by λ (Hastie et al., section 3.4)."""
    rng = np.random.default_rng(3)
    z = np.linalg.qr(rng.normal(size=(40, 8)))[0]
    y = rng.normal(size=40)
    largest = np.argsort(-np.abs(z.T @ y))
    for keep in range(1, 8):
        assert set(np.flatnonzero(choosing.lasso(z.T @ z, z.T @ y, 40, keep))) == set(largest[:keep])


def test_lasso_keeps_what_coordinate_descent_leaves():
    from sklearn.linear_model import Lasso
    rng = np.random.default_rng(4)
    for _ in range(3):
        z = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6))
        y = z @ rng.normal(size=6)
        supports = {}
        for strength in np.geomspace(1e-4, np.abs(z.T @ y).max() / 60, 150):
            support = frozenset(np.flatnonzero(np.abs(Lasso(strength, fit_intercept=False, max_iter=50_000,
                                                            tol=1e-9).fit(z, y).coef_) > 1e-9))
            supports.setdefault(len(support), support)  # at the smallest strength
        for keep in (2, 3, 4):
            if keep in supports:
                assert set(np.flatnonzero(choosing.lasso(z.T @ z, z.T @ y, 60, keep))) == supports[keep]


# -- in a network ---------------------------------------------------------------------------------------


def test_windows_are_those_of_the_convolution():
    network = two_layers().eval()
    node, images = network.compute_nodes()[1], torch.rand(5, 3, 8, 8)
    seen = looked(network, network, node, [images], 3, (0,))
    weight = node.quantized().detach().double().numpy().reshape(5, 6, 9)
    assert seen.patches.shape == (15, 6, 9) and seen.sums.shape == (15, 5)
    assert np.allclose(np.einsum("mck,fck->mf", seen.patches, weight), seen.sums, atol=1e-5)


@pytest.mark.parametrize("by", ["thinet", "lasso"])
def test_what_is_left_is_rebuilt(by):
    """Least squares leave a smaller error of the layer's sums than the choice alone."""
    errors = []
    for repair in (False, True):
        network = two_layers()
        made, images, _ = select(by, network, repair=repair, images=64, places=16)
        network.recalibrate([images])
        network.eval()
        node = made.nodes[0]
        before = looked(network, network, node, [images], 16, (9,))
        made.harden()
        kept = node.mask.any(dim=3).any(dim=2)
        assert int(kept[0].sum()) == 3 and torch.equal(kept, kept[:1].expand_as(kept))
        weight = (node.weight * node.mask).detach().double().numpy().reshape(5, 6, 9)
        errors.append(np.square(np.einsum("mck,fck->mf", before.patches, weight) - before.sums).sum())
    assert errors[1] < errors[0]


def test_thinet_keeps_the_channels_that_the_definition_says():
    network = two_layers()
    made, images, _ = select("thinet", network, images=64, places=10**4, repair=False)
    made.harden()
    kept = made.nodes[0].mask[0, :, 0, 0].numpy()
    network.eval()
    seen = looked(network, network, made.nodes[0], [images], 10**4, (0, 0))
    one = np.random.default_rng((0, 0, 1)).integers(5, size=len(seen.patches))
    whole = two_layers().compute_nodes()[1].quantized().detach().double().numpy().reshape(5, 6, 9)
    parts = (seen.patches * whole[one]).sum(axis=2)
    assert np.array_equal(kept, choosing.thinet(parts, 3))


def test_discrimination_adds_the_channel_with_the_largest_slope():
    network = two_layers()
    made, images, labels = select("discrimination", network, density=1 / 6)
    made.harden()
    kept = made.nodes[0].mask[0, :, 0, 0].numpy()
    assert kept.sum() == 1
    uncut = two_layers()
    uncut.recalibrate([images])
    uncut.eval()
    first, second = uncut.compute_nodes()[:2]
    x = first(images_of(uncut, images)).detach()
    weight, bias = second.quantized().detach(), second.bias.detach()
    sums = F.conv2d(x, weight, stride=2, padding=1)
    features = (sums + bias.view(1, -1, 1, 1)).relu().mean(dim=(2, 3))
    classify = nn.Linear(5, int(labels.max()) + 1)
    nn.init.zeros_(classify.weight)
    nn.init.zeros_(classify.bias)
    adam = torch.optim.Adam(classify.parameters(), 0.05)
    for _ in range(50):
        adam.zero_grad()
        F.cross_entropy(classify(features), labels).backward()
        adam.step()
    nothing = torch.zeros_like(weight).requires_grad_()
    made_of = F.conv2d(x, nothing, stride=2, padding=1)
    told = classify((made_of + bias.view(1, -1, 1, 1)).relu().mean(dim=(2, 3)))
    (((made_of - sums) ** 2).mean() / (sums**2).mean() + F.cross_entropy(told, labels)).backward()
    slopes = nothing.grad.pow(2).sum(dim=(0, 2, 3))
    assert kept[int(slopes.argmax())]


def images_of(network, images):
    return network.node(network.layers[0].name)(images)


def test_filters_by_l1_are_not_those_by_l2():
    network = two_layers()
    node = network.compute_nodes()[1]
    with torch.no_grad():
        node.weight.zero_()
        node.weight[0] = 1.0          # L1 54, L2 7.3
        node.weight[1, 0, 0, 0] = 20  # L1 20, L2 20
    made, _, _ = select("l1", network, "recom", {"grain": "filters"}, density=0.2)
    made.harden()
    assert node.mask.any(dim=(1, 2, 3)).tolist() == [True, False, False, False, False]
    other = two_layers()
    with torch.no_grad():
        other.compute_nodes()[1].weight.copy_(node.weight)
        other.compute_nodes()[1].weight[1, 0, 0, 0] = 20
    norms = other.compute_nodes()[1].weight.flatten(1).norm(dim=1)
    assert int(norms.argmax()) == 1


def test_random_kernels_are_as_many_of_every_filter():
    masks = []
    for seed in (0, 0, 1):
        made, _, _ = select("random", two_layers(), "dense", {}, density=0.5)
        made.seed = seed
        made.harden()
        masks.append(made.nodes[0].mask.clone())
    kernels = masks[0].flatten(2)
    assert torch.equal(kernels.any(dim=2), kernels.all(dim=2)) and (kernels.any(dim=2).sum(dim=1) == 3).all()
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_methods_that_do_not_fit_are_refused():
    made, _, _ = select("thinet", two_layers(), "recom", {"grain": "filters"})
    with pytest.raises(InputError, match="must be another: thinet chooses whole input channels, which recom does not"):
        made.harden()
    made, _, _ = select("l1", two_layers(), "xue", {"adc_bits": 3}, layers={})
    with pytest.raises(InputError, match="must be one that only removes weights: xue changes what it keeps"):
        made.harden()


# -- step by step, decorrelated, levels -----------------------------------------------------------------


def test_steps_remove_more_and_more():
    network = two_layers()
    names = [n.layer.name for n in network.compute_nodes()]
    spec = Pruning(method="dense", algorithm={"name": "stepwise", "steps": 3}, density=0.125, cut_after=6,
                   layers={n: 1 for n in names if n != names[1]}, training=Training(epochs=8, rate=0.1))
    made = Stepwise(network, spec, Dense())
    node, before = made.nodes[0], made.nodes[0].mask.clone()
    kept = []
    for epoch in range(1, 6):
        made.close(epoch)
        assert not bool((node.mask & ~before).any()) and not bool((node.weight[~node.mask] != 0).any())
        before = node.mask.clone()
        kept.append(int(node.mask.sum()))
    made.harden()
    whole = node.mask.numel()
    assert kept == [whole, *2 * [round(whole / 2)], *2 * [round(whole / 4)]]
    assert int(node.mask.sum()) == round(whole / 8) and not bool((node.mask & ~before).any())


def test_correlation_of_filters_by_hand():
    assert float(correlated(torch.eye(4))) == pytest.approx(0)
    assert float(correlated(torch.ones(3, 2, 1, 1))) == pytest.approx(1)
    w = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    assert float(correlated(w)) == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert float(correlated(torch.ones(1, 4))) == 0


def test_levels_as_a_constraint():
    layer = two_layers().compute_nodes()[1].layer
    w = np.array([[-200.0, -1.5, 0.4], [0.6, 126.7, 300.0]])
    found = nearest_level(w, layer, None, 1.0)
    assert found.weights.tolist() == [[-127, -2, 0], [1, 127, 127]] and found.mask.all()


# -- recipes --------------------------------------------------------------------------------------------


def recipe(algorithm, method, options=None, cut_after=1):
    return Recipe.model_validate({
        "kind": "trained", "model": "lenet5", "data": {
            "name": "digit_pairs", "channels": 1, "train_images": 256, "test_images": 64},
        "quantization": {"weight_scale": "lsq"}, "baseline": {"epochs": 1, "rate": 0.05}, "crossbar_images": 0,
        "pruning": {"method": method, "options": options or {}, "algorithm": algorithm, "density": 0.5,
                    "cut_after": cut_after, "training": {"epochs": cut_after + 1, "rate": 0.02}}})


@pytest.mark.full
@pytest.mark.parametrize(("algorithm", "method", "options", "cut_after"), [
    ({"name": "select", "by": "thinet", "images": 64}, "tiny_but_accurate", CHANNELS, 1),
    ({"name": "select", "by": "lasso", "images": 64}, "tiny_but_accurate", CHANNELS, 1),
    ({"name": "select", "by": "discrimination", "images": 64}, "tiny_but_accurate", CHANNELS, 1),
    ({"name": "select", "by": "l1"}, "recom", {"grain": "filters"}, 1),
    ({"name": "select", "by": "random"}, "dense", {}, 0),
    ({"name": "stepwise", "steps": 2}, "dense", {}, 2),
    ({"name": "decorrelate"}, "recom", {"grain": "filters"}, 1),
    ({"name": "admm", "levels": True}, "dense", {}, 1)])
def test_every_algorithm_trains(tmp_path, algorithm, method, options, cut_after):
    found = recipe(algorithm, method, options, cut_after)
    states = []
    for folder in ("one", "two")[:1 + (algorithm.get("by") == "thinet")]:
        torch.manual_seed(0)
        parts = data.load(found.data, found.seed)
        made = Trainer(network=build(found, parts), parts=parts, recipe=found, folder=tmp_path / folder)
        for phase in phases(found, ""):
            made.history.clear()
            made.run(phase)
        assert made.history[-1]["sparsity"] >= 0.45
        states.append(made.network.state_dict())
    assert all(torch.equal(t, states[-1][name]) for name, t in states[0].items())


def test_refused_recipes():
    with pytest.raises(ValidationError, match="cut_after: must be 0 for select by random, which draws before training"):
        recipe({"name": "select", "by": "random"}, "dense", cut_after=1)
    with pytest.raises(ValidationError, match=r"cut_after: must be at least 3 \(algorithm.steps\), not 1"):
        recipe({"name": "stepwise", "steps": 3}, "dense")
