"""Xue's projections against the exact optimum (MILP), brute force and sums counted cell by cell; the promise to the
ADCs kept by the packed layer, in training too."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.optimize import Bounds, LinearConstraint, milp

from xbarch.datapaths.base import Geometry
from xbarch.datapaths.xue import Xue, bit_level, budget, hold, largest_sums, loops, value_level
from xbarch.datapaths.xue import bits as bits_module
from xbarch.datapaths.xue.optimum import least_errors
from xbarch.errors import InputError
from xbarch.functional.execute import ceiling, lossless_bits, run
from xbarch.plugins import registry
from xbarch.workload.graph import Layer, Workload

ISAAC = Geometry(128, 128, 2)


def conv(weights, bits=4, input_bits=4, groups=1, mask=None):
    """A layer of one window with these integer weights (F, C / groups, kh, kw)."""
    filters, channels, *kernel = weights.shape
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels * groups, *kernel),
                 out_shape=(filters, 1, 1), kernel=tuple(kernel), groups=groups, weight_bits=bits,
                 input_bits=input_bits, weights=lambda: weights, mask=None if mask is None else lambda: mask)


def trained(seed, filters=20, channels=32, kernel=(3, 3), bits=4, groups=1):
    """Weights as training leaves them, in levels, Laplace distributed, and a layer of their shape."""
    weights = np.random.default_rng(seed).laplace(size=(filters, channels, *kernel)) * 2
    return weights, conv(np.zeros(weights.shape, np.int8), bits, groups=groups)


def filled(layer, found):
    """The layer with what a projection found."""
    codes = np.rint(found.weights).astype(np.int16)
    return replace(layer, weights=lambda: codes, mask=lambda: found.mask)


def digit(value, place, cell_bits):
    """What cell number `place` of a magnitude stores."""
    return value // (2 ** (place * cell_bits)) % 2**cell_bits


def worst(column, bits, cell_bits):
    """Largest digit sum of a column of signed integers, counted cell by cell."""
    return max(sum(digit(abs(w), place, cell_bits) for w in column if w * sign > 0)
               for place in range(-(-bits // cell_bits)) for sign in (1, -1))


def optimum(column, bits, cell_bits, cap):
    """Least squared error of one column: a 0-1 program with one variable a weight and value."""
    values, n = np.arange(2**bits), len(column)
    error = (column[:, None] - values).astype(float) ** 2
    one = np.kron(np.eye(n), np.ones(len(values)))
    sums = [np.tile([digit(v, p, cell_bits) for v in values], n) for p in range(-(-bits // cell_bits))]
    found = milp(error.ravel(), integrality=np.ones(error.size), bounds=Bounds(0, 1), constraints=[
        LinearConstraint(one, 1, 1), LinearConstraint(np.array(sums), 0, cap)])
    assert found.success
    return found.fun


def columns(seed, rows, count, bits, zeros):
    """Magnitudes of Laplace weights over the whole range, a share of them zero."""
    rng = np.random.default_rng(seed)
    real = np.abs(rng.laplace(size=(rows, count)))
    real *= (rng.random(real.shape) >= zeros) * ((1 << bits) - 1) / real.max(axis=0)
    return np.rint(real).astype(np.int64)


@pytest.mark.full
@pytest.mark.parametrize("rows, bits, cell_bits, cap, zeros", [
    (16, 3, 1, 3, 0), (32, 3, 1, 3, 0.5), (48, 3, 1, 7, 0), (32, 3, 2, 7, 0), (24, 4, 1, 3, 0), (24, 4, 2, 7, 0.5),
    (24, 7, 1, 3, 0), (128, 3, 1, 7, 0), (128, 3, 1, 3, 0.9)])
def test_bit_level_is_near_the_exact_optimum(rows, bits, cell_bits, cap, zeros):
    """No column below the optimum, and in the mean at most 8 % above it."""
    magnitudes = columns(rows + bits + cap, rows, 16, bits, zeros)
    held = bit_level(magnitudes, bits, cell_bits, cap)
    best = np.array([optimum(m, bits, cell_bits, cap) for m in magnitudes.T])
    error = ((magnitudes - held) ** 2).sum(axis=0)
    assert best.sum() > 0
    assert (error >= best - 1e-6).all()
    assert error.sum() <= 1.08 * best.sum()
    assert all(worst(column, bits, cell_bits) <= cap for column in held.T)


@pytest.mark.parametrize("rows, bits, cell_bits, cap", [(12, 3, 1, 3), (20, 3, 2, 7), (14, 4, 2, 4), (9, 3, 1, 7)])
def test_the_least_error_of_a_column_is_that_of_the_exact_program(rows, bits, cell_bits, cap):
    magnitudes = columns(rows + cap, rows, 6, bits, 0.2)
    table = np.array([[digit(v, p, cell_bits) for p in range(-(-bits // cell_bits))] for v in range(2**bits)])
    found = least_errors(magnitudes.T, table, cap)
    assert found == pytest.approx([optimum(m, bits, cell_bits, cap) for m in magnitudes.T])
    assert least_errors(magnitudes.T, table, 600) is None


@pytest.mark.parametrize("cell_bits, cap", [(1, 2), (2, 4)])
def test_leaving_solved_columns_changes_no_result(monkeypatch, cell_bits, cap):
    magnitudes = columns(3, 24, 60, 3, 0.1)
    short = bit_level(magnitudes, 3, cell_bits, cap)
    monkeypatch.setattr(bits_module, "least_errors", lambda *_: None)
    assert np.array_equal(bit_level(magnitudes, 3, cell_bits, cap), short)


@pytest.mark.parametrize("cell_bits, cap", [(1, 1), (1, 2), (2, 3), (3, 5)])
def test_columns_of_three_are_solved_exactly(cell_bits, cap):
    """All 512 columns of three 3-bit magnitudes, each against all 512 results there are."""
    every = np.array(list(itertools.product(range(8), repeat=3)))
    allowed = np.array([v for v in every if worst(v, 3, cell_bits) <= cap])
    least = ((every[:, None] - allowed) ** 2).sum(axis=2).min(axis=1)
    held = bit_level(every.T, 3, cell_bits, cap).T
    assert np.array_equal(((every - held) ** 2).sum(axis=1), least)


@pytest.mark.full
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 7), st.integers(1, 4), st.integers(1, 20))
def test_bit_level_holds_any_column(seed, rows, bits, cell_bits, cap):
    """Within the cap always; unchanged where it was; zeros stay; idempotent; larger magnitudes get larger values."""
    magnitudes = np.random.default_rng(seed).integers(0, 1 << bits, (rows, 5))
    magnitudes[:, 0] = (1 << bits) - 1
    magnitudes[:, 1] = 0
    held = bit_level(magnitudes, bits, cell_bits, cap)
    assert all(worst(column, bits, cell_bits) <= cap for column in held.T)
    assert not held[magnitudes == 0].any()
    for before, after in zip(magnitudes.T, held.T, strict=True):
        if worst(before, bits, cell_bits) <= cap:
            assert np.array_equal(before, after)
        order = np.argsort(before, kind="stable")
        assert all(a <= b for i, j in itertools.pairwise(order) for a, b in [(after[i], after[j])]
                   if before[i] < before[j])
    assert np.array_equal(bit_level(held, bits, cell_bits, cap), held)


def test_reals_break_ties():
    """Of weights that round to the same integer the largest keep it."""
    real = np.array([[4.1, 3.9, 4.4, 3.6, 4.2]]).T
    # twice 4; the rest may have two 2s and two 1s, of which 3, 2, 1 is nearest to three 4s
    assert bit_level(real, 3, 1, 2).ravel().tolist() == [3, 2, 4, 1, 4]
    held = bit_level(np.random.default_rng(0).random((40, 9)) * 7, 3, 1, 3)
    assert all(worst(column, 3, 1) <= 3 for column in held.T)


def test_reals_round_halves_up_and_saturate():
    assert bit_level(np.array([[0.49], [0.5], [6.4], [7.6], [900.0]]), 3, 1, 7).ravel().tolist() == [0, 1, 6, 7, 7]


def test_hold_keeps_segments_and_signs_apart():
    """Every segment of rows and each sign has a budget of its own: exactly the columns it would be cut into."""
    codes = np.random.default_rng(5).integers(-7, 8, (300, 6)).astype(np.int8)
    held = hold(codes, 128, 3, 1, 7)
    for start in (0, 128, 256):
        part, done = codes[start:start + 128].astype(int), held[start:start + 128]
        for sign in (1, -1):
            assert np.array_equal(np.maximum(done * sign, 0), bit_level(np.maximum(part * sign, 0), 3, 1, 7))
    assert (held * codes >= 0).all()


@pytest.mark.parametrize("cell_bits", [1, 2, 3])
def test_largest_sums_are_those_counted(cell_bits):
    codes = np.random.default_rng(6).integers(-7, 8, (70, 4)).astype(np.int8)
    sums = largest_sums(codes, 32, 3, cell_bits)
    assert sums.shape == (3, 4, 2, -(-3 // cell_bits))
    for segment, start in enumerate((0, 32, 64)):
        for f in range(4):
            assert sums[segment, f].max() == worst(codes[start:start + 32, f].astype(int), 3, cell_bits)


def test_value_level_keeps_the_largest_of_each_segment():
    weights = np.random.default_rng(7).normal(size=(300, 5))
    mask = value_level(weights, 128, 0.1)
    for start, rows in ((0, 128), (128, 128), (256, 44)):
        part, kept = np.abs(weights[start:start + 128]), mask[start:start + 128]
        assert (kept.sum(axis=0) == rows // 10).all()
        assert all(part[kept[:, f], f].min() >= part[~kept[:, f], f].max() for f in range(5))


@pytest.mark.parametrize("density", [0.05, 0.3, 0.6, 1])
def test_of_equal_magnitudes_the_first_stay(density):
    weights = np.random.default_rng(8).integers(-3, 4, (50, 30))
    order = np.argsort(-np.abs(weights), axis=0, kind="stable")[:int(50 * density + 1e-6)]
    first = np.zeros(weights.shape, bool)
    np.put_along_axis(first, order, True, axis=0)
    assert np.array_equal(value_level(weights, 50, density), first)


@pytest.mark.parametrize("cell_bits, cap", [(1, 2), (2, 5), (3, 9)])
def test_a_column_is_changed_where_it_saves_most(cell_bits, cap):
    """Every change of one weight, and every two of those that are tried in pairs, made and counted."""
    rng = np.random.default_rng(cap)
    table = np.array([[digit(v, p, cell_bits) for p in range(-(-3 // cell_bits))] for v in range(8)])
    m, pairs = rng.integers(0, 8, (60, 5)), []
    v = bit_level(rng.integers(0, 8, (5, 60)), 3, cell_bits, cap).T.copy()
    near = np.argsort(rng.random((60, 40)), axis=1)[:, :12]
    after, changed = v.copy(), np.empty(60, bool)
    loops.change(m, after, near, table, cap, changed)
    for c in range(60):
        tried = [(k,) for k in range(40)] + [p for p in itertools.combinations(near[c], 2) if p[0] // 8 != p[1] // 8]
        least = ((m[c] - v[c]) ** 2).sum()
        for change in tried:
            other = v[c].copy()
            for k in change:
                other[k // 8] = k % 8
            if worst(other, 3, cell_bits) <= cap:
                least = min(least, ((m[c] - other) ** 2).sum())
        assert ((m[c] - after[c]) ** 2).sum() == least and worst(after[c], 3, cell_bits) <= cap
        assert changed[c] == (after[c] != v[c]).any()
        pairs.append((after[c] != v[c]).sum() == 2)
    assert any(pairs) and not all(pairs)


@pytest.mark.parametrize("adc_bits, single_bit", [(2, True), (2, False), (3, True), (3, False)])
def test_every_bit_line_of_a_projected_layer_stays_below_the_adc(adc_bits, single_bit):
    """Pruned for k bits: every column and slice sums to 2**k - 1 at most, and through k-bit ADCs every output is the
    integer layer's, whatever the inputs."""
    path = Xue({"adc_bits": adc_bits, "single_bit": single_bit})
    weights, layer = trained(adc_bits)
    found = path.project(weights, layer, ISAAC, 0.2)
    layer = filled(layer, found)
    blocks = path.pack(layer, ISAAC)
    sums = [b.contents().cells.sum(axis=0, dtype=int).max() for b in blocks]
    assert max(sums) == 2**adc_bits - 1  # the budget is used up
    assert [ceiling(b, ISAAC) for b in blocks] == sums
    assert path.adc_bits(layer, ISAAC) == lossless_bits(blocks, ISAAC) == path.target(layer) == adc_bits
    x = np.random.default_rng(8).integers(0, 16, (20, layer.rows))
    x[0] = 15
    done = run(blocks, layer, ISAAC, x, adc_bits)
    assert done.clips == 0 and np.array_equal(done.out, x @ layer.matrix.astype(int))
    assert run(blocks, layer, ISAAC, x, adc_bits - 1).clips > 0


