"""Kernel reordering: elections against counting, patterns against exhaustive search, pieces against sets."""

import json
from collections import Counter
from dataclasses import replace
from itertools import combinations
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from piecerigs import FULL, SMALL, SRE, conv, emitted, exact, lawful, recounted

from xbarch.datapaths.base import Geometry
from xbarch.datapaths.pattern import Pattern
from xbarch.datapaths.tools import pieces
from xbarch.errors import InputError


def blank(shape):
    return conv(np.ones(shape))


def kernels(mask):
    """Positions kept of every kernel, a set of tuples and their number."""
    return Counter(tuple(np.flatnonzero(k)) for k in np.asarray(mask).reshape(-1, mask.shape[2] * mask.shape[3]))


@pytest.mark.parametrize("seed", range(5))
def test_the_most_frequent_ballots_win_and_kernels_take_the_best(seed):
    """4 of 9 positions, 3 patterns, a channel a segment: all counted again with sets and combinations."""
    weights = np.random.default_rng(seed).normal(size=(12, 5, 3, 3)) * np.linspace(1, 3, 9).reshape(3, 3)
    found = Pattern({"patterns": 3, "channels": 1}).project(weights, blank(weights.shape), SRE, 4 / 9)
    votes, kept = Counter(), Counter()
    for kernel in np.square(weights).reshape(-1, 9):
        best = max(combinations(range(9), 4), key=lambda p: kernel[list(p)].sum())
        votes[best] += 1
        kept[best] += kernel[list(best)].sum()
    winners = sorted(votes, key=lambda p: (-votes[p], -kept[p]))[:3]
    assert [tuple(p) for p in found.side["patterns"][0]] == winners
    energy = sum(max(k[list(p)].sum() for p in winners) for k in np.square(weights).reshape(-1, 9))
    assert (found.weights ** 2).sum() == pytest.approx(energy)
    assert set(kernels(found.mask)) <= set(winners)
    assert np.array_equal(found.weights, weights * found.mask)


@pytest.mark.parametrize("density", [1, 4 / 9, 1 / 3, 0.25, 1 / 8, 0.05])
def test_density_is_reached_and_refit_keeps_patterns(density):
    rng = np.random.default_rng(1)
    before, after = rng.normal(size=(2, 32, 32, 3, 3))
    path = Pattern()
    found = path.project(before, blank(before.shape), SRE, density)
    segment = found.side["channels"] * found.side["positions"]
    assert density * 9216 - segment < found.mask.sum() <= density * 9216 + 1e-6
    assert path.check(conv(found.mask), SRE) == ""
    frozen = replace(found, side=json.loads(json.dumps(found.side)))
    assert np.array_equal(path.refit(before, blank(before.shape), SRE, frozen).mask, found.mask)
    moved = path.refit(after, blank(before.shape), SRE, frozen)
    assert set(kernels(moved.mask)) <= {(), *(tuple(p) for p in found.side["patterns"][0])}
    assert density * 9216 - segment < moved.mask.sum() <= density * 9216 + 1e-6


def test_each_channel_may_elect_its_own():
    weights = np.random.default_rng(2).normal(size=(20, 6, 3, 3))
    path = Pattern({"scope": "channel", "channels": 2, "patterns": 2})
    found = path.project(weights, blank(weights.shape), SRE, 1 / 3)
    assert len(found.side["patterns"]) == 3
    for band, patterns in enumerate(found.side["patterns"]):
        part = found.mask[:, 2 * band:2 * band + 2]
        assert set(kernels(part)) <= {tuple(p) for p in patterns}
        assert np.array_equal(part[:, 0], part[:, 1])  # channels of a segment keep the same positions


