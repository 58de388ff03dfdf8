"""Converters that lose bits against an oracle of plain integers: one window, word line, cell and phase after another,
from the weights alone; and the loss at the edges, by hand."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from rigs import fitted

from xbarch.datapaths.base import Block, Contents, Geometry
from xbarch.datapaths.dense import Dense
from xbarch.errors import ConservationError
from xbarch.functional.execute import lossless_bits, reference, run, verify
from xbarch.parts.sensing.base import Array
from xbarch.plugins import registry
from xbarch.workload.graph import Layer, Workload


def unit(geometry, name="sense_amplifier", **options):
    return registry.sense(name, options, Array(
        columns=geometry.columns, read=9_800, conversion=1_876, converters=Fraction(8), bits=geometry.adc_bits,
        rows=geometry.rows, cell_bits=geometry.cell_bits, dac_bits=geometry.dac_bits))


def linear(inputs, filters, weight_bits, input_bits, weights):
    return Layer(name="fc", op="linear", inputs=("input",), in_shape=(inputs, 1, 1), out_shape=(filters, 1, 1),
                 weight_bits=weight_bits, input_bits=input_bits,
                 weights=lambda: np.asarray(weights).T.reshape(filters, inputs, 1, 1))


def oracle(weights, x, weight_bits, input_bits, geometry, headroom):
    """(outputs, conversions that saturated, that dropped ones): every partial sum of a column of weight digits in an
    input phase, of the word lines of one array, from integers alone. headroom None: converters that saturate.

    The result of an array has Pw + Pi + Pn bits, Pn = log2 of its word lines, rounded up; its highest Po are kept (Chi
    et al., PRIME, ISCA 2016, section III-D), each partial sum's bits below these dropped.
    """
    carry = 0
    while 2**carry < geometry.rows:
        carry += 1
    lowest = -1 if headroom is None else weight_bits + input_bits + carry - geometry.adc_bits - headroom
    most, clips, drops = 2**geometry.adc_bits - 1, 0, 0
    out = [[0] * len(weights[0]) for _ in x]
    for window, vector in enumerate(x):
        for output in range(len(weights[0])):
            for first in range(0, len(weights), geometry.rows):
                for digit in range(0, weight_bits, geometry.cell_bits):
                    for phase in range(0, input_bits, geometry.dac_bits):
                        positive = negative = 0
                        for row in range(first, min(first + geometry.rows, len(weights))):
                            w = int(weights[row][output])
                            cell = abs(w) // 2**digit % 2**geometry.cell_bits
                            drive = int(vector[row]) // 2**phase % 2**geometry.dac_bits
                            if w > 0:
                                positive += cell * drive
                            else:
                                negative += cell * drive
                        size = abs(positive - negative)
                        below = 2**max(0, lowest - digit - phase) if lowest >= 0 else 1
                        code = size // below
                        drops += size % below > 0
                        clips += code > most
                        sign = 1 if positive > negative else -1
                        out[window][output] += sign * min(code, most) * below * 2**(digit + phase)
    return out, clips, drops


def drawn(rng):
    geometry = Geometry(int(rng.integers(3, 40)), int(rng.integers(8, 40)), int(rng.integers(1, 5)),
                        dac_bits=int(rng.integers(1, 5)), adc_bits=int(rng.integers(1, 9)), unit_column=False,
                        signed=True)
    weight_bits, input_bits = int(rng.integers(2, 9)), int(rng.integers(1, 9))
    inputs, filters = int(rng.integers(1, 60)), int(rng.integers(1, 5))
    low, high = -(1 << weight_bits - 1), (1 << weight_bits - 1) - 1
    weights = rng.integers(low, high + 1, (inputs, filters))
    if rng.random() < 0.4:  # sums as large as they can be, of either sign
        weights[:] = rng.choice([low, high])
    x = rng.integers(0, 1 << input_bits, (3, inputs))
    x[0] = (1 << input_bits) - 1
    return geometry, weights, x, linear(inputs, filters, weight_bits, input_bits, weights)


@pytest.mark.parametrize("headroom", [None, 0, 1, 4, 9])
def test_what_is_lost_equals_the_oracle(headroom):
    """Random layers on random pairs of arrays and resolutions; somewhere bits are dropped, somewhere sums saturate."""
    rng = np.random.default_rng([7, 99 if headroom is None else headroom])
    lost = saturated = negative = 0
    for _ in range(60):
        geometry, weights, x, layer = drawn(rng)
        sensing = fitted(unit(geometry, "adc") if headroom is None else unit(geometry, headroom=headroom), layer)
        blocks = Dense().pack(layer, geometry)
        done = run(blocks, layer, geometry, x, None, sensing)
        out, clips, drops = oracle(weights.tolist(), x, layer.weight_bits, layer.input_bits, geometry, headroom)
        assert (done.out.tolist(), done.clips, done.drops) == (out, clips, drops), (geometry, layer)
        exact = run(blocks, layer, geometry, x, "lossless", sensing)
        assert np.array_equal(exact.out, x @ weights) and exact.clips == exact.drops == 0
        assert exact.largest <= (1 << exact.bits) - 1 and exact.bits == lossless_bits(blocks, geometry)
        lost, saturated, negative = lost + drops, saturated + clips, negative + int((done.out < 0).sum())
    assert negative and (lost > 0) == (headroom is not None)
    assert (saturated > 0) == (headroom not in (0, 1))  # signed weights never reach the highest bit of the full scale


def test_full_scale_itself_never_saturates():
    """Without headroom the highest bits of any result fit: the largest sums there are."""
    for sign in (-8, 7):
        geometry = Geometry(256, 256, 4, dac_bits=3, adc_bits=6, unit_column=False, signed=True)
        layer = linear(256, 1, 4, 6, np.full((256, 1), sign))
        sensing = fitted(unit(geometry), layer)
        done = run(Dense().pack(layer, geometry), layer, geometry, np.full((1, 256), 63), None, sensing)
        assert done.clips == 0 and done.out[0, 0] * sign > 0


def test_two_phases_and_two_digits_by_hand():
    """256 word lines, 8-bit weights of -77 = -(4 * 16 + 13), inputs of 45 = 5 * 8 + 5. Sums 256 * 5 * 4 = 5120 of the
    high digits, 256 * 5 * 13 = 16640 of the low ones. Kept above bit 16 of the result: 9, 12, 13, 16 bits dropped of
    high x high, high weight x low input, low weight x high input, low x low: 10, 1, 2, 0."""
    geometry = Geometry(256, 256, 4, dac_bits=3, adc_bits=6, unit_column=False, signed=True)
    layer = linear(256, 1, 8, 6, np.full((256, 1), -77))
    sensing = fitted(unit(geometry), layer)
    done = run(Dense().pack(layer, geometry), layer, geometry, np.full((1, 256), 45), None, sensing)
    assert done.out[0, 0] == -((10 << 16) + (1 << 16) + (2 << 16))
    assert done.out[0, 0] == -((5120 >> 9 << 16) + (5120 >> 12 << 16) + (16640 >> 13 << 16))
    assert done.drops == 3 and done.clips == 0  # 5120 is ten times 512: nothing of high x high is lost
    assert reference(layer, np.full((1, 256), 45))[0, 0] == -256 * 77 * 45


def test_more_bits_or_all_of_them_lose_less():
    """A resolution of one's own moves the lowest bit kept; at the width of the result nothing is dropped."""
    rng = np.random.default_rng(4)
    geometry = Geometry(32, 32, 4, dac_bits=3, adc_bits=6, unit_column=False, signed=True)
    weights = rng.integers(-128, 128, (32, 4))
    layer, x = linear(32, 4, 8, 6, weights), rng.integers(0, 64, (20, 32))
    blocks, sensing = Dense().pack(layer, geometry), fitted(unit(geometry), layer)
    wrong = [int(np.abs(run(blocks, layer, geometry, x, bits, sensing).out - x @ weights).sum())
             for bits in (2, 6, 10, 14, 19)]
    assert wrong == sorted(wrong, reverse=True) and wrong[0] > wrong[1] > wrong[2] > wrong[3] > wrong[4] == 0