@pytest.mark.parametrize("value", ["column", "layer"])
def test_project_is_value_then_bit(value):
    path = Xue({"value": value})
    weights, layer = trained(9)
    first = path.value(weights, layer, ISAAC, 0.15)
    assert np.array_equal(first.weights, np.where(first.mask, weights, 0))
    assert 0.13 < first.mask.mean() <= 0.15
    if value == "layer":
        assert np.abs(weights)[first.mask].min() >= np.abs(weights)[~first.mask].max()
    both = path.project(weights, layer, ISAAC, 0.15)
    second = path.bit(first.weights, layer, ISAAC)
    assert np.array_equal(both.weights, second.weights) and np.array_equal(both.mask, second.mask)
    assert not (both.mask & ~first.mask).any()
    assert np.array_equal(both.mask, both.weights != 0)
    again = path.bit(both.weights, layer, ISAAC)
    assert np.allclose(again.weights, both.weights)


def test_larger_weights_saturate():
    weights, layer = trained(10, filters=4, channels=8)
    found = Xue().bit(weights * 4, layer, ISAAC)
    assert np.array_equal(found.weights, np.rint(found.weights)) and np.abs(found.weights).max() <= 7
    assert np.abs(weights).max() * 4 > 7.5


def test_adc_bits_by_layer():
    path = Xue({"adc_bits": {"conv": 2}})
    weights, layer = trained(11)
    other = replace(layer, name="other")
    assert (path.target(layer), path.target(other)) == (2, 3)
    assert path.project(weights, layer, ISAAC, 0.2).side["cap"] == 3
    assert path.project(weights, other, ISAAC, 0.2).side["cap"] == 7
    assert path.accepts(Workload(name="w", layers=(layer,)), ISAAC) == ""
    assert "conv" in path.accepts(Workload(name="w", layers=(other,)), ISAAC)


