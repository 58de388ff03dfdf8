"""Every effect alone, against its closed form: mean and variance of cells and of sums within one per cent."""

from dataclasses import replace
from fractions import Fraction
from math import erf, exp, pi, sqrt

import numpy as np
import pytest

from xbarch.conformance import conform_effect
from xbarch.datapaths.base import Block, Contents, Geometry
from xbarch.functional.arrays import crossbars
from xbarch.functional.device import Imperfect
from xbarch.functional.imperfect import Imperfectly
from xbarch.parts.effects.base import Given
from xbarch.parts.effects.law import moments
from xbarch.plugins import kinds, registry
from xbarch.specs.noise import Noise
from xbarch.support import bundled
from xbarch.workload.graph import Layer

GEOMETRY = Geometry(128, 256, 2, unit_column=False)
SHAPE = (1000, 400)
SETTINGS = {"programming": {"independent": 0.05}, "read": {"independent": 0.05}, "stuck": {"off": 0.1, "on": 0.05},
            "drift": {"seconds": 100.0, "exponent": {"offset": 0.05}, "spread": {"offset": 0.01}},
            "converter": {"offset": 1.0, "gain": 0.1, "noise": 0.5, "integral": 1.0, "differential": 0.1}}


def given(seed=0, lowest=0.0, shape=SHAPE, converters=4):
    return Given(levels=3, lowest=lowest, highest=None, held=np.ones(shape, bool), converters=converters,
                 target=np.full(shape, 0.5, np.float32),
                 random=np.random.default_rng(seed))


def made(name, **options):
    return registry.effects(Noise(effects={name: options}))[0]


def clipped(g, s):
    """Mean and variance of max(0, g + s N), one number at a time."""
    below, density = (1 + erf(g / s / sqrt(2))) / 2, exp(-(g / s) ** 2 / 2) / sqrt(2 * pi)
    mean = g * below + s * density
    return mean, (g * g + s * s) * below + g * s * density - mean * mean


@pytest.mark.parametrize("g", [0.0, 1 / 3, 1.0])
@pytest.mark.parametrize(("options", "sigma"), [
    ({"independent": 0.2}, lambda x: 0.2), ({"proportional": 0.3}, lambda x: 0.3 * x),
    ({"polynomial": [0.1, 0.2, -0.15]}, lambda x: 0.1 + 0.2 * x - 0.15 * x * x),
    ({"exponential": {"scale": 0.2, "rate": 3.0}}, lambda x: 0.2 * (1 - exp(-3 * x)))])
def test_programming_errors_have_the_moments_of_their_law(g, options, sigma):
    cells = np.full(SHAPE, g, np.float32)
    found, s = made("programming", **options).cells(cells, given()).astype(np.float64), sigma(g)
    if not s:
        assert (found == np.float32(g)).all()
        return
    mean, variance = clipped(g, s)
    assert abs(found.mean() - mean) < 0.01 * s and abs(found.var() / variance - 1) < 0.01
    assert found.min() >= 0


def test_moments_of_reads_are_those_of_drawing_every_cell():
    g = np.array([0, 0.01, 0.05, 0.3, 1], np.float32)
    mean, variance = moments(g, np.full(5, 0.05, np.float32))
    for number, x in enumerate(g.tolist()):
        right = clipped(x, 0.05)
        assert abs(mean[number] - right[0]) < 1e-6 and abs(variance[number] / right[1] - 1) < 1e-4
    drawn = np.maximum(0, g[:, None] + 0.05 * np.random.default_rng(0).standard_normal((5, 10**6)))
    assert np.allclose(drawn.mean(axis=1), mean, atol=2e-4) and np.allclose(drawn.var(axis=1), variance, rtol=0.01)


def test_stuck_cells_are_as_many_as_asked_for():
    found = made("stuck", off=0.1, on=0.05).cells(np.full(SHAPE, 0.5, np.float32), given(lowest=0.125))
    assert abs((found == 0.125).mean() - 0.1) < 0.001 and abs((found == 1).mean() - 0.05) < 0.001
    assert ((found == 0.5) | (found == 1) | (found == 0.125)).all()


def test_drift_is_a_power_of_time_and_its_compensation_keeps_the_sum():
    cells = np.full(SHAPE, 0.5, np.float32)
    asked = {"seconds": 1000.0, "from_seconds": 10.0, "exponent": {"offset": 0.1}, "spread": {"offset": 0.02}}
    found = made("drift", **asked, compensation="none").cells(cells, given()).astype(np.float64)
    logs = np.log(found / 0.5) / np.log(100)
    assert abs(logs.mean() + 0.1) < 0.0002 and abs(logs.std() / 0.02 - 1) < 0.01
    kept = made("drift", **asked).cells(cells, given()).astype(np.float64)
    assert abs(kept.sum() / cells.sum() - 1) < 1e-5
    assert np.allclose(kept / found, (kept / found)[0, 0], rtol=1e-5)  # one gain
    assert made("drift", **(asked | {"seconds": 10.0})).cells(cells, given()) is cells


