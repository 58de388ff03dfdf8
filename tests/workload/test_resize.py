"""Bilinear interpolation in whole numbers, against exact fractions worked out pixel by pixel."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from xbarch.mapping.windows import inputs
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.infer import infer
from xbarch.workload.resize import interpolated, kernel, taps, whole

SIZES = [((5, 3), (10, 6)), ((4, 7), (9, 3)), ((1, 6), (1, 11)), ((3, 1), (5, 4)), ((2, 5), (1, 5))]


def place(i, size, out, aligned):
    """Where output pixel i lies among `size` pixels, by the definition."""
    if aligned:
        return Fraction(i * (size - 1), out - 1) if out > 1 else Fraction(0)
    return max(Fraction(0), (i + Fraction(1, 2)) * Fraction(size, out) - Fraction(1, 2))


def between(line, at):
    low = floor(at)
    return (1 - (at - low)) * line[low] + (at - low) * line[min(low + 1, len(line) - 1)]


def layer(given, out, aligned):
    return Layer(name="x", op="resize", inputs=("a",), in_shape=(2, *given), out_shape=(2, *out), aligned=aligned,
                 kernel=kernel((2, *given), (2, *out)), scale=np.array([1.0]))


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("given, out", SIZES)
def test_sums_are_exact(given, out, aligned):
    la, x = layer(given, out, aligned), np.random.default_rng(0).integers(-99, 99, (2, *given))
    found = interpolated(la, x)
    for c, i, j in np.ndindex(found.shape):
        rows = [between([int(v) for v in row], place(j, given[1], out[1], aligned)) for row in x[c]]
        assert Fraction(int(found[c, i, j]), whole(la)) == between(rows, place(i, given[0], out[0], aligned))


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("given, out", SIZES)
def test_a_window_waits_for_the_pixels_that_it_reads(given, out, aligned):
    """The edge's need: the last of the (up to) four pixels with a weight above zero, or of their neighbours."""
    conv = Layer(name="a", op="conv", inputs=("input",), in_shape=(2, *given), out_shape=(2, *given))
    la = layer(given, out, aligned)
    edge = inputs(Workload(name="n", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=(2, *given), out_shape=(2, *given)), conv, la)))["x"][0]
    down, across = taps(given[0], out[0], aligned), taps(given[1], out[1], aligned)
    last = [down.second[i] * given[1] + across.second[j] + 1 for i in range(out[0]) for j in range(out[1])]
    assert edge.need.tolist() == np.maximum.accumulate(last).tolist()
    assert edge.release[-1] == given[0] * given[1]


def test_levels_are_rounded_once_halves_up():
    la = Layer(name="x", op="resize", inputs=("input",), in_shape=(1, 1, 2), out_shape=(1, 1, 4), kernel=(1, 2),
               scale=np.array([1 / whole(layer((1, 2), (1, 4), False))]), output_bits=4)
    after = Layer(name="y", op="affine", inputs=("x",), in_shape=(1, 1, 4), out_shape=(1, 1, 4), scale=np.ones(1),
                  bias=np.zeros(1))
    network = Workload(name="n", layers=(Layer(name="input", op="input", inputs=(), in_shape=(1, 1, 2),
                                               out_shape=(1, 1, 2)), la, after))
    assert infer(network, np.array([[[1, 3]]]))["x"].ravel().tolist() == [1, 2, 3, 3]  # 1, 1.5, 2.5, 3
