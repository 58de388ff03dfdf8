"""Purification and unused paths: what it removes, and that the integer network does not notice."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch

from xbarch.compress.intake import models
from xbarch.compress.intake.trace import trace_model
from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training.export import layers as exported
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.recom import ReCom
from xbarch.datapaths.tiny_but_accurate import TinyButAccurate
from xbarch.datapaths.tools import purify
from xbarch.errors import InputError
from xbarch.specs.learning import Training
from xbarch.specs.recipe import Pruning, Quantization
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.infer import infer

torch.set_num_threads(1)


def network(name="resnet20", size=16, width=8):
    return deepcopy(built(name, size, width))


@cache
def built(name, size, width):
    """Levels of a step that does not follow the weights."""
    torch.manual_seed(0)
    channels = 1 if name == "lenet5" else 3
    net = Network(trace_model(models.build(name, 10, width, 0), (channels, size, size)),
                  Quantization(weight_bits=8, activation_bits=8, weight_scale="lsq", clip=1.0))
    net.recalibrate([torch.rand(16, channels, size, size)])
    for node in net.compute_nodes():
        if node.norm is not None:  # shifts of the sums that are not zero, as after training
            torch.nn.init.uniform_(node.norm.bias, -0.2, 0.2)
    return net.eval()


def scores(net):
    """Outputs of the integer network for two images."""
    made = Workload(name="w", layers=exported(net))
    rng = np.random.default_rng(0)
    found = [infer(made, image)[made.layers[-1].name] for image in rng.integers(0, 256, (2, *net.layers[0].out_shape))]
    assert not np.array_equal(*found)  # the images reach the output
    return found


def silence(node, filters):
    """Remove filters with their shift: constant zero."""
    with torch.no_grad():
        node.mask[filters] = False
        node.weight.mul_(node.mask)
        for tensor in (node.bias, *(() if node.norm is None else (node.norm.bias, node.norm.running_mean))):
            if tensor is not None:
                tensor[filters] = 0


def pruner(net, path, density=1.0):
    spec = Pruning(method=path.name, algorithm={"name": "cut"}, density=density, cut_after=1,
                   training=Training(epochs=2, rate=0.1))
    return Pruner(net, spec, path)


def masks(net):
    return {n.layer.name: n.mask.clone() for n in net.compute_nodes()}


@pytest.mark.quick(1)
@pytest.mark.parametrize(("name", "size", "width"), [("resnet20", 16, 8), ("vgg7", 32, 4), ("lenet5", 32, None)])
def test_removing_what_a_silent_filter_feeds_changes_no_output(name, size, width):
    """Filters that are constant zero: their readers' weights go, in convolutions, through pooling and flattening;
    where a shortcut is added only when all branches are silent. Every output level stays."""
    net = network(name, size, width)
    for node in net.compute_nodes():
        silence(node, [1, 2] if node is not net.compute_nodes()[-1] else [])
    before, kept = scores(net), masks(net)
    pruner(net, TinyButAccurate({"emptiness": 1.0})).reduce()
    after = masks(net)
    gone = {name: int((kept[name] & ~after[name]).sum()) for name in kept}
    assert sum(gone.values()) > 0 and gone[net.layers[-1].name] > 0
    assert all(not (after[name] & ~kept[name]).any() for name in kept)
    for x, y in zip(before, scores(net), strict=True):
        assert np.array_equal(x, y)
    for node in net.compute_nodes()[1:]:
        assert not node.mask[[f for f in range(len(node.mask)) if f not in (1, 2)]][:, [1, 2]].any() \
            or node.layer.op == "linear"


def test_filters_that_nobody_reads_go_and_no_output_changes():
    """The readers of filters 3 and 5 of each inner convolution of a residual network are removed: so are the filters,
    shifts or not, and what only they read."""
    net = network()
    graph = purify.edges(net.layers)
    for node in net.compute_nodes():
        producers = next(e.producers for e in graph if e.reader.name == node.layer.name)
        if len(producers) == 1 and "input" not in {la.op for la in net.layers if la.name in producers}:
            with torch.no_grad():
                node.mask[:, [3, 5]] = False
                node.weight.mul_(node.mask)
    before, kept = scores(net), masks(net)
    pruner(net, TinyButAccurate({"emptiness": 1.0})).reduce()
    after = masks(net)
    inner = [name for name in kept if (kept[name] & ~after[name]).any()]
    assert len(inner) >= 9  # the first convolution of each of nine blocks
    assert all(not after[name][[3, 5]].any() for name in inner)
    assert all(np.array_equal(x, y) for x, y in zip(before, scores(net), strict=True))


def chain(*shapes):
    """Convolutions behind an image: (filters, channels) each."""
    made = [Layer(name="image", op="input", inputs=(), in_shape=(shapes[0][1], 4, 4), out_shape=(shapes[0][1], 4, 4))]
    for i, (filters, channels) in enumerate(shapes):
        made.append(Layer(name=f"c{i}", op="conv", inputs=(made[-1].name,), in_shape=(channels, 4, 4),
                          out_shape=(filters, 4, 4)))
    return made


def test_hardly_read_filters_by_hand():
    """Of 10 readers' weights on each channel: channel 0 keeps all, 1 one small, 2 one large, 3 two small."""
    layers = chain((4, 3), (10, 4))
    kept = {"c0": np.ones((4, 3, 1, 1), bool), "c1": np.zeros((10, 4, 1, 1), bool)}
    kept["c1"][:, 0] = kept["c1"][0, 1] = kept["c1"][0, 2] = kept["c1"][:2, 3] = True
    weights = {name: mask.astype(float) for name, mask in kept.items()}
    weights["c1"][:, [1, 3]] = 1e-4
    found = purify.purified(layers, kept, weights, 0.85, 1e-3)
    assert found["c0"].any(axis=(1, 2, 3)).tolist() == [True, False, True, True]
    assert found["c1"].any(axis=(0, 2, 3)).tolist() == [True, False, True, True]
    assert kept["c0"].all()  # what was given stays as it was
    found = purify.purified(layers, kept, weights, 0.75, 1e-3)
    assert found["c0"].any(axis=(1, 2, 3)).tolist() == [True, False, True, False]
    assert purify.purified(layers, kept, weights, 0.95, 1e-3)["c0"].all()


