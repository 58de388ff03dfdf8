"""The least squared error that integers within the cap can have, exactly, where a column has few possible sums."""

from __future__ import annotations

import numpy as np

from xbarch.datapaths.records import Ints

_SUMS = 512  # most combinations of digit sums; they grow as (cap + 1)**digits


def least_errors(m: Ints, table: Ints, cap: int) -> Ints | None:
    """Of magnitudes m [columns, n]: the least error of values whose digits (table: [values, digits]) sum to at most
    `cap`, by dynamic programming over the sums of the first weights; None where there are too many sums."""
    values, digits = table.shape
    if (cap + 1) ** digits > _SUMS:
        return None
    kind, never = (np.int16, 1 << 14) if m.shape[1] * values**2 < 1 << 14 else (np.int32, 1 << 30)  # n squares
    # the columns are the last axis, so that every step goes along memory
    best: Ints = np.full((cap + 1,) * digits + (len(m),), never, kind)
    best[(0,) * digits] = 0
    errors = ((m.T[:, None] - np.arange(values)[:, None]) ** 2).astype(kind)  # [n, values, columns]
    held = [v for v in range(1, values) if (table[v] <= cap).all()]
    for error in errors:
        found = best + error[0]
        for v in held:
            after = found[tuple(slice(digit, None) for digit in table[v])]
            np.minimum(after, best[tuple(slice(cap + 1 - digit) for digit in table[v])] + error[v], out=after)
        best = found
    return np.asarray(best.reshape(-1, len(m)).min(axis=0), np.int64)
