"""Simulated annealing over the densities of all layers together (AutoCompress, Liu et al., AAAI 2020)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp

import numpy as np

from xbarch.errors import InputError

Densities = dict[str, float]
Cost = Callable[[Densities], float]

_FIRST, _LAST = 0.05, 0.001  # temperatures at the start and the end: losses of accuracy that are likely accepted


def annealed(cost: Cost, sizes: Mapping[str, int], values: Sequence[float], density: float, trials: int,
             seed: int) -> Densities:
    """Return densities that keep at most `density` of all weights, at a small cost.

    From the largest value that all layers can have, one layer's density moves to a neighbour in `values`, and where
    that keeps too many weights, others drawn at random fall until it does not. What costs less is taken, what costs
    more by d with probability exp(-d / T); T falls geometrically (steps, temperatures and neighbours are this project's
    reading).

    Args:
        cost: of densities by layer, as the accuracy lost.
        sizes: weights of every layer.
        values: that a density may have, rising.
        trials: densities that are tried.

    Raises:
        InputError: even the least value of all layers keeps too many.
    """
    rng, names = np.random.default_rng(seed), list(sizes)
    budget = density * sum(sizes.values()) * (1 + 1e-9)
    within = [i for i, value in enumerate(values) if value * sum(sizes.values()) <= budget]
    if not within:
        raise InputError(f"must begin with at most {density:g}, the density of all layers together, not {values[0]:g}",
                         field="pruning.search.values")
    here = dict.fromkeys(names, within[-1])
    costs = spent = cost({n: values[i] for n, i in here.items()})
    best = dict(here)
    for trial in range(1, trials):
        there = _neighbour(here, names, sizes, values, budget, rng)
        new = cost({n: values[i] for n, i in there.items()})
        temperature = _FIRST * (_LAST / _FIRST) ** (trial / trials)
        if new <= spent or rng.random() < exp((spent - new) / temperature):
            here, spent = there, new
        if spent < costs:
            best, costs = dict(here), spent
    return {n: values[i] for n, i in best.items()}


def _neighbour(here: Mapping[str, int], names: Sequence[str], sizes: Mapping[str, int], values: Sequence[float],
               budget: float, rng: np.random.Generator) -> dict[str, int]:
    there = dict(here)
    moved = names[int(rng.integers(len(names)))]
    step = 1 if there[moved] == 0 else -1 if there[moved] == len(values) - 1 else int(rng.choice([-1, 1]))
    there[moved] = min(max(there[moved] + step, 0), len(values) - 1)
    while sum(values[i] * sizes[n] for n, i in there.items()) > budget:
        can = [n for n in names if there[n] > 0 and (n != moved or len(names) == 1)] or [moved]
        there[can[int(rng.integers(len(can)))]] -= 1
    return there
