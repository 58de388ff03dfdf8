"""FORMS against brute force and recounts by loops: structure, signs, fragments, effective input cycles, clips."""

import itertools
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry, Projection, Stream, standard_work
from xbarch.datapaths.forms import Forms, cuts, effective
from xbarch.errors import InputError
from xbarch.functional.execute import run
from xbarch.workload.graph import Layer, Workload

MACHINE = Geometry(128, 128, 2, dac_bits=1, adc_bits=4, unit_column=False, ou_rows=8, ou_columns=128)


def conv(weights, mask=None, bits=8, input_bits=8, groups=1):
    """A layer of one window with these integer weights (F, C / groups, kh, kw)."""
    filters, channels, *kernel = weights.shape
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels * groups, *kernel),
                 out_shape=(filters, 1, 1), kernel=tuple(kernel), groups=groups, weight_bits=bits,
                 input_bits=input_bits, weights=lambda: weights, mask=None if mask is None else lambda: mask)


def blank(*shape, groups=1, bits=8):
    return conv(np.zeros(shape, np.int16), groups=groups, bits=bits)


def held(layer, found):
    """The layer with what a projection found, rounded."""
    codes = np.clip(np.rint(found.weights), -127, 127).astype(np.int16)
    return replace(layer, weights=lambda: codes, mask=lambda: found.mask)


def flat(weights):
    return weights.reshape(len(weights), -1).T


def trained(seed, *shape):
    return np.random.default_rng(seed).laplace(size=shape) * 20


def fragments(rows, geometry, height):
    """Pieces of the kept rows, by loops."""
    for start in range(0, len(rows), geometry.rows):
        block = rows[start:start + geometry.rows]
        for first in range(0, len(block), height):
            yield block[first:first + height]


def order(shape, kind):
    """Rows (channel, row, column) of a kernel in the order of the word lines."""
    channels, height, width = shape[1:]
    number = {(c, y, x): (c * height + y) * width + x
              for c in range(channels) for y in range(height) for x in range(width)}
    slow = {"width": lambda p: p, "height": lambda p: (p[0], p[2], p[1]), "channel": lambda p: (p[1], p[2], p[0])}
    return [number[p] for p in sorted(number, key=slow[kind])]


# -- projection -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(8))
def test_nearest_signs_by_brute_force(seed):
    """sign "energy": of all choices of a sign for every fragment, the one of the least distance."""
    weights = trained(seed, 2, 6, 1, 1)
    geometry = replace(MACHINE, ou_rows=2)
    found = Forms({"sign": "energy"}).project(weights, blank(2, 6, 1, 1), geometry, 1.0)
    best = min(sum((np.where(w * s > 0, w, 0) - w) @ (np.where(w * s > 0, w, 0) - w)
                   for w, s in zip(weights.reshape(6, 2), signs, strict=True))
               for signs in itertools.product((1, -1), repeat=6))
    assert ((found.weights - weights) ** 2).sum() == pytest.approx(best)


@pytest.mark.parametrize("kind", ["width", "height", "channel"])
def test_sign_of_the_sum_by_hand(kind):
    weights = trained(3, 5, 4, 3, 2)
    found = Forms({"order": kind}).project(weights, blank(5, 4, 3, 2), MACHINE, 1.0)
    expected = flat(weights).copy()
    for rows in fragments(order(weights.shape, kind), MACHINE, 8):
        for column in expected.T:
            sign = 1 if sum(column[r] for r in rows) >= 0 else -1
            for r in rows:
                column[r] = column[r] if column[r] * sign > 0 else 0
    assert np.array_equal(flat(found.weights), expected)
    assert found.mask.all()
    assert (found.allowed * found.weights >= 0).all() and (np.abs(found.allowed) == 127).all()


@pytest.mark.parametrize("rows", ["layer", "block"])
def test_structure_is_the_best_of_small_layers(rows):
    """Planted filters and rows are found, and no other pair of counts keeps more."""
    rng = np.random.default_rng(0)
    geometry = Geometry(8, 8, 2, dac_bits=1, adc_bits=4, unit_column=False, ou_rows=4,
                        ou_columns=8)  # 2 weights of 8 bits x 8 rows
    weights = rng.normal(size=(6, 24, 1, 1)) * 1e-3
    strong = np.ix_([1, 2, 4, 5], [*range(3, 11)])
    weights[strong] = rng.normal(size=(4, 8, 1, 1)) + 5
    found = Forms({"rows": rows}).structure(weights, blank(6, 24, 1, 1), geometry, 32 / 144)
    assert found.side["filters"] == [4] and found.side["rows"] == [8]
    expected = np.zeros(weights.shape, bool)
    expected[strong] = True
    assert np.array_equal(found.mask, expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.3, 0.6, 1.0]), st.sampled_from(["layer", "block"]),
       st.sampled_from(["width", "channel"]))
