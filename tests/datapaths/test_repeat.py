"""PattPIM and RePIM: patterns against sets of columns, reuse and repetition counted again by loops."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from piecerigs import FULL, SMALL, SRE, conv, emitted, exact, lawful, recounted, stream

from xbarch.datapaths import dense
from xbarch.datapaths.repeat import PattPim, RePim, Shared, groups
from xbarch.datapaths.tools import pieces


def repeating(rng, filters, channels, kinds, kernel=3, height=16):
    """Weights whose columns are drawn from `kinds` patterns in every row group."""
    rows = channels * kernel ** 2
    table = rng.integers(-7, 8, (kinds, rows))
    pick = rng.integers(kinds, size=(filters, -(-rows // height))).repeat(height, axis=1)[:, :rows]
    return np.take_along_axis(table, pick, axis=0).reshape(filters, channels, kernel, kernel)


def patterns(layer, height):
    """Distinct unmasked columns of each row group, and the filters that have each; sets and dicts alone."""
    found = []
    per = layer.filters // layer.groups
    for g in range(layer.groups):
        for r in range(0, layer.rows, height):
            here = defaultdict(list)
            for f in range(g * per, (g + 1) * per):
                if layer.kept[r:r + height, f].any():
                    here[tuple(layer.matrix[r:r + height, f])].append(f)
            if here:
                found.append(here)
    return found


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_groups_are_the_distinct_columns(seed, height):
    rng = np.random.default_rng(seed)
    shape = (2 * int(rng.integers(1, 10)), int(rng.integers(1, 6)), 2, 2)
    layer = conv(rng.random(shape) < 0.3, bits=2, groups=2, seed=seed)
    ours = list(groups(layer, height))
    expected = patterns(layer, height)
    assert len(ours) == len(expected)
    for group, here in zip(ours, expected, strict=True):
        members = [tuple(group.filters[group.pattern == p]) for p in range(len(group.first))]
        assert members == [tuple(f) for f in here.values()]
        assert [m[0] for m in members] == group.first.tolist()


@pytest.mark.parametrize("sign", ["offset", "differential", "twos"])
def test_a_repeated_pattern_is_stored_and_read_once(sign):
    """64 filters of 5 patterns in each of nine row groups: five columns stored, 59 results reused."""
    weights = repeating(np.random.default_rng(0), 64, 16, 5)
    layer = conv(np.ones(weights.shape), weights=weights)
    path = PattPim({"sign": sign})
    blocks, ours, theirs = lawful(path, layer, SRE)
    found = patterns(layer, 16)
    assert all(isinstance(b, Shared) for b in blocks) and len(blocks) == len(found) == 9
    assert sorted(b.patterns for b in blocks) == sorted(len(p) for p in found)
    assert sum(b.kept for b in blocks) == sum(len(p) for p in found) * 16 * dense.per_weight(8, SRE, sign)
    extra = path.work(blocks, layer, SRE).extra
    assert extra["reuse"].sum() == sum(64 - len(p) for p in found)
    assert extra["map"].sum() == 9 * -(-64 * 3 // 64)  # five patterns: 3 bits for each of 64 filters
    assert ours[0] == 1 and theirs[0] > 4 and ours[1] * 4 < theirs[1]
    assert set(extra) == {a.action for a in path.components(SRE)}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([SRE, SMALL, FULL]), st.booleans(), st.sampled_from([2, 4, 8]))
def test_any_weights_are_exact_and_cost_no_more_than_dense(seed, geometry, masked, bits):
    rng = np.random.default_rng(seed)
    number = int(rng.integers(1, 3))
    shape = (number * int(rng.integers(1, 20)), int(rng.integers(1, 12)), *rng.integers(1, 4, 2))
    mask = rng.random(shape) < (0.2 if masked else 1)
    lawful(PattPim({"height": int(rng.integers(0, 6))}), conv(mask, bits=bits, groups=number, seed=seed), geometry)


def test_weights_that_do_not_repeat_are_packed_as_dense():
    layer = conv(np.ones((64, 16, 3, 3)))
    path = PattPim()
    blocks = path.pack(layer, SRE)
    assert pieces.cost(blocks, SRE) == pieces.cost(dense.blocks(layer, SRE), SRE)
    assert not any(isinstance(b, Shared) for b in blocks)
    assert not path.work(blocks, layer, SRE).extra["reuse"].any()


def test_a_smaller_mask_never_costs_more_than_all_of_it():
    rng = np.random.default_rng(1)
    weights = repeating(rng, 48, 16, 12)
    order, path = rng.permutation(weights.size).reshape(weights.shape), PattPim()
    layers = [conv(order >= n * weights.size // 6, weights=weights) for n in range(7)]
    costs = [pieces.cost(exact(path, layer, SRE), SRE) for layer in layers]
    kept = [sum(b.kept for b in path.pack(layer, SRE)) for layer in layers]
    whole = pieces.cost(dense.blocks(layers[0], SRE), SRE)
    assert all(a <= b for cost in costs for a, b in zip(cost, whole, strict=True))
    assert kept[-1] == 0 and all(k <= layer.kept_weights * 4 for k, layer in zip(kept, layers, strict=True))


def test_projection_keeps_the_strongest_patterns():
    weights = np.random.default_rng(2).normal(size=(12, 8, 3, 3))
    found = PattPim().project(weights, conv(np.ones(weights.shape)), SRE, 0.25)
    norms = np.add.reduceat(np.square(weights).reshape(12, 72), np.arange(0, 72, 16), axis=1)
    best = np.sort(norms.ravel())[::-1][:round(0.25 * norms.size)]
    assert (found.weights ** 2).sum() == pytest.approx(best.sum())


# -- activation repetition ------------------------------------------------------------------------------------

def images(rng, windows, inputs):
    """Windows whose row groups repeat those of the window before two times out of three."""
    x = rng.integers(0, 16, (windows, inputs))
    for w in range(1, windows):
        for r in range(0, inputs, 16):
            if rng.random() < 2 / 3:
                x[w, r:r + 16] = x[w - 1, r:r + 16]
    return x


@pytest.mark.parametrize("geometry", [SRE, SMALL, FULL])
@pytest.mark.parametrize("repeats", [True, False])
def test_repeated_inputs_are_not_read_again(geometry, repeats):
    """Against loops over operation units and windows, for shared patterns and for the dense packing."""
    rng = np.random.default_rng(3)
    weights = repeating(rng, 24, 8, 3) if repeats else None  # random ones do not
    layer, x = conv(np.ones((24, 8, 3, 3)), weights=weights, windows=12), images(rng, 12, 72)
    path = RePim()
    blocks = exact(path, layer, geometry)
    assert any(isinstance(b, Shared) for b in blocks) == repeats
    work = path.work(blocks, layer, geometry, stream(x))
    expected = recounted(blocks, geometry, 4, x, lambda inputs, w: w == 0 or (x[w, inputs] != x[w - 1, inputs]).any())
    assert np.array_equal(emitted(work, 12), expected)
    assert work.outputs.sum() == sum(b.outputs for b in blocks)
    full = path.work(blocks, layer, geometry)
    assert full.reads.ndim == 1
    assert np.array_equal(emitted(work, 12)[:, 0], emitted(full, 1)[:, 0])  # the first window repeats nothing
    assert set(work.extra) == {a.action for a in path.components(geometry)}


def test_pattpim_reads_every_window():
    layer = conv(np.ones((8, 4, 3, 3)), windows=3)
    path = PattPim()
    assert path.work(path.pack(layer, SRE), layer, SRE, stream(np.zeros((3, 36), np.int64))).reads.ndim == 1


def test_constant_inputs_are_read_once():
    layer = conv(np.ones((8, 4, 3, 3)), windows=5)
    path = RePim()
    blocks = path.pack(layer, SRE)
    reads = path.work(blocks, layer, SRE, stream(np.full((5, 36), 7))).reads
    assert (reads[0] > 0).all() and not reads[1:].any()
    assert path.work(blocks, layer, SRE).extra["compare"].sum() == 36