@pytest.mark.parametrize("single_bit", [True, False])
def test_retraining_within_the_allowed_bits_keeps_the_adc_bits(single_bit):
    """Any signs and magnitudes within those allowed, drawn at random, keep every bit line's bound."""
    path = Xue({"adc_bits": 2, "single_bit": single_bit})
    weights, layer = trained(12)
    found = path.project(weights, layer, ISAAC, 0.2)
    assert found.allowed.dtype == np.int8 and np.array_equal(found.allowed, found.weights)
    rng = np.random.default_rng(13)
    for _ in range(5):
        fitted = np.sign(found.allowed) * (np.abs(found.allowed) & rng.integers(0, 8, found.allowed.shape))
        assert path.adc_bits(filled(layer, replace(found, weights=fitted)), ISAAC) <= 2


@pytest.mark.parametrize("options", [{}, {"single_bit": False}, {"skip": True}])
def test_any_weights_are_packed_exactly_and_their_caps_tell(options):
    """Weights that keep no budget at all: caps are what is stored, and the ADCs that need more bits get them."""
    path = Xue(options)
    codes = np.full((9, 16, 3, 3), 7, np.int8)
    codes[:, ::3] = -7
    layer = conv(codes)
    blocks = path.pack(layer, ISAAC)
    assert max(b.cap for b in blocks) == max(b.contents().cells.sum(axis=0, dtype=int).max() for b in blocks)
    x = np.full((1, layer.rows), 15)
    done = run(blocks, layer, ISAAC, x, path.adc_bits(layer, ISAAC))
    assert done.clips == 0 and np.array_equal(done.out, x @ layer.matrix.astype(int))


