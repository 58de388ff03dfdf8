"""TinyADC: the projection against brute force, the ADC's promise kept whatever the weights and inputs."""

import itertools
from dataclasses import replace
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry, standard_work
from xbarch.datapaths.tinyadc import TinyAdc
from xbarch.errors import InputError
from xbarch.functional.execute import lossless_bits, run
from xbarch.workload.graph import Layer

ISAAC = Geometry(128, 128, 2)


def conv(weights, mask=None, groups=1):
    """A layer of one window with these integer weights (F, C / groups, kh, kw)."""
    filters, channels, *kernel = weights.shape
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels * groups, *kernel),
                 out_shape=(filters, 1, 1), kernel=tuple(kernel), groups=groups, weights=lambda: weights,
                 mask=None if mask is None else lambda: mask)


def blank(*shape):
    return conv(np.zeros(shape, np.int16))


def flat(weights):
    return weights.reshape(len(weights), -1).T


@pytest.mark.parametrize("seed", range(6))
def test_the_nearest_of_all_sets(seed):
    """Columns of 5 rows on crossbars of 3: every set of at most l weights a segment tried."""
    weights = np.random.default_rng(seed).normal(size=(3, 5, 1, 1))
    geometry, most = Geometry(3, 32, 2), 1 + seed % 2
    found = TinyAdc({"most": most}).project(weights, blank(3, 5, 1, 1), geometry, 1.0)
    best = 0.0
    for column in flat(weights).T:
        best += min(sum(column[i] ** 2 for i in range(5) if i not in kept)
                    for n in range(6) for kept in itertools.combinations(range(5), n)
                    if sum(i < 3 for i in kept) <= most and sum(i >= 3 for i in kept) <= most)
    assert ((found.weights - weights) ** 2).sum() == pytest.approx(best)
    assert np.array_equal(found.weights, weights * found.mask)


@pytest.mark.parametrize(("density", "rows", "most", "bits"), [
    (1 / 8, 256, 16, 6), (0.12, 256, 8, 5), (1 / 128, 256, 1, 2), (0.99, 256, 64, 8), (1.0, 256, 128, 9),
    (1.0, 27, 27, 7), (0.5, 27, 8, 5)])
def test_l_is_a_power_of_two_within_the_density(density, rows, most, bits):
    """ADC bits hold l * 3 with 2-bit cells: log2(128 / l) fewer than the array's 9."""
    weights = np.random.default_rng(0).normal(size=(8, rows, 1, 1)) * 40
    path = TinyAdc()
    found = path.project(weights, blank(*weights.shape), ISAAC, density)
    assert found.side["most"] == most
    assert (flat(found.mask)[:128].sum(axis=0) == most).all()
    codes = (np.sign(found.weights) * np.ceil(np.abs(found.weights)).clip(0, 127)).astype(np.int16)
    assert path.adc_bits(conv(codes), ISAAC) == bits == ceil(log2(most * 3 + 1))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 3, 8]), st.integers(1, 4), st.integers(1, 2))
def test_adcs_of_the_promised_bits_lose_nothing(seed, unit, cell_bits, dac_bits):
    """Extreme weights on the kept places, all inputs at their largest: no clip with `adc_bits`; of the same l with all
    weights positive one bit fewer clips."""
    rng = np.random.default_rng(seed)
    geometry = Geometry(int(rng.integers(9, 40)), 64, cell_bits, dac_bits=dac_bits, adc_bits=8, unit_column=False,
                        ou_rows=unit, ou_columns=64 if unit else 0)
    shape = (int(rng.integers(1, 12)), int(rng.integers(10, 90)), 1, 1)
    path = TinyAdc()
    mask = path.project(rng.normal(size=shape), blank(*shape), geometry, 0.5).mask
    x = np.concatenate((np.full((1, shape[1]), 255), rng.integers(0, 256, (3, shape[1]))))
    for weights in (rng.choice([-127, 127], shape) * mask, 127 * mask):
        layer = conv(weights.astype(np.int16), mask)
        bits = path.adc_bits(layer, geometry)
        blocks = path.pack(layer, geometry)
        done = run(blocks, layer, geometry, x, bits)
        assert done.clips == 0 and np.array_equal(done.out, x @ layer.matrix.astype(np.int64))
        assert lossless_bits(blocks, geometry) <= bits
    if bits > 1:
        assert run(blocks, layer, geometry, x, bits - 1).clips > 0


def test_check_keeps_the_option():
    weights = np.zeros((4, 200, 1, 1), np.int16)
    weights[2, 130:139] = 1
    path = TinyAdc({"most": 8})
    assert path.check(conv(weights), ISAAC) == (
        "layer conv has 9 non-zero weights in a crossbar column; option most allows 8")
    assert TinyAdc().check(conv(weights), ISAAC) == "" == path.check(conv(weights * 0), ISAAC)
    found = path.project(weights.astype(float), conv(weights), ISAAC, 1.0)
    assert path.check(conv(found.weights.astype(np.int16)), ISAAC) == ""
    with pytest.raises(ValidationError, match="must be 0 or a power of two"):
        TinyAdc({"most": 6})
    with pytest.raises(InputError, match="has weight -128; data path tinyadc stores -127 to 127"):
        path.pack(conv(np.full((1, 4, 1, 1), -128, np.int16)), ISAAC)


@pytest.mark.parametrize("density", [0.0, 1 / 200, 1.1, float("nan")])
def test_densities_out_of_reach_are_refused(density):
    with pytest.raises(InputError, match=r"must be 1/128 to 1 for layer .*: a segment of 128 weights keeps"):
        TinyAdc().project(np.ones((4, 300, 1, 1)), blank(4, 300, 1, 1), ISAAC, density)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_only_the_adcs_change(seed, units):
    """Crossbars, reads and conversions are those of differential dense columns of a magnitude's cells; fewer weights
    never need more bits."""
    rng = np.random.default_rng(seed)
    geometry = replace(ISAAC, ou_rows=16, ou_columns=16) if units else ISAAC
    shape = (int(rng.integers(1, 40)), int(rng.integers(1, 30)), 3, 3)
    mask = rng.random(shape) < 0.5
    weights = rng.integers(-127, 128, shape).astype(np.int16)
    path, bits = TinyAdc(), []
    for kept in (np.ones(shape, bool), mask, mask & (rng.random(shape) < 0.5)):
        layer = conv(weights * kept, kept)
        blocks = path.pack(layer, geometry)
        assert sum(b.kept for b in blocks) == 8 * kept.sum()
        assert len(blocks) == len(dense.blocks(layer, geometry, "differential"))
        work, plain = path.work(blocks, layer, geometry), standard_work(dense.blocks(layer, geometry, "differential"),
                                                                        8, geometry)
        assert work.reads.sum() == plain.reads.sum()
        assert (work.reads * work.columns).sum() <= (plain.reads * plain.columns).sum()
        bits.append(path.adc_bits(layer, geometry))
    assert bits == sorted(bits, reverse=True) and path.components(geometry) == []
