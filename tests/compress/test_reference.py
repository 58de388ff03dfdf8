"""The penalties of the reference points, against loops over columns and digits."""

import numpy as np
import pytest
import torch

from xbarch.compress.intake import models
from xbarch.compress.intake.trace import trace_model
from xbarch.compress.methods.hoyer import Hoyer
from xbarch.compress.methods.lasso import Lasso
from xbarch.compress.methods.slices import Slices
from xbarch.compress.quantizers.network import Network
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.recom import ReCom
from xbarch.datapaths.snrram import SNrram
from xbarch.specs.learning import Training
from xbarch.specs.recipe import Pruning, Quantization, Shape


def pruner(kind, path, algorithm, **more):
    network = Network(trace_model(models.build("resnet20", 10, 8, 0), (3, 16, 16)), Quantization(weight_scale="lsq"))
    return kind(network, Pruning(method="dense", algorithm=algorithm, density=0.25, cut_after=4,
                                 training=Training(epochs=6, rate=0.1), **more), path)


def levels(node):
    step = float(node.levels.step(node.weight).detach())
    return node.weight.detach().numpy().astype(np.float64) / step


def test_bit_slices_are_the_cells_digits():
    p = pruner(Slices, Dense(), {"name": "slices", "strength": 0.5})
    want = 0.0
    for node in p.nodes:
        with torch.no_grad():
            node.weight.mul_(3)  # some past the last level
        whole = np.minimum(np.floor(np.abs(levels(node)) + 0.5), 7).astype(int)  # a sign and three bits in 2-bit cells
        want += ((whole % 4) + whole // 4).sum() / 2
    penalty = p.penalty(0.1)
    assert float(penalty.detach()) == pytest.approx(0.5 * want, rel=1e-5)
    penalty.backward()
    node = p.nodes[0]
    flat = np.abs(levels(node)).ravel()
    at = int(np.flatnonzero((flat > 4.6) & (flat < 6.4))[0])  # 5 or 6: both digits not zero
    step = float(node.levels.step(node.weight).detach())
    assert abs(float(node.weight.grad.ravel()[at])) == pytest.approx(0.5 * (1 + 1 / 4) / 2 / step, rel=1e-4)


def test_even_columns_cost_nothing_and_uneven_ones_their_variance():
    p = pruner(Hoyer, Dense(), {"name": "hoyer", "strength": 2.0}, geometry=Shape(rows=16, columns=6))  # 3 filters each
    want = 0.0
    for node in p.nodes:
        w = node.weight.detach().numpy().reshape(len(node.weight), -1).astype(np.float64)
        rows = min(16, w.shape[1])
        for r in range(0, w.shape[1], rows):
            part = w[:, r:r + rows]
            measure = np.abs(part).sum(1)**2 / np.square(part).sum(1) / rows
            want += sum(measure[f:f + 3].var() for f in range(0, len(w), 3))
    assert float(p.penalty(0.1).detach()) == pytest.approx(2 * want, rel=1e-4)
    with torch.no_grad():
        for node in p.nodes:
            node.weight.fill_(0.3)
    even = p.penalty(0.1)
    even.backward()
    assert float(even.detach()) == pytest.approx(0, abs=1e-6)
    assert all(torch.isfinite(n.weight.grad).all() for n in p.nodes)


def test_reweighted_lasso_shrinks_by_the_norms_of_the_epoch_before():
    """Group by group against NumPy; and no strength makes a weight grow, change its sign or vanish into nan."""
    p = pruner(Lasso, SNrram({"grain": "row"}), {"name": "lasso", "strength": 0.5, "form": "reweighted"})
    rate, momentum = 0.02, p.spec.training.momentum

    def weights():
        return [n.weight.detach().numpy().reshape(len(n.weight), -1).astype(np.float64) for n in p.nodes]

    def shrunk(now, then):
        for w, old, (f, r) in zip(now, then, p.whole, strict=True):
            blocks = [np.s_[i:i + f, j:j + r] for i in range(0, len(w), f) for j in range(0, w.shape[1], r)]
            mean = np.mean([np.square(old[b]).sum() for b in blocks])
            for b in blocks:
                w[b] /= 1 + 2 * rate * 0.5 / (1 - momentum) / (np.square(old[b]).sum() + 1e-3 * mean)
        return now

    assert p.penalty(0.1) is None
    first = weights()
    with torch.no_grad():
        for node in p.nodes:
            node.weight.mul_(2)
    for epoch, then in ((0, first), (1, None)):
        if then is None:  # renewed
            p.close(epoch)
            then = weights()
        want = shrunk(weights(), then)
        p.step(rate, 0.1, epoch)
        for found, expected in zip(weights(), want, strict=True):
            assert np.allclose(found, expected, rtol=1e-4, atol=1e-9)
    before = weights()
    p.step(1e6, 0.1, 2)
    assert all(np.all(np.abs(a) <= np.abs(b)) and np.all(a * b >= 0)
               for a, b in zip(weights(), before, strict=True))


@pytest.mark.full
def test_a_networks_outputs_are_spared_where_whole_filters_go():
    cut = {"name": "lasso"}
    names = [[n.layer.name for n in pruner(Lasso, ReCom({"grain": grain}), cut).nodes] for grain in ("rows", "filters")]
    assert names[0][-1] == "fc" and names[0][:-1] == names[1]
    named = pruner(Lasso, ReCom({"grain": "filters"}), cut, layers={"fc": 0.5})
    assert named.nodes[-1].layer.name == "fc"
