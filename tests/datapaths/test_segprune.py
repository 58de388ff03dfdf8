"""SegPrune against exhaustive search on tiny bands, shapes planted in the weights, and counts made again from sets."""

import json
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, permutations, product
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.segprune import SegPrune, loops, voting
from xbarch.datapaths.tools import indices, packing
from xbarch.errors import InputError
from xbarch.functional.execute import run
from xbarch.workload.graph import Layer, Workload

ISAAC = Geometry(128, 128, 2)
TINY = Geometry(4, 9, 2, unit_column=False)  # two 8-bit weights and the reference in a row


def conv(mask, bits=8, groups=1, seed=0):
    """A layer of one window with that mask [F, C / groups, kh, kw] and random weights."""
    mask = np.asarray(mask, bool)
    top = (1 << bits - 1) - 1
    weights = np.random.default_rng(seed).integers(-top - 1, top + 1, mask.shape).astype(np.int16) * mask
    filters, channels, *kernel = mask.shape
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels * groups, *kernel),
                 out_shape=(filters, 1, 1), kernel=tuple(kernel), groups=groups, weight_bits=bits, input_bits=4,
                 weights=lambda: weights, mask=lambda: mask)


def blank(filters, rows):
    """A layer of that many filters and rows without weights, for projections."""
    return conv(np.ones((filters, rows, 1, 1)))


def flat(mask):
    """[F, R] of [F, C, kh, kw]."""
    return np.asarray(mask).reshape(len(mask), -1)


# -- voting: parts that are optimal ---------------------------------------------------------------------------

def test_a_ballot_is_the_segments_own_projection():
    energy = np.random.default_rng(0).random((20, 7))
    cast = voting.ballots(energy, 3)
    for row, kept in zip(energy, cast, strict=True):
        assert kept.sum() == 3
        assert row[kept].sum() == max(sum(c) for c in combinations(row, 3))


@pytest.mark.parametrize("seed", range(10))
def test_balanced_assignment_is_the_best_of_all(seed):
    kept = np.random.default_rng(seed).random((3, 6))
    sizes = np.array([2, 1, 3])
    best = max(sum(kept[t, f] for f, t in enumerate(order)) for order in set(permutations([0, 0, 1, 2, 2, 2])))
    member = voting.assign(kept, sizes)
    assert np.bincount(member).tolist() == sizes.tolist()
    assert kept[member, range(6)].sum() == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), shapes=st.integers(2, 9), filters=st.integers(1, 80), levels=st.integers(0, 3),
       spare=st.integers(0, 20))
def test_assignment_is_as_good_as_the_hungarian_methods(seed, shapes, filters, levels, spare):
    """levels: of the worths, so that many are equal; 0: reals."""
    rng = np.random.default_rng(seed)
    kept = rng.integers(0, levels, (shapes, filters)).astype(float) if levels else rng.gamma(2, size=(shapes, filters))
    sizes = rng.multinomial(filters + spare, rng.dirichlet(np.ones(shapes)))
    member = voting.assign(kept, sizes)
    place = np.repeat(np.arange(shapes), sizes)
    chosen, taken = linear_sum_assignment(kept[place].T, maximize=True)
    assert len(member) == filters and (np.bincount(member, minlength=shapes) <= sizes).all()
    assert kept[member, range(filters)].sum() == pytest.approx(kept[place[taken], chosen].sum(), rel=1e-12)


@pytest.mark.full
def test_a_wide_layer_is_assigned_as_the_hungarian_method_does():
    """One of 1,024 filters, of shapes that overlap as in training."""
    energy = np.random.default_rng(0).normal(size=(1024, 256)) ** 2
    tally = voting.Tally(voting.energies(energy), 0, 256)
    shapes, sizes = voting.elect(tally, voting.ballots(energy, 64), 16), np.full(16, 64)
    kept = tally.kept(shapes)
    place = np.repeat(np.arange(16), sizes)
    chosen, taken = linear_sum_assignment(kept[place].T, maximize=True)
    assert (voting.assign(kept, sizes)[chosen] == place[taken]).all()


