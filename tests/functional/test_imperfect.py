"""Layers on real devices: the fast executor against the plain rule, and both against what is known in closed form."""

from dataclasses import replace
from fractions import Fraction
from math import ceil, erf, sqrt

import numpy as np
import pytest
from rigs import fitted
from test_fast_network import amplifier

from xbarch.conformance import draw
from xbarch.functional import plain
from xbarch.functional.arrays import crossbars
from xbarch.functional.calibrate import ranges
from xbarch.functional.codes import decoded
from xbarch.functional.device import Imperfect
from xbarch.functional.execute import excess, run
from xbarch.functional.imperfect import Imperfectly
from xbarch.functional.normals import Normals
from xbarch.plugins import registry
from xbarch.specs.noise import Calibration, Noise
from xbarch.workload.graph import unroll

CELLS = {"programming": {"independent": 0.05, "proportional": 0.1}, "stuck": {"off": 0.01, "on": 0.02},
         "drift": {"seconds": 3600.0, "exponent": {"offset": 0.05}, "spread": {"offset": 0.01}}}
CONVERTERS = {"converter": {"offset": 1.0, "gain": 0.02, "integral": 1.0, "differential": 0.2, "codes": 64}}


def imperfect(geometry, every_line=False, converters=Fraction(1), **noise):
    noise = Noise(**noise)
    return Imperfect(noise=noise, effects=registry.effects(noise), geometry=geometry, converters=converters,
                     every_line=every_line)


def drawn(rng, path, number):
    """A layer on a crossbar, two feature maps, the same as vectors."""
    case = draw(rng, path)
    layer, geometry = case.layer, replace(case.geometry, adc_bits=int(rng.integers(2, 10)))
    sensing = fitted(amplifier(geometry, headroom=number % 3), layer) if number % 3 == 2 else None
    least, most = layer.input_range
    maps = rng.integers(least, most + 1, (layer.in_shape[0], 2, *layer.in_shape[1:])).astype(np.int32)
    x = np.concatenate([unroll(maps[:, k], layer) for k in range(2)])
    return case.packed(), layer, geometry, sensing, maps, x


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", sorted(registry.datapaths()))
def test_any_data_path_equals_the_plain_rule(name):
    """Any geometry, cells that were drawn, converters with errors, every full scale that needs no calibration."""
    path, rng = registry.datapath(name), np.random.default_rng(11)
    for number, scale in enumerate(["array", "ideal", 37, "unit"]):
        blocks, layer, geometry, sensing, maps, x = drawn(rng, path, number)
        on_off = [None, 50.0][number > 1]
        effects = CELLS if scale == "ideal" else CELLS | CONVERTERS
        machine = imperfect(geometry, effects=effects, full_scale=scale, seed=number,
                            conductance={"on_off": on_off, "subtracted": number < 2})
        device = machine.device(layer.name, number)
        right = plain.run(blocks, layer, geometry, x, device, sensing)
        found = Imperfectly.of(list(crossbars(blocks, geometry)), layer, geometry, device, sensing).sums(maps).T
        wide = np.abs(right).max() + 1
        # a sum that lies within float32 of a threshold may be rounded to either code
        odd = np.abs(found - right) > 1e-5 * wide
        assert odd.mean() < 0.02, (number, scale, np.abs(found - right).max())


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", sorted(registry.datapaths()))
def test_slopes_are_those_of_every_conversion(name):
    """Of every bit line, phase and operation unit: a code that saturates counts its share of the full scale, another
    one the error of its rounding."""
    path, rng, full = registry.datapath(name), np.random.default_rng(23), 9
    blocks, layer, geometry, _, maps, x = drawn(rng, path, 0)
    device = imperfect(geometry, full_scale=full).device(layer.name, 0)
    found = Imperfectly.of(list(crossbars(blocks, geometry)), layer, geometry, device).slopes(maps)
    right, top, digits = {}, (1 << geometry.adc_bits) - 1, geometry.digits(x.astype(np.int64), layer)
    for read in (r for c in crossbars(blocks, geometry) for r in c.reads()):
        for first in range(0, len(read.lines), geometry.ou_rows or len(read.lines)):
            unit = slice(first, first + (geometry.ou_rows or len(read.lines)))
            for phase, worth in enumerate(geometry.worth(layer)):
                driven = (digits[:, read.inputs[unit]] >> phase * geometry.dac_bits) & ((1 << geometry.dac_bits) - 1)
                steps = driven @ read.cells[unit] * top / full
                codes = np.clip(np.rint(steps), -top if geometry.signed else 0, top)
                each = worth * np.where(np.abs(steps) > top + 0.5, codes, codes - steps) / top
                for line, output, coefficient in zip(read.column, read.output, read.coefficient, strict=True):
                    most = int(np.abs(read.coefficient[read.column == line]).max()).bit_length() - 1
                    right.setdefault(most, np.zeros((len(x), layer.filters)))[:, output] += coefficient * each[:, line]
    exact = {group for group, sums in found.items() if np.allclose(sums.T, right[group], atol=1e-3)}
    assert exact == set(found) and found
    assert all(group in found or not each.any() for group, each in right.items())