def test_crossbars_are_the_dense_ones_with_two_signs():
    """No crossbar saved, no index: ceil(R / rows) * ceil(F / weights a row), six 1-bit cells a 4-bit weight."""
    weights, layer = trained(14, filters=50)
    path = Xue()
    layer = filled(layer, path.project(weights, layer, ISAAC, 0.1))
    blocks = path.pack(layer, ISAAC)
    assert len(blocks) == 3 * 3 and path.components(ISAAC) == []
    assert path.work(blocks, layer, ISAAC).columns.tolist() == [21 * 6] * 6 + [8 * 6] * 3  # of 50 filters
    open_ = replace(ISAAC, gated=False)
    assert path.work(path.pack(layer, open_), layer, open_).columns.tolist() == [128] * 9


def test_skip_converts_only_bit_lines_that_hold_something():
    weights, layer = trained(15, filters=30)
    path = Xue({"skip": True})
    mask = np.ones(weights.shape, bool)
    mask[:21, 14:28] = False  # rows 126 to 251 of the first crossbar column
    found = path.bit(np.where(mask, weights, 0), layer, ISAAC)
    layer = filled(layer, found)
    blocks = path.pack(layer, ISAAC)
    for b in blocks:
        assert b.contents().cells.any(axis=0).all()
    signs = [np.where(s * layer.matrix > 0, np.abs(layer.matrix), 0) for s in (1, -1)]
    expected = sum(int((m[start:start + 128] >> p & 1).any(axis=0).sum())
                   for m in signs for p in range(3) for start in (0, 128, 256))
    work = path.work(blocks, layer, ISAAC)
    assert work.columns.sum() == expected
    assert (work.extra["skip"] == work.reads * 2).all() and len(path.components(ISAAC)) == 1