def test_without_limits_every_filter_takes_its_best_shape():
    kept = np.random.default_rng(1).random((4, 30))
    assert (kept[voting.assign(kept, None), range(30)] == kept.max(axis=0)).all()


@pytest.mark.parametrize("seed", range(10))
def test_rows_grown_within_pages_are_the_best_of_all(seed):
    """Two shapes of two filters, five rows, one page: every choice of rows of both tried."""
    tally = voting.Tally(voting.energies(np.random.default_rng(seed).random((4, 5))), 0, 5)
    band = voting.Band(0, np.zeros((2, 5), bool), np.array([0, 1, 0, 1]))
    grown, = voting.grow([tally], [band], 5, 2, 8, 1.0)
    rows = tally.together(band)
    best = max(sum(rows[t, r] for r, t in chosen) for chosen in combinations(product(range(5), range(2)), 4))
    assert grown.mask.sum() == 8
    assert (grown.mask * tally.energy).sum() == best


@pytest.mark.parametrize("seed", range(10))
def test_pages_grown_are_the_best_of_all(seed):
    """Three shapes of one filter, pages of two rows, room for three pages: every choice of pages tried."""
    energy = voting.energies(np.random.default_rng(seed).random((3, 6)) * np.sqrt([[1], [3], [9]]))
    band = voting.Band(0, np.zeros((3, 6), bool), np.arange(3))
    grown, = voting.grow([voting.Tally(energy, 0, 6)], [band], 2, 1, 18, 1 / 3)
    pages = -np.sort(-energy, axis=1).reshape(3, 3, 2).sum(axis=2).ravel()
    assert (grown.mask * energy).sum() == np.sort(pages)[-3:].sum()


@pytest.mark.parametrize(("filters", "row0"), [(5, 0), (64, 3), (150, 11)])
def test_sums_that_are_kept_up_are_those_made_anew(filters, row0):
    """Over shapes and members that change in part, all, not at all, and in number."""
    rng = np.random.default_rng(filters)
    energy = rng.integers(0, 1 << 40, (filters, 40))
    tally, here = voting.Tally(energy, row0, 20), energy[:, row0:row0 + 20]
    shapes, member = rng.random((6, 20)) < 0.4, rng.integers(0, 6, filters)
    for change in (1, 0.1, 0, 0.5):
        shapes, member = shapes ^ (rng.random(shapes.shape) < change), member.copy()
        moved = rng.random(filters) < change
        member[moved] = rng.integers(0, 6, moved.sum())
        assert np.array_equal(tally.kept(shapes), shapes.astype(np.int64) @ here.T)
        sums = [here[member == t].sum(axis=0) for t in range(6)]
        assert np.array_equal(tally.together(voting.Band(row0, shapes, member)), sums)
    assert np.array_equal(tally.kept(shapes[:2]), shapes[:2].astype(np.int64) @ here.T)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30), st.integers(1, 9),
       st.sampled_from([3, 1 << 40]))
def test_coverage_takes_what_adds_most_each_time(seed, candidates, filters, count, top):
    """Every candidate counted for every seat; of equal ones the first."""
    kept = np.random.default_rng(seed).integers(0, top, (candidates, filters))
    covered, best = np.zeros(filters, np.int64), []
    for _ in range(count):
        best.append(np.maximum(kept, covered).sum(axis=1).argmax())
        covered = np.maximum(covered, kept[best[-1]])
    chosen = np.empty(count, np.int64)
    loops.cover(kept, chosen)
    assert chosen.tolist() == best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.sampled_from([2, 5, 10**6]))
def test_a_ballot_of_equal_energies_has_its_size(seed, keep, levels):
    energy = np.random.default_rng(seed).integers(0, levels, (6, 8))
    cast = voting.ballots(energy, keep)
    assert (cast.sum(axis=1) == min(keep, 8)).all()
    for row, kept in zip(energy, cast, strict=True):
        assert sorted(row[kept]) == sorted(row)[8 - min(keep, 8):]