def test_amplifiers_that_keep_low_bits_are_converters_that_saturate():
    rng = np.random.default_rng(5)
    for _ in range(20):
        geometry, _, x, layer = drawn(rng)
        blocks = Dense().pack(layer, geometry)
        low = fitted(unit(geometry, keeps="low"), layer)
        one, other = (run(blocks, layer, geometry, x, None, s) for s in (None, low))
        assert np.array_equal(one.out, other.out) and one.clips == other.clips and one.drops == other.drops == 0


@pytest.mark.parametrize("name", ["dense", "segprune", "snrram", "pim_prune", "xue", "forms", "meng"])
def test_cells_without_a_sign_lose_bits_the_same_way(name):
    """Any data path on any array: what a bit line counts in an output is read off the decode list."""
    rng = np.random.default_rng(6)
    path, compared = registry.datapath(name), 0
    for signed in (False, True):
        geometry = Geometry(64, 64, 2, dac_bits=1, adc_bits=4, unit_column=True, signed=signed)
        if name == "forms":
            geometry = replace(geometry, ou_rows=8, ou_columns=64)
        weights = rng.integers(-7, 8, (64, 6))
        layer, x = linear(64, 6, 4, 4, weights), rng.integers(0, 16, (4, 64))
        if path.accepts(Workload(name="w", layers=(layer,)), geometry):
            continue
        blocks = path.pack(layer, geometry)
        sensing = fitted(unit(geometry), layer)
        done = run(blocks, layer, geometry, x, None, sensing)
        out = np.zeros((4, 6), np.int64)
        lowest = 4 + 4 + 6 - 4
        for block in blocks:
            stored = block.contents()
            cells = stored.cells.astype(np.int64)
            step = geometry.ou_rows or block.rows
            for phase in range(4):
                drive = x[:, block.inputs] >> phase & 1
                for r in range(0, block.rows, step):
                    sums = drive[:, r:r + step] @ cells[r:r + step]
                    for column in range(block.columns):
                        mine = [(o, c) for k, o, c in zip(stored.column, stored.output, stored.coefficient, strict=True)
                                if k == column]
                        worth = max((abs(int(c)) for _, c in mine), default=1).bit_length() - 1
                        below = 1 << max(0, lowest - worth - phase)
                        for window in range(4):
                            value = int(sums[window, column])
                            code = min(abs(value) // below, 15) * below * (1 if value > 0 else -1)
                            for output, coefficient in mine:
                                out[window, output] += coefficient * code << phase
        if len({(b.crossbar, b.group) for b in blocks}) == len(blocks):  # no neighbours that disturb
            assert np.array_equal(done.out, out), (name, signed)
            compared += 1
        assert np.array_equal(run(blocks, layer, geometry, x, "lossless", sensing).out, x @ weights)
    assert compared


def test_a_negative_cell_needs_an_array_that_subtracts():
    cells = np.array([[-3], [2]], np.int16)
    decode = np.array([0]), np.array([0]), np.array([1])
    block = Block(crossbar=0, row0=0, col0=0, inputs=np.arange(2), columns=1, kept=0, targets=np.array([0]),
                  contents=lambda: Contents(cells, *decode))
    layer = linear(2, 1, 4, 2, [[-3], [2]])
    geometry = Geometry(4, 4, 2, dac_bits=1, adc_bits=8, unit_column=False, signed=True)
    done = run([block], layer, geometry, np.array([[3, 1], [1, 0], [0, 3]]))
    assert done.out.tolist() == [[-7], [-3], [6]] and done.largest == 3
    short = run([block], layer, geometry, np.array([[1, 0], [0, 1], [1, 1]]), 1)
    assert short.out.tolist() == [[-1], [1], [-1]] and short.clips == 2
    with pytest.raises(ConservationError, match="does not fit"):
        run([block], layer, replace(geometry, signed=False), np.array([[1, 1]]))
    too_low = Block(crossbar=0, row0=0, col0=0, inputs=np.arange(2), columns=1, kept=0, targets=np.array([0]),
                    contents=lambda: Contents(cells * 2, *decode))
    with pytest.raises(ConservationError, match="does not fit"):
        run([too_low], layer, geometry, np.array([[1, 1]]))


def test_verify_reports_the_loss():
    weights = np.full((256, 1), -77)
    layer = linear(256, 1, 8, 6, weights)
    network = Workload(
        name="net",
        layers=(Layer(name="input", op="input", inputs=(), in_shape=(256, 1, 1), out_shape=(256, 1, 1)), layer),
        activations={"fc": np.full((1, 256, 1, 1), 45)})
    geometry = Geometry(256, 256, 4, dac_bits=3, adc_bits=6, unit_column=False, signed=True)
    how = {"blocks": lambda la: Dense().pack(la, geometry), "sensing": lambda la: fitted(unit(geometry), la)}
    row, = verify(network, geometry, **how)
    right = 256 * 77 * 45
    assert row["error"] == (right - (13 << 16)) / right and row["mismatches"] == 1
    assert (row["drops"], row["clips"], row["max_sum"], row["adc_bits"]) == (3, 0, 16640, 6)
    exact, = verify(network, geometry, adc_bits="lossless", **how)
    assert (exact["mismatches"], exact["error"], exact["drops"]) == (0, 0, 0)
