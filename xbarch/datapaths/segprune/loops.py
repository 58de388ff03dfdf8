"""The inner loops of voting and seating, compiled. With NumPy they would pass over memory again and again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Ints
from xbarch.support.jit import jit

Prices = NDArray[np.float32]
FAR = 1 << 61  # more than any loss
_LINE = 8  # entries of a line of memory


@jit
def tile(energy: Ints, row0: int, tiles: Ints) -> None:
    """Copy a band of energy [F, R] into tiles [n, h, filters of a tile]."""
    filters, rows, wide = len(energy), tiles.shape[1], tiles.shape[2]
    for number in range(len(tiles)):
        first = number * wide
        for low in range(0, rows, _LINE):
            for f in range(first, min(first + wide, filters)):
                for row in range(low, min(low + _LINE, rows)):
                    tiles[number, row, f - first] = energy[f, row0 + row]


@jit
def add_rows(kept: Ints, tiles: Ints, shapes: Ints, rows: Ints, sign: int) -> None:
    """Add to kept [T, F] (or take from it, by sign) these rows of these shapes."""
    wide = tiles.shape[2]
    for number in range(len(tiles)):
        energy, first = tiles[number], number * wide
        for i in range(len(rows)):
            into, row = kept[shapes[i], first:first + wide], energy[rows[i]]
            if sign > 0:
                for f in range(wide):
                    into[f] += row[f]
            else:
                for f in range(wide):
                    into[f] -= row[f]


@jit
def add_filters(summed: Ints, energy: Ints, row0: int, shapes: Ints, filters: Ints, sign: int) -> None:
    """Add to summed [T, h] (or take from it, by sign) the band of these filters, energy [F, R]."""
    height = summed.shape[1]
    for i in range(len(filters)):
        into, one = summed[shapes[i]], energy[filters[i], row0:row0 + height]
        if sign > 0:
            for row in range(height):
                into[row] += one[row]
        else:
            for row in range(height):
                into[row] -= one[row]


@jit
def cover(kept: Ints, chosen: Ints) -> None:
    """Greedy maximum coverage: choose candidates, each the one that adds most to what those before it keep, the first
    of equal ones. kept: [candidates, F]. What a candidate adds never grows, so it is found again only where it may
    still be the most (Minoux, Accelerated greedy algorithms, 1978)."""
    candidates, filters = kept.shape
    adds, covered = np.empty(candidates, np.int64), np.zeros(filters, np.int64)
    for c in range(candidates):
        adds[c] = FAR
    for seat in range(len(chosen)):
        best, last = 0, -1
        while best != last:
            last, adds[best] = best, 0
            for f in range(filters):
                adds[last] += max(kept[last, f] - covered[f], 0)
            best = 0
            for c in range(candidates):
                if adds[c] > adds[best]:
                    best = c
        chosen[seat] = best
        for f in range(filters):
            covered[f] = max(covered[f], kept[best, f])


@jit
def count_wishes(worth: Prices, price: Prices) -> Ints:
    """How many filters each shape is worth most to after its price, the first of equal ones; worth [T, F]."""
    shapes, filters = worth.shape
    most, wished = worth[0] - price[0], np.zeros(filters, np.int32)
    for shape in range(1, shapes):
        for f in range(filters):
            after = worth[shape, f] - price[shape]
            if after > most[f]:
                most[f], wished[f] = after, shape
    found = np.zeros(shapes, np.int64)
    for f in range(filters):
        found[wished[f]] += 1
    return found


@jit
def renew(loss: Ints, filters: Ints, worth: Ints, member: Ints, shape: int) -> None:
    """The filter of this shape that loses least worth [F, T] by a move to each other shape, and what it loses."""
    loss[shape] = FAR
    for f in range(len(member)):
        if member[f] == shape:
            for other in range(len(loss)):
                lost = worth[f, shape] - worth[f, other]
                if lost < loss[shape, other] and other != shape:
                    loss[shape, other], filters[shape, other] = lost, f


@jit
def shorten(loss: Ints, away: Ints, before: Ints) -> None:
    """The least loss on any path to each shape, `away`, and the shape before it on this path (Bellman and Ford, all
    shapes at a time), the first of equal ones. `away` starts with 0 or FAR, `before` with -1."""
    count = len(away)
    found, nearest = np.empty(count, np.int64), np.empty(count, np.int64)
    shorter = True
    while shorter:
        shorter = False
        for shape in range(count):
            found[shape] = away[shape]
            for start in range(count):
                if away[start] + loss[start, shape] < found[shape]:
                    found[shape], nearest[shape] = away[start] + loss[start, shape], start
        for shape in range(count):
            if found[shape] < away[shape]:
                away[shape], before[shape], shorter = found[shape], nearest[shape], True