def test_channels_that_share_a_pattern_fill_an_operation_unit():
    """16 word lines, 2 of 9 positions: eight channels; without operation units 128 word lines."""
    weights = np.random.default_rng(0).normal(size=(16, 32, 3, 3))
    side = Pattern().project(weights, blank(weights.shape), SRE, 2 / 9).side
    assert (side["channels"], side["positions"]) == (8, 2)
    assert Pattern().project(weights, blank(weights.shape), FULL, 2 / 9).side["channels"] == min(32, FULL.rows // 2)


@pytest.mark.parametrize("density", [0, -1, 1.5, 1e-4, float("nan")])
def test_densities_out_of_reach_are_refused(density):
    weights = np.ones((4, 4, 3, 3))
    with pytest.raises(InputError, match=r"^density: .* layer conv"):
        Pattern().project(weights, blank(weights.shape), SRE, density)


def test_too_many_patterns_break_the_promise():
    mask = np.random.default_rng(0).random((16, 8, 3, 3)) < 0.5
    assert "layer conv has" in Pattern().check(conv(mask), SRE)
    assert Pattern().check(conv(np.ones(mask.shape)), SRE) == ""


# -- one set for the network (PatDNN) -------------------------------------------------------------------------

PATDNN = {"scope": "network", "positions": 4, "centre": True, "channels": 1, "patterns": 3}


def natural(kernel):
    """Of the patterns of the centre and three other positions, the one that keeps most of a kernel's squares."""
    options = [tuple(sorted((4, *p))) for p in combinations([0, 1, 2, 3, 5, 6, 7, 8], 3)]
    return max(options, key=lambda p: np.square(kernel.ravel()[list(p)]).sum())


def two_layers(seed):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(5, 3, 3, 3)), 3 * rng.normal(size=(6, 5, 3, 3)), rng.normal(size=(4, 6, 5, 1))]
    return weights, [replace(blank(w.shape), name=f"conv{i}") for i, w in enumerate(weights)]


@pytest.mark.parametrize("seed", range(4))
def test_kernels_of_the_whole_network_elect_one_set(seed):
    """Counted by hand over both layers of 3 x 3; kernels of 5 x 1 have a set of their own."""
    weights, layers = two_layers(seed)
    votes, kept = Counter(), Counter()
    for kernel in (k for w in weights[:2] for k in w.reshape(-1, 9)):
        votes[best := natural(kernel)] += 1
        kept[best] += np.square(kernel[list(best)]).sum()
    winners = sorted(votes, key=lambda p: (-votes[p], -kept[p]))[:3]
    path = Pattern(PATDNN).learned(weights, layers, FULL)
    for w, layer in zip(weights[:2], layers, strict=False):
        found = path.project(w, layer, FULL, 1)
        assert [tuple(p) for p in found.side["patterns"][0]] == winners
        nearest = [max(winners, key=lambda p, k=k: np.square(k[list(p)]).sum()) for k in w.reshape(-1, 9)]
        assert [tuple(np.flatnonzero(k)) for k in found.mask.reshape(-1, 9)] == nearest
    other = path.project(weights[2], layers[2], FULL, 1)
    assert other.mask.reshape(-1, 5).sum(axis=1).tolist() == [4] * 24 and other.mask[:, :, 2].all()
    assert Pattern(PATDNN).project(weights[0], layers[0], FULL, 1).side["patterns"] != [[list(p) for p in winners]]


def test_patterns_and_connectivity_are_constraints_of_their_own():
    """The first keeps every kernel, the second whole kernels of largest norm; the projection satisfies both."""
    weights, layers = two_layers(9)
    path = Pattern(PATDNN).learned(weights, layers, FULL)
    patterned, connected = path.projections()
    w, layer, density = weights[1], layers[1], 4 / 9 / 3
    assert patterned(w, layer, FULL, density).mask.sum() == 4 * 30
    norms = np.square(w).sum(axis=(2, 3))
    stay = connected(w, layer, FULL, density).mask
    assert np.array_equal(stay.all(axis=(2, 3)), norms >= np.sort(norms.ravel())[-10])
    assert stay.sum() == 9 * 10
    both = path.project(w, layer, FULL, density)
    assert (both.mask.any(axis=(2, 3))).sum() == 10 and both.mask.sum() == 40
    again = path.project(both.weights, layer, FULL, density)
    assert np.array_equal(again.mask, both.mask)


def test_patterns_of_one_set_have_four_positions_unless_said_otherwise():
    layer, w = blank((3, 2, 3, 3)), np.random.default_rng(1).normal(size=(3, 2, 3, 3))
    for chosen, positions in (({}, 4), ({"positions": 2}, 2)):
        mask = Pattern({"scope": "network", "channels": 1, **chosen}).project(w, layer, FULL, 1).mask
        assert set(mask.sum(axis=(2, 3)).ravel()) == {positions}


