"""The sampler `model`: what it proposes, against functions of which the best is known."""

from itertools import product
from random import Random

import numpy as np
import pytest

from xbarch.studies.search.model import Told, _fit, _scale, _terms, propose
from xbarch.studies.search.space import Parameter, Space
from xbarch.studies.search.volume import volume


def space(*parameters):
    made = Space.__new__(Space)
    made.parameters = [Parameter(f"p{at}", at, values) for at, values in enumerate(parameters)]
    made.sizes = [len(values) for values in parameters]
    return made


SMALL = space([1, 2, 4, 8], ["a", "b", "c"], [10, 20, 30])
EVERY = [*product(range(4), range(3), range(3))]


def values(places):
    """Products of what each choice contributes, the first as a speed that is to be large."""
    return -(2.0 ** places[0]) * (1, 3, 2)[places[1]], 1.5 ** places[0] * (5, 1, 4)[places[1]] * (2 + places[2])


def test_products_are_predicted():
    """From a third of the points to all others, by the right choice of terms: to within 10 %."""
    known = Random(0).sample(EVERY, 18)
    logs, back = _scale(np.array([values(p) for p in known]))
    found = back(_terms(SMALL, EVERY) @ _fit(_terms(SMALL, known), logs))
    assert found == pytest.approx(np.array([values(p) for p in EVERY]), rel=0.25)
    assert np.median(abs(found / np.array([values(p) for p in EVERY]) - 1)) < 0.1


def test_the_best_points_are_proposed():
    """Points that no other surpasses and that keep the constraint, before all others; none twice."""
    told = [Told(p, values(p), p[2] > 0) for p in Random(1).sample(EVERY, 20)]
    left = {p: values(p) for p in EVERY if p[2] > 0 and p not in {each.places for each in told}}
    here = [each.values for each in told if each.kept]
    best = {p for p, v in left.items() if not any(
        o != v and o[0] <= v[0] and o[1] <= v[1] for o in [*left.values(), *here])}
    found = propose(SMALL, told, 5, seed=0)
    assert len({*found}) == len(found) == 5 and not {*found} & {each.places for each in told}
    assert best <= {*found[:4]} and best


def test_what_does_not_run_is_avoided():
    told = [Told(p, None if p[1] == 1 else values(p), p[1] != 1) for p in Random(2).sample(EVERY, 24)]
    assert all(propose(SMALL, told, 5, seed=seed)[0][1] != 1 for seed in range(3))


def test_first_points_are_random_and_a_space_may_end():
    assert propose(SMALL, [], 6, seed=3) == propose(SMALL, [], 6, seed=3) != propose(SMALL, [], 6, seed=4)
    told = [Told(p, values(p), True) for p in EVERY[:-2]]
    assert sorted(propose(SMALL, told, 6, seed=0)) == EVERY[-2:]


def test_the_hypervolume_is_that_of_counted_cells():
    """Points on a lattice of 6 x 6 x 6: a cell counts if a point is at or below its lower corner in every axis."""
    rng = np.random.default_rng(0)
    for count in (1, 3, 8):
        points = [tuple(map(int, p)) for p in rng.integers(0, 6, (count, 3))]
        cells = sum(any(all(a <= b for a, b in zip(p, cell, strict=True)) for p in points)
                    for cell in np.ndindex(6, 6, 6))
        assert volume(tuple(v / 6 for v in p) for p in points) == pytest.approx(cells / 216)
