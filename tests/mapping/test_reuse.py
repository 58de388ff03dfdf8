"""Inputs that windows bring in, against sets of pixels counted one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbarch.mapping.reuse import brought
from xbarch.workload.graph import Layer


def conv(channels, size, kernel, stride, padding, dilation):
    out = [(n + 2 * p - (k - 1) * d - 1) // s + 1
           for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)]
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels, *size), out_shape=(4, *out),
                 kernel=kernel, stride=stride, padding=padding, dilation=dilation, weight_bits=8, input_bits=8,
                 output_bits=8)


def by_sets(layer, driven, owner, kept):
    """Window by window, as a copy would do it."""
    (kh, kw), (_, height, width) = layer.kernel, layer.in_shape
    had, last, counts, most = {}, {}, [], 0
    windows = []
    for window in range(layer.windows):
        oy, ox = divmod(window, layer.out_shape[2])
        inputs = set()
        for entry in driven:
            channel, place = divmod(int(entry), kh * kw)
            y = oy * layer.stride[0] - layer.padding[0] + place // kw * layer.dilation[0]
            x = ox * layer.stride[1] - layer.padding[1] + place % kw * layer.dilation[1]
            if 0 <= y < height and 0 <= x < width:
                inputs.add((channel, y, x))
        windows.append(inputs)
        last.update({(int(owner[window]), each): window for each in inputs})
    for window, inputs in enumerate(windows):
        copy = int(owner[window])
        counts.append(len(inputs - had.get(copy, set())))
        if kept == "new":
            had[copy], held = inputs, inputs
        else:
            had[copy] = had.get(copy, set()) | inputs
            held = {each for each in had[copy] if last[copy, each] >= window}
        most = max(most, len(held))
    return counts, most


@pytest.mark.quick(2)
@pytest.mark.parametrize("kept", ["new", "once"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_shape_as_sets_have_it(kept, data):
    draw = data.draw
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride = draw(pair), draw(pair)
    padding, dilation = draw(st.tuples(st.integers(0, 2), st.integers(0, 2))), draw(st.tuples(*[st.integers(1, 2)] * 2))
    size = tuple(draw(st.integers((k - 1) * d + 1, 8)) for k, d in zip(kernel, dilation, strict=True))
    layer = conv(draw(st.integers(1, 3)), size, kernel, stride, padding, dilation)
    rows = layer.in_shape[0] * kernel[0] * kernel[1]
    driven = np.array(sorted(draw(st.sets(st.integers(0, rows - 1), min_size=1))))
    copies = draw(st.integers(1, 4))
    owner = np.array(draw(st.lists(st.integers(0, copies - 1), min_size=layer.windows, max_size=layer.windows)))
    counts, held = brought(layer, driven, owner, kept)
    assert (counts.tolist(), held) == by_sets(layer, driven, owner, kept)


@pytest.mark.parametrize(("kernel", "padding"), [(1, 0), (3, 1), (5, 2), (7, 3)])
def test_once_is_the_feature_map_and_holds_a_line_buffer(kernel, padding):
    """One copy reads every pixel once, and holds ISAAC's line buffer, W (K - 1) + K pixels."""
    layer = conv(2, (12, 12), (kernel,) * 2, (1, 1), (padding,) * 2, (1, 1))
    counts, held = brought(layer, np.arange(2 * kernel**2), np.zeros(layer.windows, np.int64), "once")
    assert counts.sum() == 2 * 12 * 12
    assert held == 2 * (12 * (kernel - 1) + kernel)


def test_new_pixels_of_a_row_are_a_column_of_the_kernel():
    layer = conv(1, (9, 9), (3, 3), (1, 1), (0, 0), (1, 1))
    counts, held = brought(layer, np.arange(9), np.zeros(layer.windows, np.int64), "new")
    assert counts.reshape(7, 7).tolist() == [[9, 3, 3, 3, 3, 3, 3], *[[9, 3, 3, 3, 3, 3, 3]] * 6]
    assert held == 9