def test_a_ballot_keeps_the_largest_of_nearly_equal_energies():
    energy = np.array([[1, 1, 1, 2, -(1 << 59)]]) + (1 << 59)  # the others differ by less than a float can tell
    chosen = voting.ballots(energy, 2)
    assert chosen[0, 3] and chosen.sum() == 2 and not chosen[0, 4]


def test_a_free_deal_keeps_no_more_weights():
    """The highest price is above the energy of any row, however large energies are."""
    energy = voting.energies(np.array([[1, 0, 0, 0], [0, 1e-3, 0, 0]]))
    band = voting.Band(0, np.array([[True, False, False, False], [False] * 4]), np.array([1, 1]))
    kept = voting.Tally(energy, 0, 4).kept(band.shapes)
    dealt, = voting.deal([band], [kept], balanced=False)
    assert dealt.member.tolist() == [1, 1]


def test_energies_are_the_squares_as_far_as_they_count():
    weights = np.random.default_rng(0).laplace(size=(30, 40)) * 1e-3
    energy = voting.energies(weights)
    assert energy / energy.sum() == pytest.approx(weights**2 / (weights**2).sum(), rel=1e-12, abs=2**-59)
    assert 2**58 < energy.sum() < 2**61
    assert not voting.energies(np.zeros((3, 4))).any()


# -- the projection -------------------------------------------------------------------------------------------

def optimum(energy, keep, count, most):
    """Largest energy that `count` shapes of `keep` rows, each of at most `most` filters, can keep; by trying all."""
    filters = energy.shape[1]
    shapes = [list(c) for c in combinations(range(len(energy)), keep)]
    gain = np.array([energy[s].sum(axis=0) for s in shapes])
    deals = [m for m in product(range(count), repeat=filters) if max(Counter(m).values()) <= most]
    best = 0.0
    for chosen in combinations(range(len(shapes)), count):
        best = max(best, max(gain[[chosen[t] for t in m], range(filters)].sum() for m in deals))
    return best


def test_projection_is_near_the_optimum_of_tiny_layers():
    """Five rows, four filters, two shapes of two rows and two filters: all 45 * 6 possibilities each tried."""
    ratios = []
    for seed in range(40):
        weights = np.random.default_rng(seed).normal(size=(4, 5, 1, 1))
        path = SegPrune({"variable_k": False, "segment": 5})
        kept = path.project(weights, blank(4, 5), TINY, 0.4)
        assert (flat(kept.mask).sum(axis=1) == 2).all()
        assert max(Counter(map(tuple, flat(kept.mask))).values()) in (2, 4)
        ratios.append((kept.weights ** 2).sum() / optimum(flat(weights).T ** 2, 2, 2, 2))
    assert max(ratios) <= 1 + 1e-12
    assert np.mean(ratios) > 0.97 and min(ratios) > 0.85
    assert np.mean(np.array(ratios) > 1 - 1e-12) > 0.5


def planted(rng, filters, rows, h, keep, per):
    """Weights that are zero outside shapes: in each band of h rows `keep` rows for each `per` filters."""
    mask = np.zeros((filters, rows), bool)
    for row0 in range(0, rows, h):
        order = rng.permutation(filters)
        for f in range(0, filters, per):
            chosen = row0 + rng.choice(min(h, rows - row0), keep, replace=False)
            mask[np.ix_(order[f:f + per], chosen)] = True
    return (rng.normal(size=mask.shape) * mask)[:, :, None, None]


@pytest.mark.parametrize(("options", "rows", "h", "keep", "per"), [
    ({}, 256, 256, 32, 32), ({"segment": 64}, 192, 64, 8, 32), ({"mode": "cluster"}, 288, 288, 36, 32),
    ({"mode": "ou"}, 256, 64, 8, 8), ({"mode": "ou", "variable_k": False}, 128, 64, 8, 8),
    ({"sign": "differential"}, 256, 256, 32, 16)])
