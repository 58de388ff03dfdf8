"""Needs and releases against a brute-force look at every window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbarch.mapping.shares import Share, Slide
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