def test_skip_leaves_out_empty_crossbars():
    codes = np.zeros((21, 30, 3, 3), np.int8)
    codes[0, 0, 0, 0] = 5
    layer = conv(codes, mask=codes != 0)
    assert (len(Xue().pack(layer, ISAAC)), len(Xue({"skip": True}).pack(layer, ISAAC))) == (3, 1)


def test_budget_of_drivers():
    assert [budget(k) for k in (1, 2, 3)] == [1, 3, 7]
    assert budget(3, 2) == 2 and budget(4, 2) == 5
    with pytest.raises(InputError, match="must be at least 4"):
        budget(3, 4)


@pytest.mark.parametrize("sign, reason", [("offset", "zeros would be stored"), ("twos", "small negative"), ("x", "")])
def test_other_signs_are_refused_saying_why(sign, reason):
    with pytest.raises(ValidationError, match=f"must be differential.*{reason}"):
        Xue({"sign": sign})


@pytest.mark.parametrize("bits", [0, 9, True, "3", 2.5, {"conv": 0}, {"conv": None}])
def test_adc_bits_out_of_range_are_refused(bits):
    with pytest.raises(ValidationError, match="must be 1 to 8"):
        Xue({"adc_bits": bits})


def test_bad_input_is_named():
    weights, layer = trained(16)
    path = Xue()
    for density in (-0.1, 0, 0.005, 1.1, float("nan")):
        with pytest.raises(InputError, match=r"density.*conv"):
            path.project(weights, layer, ISAAC, density)
    with pytest.raises(InputError, match=r"20 filters of 288 weights .* shape"):
        path.project(weights[:5], layer, ISAAC, 0.5)
    with pytest.raises(InputError, match="not finite"):
        path.bit(np.where(weights > 3, np.nan, weights), layer, ISAAC)
    with pytest.raises(InputError, match=r"weight_bits.*2 to 8"):
        path.bit(weights, replace(layer, weight_bits=1), ISAAC)
    with pytest.raises(InputError, match="stores -7 to 7"):
        path.pack(conv(np.full((2, 2, 1, 1), -8, np.int8)), ISAAC)
    with pytest.raises(InputError, match="must be 0 to 7"):
        bit_level(np.array([[8]]), 3, 1, 3)
    with pytest.raises(InputError, match="cap"):
        bit_level(np.array([[1]]), 3, 1, 0)
    assert "bit lines" in path.accepts(Workload(name="w", layers=(layer,)), Geometry(64, 5, 2))
    assert "2 bits" in path.accepts(Workload(name="w", layers=(replace(layer, weight_bits=1),)), ISAAC)


def test_extreme_layers():
    """Nothing but zeros, one weight, equal weights, and the projection of the same twice."""
    path = Xue({"adc_bits": 2})
    zeros, layer = np.zeros((3, 2, 1, 1)), conv(np.zeros((3, 2, 1, 1), np.int8))
    found = path.project(zeros, layer, ISAAC, 1.0)
    assert not found.weights.any() and not found.mask.any()
    assert path.adc_bits(filled(layer, found), ISAAC) == 1
    equal, layer = np.full((2, 40, 3, 3), -3.0), conv(np.zeros((2, 40, 3, 3), np.int8))
    a, b = (path.project(equal, layer, ISAAC, 1.0) for _ in range(2))
    assert np.array_equal(a.weights, b.weights)
    assert (a.weights <= 0).all() and a.mask.any()
    single, layer = np.full((1, 1, 1, 1), 7.0), conv(np.zeros((1, 1, 1, 1), np.int8))
    assert np.allclose(path.project(single, layer, ISAAC, 1.0).weights, single)


def test_registered_and_refusals_are_one_sentence():
    assert registry.datapaths()["xue"] is Xue
    with pytest.raises(InputError, match=r"options\.sign.*must be differential.*zeros would"):
        registry.datapath("xue", {"sign": "offset"})


@pytest.mark.parametrize("skip", [False, True])
def test_kept_cells_are_those_stored(skip):
    """A kept weight has a cell in each of its bit lines; with `skip` in those that are stored."""
    weights, layer = trained(21)
    path = Xue({"adc_bits": 2, "skip": skip})
    layer = filled(layer, path.project(weights, layer, ISAAC, 0.05))
    blocks = path.pack(layer, ISAAC)
    assert all(0 <= b.kept <= b.rows * b.columns for b in blocks)
    total = sum(b.kept for b in blocks)
    assert total < int(layer.kept.sum()) * 6 if skip else total == int(layer.kept.sum()) * 6
