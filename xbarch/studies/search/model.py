"""The sampler `model`: points that a linear model of the objectives' logarithms expects on the front.

A figure of a machine is nearly a product of what each choice contributes, so its logarithm is nearly a sum, with a few
products of two choices beside it. Ridge regression on these terms, fitted to the points so far, predicts each
objective, and whether a point runs and keeps the constraints. Of the candidates that are expected to, those that add
most to the hypervolume of the front are tried next. This sampler is this project's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.studies.search.space import Places, Space
from xbarch.studies.search.volume import volume

_FIRST = 20  # points at random before the model
_FREE = 0.2  # share of later points that stays at random
_HOPED = 0.3  # least of what is predicted for a truth value, 0 or 1, of a point that is tried: doubt is worth a try
_RIDGE, _PAIRED = 0.1, 0.5  # penalty; weight of products of two choices, of which there are many
_LISTED, _DRAWN, _BEST = 20_000, 5_000, 40  # candidates in all, drawn from a larger space, and weighed by volume
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """A point that was tried. values: of the objectives, less is better; None: it did not run."""

    places: Places
    values: tuple[float, ...] | None
    kept: bool
    """Whether it keeps the constraints."""


def propose(space: Space, told: Sequence[Told], count: int, seed: int) -> list[Places]:
    """Return so many untried points, fewer if there are no more."""
    tried, random = {each.places for each in told}, Random(seed)
    wanted = 0 if len(told) < _FIRST else round(count * (1 - _FREE))
    picked = _expected(space, told, _candidates(space, told, tried, random), wanted) if wanted else []
    while len(picked) < count:
        found = space.untried(tried | {*picked}, random.randrange(2**32))
        if found is None:
            break
        picked.append(found)
    return picked


def _candidates(space: Space, told: Sequence[Told], tried: set[Places], random: Random) -> list[Places]:
    """Return untried points: all of a small space, else some at random, and the neighbours of those that keep the
    constraints."""
    if space.size <= _LISTED:
        return [places for places in product(*map(range, space.sizes)) if places not in tried]
    drawn = {tuple(random.randrange(size) for size in space.sizes) for _ in range(_DRAWN)}
    for each in told[-_DRAWN // 10:]:
        if each.kept:
            drawn |= {(*each.places[:at], place, *each.places[at + 1:])
                      for at, size in enumerate(space.sizes) for place in range(size)}
    return sorted(drawn - tried)


def _expected(space: Space, told: Sequence[Told], candidates: Sequence[Places], count: int) -> list[Places]:
    """Return the candidates that the model expects to add most to the front, the best first."""
    ran = [each for each in told if each.values is not None]
    if not candidates or not ran:
        return []
    every = _terms(space, candidates)
    runs = every @ _fit(_terms(space, [each.places for each in told]), np.array([[t.values is not None] for t in told]))
    known = _terms(space, [each.places for each in ran])
    keeps = every @ _fit(known, np.array([[each.kept] for each in ran]))
    values = np.array([each.values for each in ran])
    logs, back = _scale(values)
    hoped = np.flatnonzero((runs[:, 0] > _HOPED) & (keeps[:, 0] > _HOPED))
    found = back((every @ _fit(known, logs))[hoped])
    here = values[[each.kept for each in ran]]
    better = [i for i, value in enumerate(found) if not (here <= value).all(axis=1).any()]
    better = _undominated(found, better)[:_BEST]
    return [candidates[hoped[i]] for i in _adding(here, found, better, count)]


def _terms(space: Space, points: Sequence[Places]) -> Reals:
    """The terms of the model [points, terms]: one; each choice; products of two parameters, in which one whose values
    are ordered is its position, and any other its choice."""
    chosen = [np.eye(len(p.values))[[places[p.at] for places in points]] for p in space.parameters]
    factors = [_position(each) if p.ordered else each for p, each in zip(space.parameters, chosen, strict=True)]
    pairs = [_PAIRED ** (not (one.shape[1] == 1 or other.shape[1] == 1)) * _products(one, other)
             for one, other in combinations(factors, 2)]
    return np.concatenate([np.ones((len(points), 1)), *chosen, *pairs], axis=1)


def _position(chosen: Reals) -> Reals:
    """Where a choice lies between the first and the last, from -0.5 to 0.5 [points, 1]."""
    return chosen @ np.linspace(-0.5, 0.5, chosen.shape[1])[:, None]


def _products(one: Reals, other: Reals) -> Reals:
    return (one[:, :, None] * other[:, None, :]).reshape(len(one), -1)


def _fit(terms: Reals, values: NDArray[Any]) -> Reals:
    """Weights of the terms by ridge regression [terms, values], from the smaller of the two systems of equations."""
    inner = terms @ terms.T + _RIDGE * np.eye(len(terms))
    return np.asarray(terms.T @ np.linalg.solve(inner, values.astype(float)))


def _scale(values: Reals) -> tuple[Reals, Any]:
    """Return values as logarithms where those of an objective have one sign, and what takes predictions back."""
    signs = np.where((values > 0).all(axis=0), 1.0, np.where((values < 0).all(axis=0), -1.0, 0.0))
    logs = np.where(signs != 0, signs * np.log(np.maximum(np.abs(values), 1e-300)), values)

    def back(predicted: Reals) -> Reals:
        return np.where(signs != 0, signs * np.exp(np.clip(signs * predicted, -700, 700)), predicted)

    return logs, back


def _undominated(found: Reals, some: Sequence[int]) -> list[int]:
    """Those of some points that no other of them surpasses, the least first objective first."""
    kept: list[int] = []
    for i in sorted(some, key=lambda i: tuple(found[i])):
        if not any((found[j] <= found[i]).all() for j in kept):
            kept.append(i)
    return kept


def _adding(here: Reals, found: Reals, some: Sequence[int], count: int) -> list[int]:
    """Return those of some points that add most to the hypervolume of a front `here`, one after another."""
    if not some:
        return []
    every = np.concatenate([here, found[list(some)]])
    low, high = every.min(axis=0), every.max(axis=0)
    scaled = [tuple(map(float, value)) for value in (every - low) / np.where(high > low, high - low, 1.0)]
    front = [scaled[i] for i in _undominated(every, range(len(here)))]
    left, picked = dict(zip(some, scaled[len(here):], strict=True)), list[int]()
    while left and len(picked) < count:
        best = max(left, key=lambda i: volume([*front, left[i]]))
        front.append(left.pop(best))
        picked.append(best)
    return picked