def test_planted_shapes_are_found(options, rows, h, keep, per):
    """Weights that satisfy the constraint are their own projection, and pack without loss of crossbars."""
    weights = planted(np.random.default_rng(3), 128, rows, h, keep, per)
    found = SegPrune(options).project(weights, blank(128, rows), ISAAC, 1 / 8)
    assert np.array_equal(found.weights, weights)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["xbar", "cluster", "ou"]), st.booleans(), st.booleans(),
       st.sampled_from([0.05, 0.2, 0.5, 1.0]))
def test_projection_satisfies_the_constraint(seed, mode, variable, balance, density):
    rng = np.random.default_rng(seed)
    groups, filters, rows = int(rng.integers(1, 3)), int(rng.integers(1, 40)), int(rng.integers(20, 90))
    geometry = Geometry(int(rng.integers(4, 40)), int(rng.integers(5, 40)), 2)
    weights = rng.normal(size=(filters * groups, rows, 1, 1))
    path = SegPrune({"mode": mode, "variable_k": variable, "balance": balance})
    layer = conv(np.ones(weights.shape), groups=groups)
    got = path.project(weights, layer, geometry, density)
    assert np.array_equal(got.weights, weights * got.mask)
    assert json.loads(json.dumps(got.side)) == got.side
    per = dense.per_crossbar(8, geometry, "offset")
    seats = min(filters, 16 if mode == "ou" else ceil(filters / per))
    for group in range(groups):
        mask = flat(got.mask)[group * filters:(group + 1) * filters]
        assert 0 < mask.sum() <= density * mask.size + 1e-6
        for row0 in range(0, rows, got.side["segment"]):
            shapes = Counter(map(bytes, mask[:, row0:row0 + got.side["segment"]]))
            assert len(shapes) <= seats
    if density == 1:
        assert got.mask.all()
    again = path.project(weights, layer, geometry, density)
    assert np.array_equal(again.mask, got.mask) and again.side == got.side


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["xbar", "ou"]), st.booleans())
def test_frozen_shapes_are_kept_and_no_weight_more(seed, mode, balance):
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, 20, 60, 1, 1))
    geometry = Geometry(8, 17, 2)
    path = SegPrune({"mode": mode, "balance": balance})
    elected = path.project(before, blank(20, 60), geometry, 0.25)
    side = json.loads(json.dumps(elected.side))
    stored = replace(elected, side=side)
    same, moved = (path.refit(w, blank(20, 60), geometry, stored) for w in (before, after))
    assert (same.weights ** 2).sum() >= (elected.weights ** 2).sum() * (1 - 1e-12) or mode == "ou" or not balance
    for band in side["groups"][0]:
        end = min(band["row0"] + side["segment"], 60)
        allowed = {tuple(np.isin(np.arange(end - band["row0"]), s)) for s in band["shapes"]}
        assert {tuple(s) for s in flat(moved.mask)[:, band["row0"]:end]} <= allowed
    assert moved.mask.sum() <= elected.mask.sum()
    if mode == "xbar" and balance:
        assert moved.mask.sum() == elected.mask.sum()
    assert np.array_equal(moved.weights, after * moved.mask)


@pytest.mark.parametrize("seed", range(10))
def test_refit_is_the_best_deal_of_frozen_shapes(seed):
    """All ways of giving six filters the three frozen shapes, two each, tried."""
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, 6, 8, 1, 1))
    path = SegPrune({"segment": 8})
    elected = path.project(before, blank(6, 8), TINY, 0.4)
    band, = elected.side["groups"][0]
    assert band["sizes"] == [2, 2, 2]
    energy = flat(after) ** 2
    gain = np.array([energy[:, s].sum(axis=1) for s in band["shapes"]])
    best = max(gain[list(m), range(6)].sum() for m in set(permutations([0, 0, 1, 1, 2, 2])))
    assert (path.refit(after, blank(6, 8), TINY, elected).weights ** 2).sum() == pytest.approx(best)