def test_projection_keeps_both_constraints(seed, density, rows, kind):
    """At most the density; whole filters and rows, in counts that fill crossbars; packs without a mixed fragment; both
    constraints leave it as it is, and so does a refit from what is stored of it."""
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    geometry = Geometry(int(rng.integers(8, 40)), int(rng.integers(8, 40)), 2, dac_bits=1, adc_bits=4,
                        unit_column=False, ou_rows=4, ou_columns=40)
    weights = rng.normal(size=(groups * int(rng.integers(4, 20)), int(rng.integers(10, 40)), 1, 2)) * 20
    layer, path = blank(*weights.shape, groups=groups), Forms({"rows": rows, "order": kind})
    found = path.project(weights, layer, geometry, density)
    assert 0 < found.mask.mean() <= density + 1e-9
    per, size = geometry.columns // 4, len(weights) // groups
    for g in range(groups):
        mask = flat(found.mask)[:, g * size:(g + 1) * size]
        alive = np.flatnonzero(mask.any(axis=0))
        assert len(alive) == found.side["filters"][g]
        assert len(alive) < per or len(alive) % per == 0 or len(alive) == size
        for part in [alive] if rows == "layer" else np.split(alive, range(per, len(alive), per)):
            kept = mask[:, part]
            assert (kept == kept[:, :1]).all()
            count = int(kept[:, 0].sum())
            assert count == found.side["rows"][g]
            assert count % geometry.rows == 0 or count == len(mask) or (count % 4 == 0 and count < geometry.rows)
    assert path.check(held(layer, found), geometry) == ""
    stored = Projection(np.zeros(1), found.mask, found.side)
    assert np.array_equal(path.refit(weights, layer, geometry, stored).weights, found.weights)
    turned = path.refit(-weights, layer, geometry, stored)
    assert (turned.weights * found.allowed >= 0).all() and not (turned.weights * found.weights).any()
    if rows == "layer":
        first, second = (p(weights, layer, geometry, density) for p in path.projections())
        assert np.array_equal(np.where(first.mask, second.weights, 0), found.weights)
        assert np.array_equal(second.weights[~first.mask], weights[~first.mask])


@pytest.mark.parametrize("density", [0.0, 0.01, 1.5, float("nan")])
def test_densities_out_of_reach_are_refused(density):
    with pytest.raises(InputError, match=r"must be 8/640 \(a fragment of one filter\) to 1"):
        Forms().project(np.ones((4, 160, 1, 1)), blank(4, 160, 1, 1), MACHINE, density)
    assert Forms().project(np.ones((4, 160, 1, 1)), blank(4, 160, 1, 1), MACHINE, 8 / 640).mask.sum() == 8


def test_what_it_refuses():
    def reason(options, geometry, bits=8):
        return Forms(options).accepts(Workload(name="w", layers=(blank(4, 8, 1, 1, bits=bits),)), geometry)
    assert reason({}, MACHINE) == reason({"fragment": 8}, Geometry(128, 128, 2)) == ""
    assert "needs an architecture with operation units, such as forms_like" in reason({}, Geometry(128, 128, 2))
    assert "on all 128 of the crossbar" in reason({}, replace(MACHINE, ou_columns=16))
    assert "a sign and a magnitude need 2 bits" in reason({}, MACHINE, 1)
    assert "needs 8 bit lines where signs mix, the crossbar has 7" in reason({}, replace(MACHINE, columns=7))
    with pytest.raises(InputError, match="needs an architecture with operation units"):
        Forms().project(np.ones((4, 8, 1, 1)), blank(4, 8, 1, 1), Geometry(128, 128, 2), 0.5)
    with pytest.raises(InputError, match=r"must be 2 to 8 .* for layer conv, not 16"):
        Forms().project(np.ones((4, 8, 1, 1)), blank(4, 8, 1, 1, bits=16), MACHINE, 0.5)


