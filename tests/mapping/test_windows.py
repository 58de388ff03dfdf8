"""Needs and releases against a brute-force look at every window."""

import numpy as np
import pytest

from xbarch.mapping.windows import footprint, inputs, slack_needed
from xbarch.workload.graph import Layer, Workload


def conv(name, source, shape, out, kernel=3, stride=1, padding=1, dilation=1):
    return Layer(name, "conv", (source,), shape, out, (kernel, kernel), (stride, stride), (padding, padding),
                 (dilation, dilation))


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
    need, release = footprint(layer, height, width)
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
    need, release = footprint(layer, 10, 12)
    before = np.concatenate(([0], release[:-1]))
    assert (need - before).max() == 12 * 2 + 3
    assert need[0] == 12 * 2 + 3


def test_shortcut_buffer_covers_the_long_branch():
    """A residual block of two 3x3 convolutions: the shortcut holds what window 0 of the sum waits for."""
    shape = (4, 8, 8)
    layers = (
        Layer("input", "input", (), shape, shape),
        conv("a", "input", shape, shape), conv("b", "a", shape, shape),
        Layer("sum", "add", ("b", "input"), shape, shape),
    )
    edges = inputs(Workload("w", layers))
    least = slack_needed(edges)
    # b's first window needs a up to (1, 1), a's window (1, 1) needs the input up to (2, 2): 2 * 8 + 2 + 1 pixels.
    assert edges["b"][0].need[0] == 8 + 2
    assert least["sum", 1] >= 2 * 8 + 2 + 1
    assert least["sum", 0] == 1