def test_variable_k_never_takes_more_crossbars_than_its_share():
    """At 1/8 of 1152 rows a shape of 144 rows would take two crossbars; variable k fills one and shares the rest."""
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(256, 128, 3, 3))
    layer = conv(np.ones(weights.shape))
    count = {}
    for variable in (True, False):
        path = SegPrune({"variable_k": variable})
        kept = path.project(weights, layer, ISAAC, 1 / 8)
        count[variable] = len(path.pack(conv(kept.mask), ISAAC))
        assert kept.mask.mean() == pytest.approx(1 / 8, rel=0.01)
    assert count == {True: 9 * 8 / 8, False: 2 * 8}


def test_a_large_layer_fills_its_crossbars():
    """The largest of ResNet-18, an eighth of its weights: an eighth of the 36 x 16 crossbars."""
    weights = np.random.default_rng(0).normal(size=(512, 512, 3, 3))
    layer = Layer(name="conv", op="conv", inputs=("input",), in_shape=(512, 3, 3), out_shape=(512, 1, 1), kernel=(3, 3))
    kept = SegPrune().project(weights, layer, ISAAC, 1 / 8)
    assert len(SegPrune().pack(conv(kept.mask), ISAAC)) == 36 * 16 / 8


# -- packing --------------------------------------------------------------------------------------------------

def recount(mask, geometry, heights, per, unit):
    """Fewest crossbars over the heights of bands, shapes being sets of rows."""
    best = None
    for h in heights:
        total = 0
        for row0 in range(0, mask.shape[1], h):
            shapes = Counter(tuple(np.flatnonzero(s)) for s in mask[:, row0:row0 + h])
            total += sum(ceil(len(s) / unit) * ceil(n / per) for s, n in shapes.items() if s)
        best = total if best is None else min(best, total)
    return best


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["xbar", "cluster"]), st.integers(0, 3))
def test_crossbars_are_those_of_the_best_height_or_dense(seed, mode, few):
    rng = np.random.default_rng(seed)
    filters, rows = int(rng.integers(1, 60)), int(rng.integers(2, 120))
    geometry = Geometry(int(rng.integers(2, 24)), int(rng.integers(5, 40)), 2)
    if few:
        h = geometry.rows * int(rng.integers(1, 5))
        mask = flat(planted(rng, filters, rows, h, 1, few) != 0)
    else:
        mask = rng.random((filters, rows)) < 0.3
    layer = conv(mask[:, :, None, None])
    blocks = SegPrune({"mode": mode}).pack(layer, geometry)
    per = dense.per_crossbar(8, geometry, "offset")
    heights = [rows] if mode == "cluster" else packing.heights(rows, geometry.rows, mask.mean()) if mask.any() else [1]
    whole = ceil(rows / geometry.rows) * ceil(filters / per)
    expected = recount(mask, geometry, heights, per, geometry.rows)
    assert len({b.crossbar for b in blocks}) == len(blocks) == (min(expected, whole) if expected else whole)


def test_unstructured_and_unpruned_layers_are_packed_as_dense():
    """Where shapes save nothing there is nothing to gather: no index, and the crossbars of `dense`."""
    path = SegPrune()
    for mask in (np.random.default_rng(0).random((64, 16, 3, 3)) < 0.5, np.ones((64, 16, 3, 3))):
        layer = conv(mask)
        blocks = path.pack(layer, ISAAC)
        assert len(blocks) == len(dense.blocks(layer, ISAAC))
        assert all(not counts.any() for counts in path.work(blocks, layer, ISAAC).extra.values())
        assert path.work(blocks, layer, ISAAC).latency == 0


