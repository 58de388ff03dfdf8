"""Needs and releases against a brute-force look at every window."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbarch.errors import StuckError
from xbarch.mapping import windows
from xbarch.mapping.reads import Slide
from xbarch.mapping.shares import Share
from xbarch.mapping.windows import footprint, inputs, slack_needed
from xbarch.sim.engine import run
from xbarch.sim.graph import Edge, Flow, Stage, StageGraph
from xbarch.workload.graph import Layer, Workload


def conv(name, source, shape, out, kernel=3, stride=1, padding=1, dilation=1):
    return Layer(name=name, op="conv", inputs=(source,), in_shape=shape, out_shape=out, kernel=(kernel, kernel),
                 stride=(stride, stride), padding=(padding, padding), dilation=(dilation, dilation))


def brute(layer, height, width):
    """For each window the set of pixels it reads, by definition of convolution."""
    reads = []
    for oy in range(layer.out_shape[1]):
        for ox in range(layer.out_shape[2]):
            pixels = []
            for ky in range(layer.kernel[0]):
                for kx in range(layer.kernel[1]):
                    y = oy * layer.stride[0] - layer.padding[0] + ky * layer.dilation[0]
                    x = ox * layer.stride[1] - layer.padding[1] + kx * layer.dilation[1]
                    if 0 <= y < height and 0 <= x < width:
                        pixels.append(y * width + x)
            reads.append(pixels)
    return reads


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_every_pixel_has_arrived_and_is_kept_long_enough(kernel, stride, padding, dilation):
    height, width = 9, 7
    span = (kernel - 1) * dilation + 1
    if padding >= span or height + 2 * padding < span or width + 2 * padding < span:
        pytest.skip("not a convolution")
    out = tuple((n + 2 * padding - span) // stride + 1 for n in (height, width))
    layer = conv("c", "i", (1, height, width), (1, *out), kernel, stride, padding, dilation)
    need, release = footprint(Slide.of(layer), Share(height, width), Share(*out))
    assert (np.diff(need) >= 0).all() and (np.diff(release) >= 0).all()
    assert release[-1] == height * width and (release[:-1] <= need[:-1]).all()
    reads = brute(layer, height, width)
    for j, pixels in enumerate(reads):
        assert not pixels or max(pixels) < need[j]
        later = [p for r in reads[j + 1:] for p in r]
        assert not later or release[j] <= min(later)


def test_line_buffer_is_isaacs():
    """(W * (Ky - 1) + Kx) windows for an unpadded stride-1 convolution (ISAAC, ISCA 2016)."""
    layer = conv("c", "i", (1, 10, 12), (1, 8, 10), 3, 1, 0)
    need, release = footprint(Slide.of(layer), Share(10, 12), Share(8, 10))
    before = np.concatenate(([0], release[:-1]))
    assert (need - before).max() == 12 * 2 + 3
    assert need[0] == 12 * 2 + 3


def test_shortcut_buffer_covers_the_long_branch():
    """A residual block of two 3x3 convolutions: the shortcut holds what window 0 of the sum waits for."""
    shape = (4, 8, 8)
    layers = (
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape),
        conv("a", "input", shape, shape), conv("b", "a", shape, shape),
        Layer(name="sum", op="add", inputs=("b", "input"), in_shape=shape, out_shape=shape),
    )
    edges = inputs(Workload(name="w", layers=layers))
    least = slack_needed(edges)
    # b's first window needs a up to (1, 1), a's window (1, 1) needs the input up to (2, 2): 2 * 8 + 2 + 1 pixels.
    assert edges["b"][0].need[0] == 8 + 2
    assert least["sum", 1] >= 2 * 8 + 2 + 1


def test_a_dense_block_of_many_layers():
    """Layer k reads all before it; its first window waits for k convolutions of 3 x 3, so that the image is held for k
    rows and k pixels. Each layer is a fork of all later ones: 2^25 ways lead through the block."""
    shape, names = (1, 12, 12), ["input"]
    layers = [Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape)]
    for k in range(26):
        joined = (k + 1, 12, 12)
        layers += [Layer(name=f"join{k}", op="concat", inputs=tuple(names), in_shape=joined, out_shape=joined),
                   conv(f"c{k}", f"join{k}", joined, shape)]
        names.append(f"c{k}")
    least = slack_needed(inputs(Workload(name="w", layers=tuple(layers))))
    assert [least[f"join{k}", 0] for k in range(1, 26)] == [min(144, 12 * k + k + 1) for k in range(1, 26)]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]), st.booleans(),
                          st.integers(1, 3)), min_size=1, max_size=3), st.integers(5, 11), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_smallest_buffers_never_block_for_good(blocks, size, seed):
    """Random chains of residual blocks, long and short branches, random times: with `slack_needed` they finish."""
    shape, source = (1, size, size), "input"
    layers = [Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape)]
    for i, (depth, kernel, stride, projected, _) in enumerate(blocks):
        here, before = shape, source
        for d in range(depth):
            step = stride if d == 0 else 1
            out = (1, *((n - 1) // step + 1 for n in here[1:]))
            layers.append(conv(f"b{i}c{d}", before, here, out, kernel, step, kernel // 2))
            here, before = out, f"b{i}c{d}"
        short = source
        if projected or here != shape:
            layers.append(conv(f"b{i}p", source, shape, here, 1, stride, 0))
            short = f"b{i}p"
        layers.append(Layer(name=f"b{i}s", op="add", inputs=(before, short), in_shape=here, out_shape=here))
        shape, source = here, f"b{i}s"
    edges = inputs(Workload(name="w", layers=tuple(layers)))
    least = slack_needed(edges)
    order = {name: i for i, name in enumerate(edges)}
    random = np.random.default_rng(seed)
    flows = []
    for layer in layers:
        time = int(random.integers(0, 20))
        copies = tuple((Stage("s", -1, time, time + int(random.integers(0, 9)), gate=True),)
                       for _ in range(int(random.integers(1, 4))))
        flows.append(Flow(layer.name, layer.windows, copies, tuple(
            Edge(order[e.producer], e.need, e.release, least[layer.name, i])
            for i, e in enumerate(edges[layer.name]))))
    trace = run(StageGraph((), tuple(flows), images=2))
    assert all((done > 0).sum() >= 0 and len(done) == 2 * layer.windows
               for done, layer in zip(trace.done, layers, strict=True))


def branching(random):
    """A random network whose branches nest, cross and meet again, several joins of two to four after one another."""
    shape, layers = (1, 6, 5), [Layer(name="l0", op="input", inputs=(), in_shape=(1, 6, 5), out_shape=(1, 6, 5))]
    for number in range(1, random.randint(3, 14)):
        recent = [layer.name for layer in layers[-random.randint(1, 5):]]
        if random.random() < 0.35 and len(recent) > 1:
            read = tuple(random.choice(recent) for _ in range(2))
            layers.append(Layer(name=f"l{number}", op="add", inputs=read, in_shape=shape, out_shape=shape))
        else:
            kernel = random.choice([1, 3, 5])
            layers.append(conv(f"l{number}", random.choice(recent), shape, shape, kernel, 1, kernel // 2))
    unread = [la.name for la in layers if not any(la.name in other.inputs for other in layers)]
    for number, name in enumerate(unread[1:]):  # all that is made is read
        layers.append(Layer(name=f"s{number}", op="add", inputs=(unread[0] if not number else f"s{number - 1}", name),
                            in_shape=shape, out_shape=shape))
    return Workload(name="w", layers=tuple(layers))


def runs(edges, least, slack=0):
    """Whether a run of two images with these smallest buffers, less `slack` at joins, ends."""
    order = {name: i for i, name in enumerate(edges)}
    windows = {name: 30 for name in edges}
    flows = []
    for name, entries in edges.items():
        less = slack if len(entries) > 1 else 0
        flows.append(Flow(name, windows[name], ((Stage("s", -1, 1, 1, gate=True),),), tuple(
            Edge(order[e.producer], e.need, e.release, max(e.least, least[name, i] - less))
            for i, e in enumerate(entries)), ahead=1))
    try:
        run(StageGraph((), tuple(flows), images=2))
    except StuckError:
        return False
    return True


@pytest.mark.quick(2)
@pytest.mark.parametrize("seed", range(8))
def test_no_branching_network_gets_stuck(seed):
    """With the smallest buffers every network ends; with a window less at joins many do not."""
    random = Random(seed)
    stuck = joins = 0
    for _ in range(60):
        edges = inputs(branching(random))
        joins += sum(len(entries) > 1 for entries in edges.values())
        least = slack_needed(edges)
        assert runs(edges, least)
        stuck += not runs(edges, least, slack=1)
    assert joins > 100 and stuck > 5


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_short_path_of_several_layers(depth):
    """A pooling branch of an inception block: what its layers hold in between does not keep the fork waiting."""
    shape = (1, 8, 8)
    layers = [Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape)]
    for name, kernels in (("long", [5, 5, 3]), ("short", [1, 3, 1][:depth])):
        at = "input"
        for n, kernel in enumerate(kernels):
            layers.append(conv(f"{name}{n}", at, shape, shape, kernel, 1, kernel // 2))
            at = f"{name}{n}"
    layers.append(Layer(name="sum", op="add", inputs=("long2", f"short{depth - 1}"), in_shape=shape, out_shape=shape))
    edges = inputs(Workload(name="w", layers=tuple(layers)))
    least = slack_needed(edges)
    reach = 2 + 2 + 1  # rows and columns beyond its own that the first window of the long path needs
    assert least["sum", 1] >= (reach - depth // 2) * 8  # all but what the short path's own kernels take of it
    order, flows = {name: i for i, name in enumerate(edges)}, []
    for name, entries in edges.items():
        flows.append(Flow(name, 64, ((Stage("s", -1, 1, 1, gate=True),),), tuple(
            Edge(order[e.producer], e.need, e.release, least[name, i]) for i, e in enumerate(entries)), ahead=1))
    assert len(run(StageGraph((), tuple(flows), images=2)).done[-1]) == 128


def test_a_long_chain_of_blocks_keeps_no_way_to_its_beginning():
    """Of 200 residual blocks each is examined alone: the ways from forks that are closed are dropped."""
    shape = (1, 4, 4)
    layers, at = [Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape)], "input"
    for block in range(200):
        layers += [conv(f"a{block}", at, shape, shape, 3, 1, 1), Layer(
            name=f"s{block}", op="add", inputs=(f"a{block}", at), in_shape=shape, out_shape=shape)]
        at = f"s{block}"
    edges = inputs(Workload(name="w", layers=tuple(layers)))
    kept = []
    original = windows._ways

    def watched(edge, reach, readers):
        kept.append(max(map(len, reach.values()), default=0))
        return original(edge, reach, readers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_ways", watched)
        least = slack_needed(edges)
    assert max(kept) == 1 and len({least[f"s{block}", 1] for block in range(1, 200)}) == 1


@pytest.mark.parametrize("stripes", [1, 2])
@pytest.mark.parametrize("kind", ["turned", "wider", "shuffled", "cut", "all in one"])
def test_views_pass_on_what_their_readers_need(kind, stripes):
    """A convolution behind a view: every value that a window reads has arrived, none that a later one reads is gone."""
    shape, rng = (2, 6, 4), np.random.default_rng(0)
    index = np.arange(48).reshape(shape)
    index = {"turned": index.transpose(0, 2, 1), "wider": index.repeat(2, 1).repeat(2, 2),
             "shuffled": rng.permutation(48).reshape(4, 3, 4), "cut": np.pad(index[:, 1:], ((0, 0), (2, 0), (0, 1)),
                                                                             constant_values=-1),
             "all in one": index.reshape(1, 8, 6)}[kind]
    seen = tuple(int(n) for n in index.shape)
    layers = (Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape),
              conv("a", "input", shape, shape, 1, 1, 0),
              Layer(name="v", op="view", inputs=("a",), in_shape=shape, out_shape=seen, index=index),
              conv("b", "v", seen, (3, *seen[1:]), 3, 1, 1))
    shares = {"a": Share(6, 4, stripes), "b": Share(*seen[1:], stripes)}
    edge = inputs(Workload(name="w", layers=layers), shares)["b"][0]
    assert edge.producer == "a" and edge.moved and edge.release[-1] == 24
    rank = shares["a"].rank.ravel()
    padded = np.pad(index, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    reads = []
    for place in shares["b"].order.tolist():
        y, x = divmod(place, seen[2])
        taken = padded[:, y:y + 3, x:x + 3].ravel()
        reads.append(rank[taken[taken >= 0] % 24])
    for j, ranks in enumerate(reads):
        assert ranks.max(initial=-1) < edge.need[j]
        later = np.concatenate([np.full(1, 24), *reads[j + 1:]])
        assert edge.release[j] <= later.min()


def test_the_gate_of_a_product_is_kept_for_the_whole_image():
    shape = (4, 5, 5)
    layers = (Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape),
              Layer(name="mean", op="avgpool", inputs=("input",), in_shape=shape, out_shape=(4, 1, 1), kernel=(5, 5),
                    stride=(5, 5)),
              Layer(name="gated", op="mul", inputs=("input", "mean"), in_shape=shape, out_shape=shape))
    edges = inputs(Workload(name="w", layers=layers))
    assert edges["gated"][1].need.tolist() == [1] * 25 and edges["gated"][1].release.tolist() == [0] * 24 + [1]
    assert slack_needed(edges)["gated", 0] == 25  # all pixels wait for their mean
