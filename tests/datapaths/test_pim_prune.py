"""PIM-Prune's two stages against hand-made examples and brute force."""

from itertools import combinations, product

import numpy as np
import pytest

from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.pim_prune import PimPrune
from xbarch.workload.graph import Layer

TINY = Geometry(4, 8, 2, unit_column=True)  # 4 rows x 2 filters


def blank(filters, channels, kernel=(1, 1)):
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels, 7, 7), out_shape=(filters, 1, 1),
                 kernel=kernel)


def flat(mask):
    return mask.reshape(len(mask), -1).T


@pytest.mark.parametrize("seed", range(5))
def test_block_rows_are_the_nearest_of_all(seed):
    """Two of the four rows of every 4 x 2 block: all choices tried."""
    w = np.random.default_rng(seed).normal(size=(4, 8, 1, 1))
    path = PimPrune({"structured": 0, "block": "rows"})
    found = path.project(w, blank(4, 8), TINY, 0.5)
    assert found.side["stage2"] == ["block rows"] and found.side["density"] == 0.5
    best = 0.0
    for choice in product(combinations(range(4), 2), repeat=4):
        energy = sum(float((flat(w)[4 * (b // 2) + np.array(rows), 2 * (b % 2):2 * (b % 2) + 2] ** 2).sum())
                     for b, rows in enumerate(choice))
        best = max(best, energy)
    assert (found.weights ** 2).sum() == pytest.approx(best)


def test_block_columns_by_hand():
    """One of the two columns of every block, the larger."""
    w = np.zeros((4, 8, 1, 1))
    matrix = w.reshape(4, 8).T
    matrix[:4] = [1, 2, 4, 3]
    matrix[4:] = [2, 1, 3, 4]
    found = PimPrune({"structured": 0, "block": "columns"}).project(w, blank(4, 8), TINY, 0.5)
    assert flat(found.mask)[[0, 4]].tolist() == [[False, True, True, False], [True, False, False, True]]
    assert flat(found.mask).sum() == 16


def test_auto_loses_less():
    rng = np.random.default_rng(0)
    for w in rng.normal(size=(6, 8, 12, 1, 1)) * rng.choice([1, 5], (6, 8, 12, 1, 1)):
        kept = {b: (PimPrune({"block": b}).project(w, blank(8, 12), TINY, 0.5).weights ** 2).sum()
                for b in ("rows", "columns", "auto")}
        assert kept["auto"] == max(kept["rows"], kept["columns"])


def test_narrow_and_flat_matrices_keep_whole_crossbars():
    """Two filters fill a crossbar, so rows go four at a time: 12 -> 8 is nearest to 0.6. Four rows fill one, so
    filters go two at a time: 8 -> 4 is nearest to 0.5."""
    rng = np.random.default_rng(1)
    w = rng.normal(size=(2, 12, 1, 1))
    found = PimPrune({"structured": 0}).project(w, blank(2, 12), TINY, 0.6)
    rows = flat(found.mask).all(axis=1)
    assert found.side["stage2"] == ["crossbar rows"] and rows.sum() == 8 == flat(found.mask).any(axis=1).sum()
    norms = (flat(w) ** 2).sum(axis=1)
    assert norms[rows].min() > norms[~rows].max()
    found = PimPrune({"structured": 0}).project(rng.normal(size=(8, 4, 1, 1)), blank(8, 4), TINY, 0.5)
    assert found.side["stage2"] == ["crossbar columns"] and flat(found.mask).all(axis=0).sum() == 4


def test_first_stage_removes_filters_and_channels():
    """All of the pruning: half of the filters and half of the channels are a quarter; the loudest stay."""
    rng = np.random.default_rng(2)
    w = rng.normal(size=(8, 6, 3, 3))
    w[::2] *= 10
    w[:, :3] *= 10
    found = PimPrune({"structured": 1}).project(w, blank(8, 6, (3, 3)), Geometry(128, 128, 2), 0.25)
    expected = np.zeros(w.shape, bool)
    expected[::2, :3] = True
    assert np.array_equal(found.mask, expected)


@pytest.mark.parametrize("block", ["rows", "columns"])
def test_an_eighth_saves_nearly_eight_times_the_crossbars(block):
    """512 filters of 2304 rows, 288 crossbars dense: a stage 1 of sqrt(1/8), then a stage 2 of as much."""
    rng = np.random.default_rng(3)
    w = rng.normal(size=(512, 256, 3, 3))
    layer, geometry = blank(512, 256, (3, 3)), Geometry(128, 128, 2)
    path = PimPrune({"block": block})
    mask = path.project(w, layer, geometry, 1 / 8).mask
    stored = Layer(name="conv", op="conv", inputs=("input",), in_shape=(256, 7, 7), out_shape=(512, 1, 1),
                   kernel=(3, 3), weights=lambda: mask.astype(np.int8), mask=lambda: mask)
    assert len(dense.blocks(stored, geometry)) == 288
    crossbars = len({b.crossbar for b in path.pack(stored, geometry)})
    assert 288 / 8 <= crossbars <= 288 / 8 * 1.25