@pytest.mark.parametrize("sign", ["offset", "differential", "twos"])
def test_operation_units_are_whole_and_read_apart(sign):
    """Pieces of at most 8 rows, each read alone: ceil(rows / 8) * ceil(filters / per crossbar) of every shape."""
    mask = flat(planted(np.random.default_rng(2), 96, 256, 64, 12, 20) != 0)
    path = SegPrune({"mode": "ou", "segment": 64, "sign": sign})
    layer = conv(mask[:, :, None, None])
    blocks = path.pack(layer, ISAAC)
    assert len(blocks) == recount(mask, ISAAC, [64], dense.per_crossbar(8, ISAAC, sign), 8)
    assert max(b.rows for b in blocks) == 8
    assert len({(b.crossbar, b.group) for b in blocks}) == len(blocks)
    x = np.full((1, 256), 15)
    assert np.array_equal(run(blocks, layer, ISAAC, x, "lossless").out, x @ flat(layer.weights()).T)


@pytest.mark.parametrize("mode", ["xbar", "cluster", "ou"])
@pytest.mark.parametrize("sign", ["offset", "differential", "twos"])
def test_elected_layers_are_exact(mode, sign):
    """Extreme weights on elected shapes, all word lines driven: the integers of the pruned matrix, without clipping."""
    rng = np.random.default_rng(8)
    path, geometry = SegPrune({"mode": mode, "sign": sign}), Geometry(32, 64, 2)
    kept = path.project(rng.normal(size=(40, 24, 3, 3)), conv(np.ones((40, 24, 3, 3))), geometry, 0.15).mask
    layer = conv(kept)
    blocks = path.pack(layer, geometry)
    assert len({b.crossbar for b in blocks}) < len(dense.blocks(layer, geometry, sign)) / 3
    x = np.concatenate((np.full((1, 216), 15), rng.integers(0, 16, (20, 216))))
    done = run(blocks, layer, geometry, x, "lossless")
    assert np.array_equal(done.out, x @ flat(layer.weights()).T.astype(np.int64)) and done.clips == 0


def test_shelves_fill_crossbars():
    """16 pieces of 8 rows x 128 bit lines fill one crossbar; a 17th opens the next."""
    pieces = [packing.Piece(np.arange(8), np.arange(32))] * 17
    placed = packing.shelved(pieces, 4, 0, 128, 128)
    assert [p.crossbar for p in placed] == [0] * 16 + [1]
    assert sorted(p.row0 for p in placed[:16]) == list(range(0, 128, 8))


# -- costs ----------------------------------------------------------------------------------------------------

def example():
    """64 filters, 16 channels of 3 x 3 kernels: the even filters keep every other row, the odd ones the first 20."""
    mask = np.zeros((64, 144), bool)
    mask[::2, ::2] = True
    mask[1::2, :20] = True
    return conv(mask.reshape(64, 16, 3, 3))


def test_actions_of_an_example_by_hand():
    """Two crossbars of 72 and 20 rows. The first gathers 72 of 143 rows: first row (8 bits), a mask of 143 bits, 32
    filters of 64 (6 bits each); the second's rows follow one another."""
    layer, path = example(), SegPrune()
    blocks = path.pack(layer, ISAAC)
    assert [b.rows for b in blocks] == [72, 20]
    bits = [ceil(log2(144)) + 143 + 32 * 6, 32 * 6]
    assert [indices.index_bits(b, layer) for b in blocks] == bits
    extra = path.work(blocks, layer, ISAAC).extra
    assert {k: v.tolist() for k, v in extra.items()} == {
        "index": [ceil(b / 256) for b in bits], "gather": [72, 0], "scatter": [32, 32]}
    sram = SegPrune({"index": "sram"})
    assert sram.work(blocks, layer, ISAAC).extra["index"].tolist() == [ceil(b / 64) for b in bits]


