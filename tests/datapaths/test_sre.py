"""Sparse ReRAM Engine: groups of columns counted again by loops, row ids read back, laws over random masks."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbarch.datapaths.base import Geometry, Stream, standard_work
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.sre import Sre
from xbarch.datapaths.tools import indices, sparse_units
from xbarch.errors import InputError
from xbarch.functional.execute import run
from xbarch.plugins import checked
from xbarch.workload.graph import Layer, Workload

MACHINE = Geometry(128, 128, 2, dac_bits=1, adc_bits=6, unit_column=False, ou_rows=16, ou_columns=16)
SMALL = Geometry(12, 20, 2, dac_bits=1, adc_bits=4, unit_column=False, ou_rows=4,
                 ou_columns=6)  # units of one 4-bit weight pair and a reference


def conv(mask, weight_bits=8, input_bits=8, groups=1, seed=0):
    """A layer of one window with that mask [F, C / groups, kh, kw] and random weights."""
    mask = np.asarray(mask, bool)
    top = (1 << weight_bits - 1) - 1
    weights = np.random.default_rng(seed).integers(-top - 1, top + 1, mask.shape).astype(np.int16) * mask
    filters, channels, *kernel = mask.shape
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels * groups, *kernel),
                 out_shape=(filters, 1, 1), kernel=tuple(kernel), groups=groups, weight_bits=weight_bits,
                 input_bits=input_bits, weights=lambda: weights, mask=lambda: mask)


def matrix(rows, **more):
    """A layer of that mask [R, F]."""
    return conv(np.asarray(rows, bool).T[:, :, None, None], **more)


def stream(x, bits):
    return Stream(len(x), bits, lambda: x)


def random_layer(rng, geometry):
    groups = int(rng.integers(1, 3))
    shape = (groups * int(rng.integers(1, 12)), int(rng.integers(1, 9)), 3, int(rng.integers(1, 4)))
    slices = rng.random((shape[0] // groups // 2 + 1, *shape[1:])) < rng.choice([0.1, 0.3, 0.6])
    mask = np.tile(slices.repeat(2, axis=0)[:shape[0] // groups], (groups, 1, 1, 1))
    return conv(mask & (rng.random(shape) < 0.9), 4, int(rng.integers(1, 6)), groups, int(rng.integers(99)))


# -- projection -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("keep", [1, 3, 5])
def test_projection_is_the_best_of_all(seed, keep):
    """Four rows, three filters, groups of two filters: every choice of so many of the eight slices tried."""
    layer = matrix(np.ones((4, 3)), weight_bits=4)
    weights = np.random.default_rng(seed).normal(size=(3, 4, 1, 1))
    found = Sre().project(weights, layer, SMALL, keep / 8)
    energy = weights[:, :, 0, 0].T ** 2
    slices = [energy[r, f:f + 2].sum() for r in range(4) for f in (0, 2)]
    best = max(sum(chosen) for chosen in combinations(slices, keep))
    assert (found.weights ** 2).sum() == pytest.approx(best) and found.side == {"groups": keep, "of": 8}
    assert np.array_equal(found.weights, weights * found.mask)
    assert (found.mask[0] == found.mask[1]).all()


def test_projection_of_a_grouped_convolution_stays_inside_its_groups():
    layer = conv(np.ones((6, 2, 1, 1)), 4, groups=2)  # three filters a group: slices of two and of one
    found = Sre().project(np.arange(1.0, 13).reshape(6, 2, 1, 1), layer, SMALL, 3 / 8)
    assert found.side == {"groups": 3, "of": 8}  # 8, 10 with norm² 164, 7, 9 with 130 and 12 alone with 144
    assert found.weights[:, :, 0, 0].tolist() == [[0, 0], [0, 0], [0, 0], [7, 8], [9, 10], [0, 12]]


@pytest.mark.parametrize("density", [0, -1, 1.5, float("nan"), 0.01])
def test_densities_refused(density):
    with pytest.raises(InputError, match=r"density: .*conv"):
        Sre().project(np.ones((3, 4, 1, 1)), matrix(np.ones((4, 3)), weight_bits=4), SMALL, density)


# -- packing --------------------------------------------------------------------------------------------------

def test_by_hand():
    """Two column groups of two weights keep rows 1, 4, 5 and 0, 7 of eight: one stack each of a crossbar of 12 word
    lines and, as each takes a whole unit of 4, also one below the other; two stacks of 5 bit lines fit 20."""
    mask = np.zeros((8, 4))
    mask[[1, 4], 0] = mask[5, 1] = mask[[0, 7], 2] = 1
    layer = matrix(mask, weight_bits=4, input_bits=2)
    blocks = Sre().pack(layer, SMALL)
    assert [(b.crossbar, b.row0, b.col0, b.inputs.tolist(), b.targets.tolist(), b.columns, b.kept, b.group)
            for b in blocks] == [(0, 0, 0, [1, 4, 5], [0, 1], 5, 6, 0), (0, 4, 0, [0, 7], [2, 3], 5, 4, 1)]
    work = Sre().work(blocks, layer, SMALL)
    assert work.rows.tolist() == [3, 2] and work.columns.tolist() == [5, 5] and work.reads.tolist() == [2, 2]
    assert work.extra["gather"].tolist() == [5] and work.extra["index"].tolist() == [2]
    assert work.extra["form"].tolist() == [4]
    x = np.array([[0, 1, 0, 0, 2, 0, 0, 3], [3] * 8, [0] * 8])
    moved = Sre().work(blocks, layer, SMALL, stream(x, 2))
    assert dict(zip(zip(moved.rows.tolist(), moved.columns.tolist(), strict=True), moved.reads.T.tolist(),
                    strict=True)) == {(4, 5): [0, 0, 0], (1, 5): [4, 0, 0], (2, 5): [0, 2, 0], (3, 5): [0, 2, 0]}


@pytest.mark.parametrize("options", [{}, {"orc": False}, {"sign": "twos"}, {"sign": "differential"}])
def test_exact(options):
    rng = np.random.default_rng(1)
    compacted = 0
    for _ in range(40):
        layer = random_layer(rng, SMALL)
        blocks = Sre(options).pack(layer, SMALL)
        checked.blocks(Sre(options), layer, SMALL)
        compacted += len({b.crossbar for b in blocks}) < len(blocks)
        x = rng.integers(0, 1 << layer.input_bits, (4, layer.rows * layer.groups))
        x[0] = (1 << layer.input_bits) - 1
        done = run(blocks, layer, SMALL, x, "lossless")
        per = layer.filters // layer.groups
        expected = np.concatenate([
            x[:, g * layer.rows:(g + 1) * layer.rows] @ layer.matrix[:, g * per:(g + 1) * per].astype(np.int64)
            for g in range(layer.groups)], axis=1)
        assert np.array_equal(done.out, expected) and done.clips == 0 and done.bits <= 4
    assert compacted == 0 if options.get("orc") is False else compacted > 10


def test_stays_in_place_where_nothing_is_saved():
    layer = matrix(np.random.default_rng(0).random((256, 62)) < 0.5)  # no group of three lacks many rows
    assert len(Sre().pack(layer, MACHINE)) == len(Dense().pack(layer, MACHINE)) == 4
    whole = matrix(np.ones((256, 62)))
    assert [b.columns for b in Sre({"orc": False}).pack(whole, MACHINE)] == \
        [b.columns for b in Dense().pack(whole, MACHINE)]


def test_nothing_left_still_has_a_crossbar():
    blocks = Sre().pack(matrix(np.zeros((300, 40))), MACHINE)
    assert len(blocks) == 1 and blocks[0].kept == 0 and blocks[0].rows == 1


def test_refuses_arrays_that_are_sensed_whole():
    network = Workload(name="w", layers=(matrix(np.ones((4, 4))),))
    assert "operation units" in Sre().accepts(network, Geometry(128, 128, 2)) and not Sre().accepts(network, MACHINE)
    assert "bit lines" in Sre().accepts(network, Geometry(8, 4, 2, unit_column=False, ou_rows=4, ou_columns=4))


# -- row ids --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("bits", [1, 2, 5, 16])
def test_codes_are_read_back(bits):
    """Written and read code by code: the largest skips as many rows and names none."""
    rng, escape = np.random.default_rng(bits), (1 << bits) - 1
    for _ in range(50):
        rows = np.sort(rng.choice(300, int(rng.integers(1, 60)), replace=False))
        written = []
        for gap in np.diff(rows) - 1:
            while gap >= escape:
                written.append(escape)
                gap -= escape
            written.append(int(gap))
        at, back = int(rows[0]), [int(rows[0])]
        for code in written:
            at += code if code == escape else code + 1
            back += [at] if code != escape else []
        assert back == rows.tolist() and sparse_units.codes(rows, bits) == len(written)


def test_a_gap_of_31_rows_takes_an_escape():
    assert [sparse_units.codes(np.array([0, 1 + gap]), 5) for gap in (0, 30, 31, 61, 62)] == [1, 1, 2, 2, 3]
    layer = matrix(np.isin(np.arange(300), [0, 32, 299])[:, None] & np.ones(3, bool))
    block, = Sre().pack(layer, MACHINE)
    assert sparse_units.id_bits(block, layer, 5) == 9 + 5 * (2 + 9)  # 266 rows skipped: eight escapes and a code
    assert indices.gathered(block) == 3


# -- work -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dac_bits", [1, 2])
def test_dynamic_units_by_loops(dac_bits):
    geometry = Geometry(12, 20, 2, dac_bits=dac_bits, adc_bits=6, unit_column=False, ou_rows=4, ou_columns=6)
    rng = np.random.default_rng(dac_bits)
    for options in ({}, {"orc": False}, {"sign": "differential"}):
        for _ in range(12):
            layer, path = random_layer(rng, geometry), Sre(options)
            blocks = path.pack(layer, geometry)
            x = rng.integers(0, 1 << layer.input_bits, (5, layer.rows * layer.groups)) * (rng.random((5, 1)) < 0.8)
            work = path.work(blocks, layer, geometry, stream(x, layer.input_bits))
            checked.work(path, blocks, layer, geometry, stream(x, layer.input_bits))
            assert (np.diff(work.crossbar) >= 0).all()
            assert work.outputs.sum() == sum(b.outputs for b in blocks)
            for w, vector in enumerate(x):
                expected = Counter()
                for b in blocks:
                    for phase in range(geometry.phases(layer.input_bits)):
                        ones = sum(int(v) >> phase * dac_bits & (1 << dac_bits) - 1 != 0 for v in vector[b.inputs])
                        for first in range(0, ones, 4):
                            for left in range(0, b.columns, 6):
                                expected[b.crossbar, min(4, ones - first), min(6, b.columns - left)] += 1
                found = Counter()
                for place in zip(work.crossbar, work.rows, work.columns, work.reads[w], work.cells, strict=True):
                    crossbar, rows, columns, reads, cells = (int(v) for v in place)
                    assert cells == rows * columns
                    found[crossbar, rows, columns] += reads
                assert +found == expected


def test_steps_follow_the_definition():
    """Sum over column groups and bits of ceil(n1 / 16), from mask and inputs alone."""
    rng = np.random.default_rng(5)
    mask = np.repeat(rng.random((120, 20)) < 0.4, 3, axis=1)
    layer = matrix(mask)
    x = rng.integers(0, 256, (6, 120)) * (rng.random((6, 120)) < 0.5)
    blocks = Sre().pack(layer, MACHINE)
    work = Sre().work(blocks, layer, MACHINE, stream(x, 8))
    for vector, reads in zip(x, work.reads, strict=True):
        assert reads.sum() == sum(-(-int(((vector[mask[:, f]] >> b) & 1).sum()) // 16)
                                  for f in range(0, 60, 3) for b in range(8))


def test_chunks_of_windows_change_nothing(monkeypatch):
    rng = np.random.default_rng(2)
    layer = random_layer(rng, SMALL)
    blocks = Sre().pack(layer, SMALL)
    x = rng.integers(0, 1 << layer.input_bits, (9, layer.rows * layer.groups))
    whole = Sre().work(blocks, layer, SMALL, stream(x, layer.input_bits)).reads
    monkeypatch.setattr(sparse_units, "_ENTRIES", 2 * len(blocks))
    assert np.array_equal(Sre().work(blocks, layer, SMALL, stream(x, layer.input_bits)).reads, whole)


# -- laws -----------------------------------------------------------------------------------------------------

def steps(layer, geometry, wide):
    """Operation units of the column groups before packing."""
    return sum(-(-len(p.rows) // geometry.ou_rows) for p in sparse_units.column_groups(layer, wide, geometry.rows))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_laws(seed):
    rng = np.random.default_rng(seed)
    layer, path = random_layer(rng, SMALL), Sre()
    mask = layer.mask()
    less = conv(mask & (rng.random(mask.shape) < 0.7), 4, layer.input_bits, layer.groups)
    assert steps(less, SMALL, 2) <= steps(layer, SMALL, 2)
    blocks, smaller = path.pack(layer, SMALL), path.pack(less, SMALL)
    assert sum(b.kept for b in smaller) <= sum(b.kept for b in blocks) == 2 * int(mask.sum())
    whole = Dense().pack(layer, SMALL)
    x = rng.integers(0, 1 << layer.input_bits, (3, layer.rows * layer.groups))
    phases = SMALL.phases(layer.input_bits)
    dense, still = standard_work(whole, phases, SMALL), path.work(blocks, layer, SMALL)
    moved = path.work(blocks, layer, SMALL, stream(x, layer.input_bits))
    assert len(whole) >= max(b.crossbar for b in blocks) + 1 >= -(-sum(b.kept for b in blocks) // (12 * 20))
    assert moved.reads.sum(axis=1).max() <= still.reads.sum() <= dense.reads.sum()
    conversions = [(w.reads * w.columns).sum(axis=-1).max() for w in (moved, still, dense)]
    assert conversions == sorted(conversions)


def test_options_name_what_they_add():
    for options, actions in (({}, {"form", "index", "gather"}), ({"orc": False}, {"form"}),
                             ({"dof": False}, {"index", "gather"}), ({"orc": False, "dof": False}, set())):
        path, layer = Sre(options), matrix(np.arange(300)[:, None] % 3 == np.zeros(9))
        work = path.work(path.pack(layer, MACHINE), layer, MACHINE)
        assert {a.action for a in path.components(MACHINE)} == set(work.extra) == actions
    table = next(a for a in Sre().components(MACHINE) if a.action == "index")
    assert table.area == 8 * 9 * 128 * 5 * 2_100_000_000 // 16_384  # nine groups of 13 bit lines a crossbar