def test_converters_have_the_errors_asked_for():
    lines = np.arange(1000)
    sums = np.linspace(0, 255, 501, dtype=np.float32)[None].repeat(1000, axis=0)
    ask = {"which": lines, "given": given(converters=1000)}
    off = made("converter", offset=2.0).transfer(**ask)(sums) - sums
    assert abs(off[:, 0].std() / 2 - 1) < 0.05 and np.allclose(off, off[:, :1], atol=1e-4)
    gain = (made("converter", gain=0.1).transfer(**ask)(sums)[:, 1:] / sums[:, 1:])
    assert abs(gain[:, 0].std() / 0.1 - 1) < 0.05 and np.allclose(gain, gain[:, :1], rtol=1e-4)
    bend = made("converter", integral=3.0).transfer(**ask)(sums) - sums
    assert np.allclose(np.abs(bend).max(axis=1), 3, atol=0.01) and np.allclose(bend[:, [0, -1]], 0, atol=1e-4)
    walk = made("converter", differential=0.2).transfer(**ask)(sums) - sums
    middle = walk[:, 250].var()  # of a random walk of 256 widths, tied at both ends, in the middle
    assert abs(middle / (0.2**2 * 255 / 4) - 1) < 0.1 and np.allclose(walk[:, [0, -1]], 0, atol=1e-3)


# -- sums of a layer ------------------------------------------------------------------------------------------

def column(levels, effects, on_off=None, **more):
    """One bit line per output, all of these levels: a layer, and how it is executed on a draw."""
    rows, lines = levels.shape
    layer = Layer(name="a", op="linear", inputs=("image",), in_shape=(rows, 1, 1), out_shape=(lines, 1, 1),
                  weight_bits=3, input_bits=4, output_bits=4)
    block = Block(crossbar=0, row0=0, col0=0, inputs=np.arange(rows), columns=lines, kept=levels.size,
                  targets=np.arange(lines), contents=lambda: Contents(
                      levels, np.arange(lines), np.arange(lines), np.ones(lines, np.int64)))
    noise = Noise(effects=effects, conductance={"on_off": on_off, **more}, full_scale="ideal")
    machine = Imperfect(noise=noise, effects=registry.effects(noise), geometry=GEOMETRY, converters=Fraction(1))
    return layer, machine, [block]


@pytest.mark.full
@pytest.mark.parametrize("on_off", [None, 10.0])
def test_sums_of_programmed_cells(on_off):
    """With Gmin the range is smaller than Gmax, so that 5 % of Gmax are more of a level."""
    rng, low = np.random.default_rng(3), 1 / on_off if on_off else 0.0
    levels, x = rng.integers(0, 4, (32, 1)).repeat(256, axis=1), rng.integers(0, 16, (32, 1, 1, 1)).astype(np.int32)
    layer, machine, blocks = column(levels, {"programming": {"independent": 0.05}}, on_off)
    arrays = list(crossbars(blocks, GEOMETRY))
    found = np.concatenate([Imperfectly.of(arrays, layer, GEOMETRY, machine.device("a", k)).sums(x)[:, 0]
                            for k in range(400)])
    per = [clipped(low + (1 - low) * d / 3, 0.05) for d in range(4)]
    weights, unit = x[:, 0, 0, 0], 3 / (1 - low)
    mean = sum(w * unit * (per[d][0] - low) for w, d in zip(weights, levels[:, 0], strict=True))
    variance = sum((w * unit) ** 2 * per[d][1] for w, d in zip(weights, levels[:, 0], strict=True))
    assert abs(found.mean() / mean - 1) < 0.01 and abs(found.var() / variance - 1) < 0.01


def test_sums_of_reads_vary_as_cells_that_are_drawn_anew_in_every_phase():
    rng = np.random.default_rng(3)
    levels, x = rng.integers(0, 4, (32, 1)).repeat(256, axis=1), rng.integers(0, 16, (32, 1, 1, 1)).astype(np.int32)
    layer, machine, blocks = column(levels, {"read": {"independent": 0.05}})
    done = Imperfectly.of(list(crossbars(blocks, GEOMETRY)), layer, GEOMETRY, machine.device("a", 0))
    found = np.concatenate([done.sums(x, first)[:, 0] for first in range(400)])
    per = [clipped(d / 3, 0.05) for d in range(4)]
    bits = [sum(4**k * (int(v) >> k & 1) for k in range(4)) for v in x[:, 0, 0, 0]]
    mean = sum(int(v) * 3 * per[d][0] for v, d in zip(x[:, 0, 0, 0], levels[:, 0], strict=True))
    variance = sum(q * 9 * per[d][1] for q, d in zip(bits, levels[:, 0], strict=True))
    assert abs(found.mean() / mean - 1) < 0.01 and abs(found.var() / variance - 1) < 0.01


