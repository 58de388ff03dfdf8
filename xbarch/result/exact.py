"""Sums and products of NumPy integers that never overflow."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LIMIT = 2**63


def safe_type(most: int) -> Any:
    """The dtype in which numbers up to `most` are exact: int64, or Python's integers where that is too narrow."""
    return np.int64 if most < _LIMIT else object


def total(*factors: NDArray[np.int64]) -> int:
    """Σ of the products of arrays of equal length that hold no negative number."""
    count = len(factors[0])
    if not count:
        return 0
    kind = safe_type(count * prod(max(1, int(factor.max())) for factor in factors))
    first, *others = (factor.astype(kind, copy=False) for factor in factors)
    for other in others:
        first = first * other
    return int(first.sum())