def test_removals_run_through_the_network():
    """The only reader of c1's filter 0 is c2's filter 1, which nobody reads; then c0's filter 2 has no reader."""
    layers = chain((3, 1), (2, 3), (2, 2), (1, 2))
    kept = {f"c{i}": np.ones((f, c, 1, 1), bool) for i, (f, c) in enumerate([(3, 1), (2, 3), (2, 2), (1, 2)])}
    kept["c3"][:, 1] = False
    kept["c2"][0, 0] = False
    kept["c1"][1, 2] = False
    found = purify.purified(layers, kept, {n: m.astype(float) for n, m in kept.items()}, 1, 0)
    assert not found["c2"][1].any() and not found["c1"][0].any() and not found["c0"][2].any()
    assert found["c0"][:2].all() and found["c1"][1, :2].all() and found["c2"][0, 1].all() and found["c3"][0, 0].all()


def test_groups_flattening_and_the_end():
    """A grouped reader's channels are those of its groups; a flattened channel is four inputs; scores stay."""
    layers = [*chain((4, 1)),
              Layer(name="g", op="conv", inputs=("c0",), in_shape=(4, 4, 4), out_shape=(6, 2, 2), kernel=(2, 2),
                    stride=(2, 2), groups=2),
              Layer(name="f", op="flatten", inputs=("g",), in_shape=(6, 2, 2), out_shape=(24, 1, 1)),
              Layer(name="fc", op="linear", inputs=("f",), in_shape=(24, 1, 1), out_shape=(5, 1, 1))]
    kept = {"c0": np.ones((4, 1, 1, 1), bool), "g": np.ones((6, 2, 2, 2), bool), "fc": np.ones((5, 24, 1, 1), bool)}
    kept["c0"][3] = False
    kept["g"][1] = False
    kept["fc"][:, 20:24] = False
    kept["fc"][2] = False
    found = purify.purified(layers, kept, {n: m.astype(float) for n, m in kept.items()}, 1, 0)
    assert not found["g"][3:, 1].any() and found["g"][0].all() and found["g"][3:5, 0].all() and not found["g"][5].any()
    assert not found["fc"][:, 4:8].any() and found["fc"][0, :4].all() and found["fc"][0, 8:20].all()
    assert not found["fc"][2].any() and found["fc"][[0, 1, 3, 4], :4].all()


def test_the_cut_reduces_and_other_methods_do_not():
    """Behind the cut no layer reads a channel whose filters are all gone; `dense` has no consequences."""
    net = network()
    p = pruner(net, TinyButAccurate(), 0.25)
    alone = [f.mask for f in p.projected([n.weight for n in p.nodes], 0.25)]
    p.harden()
    assert sum(int(n.mask.sum()) for n in p.nodes) < sum(int(m.sum()) for m in alone)
    for node, mask in zip(p.nodes, alone, strict=True):
        assert not (node.mask.numpy().reshape(mask.shape) & ~mask).any() and not (node.weight * ~node.mask).any()
    kept = masks(net)
    for edge in purify.edges(net.layers):
        if edge.span == 1 and all(name in kept for name in edge.producers) and edge.reader.op == "conv":
            fed = torch.zeros(edge.reader.in_shape[0], dtype=torch.bool)
            for name in edge.producers:
                made = kept[name].flatten(1).any(1)
                fed[:len(made)] |= made
            assert not kept[edge.reader.name][:, ~fed].any()
    free = network()
    q = pruner(free, Dense(), 0.25)
    expected = [f.mask for f in q.projected([n.weight for n in q.nodes], 0.25)]
    q.harden()
    assert all(np.array_equal(n.mask.numpy().reshape(m.shape), m) for n, m in zip(q.nodes, expected, strict=True))


