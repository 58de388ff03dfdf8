"""Weights that are tied: retraining keeps them equal."""

from __future__ import annotations

import numpy as np

from xbarch.datapaths.records import Ints, Reals


def averaged(values: Reals, ties: Ints) -> Reals:
    """Values with each set of tied ones replaced by its mean: the nearest values that are equal where they are tied.

    ties: same shape: the number of the set, from 0; -1: not tied.
    """
    tied, found = ties >= 0, np.array(values)
    if tied.any():
        sets = ties[tied]
        means = np.bincount(sets, found[tied].astype(np.float64)) / np.maximum(np.bincount(sets), 1)
        found[tied] = means[sets]
    return found