def converted(read, layer, geometry, x, ends):
    """Sums of a read's bit lines [windows, bit lines] for input vectors, rounded to codes between two ends, one phase
    and operation unit after another."""
    top, found = (1 << geometry.adc_bits) - 1, 0
    low, width = ends.low[read.columns], (ends.high - ends.low)[read.columns]
    for sums, worth in conversions(read, layer, geometry, x):
        found = found + worth * (low + np.clip(np.rint((sums - low) * top / width), 0, top) * width / top)
    return found


def conversions(read, layer, geometry, x):
    """The sums [windows, bit lines] that a read converts, with what each counts."""
    step, digits = geometry.ou_rows or len(read.lines), geometry.digits(x.astype(np.int64), layer)
    for phase, worth in enumerate(geometry.worth(layer)):
        driven = (digits[:, read.inputs] >> phase * geometry.dac_bits) & ((1 << geometry.dac_bits) - 1)
        for first in range(0, len(read.lines), step):
            yield driven[:, first:first + step] @ read.cells[first:first + step], worth


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", sorted(registry.datapaths()))
def test_codes_between_two_calibrated_ends(name):
    """Both ends of each bit line by rank among all its sums, and what codes between them add up to."""
    path, rng, seen = registry.datapath(name), np.random.default_rng(29), 0
    for number in range(8):
        blocks, layer, geometry, _, maps, x = drawn(rng, path, number)
        if geometry.signed:
            continue
        arrays = list(crossbars(blocks, geometry))
        asked = Calibration(percentile=90, per="column", lower_end="calibrated")
        found, right = ranges(arrays, layer, geometry, maps, asked), np.zeros((len(x), layer.filters))
        terms = right.copy()  # that may cancel
        for crossbar in arrays:
            every: dict[int, list[float]] = {}
            for read in crossbar.reads():
                for sums, _ in conversions(read, layer, geometry, x):
                    for line, of in zip(read.columns.tolist(), sums.T, strict=True):
                        every.setdefault(line, []).extend(of)
            for line, sums in every.items():
                rank = ceil(len(sums) * 0.9)
                low, high = sorted(sums)[-rank], sorted(sums)[rank - 1]
                ends = found[crossbar.number]
                assert (ends.low[line], ends.high[line]) == (low, max(high, low + 1))
                seen += low > 0
            for read in crossbar.reads():
                each = converted(read, layer, geometry, x, found[crossbar.number])
                for line, output, coefficient in zip(read.column, read.output, read.coefficient, strict=True):
                    right[:, output] += coefficient * each[:, line]
                    terms[:, output] += np.abs(coefficient * each[:, line])
                for inputs, output, times in read.digital:
                    total = (x[:, inputs].astype(np.int64) + geometry.offset(layer)).sum(axis=1)
                    np.add.at(right.T, output, times[:, None] * total)
        device = imperfect(geometry, full_scale="calibrated", calibration=asked).device(layer.name, 0, found)
        sums = Imperfectly.of(arrays, layer, geometry, device).sums(maps).T
        assert np.abs(sums - (right - excess(layer, geometry))).max() <= 1e-6 * (terms.max() + 1)
    assert seen


@pytest.mark.quick(5)
@pytest.mark.parametrize("name", sorted(registry.datapaths()))
def test_with_everything_off_it_is_the_exact_executor(name):
    path, rng = registry.datapath(name), np.random.default_rng(5)
    for number in range(4):
        blocks, layer, geometry, sensing, maps, x = drawn(rng, path, number)
        device = imperfect(geometry).device(layer.name, 0)
        made = Imperfectly.of(list(crossbars(blocks, geometry)), layer, geometry, device, sensing)
        right = run(blocks, layer, geometry, x, sensing=sensing)
        assert np.array_equal(made.sums(maps).T, right.out)
        assert (made.counted.clips, made.counted.drops) == (right.clips, right.drops)
        assert np.array_equal(plain.run(blocks, layer, geometry, x, device, sensing), right.out)


def test_normal_numbers_are_normal_and_each_image_has_its_own():
    """Moments and tails of the normal distribution; an image has the same numbers whatever goes with it."""
    path = registry.datapath("dense")
    _, layer, geometry, *_ = drawn(np.random.default_rng(1), path, 0)
    device = imperfect(geometry, seed=3).device(layer.name, 2)
    lines = -(-400_000 // layer.windows)
    found = Normals(device, layer, 0, 2).draw(lines).astype(np.float64)
    for power, right in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert abs((found ** power).mean() - right) < 0.05, power
    for beyond in (1.0, 2.0, 3.0):
        assert abs((np.abs(found) > beyond).mean() / (1 - erf(beyond / sqrt(2))) - 1) < 0.1
    second = Normals(device, layer, 1, 1).draw(lines)
    assert np.array_equal(found.reshape(lines, 2, -1)[:, 1], second)
    assert abs(np.corrcoef(found.reshape(lines, 2, -1)[:, 0].ravel(), second.ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("share", [0.02, 0.9])
def test_codes_are_decoded_as_by_a_matrix_product(share):
    """Few entries one by one, many as a product; whole numbers, so both are exact."""
    rng = np.random.default_rng(7)
    factor = (rng.integers(-8, 9, (40, 60)) * (rng.random((40, 60)) < share)).astype(np.float32)
    codes = rng.integers(0, 256, (60, 33)).astype(np.float32)
    assert np.array_equal(decoded(factor, codes), factor.astype(np.int64) @ codes.astype(np.int64))