def test_shortcuts_of_fewer_channels():
    """Channels 2 and 3 come from the branch alone: its filters there are enough to feed or starve the reader."""
    layers = [*chain((2, 1)), Layer(name="b", op="conv", inputs=("c0",), in_shape=(2, 4, 4), out_shape=(4, 4, 4)),
              Layer(name="sum", op="add", inputs=("b", "c0"), in_shape=(4, 4, 4), out_shape=(4, 4, 4)),
              Layer(name="r", op="conv", inputs=("sum",), in_shape=(4, 4, 4), out_shape=(3, 4, 4))]
    kept = {"c0": np.ones((2, 1, 1, 1), bool), "b": np.ones((4, 2, 1, 1), bool), "r": np.ones((3, 4, 1, 1), bool)}
    kept["b"][[0, 3]] = False
    found = purify.purified(layers, kept, {n: m.astype(float) for n, m in kept.items()}, 1, 0)
    assert found["r"].all(axis=(0, 2, 3)).tolist() == [True, True, True, False] and found["c0"].all()


class Two(torch.nn.Module):
    """The map that a layer reads is an output too."""

    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Conv2d(1, 6, 3), torch.nn.Conv2d(6, 8, 3)
        self.c = torch.nn.Conv2d(8, 4, 1)

    def forward(self, x):
        y = torch.relu(self.b(torch.relu(self.a(x))))
        return self.c(y), y


def test_filters_that_the_network_returns_are_kept():
    """Whether a layer reads them or not; those that neither reads nor returns go."""
    torch.manual_seed(0)
    net = Network(trace_model(Two(), (1, 8, 8)), Quantization(weight_scale="lsq"))
    a, b, c = net.compute_nodes()
    with torch.no_grad():
        b.mask[:, 2] = False  # nothing reads a's filter 2
        c.mask[:, 5] = False  # c does not read b's filter 5, which is returned
    made = Pruner(net, Pruning(method="tiny_but_accurate", algorithm={"name": "cut"}, density=0.5, cut_after=0,
                               training=Training(epochs=1, rate=0.1)), TinyButAccurate())
    assert [n.layer.name for n in made.nodes] == []  # the first layer and both outputs are spared
    made.reduce()
    assert not bool(a.mask[2].any()) and bool(a.mask[[0, 1, 3, 4, 5]].all())
    assert bool(b.mask[:, [0, 1, 3, 4, 5]].all()) and bool(c.mask[:, :5].all())


# -- depth: whole layers ------------------------------------------------------------------------------------------

DEPTH = ReCom({"grain": "layers"})


def test_whole_layers_of_least_mean_square_go():
    """Of 180 weights 90 may stay: of layers in the order of their mean square, the third (120) does not fit."""
    drawn = np.random.default_rng(1)
    weights = [drawn.normal(0, spread, (4, size, 1, 1)) for spread, size in ((1, 9), (3, 2), (2, 30), (0.5, 4))]
    assert DEPTH.share(weights, [None] * 4, None, 0.5) == [1, 1, 0, 1]


@pytest.mark.full
def test_a_residual_network_loses_branches_and_still_computes():
    """What a removed layer alone fed or read goes too; the integer network answers as the one that was trained, and
    a crossbar with nothing but a place is left of a layer."""
    net = network()
    made = pruner(net, DEPTH, density=0.4)
    made.harden()
    gone = [n.layer.name for n in net.compute_nodes() if not n.mask.any()]
    assert gone and all("layer" in name for name in gone)
    pairs = {name.rpartition(".")[0] for name in gone}
    assert all({f"{block}.conv1", f"{block}.conv2"} <= set(gone) for block in pairs)
    scores(net)
    workload = Workload(name="w", layers=exported(net), datapath="recom", options={"grain": "layers"})
    packed = {layer.name: DEPTH.pack(layer, Geometry(128, 128, 2)) for layer in workload.compute_layers}
    assert all(len(packed[name]) == 1 and packed[name][0].kept == 0 for name in gone)


def test_without_a_shortcut_nothing_may_go():
    net = network("vgg7", 32, 4)
    with pytest.raises(InputError, match="must spare layers that no shortcut leads past"):
        pruner(net, DEPTH, density=0.3).harden()
