"""The inner loops of the bit level, compiled. With NumPy they would pass over memory again and again.

Columns lie last in what is as large as the weights, so that a loop over columns goes along memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Bools, Ints
from xbarch.support.jit import jit

Singles = NDArray[np.float32]
Whole = NDArray[np.signedinteger[Any]]


@jit
def least(m: Ints, shift: Ints, reaches: Bools, fewest: Ints, best: Whole, never: int, found: Ints) -> None:
    """Least errors of magnitudes m [n, columns] by dynamic programming over the digit sums, numbered as the digits of
    one number. shift: [values], what a value adds to this number. reaches: [values, sums], whether a sum can have a
    last weight of this value. fewest: [sums], weights that it takes. best: [sums, columns that are solved side by
    side], of a type that holds twice `never` less one, where `never` is more than any error. Later sums come first, so
    that each is made in place."""
    count, columns = m.shape
    values, sums = reaches.shape
    together, kind = best.shape[1], best.dtype.type
    one, error = np.empty(together, best.dtype), np.zeros((values, together), best.dtype)
    for first in range(0, columns, together):
        wide = min(together, columns - first)
        best[:], done = never, 0
        best[0] = 0
        for i in range(count):
            if not m[i, first:first + wide].any():
                continue
            done += 1
            for u in range(values):
                for c in range(wide):
                    error[u, c] = (m[i, first + c] - u) ** 2
            for s in range(sums - 1, -1, -1):
                if fewest[s] > done:
                    continue
                for c in range(together):
                    one[c] = best[s, c] + error[0, c]
                for u in range(1, values):
                    if reaches[u, s]:
                        before, more = best[s - shift[u]], error[u]
                        for c in range(together):
                            one[c] = min(one[c], kind(before[c] + more[c]))
                best[s] = one
        for c in range(wide):
            found[first + c] = best[:, c].min()


@jit
def cheapest(distance: Singles, paid: Singles, v: Whole, lowest: Singles) -> None:
    """The value of least distance [values, n, columns] and price paid [values, columns] of every weight, the smallest
    of equal ones, and what it costs: `v` and `lowest`, [n, columns]."""
    values, count, columns = distance.shape
    for i in range(count):
        for c in range(columns):
            v[i, c], lowest[i, c] = 0, distance[0, i, c] + paid[0, c]
        for u in range(1, values):
            for c in range(columns):
                cost = distance[u, i, c] + paid[u, c]
                v[i, c] = np.int32(u) if cost < lowest[i, c] else v[i, c]
                lowest[i, c] = cost if cost < lowest[i, c] else lowest[i, c]


@jit
def weigh(m: Whole, v: Whole, held: Ints, sums: Ints, error: Ints) -> None:
    """Digit sums [digits, columns] and squared errors [columns] of values v for magnitudes m [n, columns]. held:
    [digits, values]."""
    count, columns = m.shape
    sums[:], error[:] = 0, 0
    for i in range(count):
        for c in range(columns):
            error[c] += (m[i, c] - v[i, c]) ** 2
        for digit in range(len(held)):
            for c in range(columns):
                sums[digit, c] += held[digit, v[i, c]]


@jit
def appraise(m: Ints, v: Ints, price: Singles, table: Ints, priced: NDArray[np.float64]) -> None:
    """What it costs to give every weight every value, at the prices [columns, digits] of the digits: priced
    [columns, n * values], infinite for the value that it has. m and v: [columns, n]."""
    columns, count = m.shape
    values, digits = table.shape
    for c in range(columns):
        for i in range(count):
            old = v[c, i]
            for u in range(values):
                rise = 0.0
                for p in range(digits):
                    rise += (table[u, p] - table[old, p]) * np.float64(price[c, p])
                cost = (m[c, i] - u) ** 2 - (m[c, i] - old) ** 2
                priced[c, i * values + u] = np.inf if u == old else cost + rise


@jit
def change(m: Ints, v: Ints, near: Ints, table: Ints, cap: int, changed: Bools) -> None:
    """Make the change of one weight, or of two together, that lowers the error of a column most and stays within the
    cap; the first of equal ones, and one weight rather than two. m and v: [columns, n]; near: [columns, k], the changes
    that are tried in pairs, each as weight * values + value; changed: [columns], whether there was one."""
    columns, count = m.shape
    values, digits = table.shape
    tried = near.shape[1]
    room, cost, rise = np.empty(digits, np.int64), np.empty(tried, np.int64), np.empty((tried, digits), np.int64)
    for c in range(columns):
        for p in range(digits):
            room[p] = cap
            for i in range(count):
                room[p] -= table[v[c, i], p]
        most, one, two = 0, -1, -1
        for i in range(count):
            old = v[c, i]
            for u in range(values):
                saved, fits = (m[c, i] - old) ** 2 - (m[c, i] - u) ** 2, True
                for p in range(digits):
                    fits &= table[u, p] - table[old, p] <= room[p]
                if fits and saved > most:
                    most, one = saved, i * values + u
        for k in range(tried):
            i, u = near[c, k] // values, near[c, k] % values
            cost[k] = (m[c, i] - u) ** 2 - (m[c, i] - v[c, i]) ** 2
            for p in range(digits):
                rise[k, p] = table[u, p] - table[v[c, i], p]
        for a in range(tried):
            for b in range(a + 1, tried):
                if -cost[a] - cost[b] > most and near[c, a] // values != near[c, b] // values:
                    fits = True
                    for p in range(digits):
                        fits &= rise[a, p] + rise[b, p] <= room[p]
                    if fits:
                        most, one, two = -cost[a] - cost[b], near[c, a], near[c, b]
        changed[c] = one >= 0
        if one >= 0:
            v[c, one // values] = one % values
        if two >= 0:
            v[c, two // values] = two % values
