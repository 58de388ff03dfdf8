"""Groups of a convolution along the diagonal of crossbars, against products with NumPy."""

from math import ceil

import numpy as np
import pytest

from xbarch import conformance
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.dense import Dense
from xbarch.functional.execute import execute
from xbarch.workload.graph import Layer

WEIGHTS = np.random.default_rng(0).integers(-127, 128, (96, 1, 3, 3))
DEPTHWISE = Layer(name="dw", op="conv", inputs=("i",), in_shape=(96, 14, 14), out_shape=(96, 14, 14), kernel=(3, 3),
                  padding=(1, 1), groups=96, weights=lambda: WEIGHTS)


@pytest.mark.parametrize("sign, cells", [("offset", 5), ("differential", 8), ("twos", 5)])
def test_as_many_groups_as_word_lines_and_bit_lines_allow(sign, cells):
    """128 x 128 cells of 2 bits: 9 word lines and 4 or 8 bit lines a group, one more for the reference or the sign."""
    geometry = Geometry(128, 128, 2, adc_bits=8)
    packed = Dense({"sign": sign, "groups": "diagonal"}).pack(DEPTHWISE, geometry)
    each = min(128 // 9, (128 + (sign == "offset")) // cells)
    assert max(b.crossbar for b in packed) + 1 == ceil(96 / each)
    assert len(Dense({"sign": sign}).pack(DEPTHWISE, geometry)) == 96
    x = np.random.default_rng(1).integers(0, 256, (5, 96 * 9))
    out, clips = execute(packed, DEPTHWISE, geometry, x)
    right = np.einsum("wgr,gr->wg", x.reshape(5, 96, 9), WEIGHTS.reshape(96, 9))
    assert np.array_equal(out, right) and not clips


def test_it_keeps_the_laws_of_a_data_path():
    assert conformance.conform(Dense({"groups": "diagonal"}), layers=20) > 0


def test_a_group_that_fills_a_crossbar_keeps_it():
    """Sixteen filters of four cells each and their reference: one group a crossbar, as without the option."""
    geometry = Geometry(64, 64, 2, unit_column=True)
    layer = Layer(name="g", op="conv", inputs=("i",), in_shape=(8, 4, 4), out_shape=(32, 4, 4), kernel=(1, 1), groups=2,
                  weights=lambda: np.ones((32, 4, 1, 1), int))
    packed = Dense({"groups": "diagonal"}).pack(layer, geometry)
    assert [(b.crossbar, b.row0, b.col0) for b in packed] == [(0, 0, 0), (1, 0, 0)]
