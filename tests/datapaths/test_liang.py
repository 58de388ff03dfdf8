"""Crossbar and column grain against brute force; feature maps put back together when packed."""

from itertools import combinations

import numpy as np
import pytest

from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.liang import Liang
from xbarch.functional.execute import reference, run
from xbarch.workload.graph import Layer

TINY = Geometry(4, 8, 2)  # 4 rows x 2 filters


def blank(filters, channels, kernel=(1, 1)):
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels, 7, 7), out_shape=(filters, 1, 1),
                 kernel=kernel)


def stored(mask):
    weights = np.random.default_rng(9).integers(-128, 128, mask.shape) * mask
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(mask.shape[1], 7, 7), out_shape=(len(mask), 1, 1),
                 kernel=mask.shape[2:], input_bits=4, weights=lambda: weights, mask=lambda: mask)


@pytest.mark.parametrize(("grain", "blocks", "keep"), [("crossbar", 4, 2), ("column", 8, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_blocks_of_largest_norm_stay(grain, blocks, keep, seed):
    """8 channels x 4 filters in order: half of the 4 x 2 blocks (or 4 x 1 columns), all choices tried."""
    w = np.random.default_rng(seed).normal(size=(4, 8, 1, 1))
    found = Liang({"grain": grain, "reorder": False}).project(w, blank(4, 8), TINY, 0.5)
    wide = 2 if grain == "crossbar" else 1
    energy = [float((w[f:f + wide, c:c + 4] ** 2).sum()) for f in range(0, 4, wide) for c in (0, 4)]
    best = max(sum(energy[i] for i in chosen) for chosen in combinations(range(blocks), keep))
    assert (found.weights ** 2).sum() == pytest.approx(best) and found.side["block"] == [wide, 4]


def test_reordering_puts_important_feature_maps_together():
    """Loud channels lie apart: in order every block holds two of them, reordered one holds all four."""
    w = np.ones((2, 8, 1, 1))
    w[:, [1, 2, 4, 7]] = 10
    found = Liang().project(w, blank(2, 8), TINY, 0.5)
    assert found.mask.any(axis=(0, 2, 3)).nonzero()[0].tolist() == [1, 2, 4, 7]
    apart = Liang({"reorder": False}).project(w, blank(2, 8), TINY, 0.5)
    assert (found.weights ** 2).sum() > (apart.weights ** 2).sum()


@pytest.mark.parametrize(("grain", "rate"), [("crossbar", 4), ("column", 4)])
def test_reordered_layers_pack_by_their_feature_maps(grain, rate):
    """512 filters of 196 = 14 x 14 channels, a quarter kept: columns of 14 reordered channels recombine. Lists of
    outputs only, and only where filters lie out of order."""
    w = np.random.default_rng(4).normal(size=(512, 196, 3, 3))
    path, geometry = Liang({"grain": grain}), Geometry(128, 128, 2)
    mask = path.project(w, blank(512, 196, (3, 3)), geometry, 1 / rate).mask
    layer = stored(mask)
    assert path.check(layer, geometry) == ""
    blocks = path.pack(layer, geometry)
    assert len(dense.blocks(layer, geometry)) == 14 * 16
    assert 14 * 16 / rate * 0.98 <= len(blocks) <= 14 * 16 / rate * 1.2
    extra = path.work(blocks, layer, geometry).extra
    assert set(extra) == {"index", "scatter"} == {a.action for a in path.components(geometry)}
    assert extra["scatter"].any() == (grain == "column")
    x = np.random.default_rng(5).integers(0, 16, (2, 196 * 9))
    assert np.array_equal(run(blocks, layer, geometry, x, "lossless").out, reference(layer, x))


def test_blocks_that_are_no_multiple_break_the_promise():
    mask = np.zeros((4, 12, 1, 1), bool)
    mask[:2, :3] = True
    mask[2:, 3:] = True
    assert "channels; these must be multiples of 4" in Liang().check(stored(mask), TINY)
    assert Liang({"kin": 3}).check(stored(mask), TINY) == ""


def test_lasso_groups_are_blocks():
    assert Liang({"reorder": False}).group(blank(64, 64, (3, 3)), Geometry(128, 128, 2)) == (32, 126)
    assert Liang().group(blank(64, 64, (3, 3)), Geometry(128, 128, 2)) is None