# -- packing and execution ------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [{}, {"order": "channel"}, {"rows": "block"}, {"fragment": 4}])
def test_polarized_layers_take_one_column_a_weight(options):
    """144 kept of 1152 weight columns' rows: crossbars = ceil(rows / 128) * ceil(filters / 32) of what is kept; the
    same weights unpolarized take two columns a filter; all are exact."""
    weights = trained(1, 96, 64, 3, 3)
    path, layer = Forms(options), blank(*weights.shape)
    found = path.project(weights, layer, MACHINE, 0.25)
    pruned = held(layer, found)
    blocks = path.pack(pruned, MACHINE)
    f, r = found.side["filters"][0], found.side["rows"][0]
    assert len({b.crossbar for b in blocks}) == ceil(r / 128) * ceil(f / 32)
    assert sum(b.kept for b in blocks) == 4 * found.mask.sum()
    mixed = held(layer, replace(found, weights=weights * found.mask))
    loose = path.pack(mixed, MACHINE)
    assert len({b.crossbar for b in loose}) == ceil(r / 128) * ceil(f / 16)
    assert "of both signs in a fragment of" in path.check(mixed, MACHINE)
    x = np.random.default_rng(2).integers(0, 256, (6, 576))
    for which, packed in ((pruned, blocks), (mixed, loose)):
        done = run(packed, which, MACHINE, x, "lossless")
        assert np.array_equal(done.out, x @ which.matrix.astype(np.int64)) and done.clips == 0


def test_one_mixed_filter_costs_one_column():
    """31 polarized filters and a mixed one fill 33 of 32 columns: a second crossbar, of 4 bit lines' weights."""
    weights = np.full((32, 8, 1, 1), 3, np.int16)
    assert [b.columns for b in Forms().pack(conv(weights), MACHINE)] == [128]
    weights[5, 2] = -1
    assert [b.columns for b in Forms().pack(conv(weights), MACHINE)] == [128, 4]
    weights[::2] = -weights[::2]  # signs of whole fragments cost nothing
    assert [b.columns for b in Forms().pack(conv(weights), MACHINE)] == [128, 4]


def test_four_bits_clip_as_counted():
    """Sums of 8 cells of 3 reach 24; what 4-bit ADCs clip of a trained layer is counted one conversion at a time."""
    weights = np.abs(trained(4, 8, 16, 1, 1)) * 4
    layer = held(blank(8, 16, 1, 1), Projection(weights, np.ones(weights.shape, bool)))
    x = np.random.default_rng(5).integers(0, 256, (9, 16))
    clips, out = 0, np.zeros((9, 8), np.int64)
    for first, f, s, phase in itertools.product((0, 8), range(8), range(4), range(8)):
        for w in range(9):
            total = sum((int(x[w, r]) >> phase & 1) * (int(layer.matrix[r, f]) >> 2 * s & 3)
                        for r in range(first, first + 8))
            clips += total > 15
            out[w, f] += min(total, 15) << phase + 2 * s
    done = run(Forms().pack(layer, MACHINE), layer, MACHINE, x)
    assert done.clips == clips > 0 and np.array_equal(done.out, out)
    assert Forms().adc_bits(layer, MACHINE) is None
    assert run(Forms().pack(layer, MACHINE), layer, MACHINE, x, "lossless").bits == 5


# -- work -----------------------------------------------------------------------------------------------------

def recounted(blocks, x, bits, dac_bits):
    """Reads of a window on each crossbar, fragment by fragment: phases until no input has a bit left."""
    found = np.zeros((len(x), 1 + max(b.crossbar for b in blocks)), int)
    for b in blocks:
        for w, vector in enumerate(x):
            found[w, b.crossbar] += next(n for n in range(ceil(bits / dac_bits) + 1)
                                         if not any(int(vector[i]) >> n * dac_bits for i in b.inputs))
    return found