# -- packing --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("sign", ["offset", "differential", "twos"])
def test_pieces_are_the_patterns_of_bands(sign):
    """Segments of four channels, 4 of 9 positions: a piece of 16 rows for every pattern of every band."""
    path = Pattern({"patterns": 4, "sign": sign, "channels": 4})
    weights = np.random.default_rng(3).normal(size=(64, 16, 3, 3))
    found = path.project(weights, blank(weights.shape), SRE, 4 / 9)
    blocks, ours, theirs = lawful(path, conv(found.mask), SRE)
    expected = Counter()
    for band in range(4):
        for f in range(64):
            expected[tuple(np.flatnonzero(found.mask[f, 4 * band:4 * band + 4]) + 36 * band)] += 1
    packed = Counter()
    for b in blocks:
        packed[tuple(b.inputs)] += b.outputs
    assert packed == expected and all(b.rows == 16 for b in blocks)
    assert ours[0] < theirs[0] and ours[1] < theirs[1] / 1.5
    per = path.per(conv(found.mask), SRE)
    assert len(blocks) == sum(ceil(n / per) for n in expected.values())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([SRE, SMALL, FULL]), st.sampled_from(["pattern", "elements", "all"]))
def test_any_mask_is_exact_and_costs_no_more_than_dense(seed, geometry, style):
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    shape = (groups * int(rng.integers(1, 12)), int(rng.integers(1, 12)), *rng.integers(1, 4, 2))
    if style == "pattern":
        patterns = rng.random((3, *shape[2:])) < 0.4
        mask = patterns[rng.integers(3, size=shape[:2])]
    else:
        mask = rng.random(shape) < (0.4 if style == "elements" else 0)
    lawful(Pattern({"channels": int(rng.integers(0, 3))}), conv(mask, groups=groups), geometry)


def test_a_smaller_mask_never_costs_more_than_all_of_it():
    """Along a chain of ever smaller pattern masks, against the layer with nothing removed."""
    path, weights = Pattern(), np.random.default_rng(4).normal(size=(48, 32, 3, 3))
    whole = pieces.cost(path.pack(conv(np.ones(weights.shape)), SRE), SRE)
    costs = [pieces.cost(exact(path, conv(path.project(weights, blank(weights.shape), SRE, d).mask), SRE), SRE)
             for d in (1, 2 / 3, 4 / 9, 2 / 9, 1 / 9, 1 / 18)]
    assert all(a <= b for cost in costs for a, b in zip(cost, whole, strict=True))
    assert costs[-1][1] * 4 < whole[1]


def test_unfilled_operation_units_are_left_to_dense():
    """Patterns of four rows on units of 16: reordering each channel alone would need more reads."""
    rng = np.random.default_rng(5)
    patterns = np.array([rng.permutation(9) < 4 for _ in range(8)]).reshape(8, 3, 3)
    layer = conv(patterns[rng.integers(8, size=(32, 4))])
    assert all(not pieces.indices.scattered(b) for b in Pattern({"channels": 1}).pack(layer, SRE))


# -- costs ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("geometry", [SRE, SMALL])
def test_work_equals_a_recount_by_loops(geometry):
    path, weights = Pattern({"patterns": 2}), np.random.default_rng(6).normal(size=(24, 16, 3, 3))
    layer = conv(path.project(weights, blank(weights.shape), geometry, 2 / 9).mask)
    blocks = path.pack(layer, geometry)
    expected = recounted(blocks, geometry, 4, np.zeros((1, 144)), lambda inputs, w: True)
    work = path.work(blocks, layer, geometry)
    assert np.array_equal(emitted(work, 1), expected)
    assert work.outputs.sum() == sum(b.outputs for b in blocks)
    assert set(work.extra) == {a.action for a in path.components(geometry)}


def test_inputs_are_gathered_by_pattern_and_sums_scattered_by_kernel():
    """Two patterns in turn, full channel counts: each piece gathers its rows, each sum names its filter."""
    a, b = np.zeros((3, 3), bool), np.zeros((3, 3), bool)
    a[0, 0] = a[2, 2] = b[0, 2] = b[2, 0] = True
    layer = conv(np.where((np.arange(24) % 2 == 0)[:, None, None, None], a, b).repeat(8, axis=1))
    path = Pattern()
    blocks = path.pack(layer, SRE)
    assert [b.rows for b in blocks] == [16, 16] and len({b.crossbar for b in blocks}) == 1
    work = path.work(blocks, layer, SRE)
    assert work.extra["gather"].tolist() == [32] and work.extra["scatter"].tolist() == [24]
    assert work.latency > 0


def test_nothing_left_is_one_cell_of_zero():
    blocks = exact(Pattern(), conv(np.zeros((40, 8, 3, 3))), Geometry(128, 128, 2))
    assert len(blocks) == 1 and blocks[0].kept == 0