def test_a_pedestal_that_is_not_subtracted_stays():
    levels, x = np.zeros((128, 256), np.int64), np.full((128, 1, 1, 1), 15, np.int32)
    layer, machine, blocks = column(levels, {}, 10.0, subtracted=False)
    found = Imperfectly.of(list(crossbars(blocks, GEOMETRY)), layer, GEOMETRY, machine.device("a", 0)).sums(x)
    assert np.allclose(found, 128 * 15 * 3 * 0.1 / 0.9)


def test_erased_cells_conduct_with_an_on_off_ratio_alone():
    levels = np.ones((4, 2), np.int64)
    _, machine, blocks = column(levels, {"programming": {"independent": 0.1}})
    beside = replace(blocks[0], row0=0, col0=2, group=0, inputs=np.arange(2), contents=lambda: Contents(
        levels[:2], np.arange(2), np.arange(2), np.ones(2, np.int64)))
    for on_off, same in ((None, True), (10.0, False)):
        noise = Noise(effects={"programming": {"independent": 0.1}}, conductance={"on_off": on_off})
        device = replace(machine, noise=noise).device("a", 0)
        [array] = crossbars([*blocks, beside], GEOMETRY)
        erased = device.drawn(array).levels[2:4, 2:4]  # under driven word lines, on bit lines that are read
        assert (erased == 0).all() == same


# -- draws ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", sorted(registry.classes(kinds.EFFECTS)))
def test_effects_keep_their_contract(name):
    """With options that change something, so that other random numbers give another device."""
    effect = made(name, **SETTINGS.get(name, {}))
    assert conform_effect(effect) == 20


def test_a_draw_depends_on_no_order_and_no_batch():
    levels, x = np.random.default_rng(0).integers(0, 4, (64, 8)), np.random.default_rng(1).integers(
        0, 16, (64, 6, 1, 1)).astype(np.int32)
    layer, machine, blocks = column(levels, {"programming": {"independent": 0.1}, "read": {"independent": 0.05}})
    arrays = list(crossbars(blocks, GEOMETRY))
    whole = Imperfectly.of(arrays, layer, GEOMETRY, machine.device("a", 5)).sums(x)
    machine.device("a", 4).drawn(arrays[0])
    parts = [Imperfectly.of(arrays, layer, GEOMETRY, machine.device("a", 5)).sums(x[:, k:k + 2], k) for k in (4, 0, 2)]
    assert np.allclose(whole, np.concatenate([parts[1], parts[2], parts[0]], axis=1), rtol=1e-6)
    other = Imperfectly.of(arrays, layer, GEOMETRY, machine.device("a", 6)).sums(x)
    assert not np.allclose(whole, other)


@pytest.mark.parametrize("name", bundled.names("noise"))
def test_presets_are_valid_and_cited(name):
    noise = Noise(preset=name)
    assert noise.summary and noise.source
    assert noise.conductance.highest or noise.source.startswith("this project's reading")  # no device of a maker
    for effect in registry.effects(noise):
        cells = np.linspace(0, 1, 4, dtype=np.float32)[None]
        found = effect.cells(cells, given(0, noise.conductance.lowest, cells.shape))
        assert found.shape == cells.shape


@pytest.mark.parametrize(("name", "at", "percent"), [  # of the range, as published fits give it at levels 0 to 3
    ("pcm_joshi_2020", 100, [1.23, 3.24, 4.26, 4.31]), ("reram_milo_2021", 4.5, [2.47, 2.17, 1.87, 1.56]),
    ("pcm_nandakumar_2019", None, [1.05, 3.15, 4.21, 4.22]), ("pcm_hermes_1", None, [1.52, 6.94, 9.18, 9.73]),
    ("pcm_hermes_2", None, [0.8, 4.69, 4.5, 5.28]), ("reram_wan_2022_1s", None, [0.87, 5.73, 4.18, 2.76]),
    ("reram_wan_2022_1day", None, [1.75, 9.91, 8.91, 6.63]), ("reram_wan_2022_2days", None, [1.96, 9.83, 8.96, 6.69]),
    ("sonos_agrawal_2022", 1e7, [0, 1.18, 1.24, 1.24]), ("reram_cmo_2pct", 9.8, [0.142, 0.519, 0.895, 1.271])])
def test_presets_have_the_errors_that_their_programs_have(name, at, percent):
    """Standard deviations of AIHWKit's and CrossSim's models at the four levels of a cell, in per cent of the range."""
    noise = Noise(preset=name)
    assert noise.conductance.on_off == at
    [effect] = [e for e in registry.effects(noise) if e.name == "programming"]
    low = noise.conductance.lowest
    x = np.array([low + (1 - low) * d / 3 for d in range(4)], np.float32)
    assert np.allclose(effect.options.sigma(x) * 100 / (1 - low), percent, atol=0.012)
