"""Filters and filter shapes against brute force; the smaller matrix packed as any other."""

from itertools import combinations
from math import ceil

import numpy as np
import pytest

from xbarch.datapaths.base import Geometry
from xbarch.datapaths.tiny_but_accurate import TinyButAccurate
from xbarch.workload.graph import Layer

ISAAC = Geometry(128, 128, 2)


def blank(filters, channels, kernel=(1, 1)):
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels, 7, 7), out_shape=(filters, 1, 1),
                 kernel=kernel)


@pytest.mark.parametrize("seed", range(4))
def test_filter_shapes_are_the_nearest_of_all(seed):
    """filters: 0 leaves rows alone: 5 of 10 in all filters alike, all choices tried."""
    w = np.random.default_rng(seed).normal(size=(6, 5, 1, 2))
    found = TinyButAccurate({"filters": 0}).project(w, blank(6, 5, (1, 2)), ISAAC, 0.5)
    energy = (w.reshape(6, 10) ** 2).sum(axis=0)
    assert (found.weights ** 2).sum() == pytest.approx(max(energy[list(c)].sum() for c in combinations(range(10), 5)))


def test_filters_first_then_channels():
    """1/4 shared alike: half of the filters, then half of the channels of those."""
    w = np.random.default_rng(0).normal(size=(8, 6, 3, 3))
    w[:4] *= 5
    w[:4, ::2] *= 5
    w[4:, 1::2] *= 3  # of filters that go: must not matter
    found = TinyButAccurate({"shape": "channels"}).project(w, blank(8, 6, (3, 3)), ISAAC, 0.25)
    expected = np.zeros(w.shape, bool)
    expected[:4, ::2] = True
    assert np.array_equal(found.mask, expected)
    assert found.side == {"density": 0.25, "filters": 4, "rows": 27}


def test_the_smaller_matrix_is_packed_as_any_other():
    w = np.random.default_rng(1).normal(size=(512, 256, 3, 3))
    path, layer = TinyButAccurate(), blank(512, 256, (3, 3))
    found = path.project(w, layer, ISAAC, 1 / 8)
    small = Layer(name="conv", op="conv", inputs=("input",), in_shape=(256, 7, 7), out_shape=(512, 1, 1), kernel=(3, 3),
                  mask=lambda: found.mask, weights=lambda: found.mask.astype(np.int8))
    blocks = path.pack(small, ISAAC)
    assert len(blocks) == ceil(found.side["rows"] / 128) * ceil(found.side["filters"] / 32)
    work = path.work(blocks, small, ISAAC)
    assert not work.extra and work.interval is None and not work.latency and path.components(ISAAC) == []