@pytest.mark.parametrize("gathers", [1, 2, 3])
def test_gathering_takes_a_clock_an_input(gathers):
    """Eight crossbars share an IMA's generators at 1.2 GHz (833 ps); two clocks more for index and scatter."""
    layer, path = example(), SegPrune({"gathers": gathers})
    late = path.work(path.pack(layer, ISAAC), layer, ISAAC)
    assert late.interval.tolist() == [ceil(72 * 8 / gathers) * 833, 0]
    assert late.latency == ceil(72 * 8 / gathers) * 833 + 2 * 833


def test_prices_are_isaacs():
    """Table I: 2 KB register 0.0021 mm² and 1.24 mW, adder 0.00006 mm² and 0.05 mW, eDRAM 20.7 mW, OR 0.23 mW, at
    1.2 GHz."""
    added = {a.name: a for a in SegPrune({"gathers": 2}).components(ISAAC)}
    bit = 0.0021e12 / (2048 * 8)
    assert added["index"].area == pytest.approx(256 * bit) and added["scatter"].area == pytest.approx(80 * bit)
    assert added["gather"].area == pytest.approx(0.00006e12) and added["gather"].count == 2
    energy = {"index": 20.7, "gather": 1.24 + 0.05, "scatter": 0.23}
    for name, mw in energy.items():
        assert added[name].energy == pytest.approx(mw / 1.2 * 1e6, rel=1e-5)
    sram = {a.name: a for a in SegPrune({"index": "sram"}).components(ISAAC)}["index"]
    assert sram.area == pytest.approx((128 + 32) * 10 * 8 * bit)
    assert sram.energy == pytest.approx(1.24 / 1.2 * 1e6, rel=1e-6)


def test_added_area_beside_the_papers_figure():
    """Of ISAAC's chip of 85.4 mm² less than the published 0.27 % with indices in the eDRAM buffer; with an SRAM of
    their own in every IMA more. Of a tile it is the same sum over 0.372 mm²."""
    def added(options):
        return 12 * sum(part.area * part.count for part in SegPrune(options).components(ISAAC))  # nm² a tile of 12 IMAs

    small, large = (Fraction(168 * added(options), 85_400_000_000_000) for options in ({}, {"index": "sram"}))
    assert float(small) == pytest.approx(168 * 12 * (256 + 80 + 0.00006 / 0.0021 * 16384) * 0.0021 / 16384 / 85.4,
                                         rel=1e-6)
    assert small < 0.0027 < large
    of_tile = Fraction(added({}), 372_000_000_000)
    assert float(of_tile / small) == pytest.approx(85.4 / 168 / 0.372)


# -- refusals -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("options", "density", "message"), [
    ({}, 0.0, "density: must be above 0 and at most 1 for layer conv, not 0"),
    ({}, 1.5, "density: must be above 0 and at most 1 for layer conv, not 1.5"),
    ({}, float("nan"), "density: must be above 0 and at most 1 for layer conv, not nan"),
    ({}, 0.001,
     "density: must be at least 1/288 for layer conv, not 0.001, which keeps no row of a segment of 288 rows"),
    ({"mode": "ou", "segment": 64}, 0.01,
     "density: must be at least 1/64 for layer conv, not 0.01, which keeps no row of a segment of 64 rows")])
def test_densities_out_of_reach_are_refused(options, density, message):
    weights = np.ones((8, 32, 3, 3))
    with pytest.raises(InputError) as refused:
        SegPrune(options).project(weights, conv(weights), ISAAC, density)
    assert str(refused.value) == message


def test_the_smallest_density_named_is_accepted():
    weights = np.random.default_rng(0).normal(size=(8, 32, 3, 3))
    assert SegPrune().project(weights, conv(weights), ISAAC, 1 / 288).mask.sum() == 8


def test_a_crossbar_too_narrow_is_refused():
    layer, narrow = conv(np.ones((4, 8, 1, 1))), Geometry(128, 3, 2)
    with pytest.raises(InputError, match="needs 4 bit lines, the crossbar has 3"):
        SegPrune().project(layer.weights(), layer, narrow, 0.5)
    assert "needs 4 bit lines" in SegPrune().accepts(Workload(name="w", layers=(layer,)), narrow)
