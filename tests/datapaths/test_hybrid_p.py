"""The assumed Hybrid-P against brute force and hand-made examples."""

from itertools import combinations

import numpy as np
import pytest

from xbarch.datapaths.base import Geometry
from xbarch.datapaths.hybrid_p import HybridP
from xbarch.workload.graph import Layer

TINY = Geometry(4, 8, 2)  # 4 rows x 2 filters


def blank(filters, channels, kernel=(1, 1)):
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels, 7, 7), out_shape=(filters, 1, 1),
                 kernel=kernel)


def test_it_says_that_it_is_assumed():
    assert "assumed" in HybridP.summary and "assumed" in HybridP.provenance


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_a_block_are_the_nearest_of_all(seed):
    """All filters stay (filters: 0); each block of two keeps four of eight rows: all choices tried."""
    w = np.random.default_rng(seed).normal(size=(4, 8, 1, 1))
    found = HybridP({"filters": 0}).project(w, blank(4, 8), TINY, 0.5)
    energy = w.reshape(4, 8).T ** 2
    best = sum(max(energy[list(rows), f:f + 2].sum() for rows in combinations(range(8), 4)) for f in (0, 2))
    assert (found.weights ** 2).sum() == pytest.approx(best)
    assert found.side == {"density": 0.5, "filters": 4, "rows": 4}


def test_filters_are_rounded_up_and_rows_make_up_for_it():
    """8 filters, all pruning by them: 3 of 8 wanted, 4 fill two crossbars; then 12 of 16 rows are nearest to 3/8."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(8, 16, 1, 1))
    w[[1, 2, 5, 7]] *= 10
    found = HybridP({"filters": 1}).project(w, blank(8, 16), TINY, 3 / 8)
    assert found.mask.any(axis=(1, 2, 3)).nonzero()[0].tolist() == [1, 2, 5, 7]
    assert found.side == {"density": 3 / 8, "filters": 4, "rows": 12}


def test_kernels_stay_whole():
    """A crossbar of 20 rows holds two 3 x 3 kernels: channels are kept in twos."""
    w = np.random.default_rng(1).normal(size=(4, 8, 3, 3))
    path = HybridP({"filters": 0, "unit": "kernels"})
    found = path.project(w, blank(4, 8, (3, 3)), Geometry(20, 8, 2), 0.5)
    kernels = found.mask.reshape(4, 8, 9)
    assert (kernels.all(axis=2) == kernels.any(axis=2)).all() and found.side["rows"] == 36
    assert "needs 9 word lines" in path.check(blank(4, 8, (3, 3)), Geometry(8, 8, 2))


def test_check_counts_rows_and_filters():
    def stored(mask):
        return Layer(name="conv", op="conv", inputs=("input",), in_shape=(len(mask), 7, 7),
                     out_shape=(mask.shape[1], 1, 1), weights=lambda: mask.T[:, :, None, None].astype(np.int8),
                     mask=lambda: mask.T[:, :, None, None])

    five, odd = np.zeros((2, 8, 6), bool)
    five[:5, :4] = True
    odd[:4, :3] = True
    assert "keeps 5 rows; it must keep a multiple of 4, or all 8" in HybridP().check(stored(five), TINY)
    assert "keeps 3 filters of a group; it must keep a multiple of 2, or all 6" in HybridP().check(stored(odd), TINY)


def test_every_block_fills_its_crossbars():
    """Dense 36 x 16 crossbars; 1/8 by half the filters' share: full crossbars of 128 rows and 32 filters alone."""
    w = np.random.default_rng(2).normal(size=(512, 512, 3, 3))
    geometry, layer = Geometry(128, 128, 2), blank(512, 512, (3, 3))
    found = HybridP().project(w, layer, geometry, 1 / 8)
    stored = Layer(name="conv", op="conv", inputs=("input",), in_shape=(512, 7, 7), out_shape=(512, 1, 1),
                   kernel=(3, 3), weights=lambda: found.mask.astype(np.int8), mask=lambda: found.mask)
    blocks = HybridP().pack(stored, geometry)
    assert all(b.rows == 128 and len(b.targets) == 32 for b in blocks)
    assert len(blocks) == found.mask.sum() / (128 * 32) == pytest.approx(36 * 16 / 8, rel=0.05)
