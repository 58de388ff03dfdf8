"""Groups, penalties, the proximal step and the cut against plain loops."""

import numpy as np
import pytest
import torch

from xbarch.compress.intake import models
from xbarch.compress.intake.trace import trace_model
from xbarch.compress.methods.lasso import Lasso, grouped, spread
from xbarch.compress.quantizers.network import Network
from xbarch.datapaths.meng import Meng
from xbarch.specs.learning import Training
from xbarch.specs.recipe import Pruning, Quantization

torch.set_num_threads(1)


def lasso(group_ch=8, density=None, cut_after=None, **algorithm):
    torch.manual_seed(0)
    net = Network(trace_model(models.build("resnet20", 10, 8, 0), (3, 16, 16)), Quantization())
    spec = Pruning(method="meng", density=density, cut_after=cut_after, algorithm={"name": "lasso", **algorithm},
                   training=Training(epochs=6, rate=0.1, momentum=0.5))
    return Lasso(net, spec, Meng({"group_ch": group_ch}))


def groups(weight, size):
    """{(filter, group): values} by loops."""
    w = weight.detach().numpy().astype(np.float64)
    return {(f, g // size): w[f, g:g + size] for f in range(w.shape[0]) for g in range(0, w.shape[1], size)}


@pytest.mark.full
def test_only_the_right_layers_are_pruned():
    names = [n.layer.name for n in lasso().nodes]
    assert "conv1" not in names and "fc" not in names and len(names) == 18


@pytest.mark.parametrize("size", [16, 8, 4])
def test_groups_and_spread(size):
    w = torch.randn(5, 20, 3, 3)
    norms = grouped(w, (1, size * 9)).norm(dim=2)
    for (f, g), values in groups(w, size).items():
        assert float(norms[f, g]) == pytest.approx(np.linalg.norm(values), rel=1e-5)
    wide = spread(norms, w, (1, size * 9))
    assert wide.shape == w.shape and float(wide[2, 19, 1, 1]) == float(norms[2, 19 // size])


@pytest.mark.quick(1)
@pytest.mark.parametrize("threshold", ["layer", "layer_quantile", "global", "none"])
def test_penalties(threshold):
    la = lasso(threshold=threshold, ratio=0.6, strength=0.5)
    want, everything = 0.0, []
    for node in la.nodes:
        everything += [np.abs(v).mean() for v in groups(node.weight, 8).values()]
    level = sorted(everything)[int(0.6 * len(everything))]
    for node in la.nodes:
        found = groups(node.weight, 8)
        norms = sorted(np.linalg.norm(v) for v in found.values())
        if threshold == "global":
            want += sum(np.linalg.norm(v) for v in found.values() if np.abs(v).mean() < level - 1e-9)
        else:
            tau = {"layer": 0.6 * np.mean(norms), "layer_quantile": norms[int(0.6 * len(norms))],
                   "none": np.inf}[threshold]
            want += sum(min(n, tau) for n in norms)
    penalty = la.penalty(0.5)
    assert float(penalty.detach()) == pytest.approx(0.5 * want, rel=1e-3)
    penalty.backward()
    assert all(torch.isfinite(n.weight.grad).all() for n in la.nodes)


@pytest.mark.full
def test_proximal_step_is_the_minimiser():
    """argmin_v |v - w|²/2 + t |v| shrinks the norm by t; only below tau; never past zero."""
    la = lasso(threshold="layer_quantile", ratio=0.5, strength=0.3, form="proximal")
    before = [n.weight.detach().clone() for n in la.nodes]
    taus = la.thresholds(la.whole)
    la.step(0.1, 0.5, 1)
    step = 0.1 * 0.3 / (1 - 0.5)
    for node, old, tau in zip(la.nodes, before, taus, strict=True):
        for (f, g), values in groups(old, 8).items():
            norm, new = np.linalg.norm(values), groups(node.weight, 8)[f, g]
            if abs(norm - float(tau)) < 1e-5:
                continue  # single and double precision may differ on which side it is
            factor = max(0.0, 1 - step / norm) if norm < float(tau) else 1.0
            np.testing.assert_allclose(new, values * factor, atol=1e-6)


@pytest.mark.full
@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.75])
def test_cut_reaches_the_target_in_every_layer(sparsity):
    la = lasso(density=1 - sparsity, cut_after=1)
    la.harden()
    for node in la.nodes:
        count = len(groups(node.weight, 8))
        removed = {k for k, v in groups(node.mask.float(), 8).items() if not v.any()}
        assert len(removed) == round(sparsity * count)
        norms = {k: np.linalg.norm(v) for k, v in groups(node.weight, 8).items()}
        if removed:
            assert max(norms[k] for k in removed) <= min(v for k, v in norms.items() if k not in removed) + 1e-6
        assert not node.quantized()[~node.mask].any()


@pytest.mark.full
def test_settle_masks_what_quantizes_to_zero():
    la = lasso()
    node = la.nodes[0]
    with torch.no_grad():
        node.weight[3] *= 1e-6
    la.settle()
    assert not node.mask[3].any() and node.mask[0].all()
    assert la.figures()["group_sparsity"] == pytest.approx(1 / 8 / len(la.nodes))


@pytest.mark.full
def test_size_schedule():
    la = lasso(16, reading="size_schedule")
    assert [la.sizes(p)[0][1] for p in (0, 0.3, 0.34, 0.6, 0.67, 0.99)] == [36, 36, 72, 72, 144, 144]
    assert lasso(16).sizes(0.1)[0] == (1, 144)


@pytest.mark.parametrize("size", [(3, 4), (2, 1), (7, 20), (5, 16)])
def test_groups_of_filters_and_channels(size):
    w = torch.randn(7, 20, 3, 3)
    tall = size[0], size[1] * 9
    norms = grouped(w, tall).norm(dim=2)
    wide = spread(norms, w, tall)
    for f in range(7):
        for c in range(20):
            f0, c0 = f // size[0] * size[0], c // size[1] * size[1]
            want = np.linalg.norm(w[f0:f0 + size[0], c0:c0 + size[1]].numpy())
            assert float(wide[f, c, 0, 2]) == pytest.approx(want, rel=1e-5)
