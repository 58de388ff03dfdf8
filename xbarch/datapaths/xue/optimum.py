"""The least squared error that integers within the cap can have, exactly, where a column has few possible sums."""

from __future__ import annotations

import numpy as np

from xbarch.datapaths.records import Ints

_SUMS = 512  # most combinations of digit sums; they grow as (cap + 1)**digits


def least_errors(m: Ints, table: Ints, cap: int) -> Ints | None:
    """Of magnitudes m [columns, n]: the least error of values whose digits (table: [values, digits]) sum to at most
    `cap`, by dynamic programming over the sums of the largest weights; None where there are too many sums."""
    values, digits = table.shape
    if (cap + 1) ** digits > _SUMS:
        return None
    kind, never = (np.int16, 1 << 14) if m.shape[1] * values**2 < 1 << 14 else (np.int32, 1 << 30)  # n squares
    counts, m = (m > 0).sum(axis=1), -np.sort(-m, axis=1)
    order = np.argsort(-counts, kind="stable")  # columns with the most weights first: the others are done sooner
    # the columns are the last axis, so that every step goes along memory
    best: Ints = np.zeros((1,) * digits + (len(m),), kind)
    errors = ((m[order].T[:, None] - np.arange(values)[:, None]) ** 2).astype(kind)  # [n, values, columns]
    held = [v for v in range(1, values) if (table[v] <= cap).all()]
    result = np.zeros(len(m), np.int64)
    for number, error in enumerate(errors):
        count = int((counts > number).sum())
        result[order[count:best.shape[-1]]] = _least(best[..., count:])
        best = _with(best[..., :count], error[:, :count], table, held, cap, never)
    result[order[:best.shape[-1]]] = _least(best)
    return result


def _with(best: Ints, error: Ints, table: Ints, held: list[int], cap: int, never: int) -> Ints:
    """Return the least errors by digit sum [..., columns] with a weight more, whose errors by value are given. Sums
    that no weights so far can have are left out."""
    before = best.shape[:-1]
    after = [min(cap + 1, size + most) for size, most in zip(before, table.max(axis=0), strict=True)]
    found: Ints = np.full((*after, best.shape[-1]), never, best.dtype)
    found[tuple(map(slice, before))] = best + error[0]
    for v in held:
        rooms = [max(0, min(size, sums - digit)) for size, sums, digit in zip(before, after, table[v], strict=True)]
        target = found[tuple(slice(digit, digit + room) for digit, room in zip(table[v], rooms, strict=True))]
        np.minimum(target, best[tuple(map(slice, rooms))] + error[v], out=target)
    return found


def _least(best: Ints) -> Ints:
    return np.asarray(best.min(axis=tuple(range(best.ndim - 1))), np.int64)
