"""The dense data path against its closed forms, and ISAAC's claim that flipped bit lines save the ADC a bit."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from xbarch.datapaths.base import Geometry
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.tools import cells
from xbarch.errors import InputError
from xbarch.functional.execute import lossless_bits, run
from xbarch.mapping.pack import dense_crossbars
from xbarch.plugins import registry
from xbarch.workload.graph import Layer, Workload

SIGNS = ["offset", "differential", "twos"]
ISAAC = Geometry(128, 128, 2)


def conv(weights, bits=8, input_bits=8, groups=1, mask=None):
    """A layer of one window with these weights (F, C/groups, kh, kw)."""
    filters, channels, *kernel = weights.shape
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels * groups, *kernel),
                 out_shape=(filters, 1, 1), kernel=tuple(kernel), groups=groups, weight_bits=bits,
                 input_bits=input_bits, weights=lambda: weights, mask=None if mask is None else lambda: mask)


def linear(weights, bits=8, input_bits=8):
    return conv(np.asarray(weights).T[:, :, None, None], bits, input_bits)


def bit_lines(sign, bits, cell_bits):
    """Bit lines of a weight by definition of the sign scheme."""
    return {"offset": ceil(bits / cell_bits), "differential": 2 * ceil(bits / cell_bits),
            "twos": ceil((bits - 1) / cell_bits) + 1}[sign]


# -- counts ---------------------------------------------------------------------------------------------------

@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SIGNS), st.integers(2, 16), st.integers(1, 4), st.integers(1, 3), st.integers(1, 90),
       st.integers(1, 150), st.integers(8, 200), st.integers(40, 200), st.booleans(), st.booleans())
def test_crossbars_and_work_are_closed_forms(sign, bits, cell_bits, groups, channels, filters, rows, columns, unit,
                                             gated):
    geometry = Geometry(rows, columns, cell_bits, dac_bits=1, adc_bits=8, unit_column=unit, gated=gated)
    layer = conv(np.zeros((filters * groups, channels, 3, 1), np.int16), bits, 5, groups)
    path = Dense({"sign": sign})
    each = bit_lines(sign, bits, cell_bits)
    own = sign == "offset" and not unit  # the reference takes a bit line of the array
    assert path.accepts(Workload(name="w", layers=(layer,)), geometry) == ""
    tall, wide = ceil(3 * channels / rows), ceil(filters / ((columns - own) // each))
    blocks = path.pack(layer, geometry)
    assert len({b.crossbar for b in blocks}) == len(blocks) == groups * tall * wide
    work = path.work(blocks, layer, geometry)
    assert work.rows.sum() == groups * wide * 3 * channels
    assert work.outputs.sum() == groups * tall * filters
    reference = sign == "offset" and unit
    across = filters * each + wide * (sign == "offset") if gated else wide * (columns + reference)
    assert (work.columns * work.reads).sum() == groups * tall * across * 5
    assert sum(b.kept for b in blocks) == groups * 3 * channels * filters * each


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([(4, 2), (8, 2), (16, 2), (4, 1), (8, 4)]), st.integers(1, 300), st.integers(1, 300),
       st.sampled_from([64, 128, 256]), st.integers(1, 2))
def test_offset_count_is_the_reference_count_where_slices_divide_columns(precision, rows, filters, size, groups):
    """groups * ceil(R / rows) * ceil(F * S / columns): no bit line is lost at a crossbar's right edge."""
    bits, cell_bits = precision
    geometry = Geometry(size, size, cell_bits)
    layer = conv(np.zeros((filters * groups, rows, 1, 1), np.int16), bits, groups=groups)
    count = groups * ceil(rows / size) * ceil(filters * (bits // cell_bits) / size)
    assert len(Dense().pack(layer, geometry)) == count
    assert dense_crossbars(Workload(name="w", layers=(layer,)), geometry) == count


# -- encodings ------------------------------------------------------------------------------------------------

def test_a_weight_in_each_scheme():
    """-3 of 4 bits in 2-bit cells, by hand: 5 = 1 + 1*4 less 8; 3 = 3 + 0*4 subtracted; 5 with the sign's -8 apart."""
    w, out = np.array([[-3]]), np.array([0])
    two = cells.twos(w, out, 4, 2, 3)
    assert two.cells.tolist() == [[1, 1, 1]] and two.coefficient.tolist() == [1, 4, -8]
    pair = cells.differential(w, out, 4, 2, 4)
    assert pair.cells.tolist() == [[0, 0, 3, 0]] and pair.coefficient.tolist() == [1, 4, -1, -4]
    moved = cells.offset(w, out, 4, 2, 3)
    assert moved.cells.tolist() == [[1, 1, 1]] and moved.coefficient.tolist() == [1, 4, -8]


def test_a_full_bit_line_is_flipped():
    """7 + 8 = 15: digits 3 and 3, both more than half of 3, stored as 0 and read back as 3 * unit - sum."""
    flipped = cells.offset(np.array([[7]]), np.array([0]), 4, 2, 3)
    assert flipped.cells.tolist() == [[0, 0, 1]]
    assert flipped.coefficient.tolist() == [-1, -4, 3 + 12 - 8]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SIGNS), st.integers(2, 16), st.integers(1, 5), st.integers(1, 40), st.integers(1, 6),
       st.integers(0, 2**32 - 1))
