"""The least squared error that integers within the cap can have, exactly, where a column has few possible sums."""

from __future__ import annotations

import numpy as np

from xbarch.datapaths.records import Ints
from xbarch.datapaths.xue import loops

_SUMS = 512  # most combinations of digit sums; they grow as (cap + 1)**digits
_WIDE = 256  # columns that are solved side by side


def least_errors(m: Ints, table: Ints, cap: int) -> Ints | None:
    """Of magnitudes m [columns, n]: the least error of values whose digits (table: [values, digits]) sum to at most
    `cap`, by dynamic programming over the sums of the first weights; None where there are too many sums."""
    values, digits = table.shape
    if (cap + 1) ** digits > _SUMS:
        return None
    size = (cap + 1) ** np.arange(digits)
    sums = np.arange((cap + 1) ** digits)[:, None] // size % (cap + 1)
    order = np.argsort((m > 0).sum(axis=1), kind="stable")  # zeros are done sooner where they are side by side
    kind, never = (np.int16, 1 << 14) if m.shape[1] * values**2 < 1 << 14 else (np.int32, 1 << 30)  # n squares
    found, result, best = np.empty(len(m), np.int64), np.empty(len(m), np.int64), np.empty((len(sums), _WIDE), kind)
    reaches, fewest = np.all(table[:, None] <= sums, axis=2), (-(-sums // table.max(axis=0))).max(axis=1)
    loops.least(np.ascontiguousarray(m[order].T, np.int64), table @ size, reaches, fewest, best, never, found)
    result[order] = found
    return result