@pytest.mark.parametrize("dac_bits", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"rows": "block", "order": "channel"}])
def test_reads_are_effective_input_cycles(dac_bits, options):
    geometry = Geometry(20, 64, 2, dac_bits=dac_bits, adc_bits=4, unit_column=False, ou_rows=8, ou_columns=64)
    rng = np.random.default_rng(6)
    mask = np.repeat(rng.random((2, 30, 1, 1)) < 0.7, 12, axis=0)
    layer = held(blank(24, 30, 1, 1), Projection(trained(7, 24, 30, 1, 1), mask))
    x = rng.integers(0, 256, (5, 30)) >> rng.integers(0, 9, (5, 30))
    x[0] = 0
    stream = Stream(5, 8, lambda: x)
    path = Forms(options)
    blocks = path.pack(layer, geometry)
    work = path.work(blocks, layer, geometry, stream)
    phases = ceil(8 / dac_bits)
    expected = recounted(blocks, x, 8, dac_bits)
    starts = np.searchsorted(work.crossbar, np.arange(expected.shape[1]))
    assert np.array_equal(np.add.reduceat(work.reads, starts, axis=1), expected)
    assert not work.reads[0].any() and 0 < expected.sum() < phases * len(blocks) * 5
    conversions = sum(b.columns * recounted([replace(b, crossbar=0)], x, 8, dac_bits).sum() for b in blocks)
    assert (work.reads * work.columns).sum() == conversions
    driven = sum(b.rows * recounted([replace(b, crossbar=0)], x, 8, dac_bits).sum() for b in blocks)
    assert (work.reads * work.rows).sum() == driven
    for plain in (path.work(blocks, layer, geometry),
                  Forms({**options, "zero_skip": False}).work(blocks, layer, geometry, stream)):
        assert plain.reads.ndim == 1 and plain.reads.sum() == phases * len(blocks)
        assert (plain.reads * plain.columns).sum() == phases * sum(b.columns for b in blocks)
    for b in blocks:
        assert work.outputs[work.crossbar == b.crossbar].sum() == b.outputs


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4]))
def test_effective_cycles_do_not_fall_as_fragments_grow(seed, dac_bits):
    """Every fragment needs at least the cycles of those within it, and at most all phases."""
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.normal(size=(7, 64)) * rng.choice([4, 60]), 0).astype(np.int64).clip(0, 255)
    means = []
    for height in (4, 8, 16, 64):
        found = effective(x, np.arange(64), cuts(64, 64, height), dac_bits)
        assert found.shape == (7, 64 // height) and found.max() <= ceil(8 / dac_bits)
        means.append(found.mean())
    assert means == sorted(means)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_never_more_than_its_dense_form(seed):
    """Kept cells fall with the mask; crossbars hold the kept cells; steps and crossbars are at most those of dense with
    positive and negative columns, where polarized those of dense in offset form."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 60)), int(rng.integers(1, 20)), 3, 3)
    weights = rng.normal(size=shape) * 40
    wide = rng.random(shape) < 0.6
    narrow = wide & (rng.random(shape) < 0.5)
    path = Forms()
    kept, phases = [], 8

    def steps(blocks):
        return int(standard_work(blocks, phases, MACHINE).reads.sum())

    for mask in (np.ones(shape, bool), wide, narrow):
        layer = held(blank(*shape), Projection(weights * mask, mask))
        blocks = path.pack(layer, MACHINE)
        kept.append(sum(b.kept for b in blocks))
        assert kept[-1] == 4 * mask.sum()
        crossbars = len({b.crossbar for b in blocks})
        most = dense.blocks(layer, MACHINE, "differential")
        assert ceil(kept[-1] / 128**2) <= crossbars <= len(most)
        assert path.work(blocks, layer, MACHINE).reads.sum() <= steps(most)
    assert kept == sorted(kept, reverse=True)
    found = path.project(weights, blank(*shape), MACHINE, 1.0)
    blocks = path.pack(held(blank(*shape), found), MACHINE)
    most = dense.blocks(held(blank(*shape), found), MACHINE, "offset")
    assert len({b.crossbar for b in blocks}) <= len(most)
    assert path.work(blocks, blank(*shape), MACHINE).reads.sum() <= steps(most)


def test_added_hardware_by_hand():
    """32 sign bits a fragment, 16 fragments a crossbar, 8 crossbars; an adder a crossbar. ISAAC's 2 KB register:
    0.0021 mm², 1.24 mW at 1.2 GHz for 64 bits."""
    signs, skip = Forms().components(MACHINE)
    assert signs.area == pytest.approx(32 * 16 * 8 * 0.0021e12 / 16384, rel=1e-6)
    assert signs.energy == pytest.approx(1.24 / 1.2 * 1e6 / 2, rel=1e-5)
    assert (skip.count, skip.area) == (8, 60_000_000)
    layer = conv(np.ones((40, 20, 1, 1), np.int16))
    extra = Forms().work(Forms().pack(layer, MACHINE), layer, MACHINE).extra
    assert extra["sign"].tolist() == [3, 3] and extra["skip"].tolist() == [20, 20]
    assert [a.name for a in Forms({"zero_skip": False}).components(MACHINE)] == ["signs"]
