"""What a user's mask removes stays removed through every method, every algorithm and every phase."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from xbarch.compress.intake.trace import trace_model
from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training.trainer import ALGORITHMS
from xbarch.datapaths.pruning import Pruning as Method
from xbarch.plugins import registry
from xbarch.specs.recipe import Pruning, Quantization, Training

torch.set_num_threads(1)
GEOMETRY = {"rows": 36, "columns": 32, "cell_bits": 2, "operation_unit": {"rows": 9, "columns": 8}}
METHODS = [name for name, kind in sorted(registry.datapaths().items()) if issubclass(kind, Method)]
OPTIONS = {"lin": {"theta": 0.0}}  # its crossbars of a layer of 10 filters are nearly empty
KINDS = {"weights": (1, 1, 1, 1), "filters": (1, 0, 0, 0), "channels": (0, 1, 0, 0)}


@pytest.fixture(scope="module")
def graph():
    torch.manual_seed(0)
    body = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]
    return trace_model(nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)), (1, 8, 8))


def masked(graph, kind):
    """A network of which a user removed four tenths: single weights, filters or channels."""
    network = Network(graph, Quantization(weight_scale="lsq"))
    torch.manual_seed(1)
    for node in network.compute_nodes()[1:3]:
        shape = [n if open_ else 1 for n, open_ in zip(node.weight.shape, KINDS[kind], strict=True)]
        node.remove((torch.rand(shape) < 0.6).expand(node.weight.shape))
    return network


def pruner(network, method, algorithm):
    training = Training(epochs=6, rate=0.1)
    spec = Pruning(method=method, algorithm=algorithm, density=0.5, cut_after=4, training=training, geometry=GEOMETRY,
                   layers={"9": 1.0})  # ten filters, the scores
    return ALGORITHMS[algorithm["name"]](network, spec, registry.datapath(method, OPTIONS.get(method, {})))


def train(network, made, epochs, hard=False):
    optimizer = torch.optim.SGD(network.parameters(), 0.05, 0.9, weight_decay=1e-3)
    x, y = torch.rand(8, 1, 8, 8), torch.randint(0, 10, (8,))
    network.train()
    for epoch in epochs:
        loss = F.cross_entropy(network(x), y)
        extra = None if hard else made.penalty(epoch / 4)
        optimizer.zero_grad()
        (loss if extra is None else loss + extra).backward()
        optimizer.step()
        network.tie()
        if not hard:
            made.step(0.05, epoch / 4, epoch)
            made.close(epoch)


def check(network, made, own):
    """Removed weights are zero; and masked, but where the method does not allow that."""
    for node, kept in zip(network.compute_nodes()[1:3], own, strict=True):
        assert not bool((node.quantized() * ~kept).any())
        layer = node.stored()
        assert not (layer.weights()[~kept.numpy()]).any()
        if made.hard and node in made.nodes and bool((node.mask & ~kept).any()):
            whole = node.mask.clone()
            node.mask.logical_and_(kept)
            assert made.path.check(node.stored(), made.geometry)
            node.mask.copy_(whole)


def run(graph, kind, method, algorithm):
    network = masked(graph, kind)
    own = [n.own.clone() for n in network.compute_nodes()[1:3]]
    made = pruner(network, method, algorithm)
    check(network, made, own)
    train(network, made, (1, 2))
    check(network, made, own)
    made.harden()
    check(network, made, own)
    assert all(bool((n.mask & n.own).any()) for n in network.compute_nodes()[1:3])
    free = [n.weight.detach().clone() for n in network.compute_nodes()]
    train(network, made, (5, 6), hard=True)
    made.settle()
    check(network, made, own)
    assert any(not torch.equal(a, n.weight) for a, n in zip(free, network.compute_nodes(), strict=True))
    return network


@pytest.mark.quick(4)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_what_came_in_removed(graph, method, kind):
    run(graph, kind, method, {"name": "cut"})


@pytest.mark.quick(2)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", [
    {"name": "lasso", "form": "gradient"}, {"name": "lasso", "form": "proximal"},
    {"name": "lasso", "form": "reweighted"}, {"name": "admm", "rho": 0.1},
    {"name": "admm", "rho": 0.1, "freeze_after": 1}, {"name": "recover", "ramp": 2},
    {"name": "slices", "strength": 1e-3}, {"name": "hoyer", "strength": 1e-3}])
def test_every_algorithm_leaves_what_came_in_removed(graph, algorithm, kind):
    run(graph, kind, "meng", algorithm)


def test_a_method_that_takes_every_mask_stores_it(graph):
    """Single weights removed by the user are masked, not zeros, where no constraint forbids it."""
    network = run(graph, "weights", "meng", {"name": "cut"})
    for node in network.compute_nodes()[1:3]:
        assert not bool((node.mask & ~node.own).any())
        assert isinstance(node.own, torch.Tensor) and 0 < float(node.mask.float().mean()) < 0.4


def test_no_mask_is_no_mask(graph):
    network = masked(graph, "weights")
    node = network.compute_nodes()[0]
    node.remove(torch.ones_like(node.mask))
    assert node.own is None and Pruner.withhold(pruner(network, "meng", {"name": "cut"}), node) is None
    assert bool(node.mask.all())
