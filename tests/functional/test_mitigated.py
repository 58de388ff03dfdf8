"""What makes up for imperfect devices: verified writing, spare and chosen bit lines, trimmed gains."""

from dataclasses import replace
from itertools import permutations
from math import erf, sqrt

import numpy as np
import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.parts.effects.base import Given
from xbarch.parts.effects.programming import Programming
from xbarch.parts.effects.stuck import Stuck
from xbarch.parts.effects.trim import Trim
from xbarch.parts.wires import Wires

RNG = np.random.default_rng
LEVELS = np.linspace(0, 1, 4, dtype=np.float32)


def given(target, seed=0, held=None, lowest=0.0):
    return Given(levels=3, lowest=lowest, highest=None, target=target, converters=1, random=RNG(seed),
                 held=np.ones(target.shape, bool) if held is None else held)


def cells(rows, columns, seed=0):
    return RNG(seed).choice(LEVELS, (rows, columns)).astype(np.float32)


def test_verified_cells_have_the_error_of_what_is_accepted():
    """A normal error of 10 %, accepted within 5 %: cut off at the tolerance on both sides."""
    asked = np.full((400, 400), 0.5, np.float32)
    found = Programming({"independent": 0.1, "verify": {"tolerance": 0.05, "rounds": 200}}).cells(asked, given(asked))
    share = erf(0.5 / sqrt(2))
    density = np.exp(-0.125) / sqrt(2 * np.pi)
    assert np.abs(found - asked).max() <= 0.05 + 1e-6
    assert (found - asked).std() == pytest.approx(0.1 * sqrt(1 - density / share), rel=0.01)


def test_a_single_round_is_a_pulse_without_verifying():
    asked = cells(50, 50)
    once = Programming({"independent": 0.1, "verify": {"tolerance": 0.01, "rounds": 1}}).cells(asked, given(asked))
    assert np.array_equal(once, Programming({"independent": 0.1}).cells(asked, given(asked)))


def test_expected_pulses_are_those_of_a_simulation():
    rounds, together = 6, 4
    effect = Programming({"independent": 0.04, "proportional": 0.05, "verify": {"tolerance": 0.03, "rounds": rounds}})
    pulses, turns = effect.pulses(LEVELS, together)
    rng, count = RNG(1), 40_000
    level = rng.choice(LEVELS, (count, together))
    waits = np.ones(level.shape, bool)
    taken = np.zeros(level.shape)
    for _ in range(rounds):
        taken += waits
        error = np.abs(np.maximum(0, level + (0.04 + 0.05 * level) * rng.standard_normal(level.shape)) - level)
        waits &= error > 0.03
    assert pulses == pytest.approx(taken.mean(), rel=0.01)
    assert turns == pytest.approx(taken.max(axis=1).mean(), rel=0.01)


VERIFY = [f"crossbar.programming.verify.{field}" for field in (
    "pulses=1", "rounds=1", "read=10 ns", "energy=1 pJ", "source=test")]


def test_writing_takes_the_pulses_that_the_errors_expect():
    verify = {"tolerance": 0.02, "rounds": 9}
    noise = ["noise.effects.programming.independent=0.05", "noise.effects.programming.verify.tolerance=0.02",
             "noise.effects.programming.verify.rounds=9"]
    plain, verified = (xbarch.simulate("isaac_like", "vgg7_pruned", images=1, overrides=VERIFY + more).data[
        "programming"]["by_part_aj"] for more in ([], noise))
    pulses, _ = Programming({"independent": 0.05, "verify": verify}).pulses(LEVELS, 1)
    assert pulses > 1.5
    for part in ("pulses", "verify"):
        assert verified[part] == pytest.approx(plain[part] * pulses, rel=1e-6)


def test_verifying_without_a_price_of_its_read_is_refused():
    with pytest.raises(InputError, match=r"crossbar.programming.verify: must be stated where the effect programming"):
        xbarch.simulate("isaac_like", "vgg7_pruned", images=1, overrides=[
            "noise.effects.programming.independent=0.1",
            "noise.effects.programming.verify.tolerance=0.02", "noise.effects.programming.verify.rounds=9"])


def harm(asked, found):
    return float(np.abs(asked - found).sum())


@pytest.mark.parametrize("seed", range(4))
def test_remapped_columns_are_the_best_of_all_permutations(seed):
    asked = cells(6, 5, seed)
    options = {"off": 0.2, "on": 0.1}
    chance = RNG(seed).random(asked.shape, np.float32)
    off, on = chance < 0.2, chance >= np.float32(1 - 0.1)
    best = min(harm(asked, np.where(off[:, list(p)], 0, np.where(on[:, list(p)], 1, asked)))
               for p in permutations(range(5)))
    found = Stuck({**options, "remap": True}).cells(asked, given(asked, seed))
    assert harm(asked, found) == pytest.approx(best, abs=1e-5)
    assert best <= harm(asked, Stuck(options).cells(asked, given(asked, seed)))


@pytest.mark.parametrize("seed", range(4))
def test_spare_columns_take_the_place_of_the_worst(seed):
    """Without remapping a column is on its own bit line or on a spare one: the best of all such choices."""
    asked, spares = cells(6, 4, seed), 2
    options = {"off": 0.2, "on": 0.1}
    rng = RNG(seed)
    chance = np.concatenate((rng.random(asked.shape, np.float32), rng.random((6, spares), np.float32)), axis=1)
    off, on = chance < 0.2, chance >= np.float32(1 - 0.1)
    places = [p for p in permutations(range(6), 4) if all(at == c or at >= 4 for c, at in enumerate(p))]
    best = min(harm(asked, np.where(off[:, list(p)], 0, np.where(on[:, list(p)], 1, asked))) for p in places)
    found = Stuck({**options, "spare_columns": spares}).cells(asked, given(asked, seed))
    assert harm(asked, found) == pytest.approx(best, abs=1e-5)


def test_columns_that_hold_nothing_are_free_for_others():
    """One faulty bit line, one that holds nothing: the column moves, and nothing is lost."""
    asked = np.array([[1, 0], [1, 0]], np.float32)
    held = np.array([[True, False], [True, False]])
    for seed in range(50):
        chance = RNG(seed).random((2, 2), np.float32)
        faults = (chance < 0.3).sum(axis=0)
        if faults[0] and not faults[1]:
            found = Stuck({"off": 0.3, "remap": True}).cells(asked, given(asked, seed, held))
            assert np.array_equal(found[:, 0], asked[:, 0])
            return
    raise AssertionError("no such draw")


def test_a_trimmed_bit_line_gives_with_all_word_lines_what_it_should():
    asked = cells(64, 32)
    held = given(asked)
    lost = Wires(1e-4, 1e-4).seen(asked).astype(np.float32)
    by_column, by_array = (Trim({"per": per}).cells(lost, held) for per in ("column", "array"))
    assert by_column.sum(axis=0) == pytest.approx(asked.sum(axis=0), rel=1e-5)
    assert by_array.sum() == pytest.approx(asked.sum(), rel=1e-5)
    x = RNG(1).integers(0, 2, (200, 64))
    errors = [np.abs(x @ found - x @ asked).mean() for found in (lost, by_array, by_column)]
    assert errors[0] > 2 * errors[1] > 2 * errors[2]


def test_trimming_takes_a_gain_out_exactly():
    asked = cells(20, 10)
    gain = RNG(2).uniform(0.5, 2, 10).astype(np.float32)
    assert Trim({}).cells(asked * gain, replace(given(asked))) == pytest.approx(asked, rel=1e-5)
