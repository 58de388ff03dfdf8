"""AUTO-PRUNE and APQ: vectors of operation units counted again from the mask."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbarch.datapaths.auto_prune import AutoPrune
from xbarch.datapaths.base import Geometry, standard_work
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.sre import Sre
from xbarch.errors import InputError
from xbarch.functional.execute import run
from xbarch.plugins import checked
from xbarch.workload.graph import Layer, Workload

MACHINE = Geometry(128, 128, 2, dac_bits=1, adc_bits=6, unit_column=False, ou_rows=16, ou_columns=16)
SMALL = Geometry(12, 20, 2, dac_bits=1, adc_bits=4, unit_column=False, ou_rows=4, ou_columns=6)


def conv(mask, weight_bits=4, input_bits=3, groups=1):
    """A layer of one window with that mask [F, C / groups, kh, kw] and random weights."""
    mask = np.asarray(mask, bool)
    top = (1 << weight_bits - 1) - 1
    weights = np.random.default_rng(0).integers(-top - 1, top + 1, mask.shape).astype(np.int16) * mask
    filters, channels, *kernel = mask.shape
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels * groups, *kernel),
                 out_shape=(filters, 1, 1), kernel=tuple(kernel), groups=groups, weight_bits=weight_bits,
                 input_bits=input_bits, weights=lambda: weights, mask=lambda: mask)


def matrix(rows, **more):
    """A layer of that mask [R, F]."""
    return conv(np.asarray(rows, bool).T[:, :, None, None], **more)


def drawn(rng):
    """A layer whose vectors of four rows are kept or not, and some weights of kept ones not."""
    groups = int(rng.integers(1, 3))
    rows, filters = int(rng.integers(1, 50)), groups * int(rng.integers(1, 14))
    vectors = rng.random((-(-rows // 4), filters)) < rng.choice([0.1, 0.3, 0.6])
    kept = vectors.repeat(4, axis=0)[:rows] & (rng.random((rows, filters)) < 0.9)
    return conv(kept.T[:, :, None, None], groups=groups)


@pytest.mark.parametrize("keep", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_projection_is_the_best_of_all_vectors(seed, keep):
    """Six rows, three filters, units of four rows: six vectors, of four and of two weights; every choice tried."""
    weights = np.random.default_rng(seed).normal(size=(3, 6, 1, 1))
    found = AutoPrune().project(weights, matrix(np.ones((6, 3))), SMALL, keep / 6)
    energy = weights[:, :, 0, 0] ** 2
    vectors = [part.sum() for row in energy for part in (row[:4], row[4:])]
    assert (found.weights ** 2).sum() == pytest.approx(max(sum(c) for c in combinations(vectors, keep)))
    assert np.array_equal(found.weights, weights * found.mask)
    flat = found.mask[:, :, 0, 0]
    assert all(part.all() or not part.any() for row in flat for part in (row[:4], row[4:]))


def test_grain_rows_projects_as_sre():
    weights = np.random.default_rng(0).normal(size=(9, 10, 3, 1))
    layer = conv(np.ones((9, 10, 3, 1)))
    ours = AutoPrune({"grain": "rows"}).project(weights, layer, SMALL, 0.3)
    assert np.array_equal(ours.mask, Sre().project(weights, layer, SMALL, 0.3).mask)


def test_without_operation_units_the_array_is_one():
    weights, layer = np.random.default_rng(0).normal(size=(4, 20, 1, 1)), matrix(np.ones((20, 4)))
    bare = Geometry(128, 128, 2)
    assert AutoPrune().project(weights, layer, bare, 0.5).side["of"] == 4    # the array is one unit of 128 rows
    assert AutoPrune().project(weights, layer, SMALL, 0.5).side["of"] == 20  # four rows
    rows = AutoPrune({"grain": "rows"})
    assert rows.project(weights, layer, bare, 0.5).side["of"] == 20          # all four filters beside one another
    assert rows.project(weights, layer, SMALL, 0.5).side["of"] == 40         # two


@pytest.mark.parametrize("density", [0, 2, 1e-3])
def test_densities_refused(density):
    with pytest.raises(InputError, match=r"density: .*conv"):
        AutoPrune().project(np.ones((3, 6, 1, 1)), matrix(np.ones((6, 3))), SMALL, density)


def test_by_hand():
    """Filters 0 and 3 keep the first strip of four rows, 1 the second: two pieces of one crossbar."""
    mask = np.zeros((16, 20))
    mask[:4, [0, 3]] = mask[4:8, 1] = 1
    layer = matrix(mask)
    blocks = AutoPrune().pack(layer, SMALL)
    assert [(b.crossbar, b.inputs.tolist(), b.targets.tolist(), b.columns, b.kept) for b in blocks] == [
        (0, [0, 1, 2, 3], [0, 3], 5, 16), (0, [4, 5, 6, 7], [1], 3, 8)]
    work = AutoPrune().work(blocks, layer, SMALL)
    assert work.reads.tolist() == [3, 3] and work.columns.tolist() == [5, 3] and work.rows.tolist() == [4, 4]
    assert work.extra["scatter"].tolist() == [2] and work.extra["gather"].tolist() == [0]
    assert work.extra["index"].tolist() == [1]  # two ids of five bits


def test_vectors_of_a_projection_fill_units():
    """A quarter of the vectors kept: each strip reads ceil(bit lines of its kept filters / 16) units a phase."""
    weights = np.random.default_rng(0).normal(size=(128, 512, 1, 1))
    mask = AutoPrune().project(weights, matrix(np.ones((512, 128)), weight_bits=8), MACHINE, 0.25).mask
    layer = conv(mask, 8)
    blocks = AutoPrune().pack(layer, MACHINE)
    kept = mask[:, ::16, 0, 0].sum(axis=0)
    units = sum(-(-(min(31, k - f) * 4 + 1) // 16) for k in kept.tolist() for f in range(0, k, 31))
    assert AutoPrune().work(blocks, layer, MACHINE).reads.sum() == 3 * units
    assert 5 <= max(b.crossbar for b in blocks) + 1 <= 7  # a quarter of the 5 x 4 of the dense layer is 5
    assert len(Dense().pack(layer, MACHINE)) == 20


@pytest.mark.parametrize("options", [{}, {"grain": "rows"}, {"sign": "twos"}, {"sign": "differential"}])
def test_exact(options):
    rng = np.random.default_rng(7)
    compacted, path = 0, AutoPrune(options)
    for _ in range(40):
        layer = drawn(rng)
        blocks = checked.blocks(path, layer, SMALL)
        checked.work(path, blocks, layer, SMALL)
        compacted += max(b.crossbar for b in blocks) + 1 < len(blocks)
        x = rng.integers(0, 8, (4, layer.rows * layer.groups))
        x[0] = 7
        per = layer.filters // layer.groups
        expected = np.concatenate([
            x[:, g * layer.rows:(g + 1) * layer.rows] @ layer.matrix[:, g * per:(g + 1) * per].astype(np.int64)
            for g in range(layer.groups)], axis=1)
        done = run(blocks, layer, SMALL, x, "lossless")
        assert np.array_equal(done.out, expected) and done.clips == 0 and done.bits <= 4
    assert compacted > 10


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["vectors", "rows"]))
def test_laws(seed, grain):
    rng = np.random.default_rng(seed)
    layer, path = drawn(rng), AutoPrune({"grain": grain})
    mask = layer.mask()
    less = conv(mask & (rng.random(mask.shape) < 0.7), groups=layer.groups)
    blocks, whole = path.pack(layer, SMALL), Dense().pack(layer, SMALL)
    kept = sum(b.kept for b in blocks)
    assert sum(b.kept for b in path.pack(less, SMALL)) <= kept == 2 * int(mask.sum())
    assert len(whole) >= max(b.crossbar for b in blocks) + 1 >= -(-kept // (12 * 20))
    work, dense = path.work(blocks, layer, SMALL), standard_work(whole, 3, SMALL)
    assert work.reads.sum() <= dense.reads.sum()
    assert (work.reads * work.columns).sum() <= (dense.reads * dense.columns).sum()


def test_nothing_left_and_nothing_to_sense_apart():
    blocks = AutoPrune().pack(matrix(np.zeros((300, 40)), weight_bits=8), MACHINE)
    assert len(blocks) == 1 and blocks[0].kept == 0
    network = Workload(name="w", layers=(matrix(np.ones((4, 4))),))
    assert "operation units" in AutoPrune().accepts(network, Geometry(128, 128, 2))
    assert AutoPrune().accepts(network, MACHINE) == ""