def test_cells_and_coefficients_restore_the_weights(sign, bits, cell_bits, rows, filters, seed):
    half = 1 << bits - 1
    weights = np.random.default_rng(seed).integers(-half, half, (rows, filters))
    weights[0, 0], weights[-1, -1] = -half, half - 1
    encode = {"offset": cells.offset, "differential": cells.differential, "twos": cells.twos}[sign]
    contents = encode(weights, np.arange(filters), bits, cell_bits, filters * bit_lines(sign, bits, cell_bits) + 1)
    assert contents.cells.max() < 1 << cell_bits
    restored = np.zeros_like(weights)
    for column, output, coefficient in zip(contents.column, contents.output, contents.coefficient, strict=True):
        restored[:, output] += coefficient * contents.cells[:, column]
    assert np.array_equal(restored, weights)


@pytest.mark.parametrize("sign", SIGNS)
def test_one_bit_weights_are_minus_one_and_zero(sign):
    layer = linear(np.array([[-1, 0], [-1, -1]]), bits=1, input_bits=2)
    path, x = Dense({"sign": sign}), np.array([[3, 2]])
    assert run(path.pack(layer, ISAAC), layer, ISAAC, x, "lossless").out.tolist() == [[-5, -2]]


# -- ISAAC's resolution ---------------------------------------------------------------------------------------

def filled(total, rows=128):
    """2-bit codes of one bit line whose cells sum to `total`."""
    return np.clip(total - 3 * np.arange(rows), 0, 3)


def test_flipping_bounds_every_possible_bit_line_of_isaac_by_192():
    """All sums 0 .. 384 of 128 two-bit cells: at most half of 384 is left, the unit column adds up to 128, so eight
    bits hold every one; unflipped, 384 needs nine (log2(128) + 1 + 2 - 1, Shafiee et al., ISCA 2016, section V)."""
    codes = np.stack([filled(total) for total in range(385)], axis=1)
    assert codes.sum(axis=0).tolist() == list(range(385))
    contents = cells.offset(codes - 2, np.arange(385), 2, 2, 386)
    sums = contents.cells.sum(axis=0, dtype=int)
    assert sums[:-1].tolist() == [min(total, 384 - total) for total in range(385)]
    assert sums[-1] == 128 and sums.max() == 192 <= 2**8 - 1
    assert ISAAC.lossless_bits(192) == 8 and ISAAC.lossless_bits(384) == 9


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_eight_bits_are_lossless_for_full_isaac_crossbars(bits):
    geometry = ISAAC
    rng, half = np.random.default_rng(5), 1 << bits - 1
    filters = 128 // geometry.slices(bits)
    x = np.array([np.full(128, 65535), np.zeros(128, int), rng.integers(0, 65536, 128), 65535 * (np.arange(128) % 2)])
    alternating = np.where(np.arange(128)[:, None] % 2, half - 1, -half) * np.ones(filters, int)
    for weights in (np.full((128, filters), half - 1), np.full((128, filters), -half), alternating,
                    rng.integers(-half, half, (128, filters))):
        layer = linear(weights, bits, 16)
        blocks = Dense().pack(layer, geometry)
        assert len(blocks) == 1 and lossless_bits(blocks, geometry) == 8
        done = run(blocks, layer, geometry, x)  # the machine's own 8-bit ADC
        assert done.bits == 8 and done.clips == 0 and np.array_equal(done.out, x @ weights)
    layer = linear(alternating, bits, 16)
    short = run(Dense().pack(layer, geometry), layer, geometry, x[:1], 7)
    assert short.largest == 192 and short.clips > 0 and not np.array_equal(short.out, x[:1] @ alternating)


@pytest.mark.parametrize(("sign", "needed"), [("differential", 9), ("twos", 9)])
def test_schemes_without_flipping_need_nine_bits(sign, needed):
    layer = linear(np.full((128, 4), 127), 8, 8)
    blocks = Dense({"sign": sign}).pack(layer, ISAAC)
    assert lossless_bits(blocks, ISAAC) == needed
    x = np.full((1, 128), 255)
    assert run(blocks, layer, ISAAC, x).clips > 0
    assert np.array_equal(run(blocks, layer, ISAAC, x, needed).out, x @ layer.matrix)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_cap_holds_and_is_tight_for_offset(rows, cell_bits, dac_bits, seed):
    """floor(rows * (2**c - 1) / 2) or, for one-bit cells, the unit column's rows; reached by half-full bit lines."""
    geometry = Geometry(rows, 64, cell_bits, dac_bits=dac_bits)
    top = (1 << cell_bits) - 1
    total = rows * top // 2  # exactly half full: not flipped
    codes = np.clip(total - top * np.arange(rows), 0, top)
    random = np.random.default_rng(seed).integers(0, top + 1, rows)
    layer = linear(np.stack((codes, random), axis=1) - (1 << cell_bits - 1), cell_bits, dac_bits)
    block, = Dense().pack(layer, geometry)
    sums = block.contents().cells.sum(axis=0, dtype=int) * ((1 << dac_bits) - 1)
    assert block.cap == sums.max() == max(total, rows) * ((1 << dac_bits) - 1)


