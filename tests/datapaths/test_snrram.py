"""SNrram and ReCom: what is stored against sets, zero activations against loops over windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from piecerigs import FULL, SMALL, SRE, conv, emitted, exact, lawful, recounted, stream

from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.recom import ReCom
from xbarch.datapaths.snrram import SNrram
from xbarch.datapaths.tools import pieces
from xbarch.errors import InputError

ISAAC = Geometry(128, 128, 2)


def blank(shape):
    return conv(np.ones(shape))


def images(rng, windows, inputs):
    """Windows of which most row groups are zero."""
    x = rng.integers(0, 16, (windows, inputs))
    for r in range(0, inputs, 4):
        x[rng.random(windows) < 0.7, r:r + 4] = 0
    return x


# -- projections ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("path", "size"), [
    (SNrram(), (16, 1)), (SNrram({"grain": "row"}), (1, 24)), (ReCom(), (1, 24)),
    (ReCom({"grain": "filters"}), (72, 1))])
@pytest.mark.parametrize("density", [0.1, 0.5, 1])
def test_the_groups_of_largest_norm_stay(path, size, density):
    """Groups of `size` rows and filters of a 72 x 24 matrix, added up by loops."""
    weights = np.random.default_rng(0).normal(size=(24, 8, 3, 3))
    found = path.project(weights, blank(weights.shape), SRE, density)
    matrix = weights.reshape(24, 72).T
    norms = sorted((np.square(matrix[r:r + size[0], f:f + size[1]]).sum() for r in range(0, 72, size[0])
                    for f in range(0, 24, size[1])), reverse=True)
    assert (found.weights ** 2).sum() == pytest.approx(sum(norms[:round(density * len(norms))]))
    assert np.array_equal(found.weights, weights * found.mask)


def test_rows_of_the_filters_left():
    weights = np.random.default_rng(1).normal(size=(32, 8, 3, 3))
    mask = ReCom({"grain": "both"}).project(weights, blank(weights.shape), SRE, 0.25).mask.reshape(32, 72)
    filters = np.square(weights).sum(axis=(1, 2, 3)).argsort()[-16:]
    rows = np.square(weights[filters]).reshape(16, 72).sum(axis=0).argsort()[-36:]
    expected = np.zeros((32, 72), bool)
    expected[np.ix_(filters, rows)] = True
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize("path", [SNrram(), ReCom(), ReCom({"grain": "both"})])
@pytest.mark.parametrize("density", [0, -0.5, 1.01, 1e-6])
def test_densities_out_of_reach_are_refused(path, density):
    weights = np.ones((4, 4, 3, 3))
    with pytest.raises(InputError, match=r"^density: .* layer conv"):
        path.project(weights, blank(weights.shape), SRE, density)


# -- packing --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("sign", ["offset", "differential", "twos"])
def test_only_columns_with_a_weight_are_stored(sign):
    """Columns of 16 rows: each of those left is stored once, with the filters of its strip."""
    path, weights = SNrram({"sign": sign}), np.random.default_rng(2).normal(size=(64, 16, 3, 3))
    mask = path.project(weights, blank(weights.shape), SRE, 0.2).mask
    blocks, ours, theirs = lawful(path, conv(mask), SRE)
    assert ours[0] * 3 < theirs[0] and all(b.rows == 16 for b in blocks)
    stored = {(int(b.inputs[0]), int(f)) for b in blocks for f in b.targets}
    assert stored == {(r, f) for r in range(0, 144, 16) for f in range(64) if mask.reshape(64, 144)[f, r:r + 16].any()}
    assert sum(b.kept for b in blocks) == len(stored) * 16 * dense.per_weight(8, SRE, sign)


def test_recom_packs_what_is_left_as_dense_packs_a_smaller_layer():
    path, weights = ReCom({"grain": "both"}), np.random.default_rng(3).normal(size=(128, 64, 3, 3))
    mask = path.project(weights, blank(weights.shape), ISAAC, 0.25).mask
    blocks, ours, theirs = lawful(path, conv(mask), ISAAC)
    smaller = len(dense.blocks(blank((64, 288, 1, 1)), ISAAC))
    assert len(blocks) == ours[0] == smaller < theirs[0] / 3


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([SRE, SMALL, FULL]), st.sampled_from([SNrram(), ReCom()]))
def test_any_mask_is_exact_and_costs_no_more_than_dense(seed, geometry, path):
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    shape = (groups * int(rng.integers(1, 16)), int(rng.integers(1, 16)), *rng.integers(1, 4, 2))
    mask = rng.random(shape) < rng.choice([0, 0.03, 0.4])
    mask &= rng.random((shape[0], 1, 1, 1)) < 0.6
    lawful(path, conv(mask, groups=groups), geometry)


@pytest.mark.parametrize("path", [SNrram(), ReCom()])
def test_a_smaller_mask_never_costs_more_than_all_of_it(path):
    weights = np.random.default_rng(4).normal(size=(48, 32, 3, 3))
    costs = [pieces.cost(exact(path, conv(path.project(weights, blank(weights.shape), SRE, d).mask), SRE), SRE)
             for d in (1, 0.7, 0.4, 0.2, 0.05)]
    assert all(a <= b for cost in costs for a, b in zip(cost, costs[0], strict=True))
    assert costs[-1][1] * 5 < costs[0][1]


# -- zero activations -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("geometry", [SRE, SMALL, FULL])
@pytest.mark.parametrize("path", [SNrram(), ReCom()])
@pytest.mark.parametrize("density", [0.3, 1])
def test_units_whose_inputs_are_all_zero_are_not_read(path, geometry, density):
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(24, 8, 3, 3))
    layer = conv(path.project(weights, blank(weights.shape), geometry, density).mask, windows=10)
    x, blocks = images(rng, 10, 72), path.pack(layer, geometry)
    work = path.work(blocks, layer, geometry, stream(x))
    expected = recounted(blocks, geometry, 4, x, lambda inputs, w: x[w, inputs].any())
    assert np.array_equal(emitted(work, 10), expected)
    assert work.outputs.sum() == sum(b.outputs for b in blocks)
    assert set(work.extra) == {a.action for a in path.components(geometry)}


@pytest.mark.parametrize("kind", [SNrram, ReCom])
def test_skipping_can_be_switched_off_and_needs_inputs(kind):
    layer, x = conv(np.ones((8, 4, 3, 3)), windows=3), np.zeros((3, 36), np.int64)
    on, off = kind(), kind({"skip_zeros": False})
    blocks = on.pack(layer, SRE)
    assert not on.work(blocks, layer, SRE, stream(x)).reads.any()
    whole = on.work(blocks, layer, SRE)
    assert whole.reads.ndim == 1 and np.array_equal(off.work(blocks, layer, SRE, stream(x)).reads, whole.reads)
    assert "zero" in whole.extra and "zero" not in off.work(blocks, layer, SRE).extra
    assert {a.action for a in off.components(SRE)} == set(off.work(blocks, layer, SRE).extra)


def test_finer_units_skip_no_less():
    """Cells sensed with units of 4, 8 and 16 rows: fewer rows are zero together more often."""
    rng = np.random.default_rng(6)
    layer, x = conv(np.ones((16, 16, 1, 1)), windows=40), images(rng, 40, 16)
    sensed = []
    for rows in (4, 8, 16):
        geometry = Geometry(16, 64, 2, unit_column=False, ou_rows=rows, ou_columns=16)
        path = ReCom({"sign": "differential"})
        work = path.work(path.pack(layer, geometry), layer, geometry, stream(x))
        sensed.append(int((work.reads * work.cells).sum()))
    assert sensed[0] < sensed[1] < sensed[2]
