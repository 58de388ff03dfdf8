"""Masks packed block by block: against a recount by loops, the laws of pruning, and integers."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.hybrid_p import HybridP
from xbarch.datapaths.liang import Liang
from xbarch.datapaths.pim_prune import PimPrune
from xbarch.datapaths.tiny_but_accurate import TinyButAccurate
from xbarch.datapaths.tools import indices
from xbarch.datapaths.tools.compact import ranked
from xbarch.datapaths.tools.cuts import by_blocks, by_columns_of_blocks, by_layer, by_rows_of_blocks, whole
from xbarch.errors import InputError
from xbarch.functional.execute import reference, run
from xbarch.workload.graph import Layer

ISAAC = Geometry(128, 128, 2)
SRE = replace(ISAAC, ou_rows=16, ou_columns=16, adc_bits=6)
SMALL = Geometry(8, 17, 2)  # four 8-bit filters and the unit column beside the array
PATHS = [PimPrune, HybridP, Liang, TinyButAccurate]


def conv(mask, kernel=(1, 1), groups=1, seed=0):
    """An 8-bit layer with that mask [rows, filters], random weights."""
    rows, filters = mask.shape
    area = kernel[0] * kernel[1]
    shape = (filters, rows // area, *kernel)
    kept = np.ascontiguousarray(mask.T).reshape(shape)
    weights = np.random.default_rng(seed).integers(-128, 128, shape) * kept
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(rows // area * groups, 7, 7),
                 out_shape=(filters, 1, 1), kernel=kernel, groups=groups, input_bits=4, weights=lambda: weights,
                 mask=lambda: kept)


def structured(rng, rows, filters, tall, per):
    """Rows, columns, or both removed of blocks, and whole filters."""
    mask = np.ones((rows, filters), bool)
    for r in range(0, rows, tall):
        for f in range(0, filters, per):
            part = mask[r:r + tall, f:f + per]
            part &= rng.random((len(part), 1)) < rng.choice([0.2, 0.6, 1])
            part &= rng.random((1, part.shape[1])) < rng.choice([0.2, 0.6, 1])
    return mask & (rng.random(filters) < rng.choice([0.4, 1]))


def loops(mask, tall, per):
    """Pieces (rows, filters) of each way, by loops over sets."""
    rows = [r for r in range(len(mask)) if mask[r].any()]
    filters = [f for f in range(mask.shape[1]) if mask[:, f].any()]
    down, across, both = [], [], []
    for i in range(0, len(filters), per):
        block = filters[i:i + per]
        kept = [r for r in rows if any(mask[r, f] for f in block)]
        down += [(kept[j:j + tall], block) for j in range(0, len(kept), tall)]
    for j in range(0, len(rows), tall):
        band = rows[j:j + tall]
        kept = [f for f in filters if any(mask[r, f] for r in band)]
        across += [(band, kept[i:i + per]) for i in range(0, len(kept), per)]
    for i in range(0, len(filters), per):
        for j in range(0, len(rows), tall):
            r = [x for x in rows[j:j + tall] if any(mask[x, f] for f in filters[i:i + per])]
            f = [x for x in filters[i:i + per] if any(mask[y, x] for y in rows[j:j + tall])]
            both += [(r, f)] if r else []
    return {by_columns_of_blocks: down, by_rows_of_blocks: across, by_blocks: both}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
def test_ways_equal_a_recount_by_loops(seed, tall, per):
    rng = np.random.default_rng(seed)
    mask = structured(rng, int(rng.integers(1, 30)), int(rng.integers(1, 30)), tall, per)
    for way, expected in loops(mask, tall, per).items():
        assert [(p.rows.tolist(), p.filters.tolist()) for p in way(mask, tall, per)] == expected
    left = mask[mask.any(axis=1)][:, mask.any(axis=0)].shape
    assert len(list(by_layer(mask, tall, per))) == ceil(left[0] / tall) * ceil(left[1] / per)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(PATHS), st.sampled_from([SMALL, replace(SMALL, ou_rows=3,
                                                                                         ou_columns=4)]))
def test_laws(seed, kind, geometry):
    """Exact; never more crossbars, conversions or reads than unpruned; no fewer crossbars than the kept cells fill."""
    rng = np.random.default_rng(seed)
    mask = structured(rng, int(rng.integers(1, 40)), int(rng.integers(1, 40)), 8, 4)
    layer = conv(mask)
    blocks, unpruned = kind().pack(layer, geometry), dense.blocks(layer, geometry)
    x = np.concatenate((np.full((1, layer.rows), 15), rng.integers(0, 16, (3, layer.rows))))
    done = run(blocks, layer, geometry, x, "lossless")
    assert np.array_equal(done.out, reference(layer, x)) and done.clips == 0
    assert sum(b.kept for b in blocks) == mask.sum() * 4
    crossbars = len({b.crossbar for b in blocks})
    assert ceil(mask.sum() * 4 / (8 * 17)) <= crossbars <= len(unpruned)
    work, before = kind().work(blocks, layer, geometry), dense.Dense().work(unpruned, layer, geometry)
    assert (work.reads * work.columns).sum() <= (before.reads * before.columns).sum()
    assert not geometry.operation_units or work.reads.sum() <= before.reads.sum()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_smaller_mask_costs_no_more(seed):
    """While no filter and no row of the layer is emptied, which would put others together in blocks anew."""
    rng = np.random.default_rng(seed)
    mask = structured(rng, int(rng.integers(2, 30)), int(rng.integers(2, 30)), 8, 4)
    smaller = mask & (rng.random(mask.shape) < 0.7)
    smaller[mask.argmax(axis=0), np.arange(mask.shape[1])] |= mask.any(axis=0)
    smaller[np.arange(len(mask)), mask.argmax(axis=1)] |= mask.any(axis=1)
    for way in (by_columns_of_blocks, by_rows_of_blocks, by_blocks, by_layer):
        cells, steps = ([sum(cost(p) for p in way(m, 8, 4)) for m in (mask, smaller)] for cost in (
            lambda p: len(p.rows) * len(p.filters), lambda p: ceil(len(p.rows) / 3) * ceil(len(p.filters) * 4 / 4)))
        assert cells[1] <= cells[0] and steps[1] <= steps[0]


def test_blocks_of_few_rows_are_stacked():
    """256 rows x 64 filters, every second row of each block: 4 crossbars dense, 2 where rows close up; an eighth of
    the rows of each: two column blocks of 32 rows share one crossbar and are read one after the other."""
    half, eighth = np.zeros((2, 256, 64), bool)
    half[::2] = True
    eighth[:128:4, :32] = True
    eighth[1::8, 32:] = True
    assert len(dense.blocks(conv(half), ISAAC)) == 4
    assert [(b.crossbar, b.rows) for b in PimPrune().pack(conv(half), ISAAC)] == [(0, 128), (1, 128)]
    apart = PimPrune({"stack": False}).pack(conv(eighth), ISAAC)
    assert [(b.crossbar, b.rows) for b in apart] == [(0, 32), (1, 32)]
    layer = conv(eighth)
    stacked = PimPrune().pack(layer, ISAAC)
    assert [(b.crossbar, b.row0, b.group, b.columns) for b in stacked] == [(0, 0, 0, 129), (0, 32, 1, 129)]
    work = PimPrune().work(stacked, layer, ISAAC)
    assert work.reads.tolist() == [4, 4] and work.rows.tolist() == [32, 32]


def test_operation_units_counted_by_hand():
    """40 kept rows: 3 rows of units (16, 16, 8), 10 weights of 4 bit lines and a reference in 3 columns of units, 4
    phases; where bit lines are not gated units convert all of their 16."""
    mask = np.zeros((200, 10), bool)
    mask[5::5] = True
    mask[0] = True
    layer = conv(mask)
    for gated, lines in ((True, 41), (False, 48)):
        geometry = replace(SRE, gated=gated)
        blocks = TinyButAccurate().pack(layer, geometry)
        work = TinyButAccurate().work(blocks, layer, geometry)
        assert [b.rows for b in blocks] == [40] and work.reads.sum() == 3 * 3 * 4
        assert (work.reads * work.columns).sum() == 3 * lines * 4
        assert (work.reads * work.cells).sum() == 40 * lines * 4


def test_lists_by_hand():
    """Rows 0, 2, .. of one column block of a channel and of a removed one, filters 0, 3, 6, .."""
    mask = np.zeros((18, 12), bool)
    mask[:9:2, ::3] = True
    layer = conv(mask, (3, 3))
    blocks = list(PimPrune().pack(layer, Geometry(4, 17, 2)))
    assert [b.inputs.tolist() for b in blocks] == [[0, 2, 4, 6], [8]]
    assert [b.targets.tolist() for b in blocks] == [[0, 3, 6, 9]] * 2
    near = ranked(blocks, layer)
    assert [b.inputs.tolist() for b in near] == [[0, 2, 4, 6], [8]]
    assert [b.targets.tolist() for b in near] == [[0, 1, 2, 3]] * 2
    assert [indices.gathered(b) for b in near] == [4, 0] and [indices.scattered(b) for b in near] == [0, 0]
    # first row of 18 (5 bits), then a mask of rows 0 to 6; of nothing else
    assert PimPrune().index_bits(blocks, layer, SMALL) == 5 + 7
    assert TinyButAccurate().index_bits(blocks, layer, SMALL) == 0
    extra = PimPrune().work(blocks, layer, Geometry(4, 17, 2)).extra
    assert {k: v.tolist() for k, v in extra.items()} == {"index": [1, 0], "gather": [4, 0], "scatter": [0, 0]}


def test_a_removed_channel_or_filter_needs_no_list():
    mask = np.ones((90, 24), bool)
    mask[18:27] = mask[45:54] = False
    mask[:, ::3] = False
    layer = conv(mask, (3, 3))
    geometry = Geometry(32, 33, 2)
    blocks = HybridP().pack(layer, geometry)
    assert len(blocks) < len(dense.blocks(layer, geometry))
    assert not any(v.any() for v in HybridP().work(blocks, layer, geometry).extra.values())


@pytest.mark.parametrize("kind", PATHS)
def test_unpruned_layers_are_dense(kind):
    """And so is what saves nothing where lists would have to be kept."""
    layer = conv(np.ones((100, 50), bool))
    path = kind()
    blocks = path.pack(layer, SMALL)
    assert [(b.crossbar, b.inputs.tolist(), b.columns) for b in blocks] == [
        (b.crossbar, b.inputs.tolist(), b.columns) for b in dense.blocks(layer, SMALL)]
    assert all(not v.any() for v in path.work(blocks, layer, SMALL).extra.values())


@pytest.mark.parametrize("kind", PATHS)
def test_groups_of_a_convolution_do_not_share_crossbars(kind):
    rng = np.random.default_rng(1)
    layer = conv(structured(rng, 18, 12, 8, 4), (3, 3), groups=3)
    blocks = kind().pack(layer, SMALL)
    owner = {}
    for b in blocks:
        owner.setdefault(b.crossbar, set()).add(int(b.targets[0]) // 4)
    assert all(len(groups) == 1 for groups in owner.values())
    x = rng.integers(0, 16, (4, 54))
    assert np.array_equal(run(blocks, layer, SMALL, x, "lossless").out, reference(layer, x))


def test_whole_crossbars():
    assert [whole(w, 8, 20) for w in (0, 8, 11, 12, 13, 17, 19, 99)] == [8, 8, 8, 8, 16, 16, 20, 20]


def blank(filters, channels, kernel):
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels, 7, 7), out_shape=(filters, 1, 1),
                 kernel=kernel)


@pytest.mark.parametrize("kind", PATHS)
def test_densities_are_shared_out(kind):
    """As asked in all, none below what its layer can reach; each then projects within one crossbar of it."""
    layers = [blank(16, 8, (3, 3)), blank(64, 64, (3, 3)), blank(200, 100, (1, 1))]
    path, size = kind(), [la.rows * la.filters for la in layers]
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=(la.filters, la.in_shape[0], *la.kernel)) for la in layers]
    for density in (0.3, 0.6, 1.0):
        shares = path.share(weights, layers, ISAAC, density)
        assert np.dot(shares, size) == pytest.approx(density * sum(size))
        for share, layer, w in zip(shares, layers, weights, strict=True):
            assert path.least(layer, ISAAC) <= share <= 1
            mask = path.project(w, layer, ISAAC, share).mask
            assert abs(mask.sum() - share * mask.size) <= 128 * 32 and (density < 1 or mask.all())
    with pytest.raises(InputError, match="every layer at its least"):
        path.share(weights, layers, ISAAC, 1e-6)


@pytest.mark.parametrize("kind", PATHS)
def test_refusals(kind):
    path, layer = kind(), blank(64, 64, (3, 3))
    w = np.ones((64, 64, 3, 3))
    for density in (0.0, 1.5, float("nan"), 1e-9):
        with pytest.raises(InputError, match=r"density: must be .* to 1 for layer conv, not "):
            path.project(w, layer, ISAAC, density)
    with pytest.raises(InputError, match=r"weights: must have the shape \(64, 64, 3, 3\) for layer conv, not "):
        path.project(w[:3], layer, ISAAC, 0.5)
    with pytest.raises(InputError, match="not finite"):
        path.project(w * np.inf, layer, ISAAC, 0.5)
    with pytest.raises(InputError, match="needs 4 bit lines, the crossbar has 3"):
        path.project(w, layer, Geometry(128, 3, 2), 0.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([
    (PimPrune, {}), (PimPrune, {"block": "rows", "structured": 0}), (PimPrune, {"block": "columns", "structured": 0}),
    (HybridP, {}), (HybridP, {"unit": "kernels"}), (Liang, {}), (Liang, {"grain": "column"}),
    (Liang, {"kin": 3, "kout": 2, "reorder": False}), (TinyButAccurate, {}), (TinyButAccurate, {"shape": "channels"})]))
def test_projections_keep_their_promise(seed, method):
    """A projection passes the method's own check, is deterministic and one of itself, and packs in fewer crossbars."""
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2]))
    filters, channels = int(rng.integers(2, 30)), int(rng.integers(2, 30))
    kernel = (1, 1) if rng.random() < 0.3 else (3, 2)
    layer = replace(blank(filters * groups, channels * groups, kernel), groups=groups)
    path, geometry = method[0](method[1]), Geometry(int(rng.integers(6, 30)), int(rng.integers(5, 40)), 2)
    w = rng.normal(size=(filters * groups, channels, *kernel))
    density = float(rng.uniform(path.least(layer, geometry), 1))
    found = path.project(w, layer, geometry, density)
    assert np.array_equal(found.weights, w * found.mask) and found.mask.any()
    assert found.side["density"] == found.mask.mean()
    assert np.array_equal(path.project(w, layer, geometry, density).mask, found.mask)
    stored = replace(layer, weights=lambda: found.mask.astype(np.int64), mask=lambda: found.mask)
    assert path.check(stored, geometry) == ""
    assert path.project(w, layer, geometry, 1.0).mask.all()


@pytest.mark.parametrize(("kind", "says"), [
    (PimPrune, "a block of layer conv"), (HybridP, "filters of a column block of layer conv must keep the same rows"),
    (Liang, "layer conv keeps parts of blocks"), (TinyButAccurate, "layer conv keeps")])
def test_single_weights_break_the_promise(kind, says):
    mask = np.random.default_rng(0).random((72, 40)) < 0.5
    layer = conv(mask, (3, 3))
    assert says in kind().check(layer, ISAAC)
    x = np.full((1, 72), 15)
    assert np.array_equal(run(kind().pack(layer, ISAAC), layer, ISAAC, x, "lossless").out, reference(layer, x))