# -- refusals -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(("bad", "allowed"), [(8, "-8 to 7"), (-9, "-8 to 7"), (100, "-8 to 7")])
def test_weights_outside_their_bits_are_refused(sign, bad, allowed):
    weights = np.zeros((5, 3), np.int16)
    weights[3, 1] = bad
    block, = Dense({"sign": sign}).pack(linear(weights, 4), ISAAC)
    with pytest.raises(InputError, match=f"layer conv has weight {bad}; data path dense stores {allowed}"):
        block.contents()


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_levels_are_accepted_to_the_last(bits):
    low, high = Dense().levels(bits)
    assert (low, high) == (-2 ** (bits - 1), 2 ** (bits - 1) - 1)
    layer = linear(np.array([[low, high]]), bits)
    x = np.array([[255], [1]])
    assert run(Dense().pack(layer, ISAAC), layer, ISAAC, x).out.tolist() == [[255 * low, 255 * high], [low, high]]


def test_only_weights_in_the_wrong_block_are_refused():
    """The refusal comes with the contents of the block that holds the weight."""
    weights = np.zeros((200, 3), np.int16)
    weights[150, 0] = 99
    first, second = Dense().pack(linear(weights, 4), ISAAC)
    first.contents()
    with pytest.raises(InputError, match="weight 99"):
        second.contents()


@pytest.mark.parametrize(("sign", "unit", "columns", "fits"), [
    ("offset", True, 8, True), ("offset", True, 7, False), ("offset", False, 9, True), ("offset", False, 8, False),
    ("differential", True, 16, True), ("differential", True, 15, False), ("twos", True, 9, True),
    ("twos", True, 8, False),
])
def test_a_crossbar_too_narrow_is_refused_with_the_bit_lines_needed(sign, unit, columns, fits):
    """16-bit weights in 2-bit cells: 8 bit lines and the reference; 16; 8 for 15 bits and one for the sign."""
    layer, geometry = linear(np.zeros((4, 2), np.int16), 16), Geometry(128, columns, 2, unit_column=unit)
    reason = Dense({"sign": sign}).accepts(Workload(name="w", layers=(layer,)), geometry)
    assert (reason == "") == fits
    if not fits:
        assert f"needs {columns + 1} bit lines, the crossbar has {columns}" in reason and "layer conv" in reason


@pytest.mark.parametrize("options", [{"sign": "polarized"}, {"sign": 1}, {"sing": "offset"}, {"sign": None}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValidationError):
        Dense(options)
    with pytest.raises(InputError, match="options"):
        registry.datapath("dense", options)


# -- projection, by hand --------------------------------------------------------------------------------------

@pytest.mark.parametrize(("density", "kept"), [(0.5, [[0, 3], [-4, 0]]), (0.25, [[0, 0], [-4, 0]]),
                                               (0.01, [[0, 0], [-4, 0]]), (0.75, [[0, 3], [-4, 2]]),
                                               (1, [[-1, 3], [-4, 2]])])
def test_projection_keeps_the_largest_weights(density, kept):
    """round(density * 4) of the weights, at least one, by magnitude; the others become zero."""
    weights = np.array([[-1.0, 3.0], [-4.0, 2.0]])
    found = Dense().project(weights, conv(np.zeros((2, 2, 1, 1), int)), ISAAC, density)
    assert found.weights.tolist() == kept
    assert found.mask.tolist() == [[value != 0 for value in row] for row in kept]


def test_of_equal_weights_the_first_are_kept():
    found = Dense().project(np.array([2.0, -2.0, 2.0, 1.0]), conv(np.zeros((4, 1, 1, 1), int)), ISAAC, 0.5)
    assert found.weights.tolist() == [2.0, -2.0, 0.0, 0.0]


# -- bit lines beside the weights -----------------------------------------------------------------------------

@pytest.mark.parametrize(("sign", "unit", "columns", "idle"), [
    ("offset", True, 33, 20), ("offset", False, 32, 19), ("differential", True, 32, 8), ("twos", True, 32, 17)])
def test_a_block_reads_its_reference_and_the_idle_bit_lines(sign, unit, columns, idle):
    """3 filters of 8 bits in 2-bit cells on 32 bit lines: 12 (differential 24, two's complement 15) hold weights; the
    offset's reference is one more, beside the array or in it; the rest of the crossbar is read but holds nothing, on a
    machine that does not gate it."""
    layer, geometry = linear(np.zeros((5, 3), int)), Geometry(16, 32, 2, unit_column=unit, gated=False)
    block, = Dense({"sign": sign}).pack(layer, geometry)
    assert (block.columns, block.idle) == (columns, idle)
    used = 3 * bit_lines(sign, 8, 2) + (sign == "offset")
    assert block.columns - block.idle == used
    gated, = Dense({"sign": sign}).pack(layer, replace(geometry, gated=True))
    assert (gated.columns, gated.idle) == (used, 0)
