"""The best assignment of filters to shapes that have room for a number of filters each, exactly.

It is a transportation problem with few shapes and many filters. With a price for each shape, every filter takes the
shape that keeps most of it after the price; whatever the prices are, that is optimal for the numbers of filters that
the shapes then have. Prices that nearly fill every shape are found by subgradient steps; the filters that are still too
many somewhere move along shortest paths over the shapes, which keeps the assignment optimal (successive shortest paths;
Ahuja, Magnanti and Orlin, Network Flows, 1993, section 9.7). A path is found among shapes, not among filters, so the
time grows about linearly with the filters.
"""

from __future__ import annotations

import numpy as np

from xbarch.datapaths.records import Ints, Reals
from xbarch.datapaths.segprune import loops

_STEPS, _FALL = 30, 0.93  # of the search for prices, and what a step is multiplied by
_BITS = 46  # of the largest worth as a whole number
_MOST = 4  # a price, in largest worths: sums along a path then stay far below `loops.FAR`


def seated(worth: Reals, sizes: Ints) -> Ints:
    """The shape of each filter, [F], with the largest total worth; worth [T, F], not negative; at most sizes[t] filters
    of shape t, F in all or more. Optimal for the worths rounded to multiples of 2**-46 of the largest."""
    count, filters = worth.shape
    spare = max(0, int(sizes.sum()) - filters)
    rows = np.zeros((filters + spare, count))  # filters of no worth fill what room is left
    rows[:filters] = worth.T
    scale = _BITS - int(np.frexp(worth.max(initial=0))[1])
    prices = _prices(np.ascontiguousarray(worth, np.float32), sizes, spare > 0)
    whole = np.rint(np.ldexp(rows, scale)).astype(np.int64) - np.rint(np.ldexp(prices, scale)).astype(np.int64)
    member = whole.argmax(axis=1)
    cheap = np.flatnonzero(prices == prices.min())
    room = np.maximum(sizes - np.bincount(member[:filters], minlength=count), 0)
    places = np.repeat(cheap, room[cheap])[:spare]
    member[filters:filters + len(places)] = places
    _level(whole, member, sizes)
    return np.asarray(member[:filters], np.int64)


def _prices(worth: loops.Prices, sizes: Ints, spare: bool) -> Reals:
    """Prices at which the filters' own choices fill the shapes nearly as `sizes` says; worth [T, F]. spare: shapes have
    more room than there are filters, so one with room left has the price zero and none has a lower one."""
    price: loops.Prices = np.zeros(len(sizes), np.float32)
    best = price
    most = _MOST * float(worth.max(initial=0))
    step, least, low = float(worth.std()), worth.shape[1] + 1, 0.0 if spare else -most
    for _ in range(_STEPS):
        over = loops.count_wishes(worth, price) - sizes
        excess = int(np.maximum(over, 0).sum())
        if excess < least:
            best, least = price, excess
        if not excess:
            break
        price = (price + step * over / np.maximum(sizes, 1)).clip(low, most).astype(np.float32)
        step *= _FALL
    return best.astype(np.float64)


def _level(worth: Ints, member: Ints, sizes: Ints) -> None:
    """Move filters, by changing `member`, from shapes with too many to shapes with room, at the least loss of worth."""
    count = len(sizes)
    load = np.bincount(member, minlength=count)
    if (load <= sizes).all():
        return
    loss, filters = np.full((count, count), loops.FAR), np.zeros((count, count), np.int64)
    for shape in range(count):
        loops.renew(loss, filters, worth, member, shape)
    while (load > sizes).any():
        path = _path(loss, load, sizes)
        member[filters[path[:-1], path[1:]]] = path[1:]
        load[path[0]] -= 1
        load[path[-1]] += 1
        for shape in path:
            loops.renew(loss, filters, worth, member, shape)


def _path(loss: Ints, load: Ints, sizes: Ints) -> list[int]:
    """The shapes along the path of least loss from one with too many filters to one with room."""
    away, before = np.where(load > sizes, 0, loops.FAR), np.full(len(loss), -1)
    loops.shorten(loss, away, before)
    room = np.flatnonzero(load < sizes)
    path = [int(room[away[room].argmin()])]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return path[::-1]
