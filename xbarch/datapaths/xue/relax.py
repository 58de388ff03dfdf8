"""Lagrangian relaxation of the digit sums: subgradient ascent on the prices of the digits, for many columns at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Bools, Ints
from xbarch.datapaths.xue import loops

_STEPS, _LAST = 20, 0.01    # subgradient steps per digit, and the last step's size relative to the first
_SLOPE = 0.25              # added to magnitudes in the relaxation, from the first weight of a column to the last
_CHECKED = 5               # steps after which columns that are done are left out
Prices = NDArray[np.float32]


def relax(m: Ints, table: Ints, cap: int, goal: Ints | None = None) -> tuple[Ints, Ints, Prices]:
    """The best solution within the cap for the magnitudes m [columns, n], the solution of the largest lower bound
    (which may be over the cap) for repair, and the prices of the latter.

    goal: errors [columns]; a column whose best solution has no larger error is left as it is, because nothing better
    exists.
    """
    ascent, todo = _Ascent(m, table, cap), np.arange(len(m))
    best, relaxed, prices = ascent.ends
    best, relaxed, prices = best.copy(), relaxed.copy(), prices.copy()
    steps = _STEPS * max(3, table.shape[1])
    for t in range(steps):
        ascent.step(_LAST ** (t / steps))
        last = t == steps - 1
        if not last and (goal is None or (t + 1) % _CHECKED):
            continue
        best[todo], relaxed[todo], prices[todo] = ascent.ends
        if goal is not None and not last:
            open_ = ascent.least > goal[todo]
            todo = todo[open_]
            ascent.keep(open_)
        if not len(todo):
            break
    return best, relaxed, prices


class _Ascent:
    """Equal magnitudes would all change their value at the same price. A slope of less than one across the weights,
    which are sorted by magnitude, lets them change one after another.

    The columns are the last axis of whatever is as large as the weights, so that every step goes along memory.
    """

    def __init__(self, m: Ints, table: Ints, cap: int) -> None:
        self.m, self.cap = np.ascontiguousarray(m.T.astype(np.int32)), cap
        slope = np.linspace(_SLOPE, -_SLOPE, m.shape[1], dtype=np.float32)
        distance = ((m + slope)[:, :, None] - np.arange(len(table))).astype(np.float32) ** 2
        self.distance = np.ascontiguousarray(distance.transpose(2, 1, 0))  # [values, n, columns]
        self.distance[1:, self.m == 0] = np.inf  # a weight of zero stays zero
        self.held = np.ascontiguousarray(table.T, np.int64)
        self.digits = table.astype(np.float32)
        count = table.shape[1]
        self.size = (len(table) ** (2 * np.arange(count) / count)).astype(np.float32) / cap
        self.price, self.prices = np.zeros((2, len(m), count), np.float32)
        self.best, self.relaxed = np.zeros_like(self.m), self.m.copy()
        self.least, self.bound = (self.m**2).sum(axis=0), np.full(len(m), -np.inf, np.float32)

    @property
    def ends(self) -> tuple[Ints, Ints, Prices]:
        return self.best.T.astype(np.int64), self.relaxed.T.astype(np.int64), self.prices

    def step(self, share: float) -> None:
        """One step, of that share of the first one's size."""
        v, lowest = np.empty_like(self.m), np.empty(self.m.shape, np.float32)
        loops.cheapest(self.distance, np.ascontiguousarray((self.price @ self.digits.T).T), v, lowest)
        sums, error = np.empty((len(self.held), len(self.price)), np.int64), np.empty(len(self.price), np.int64)
        loops.weigh(self.m, v, self.held, sums, error)
        over = sums.T - self.cap
        dual = np.ascontiguousarray(lowest.T).sum(axis=1) - self.cap * self.price.sum(axis=1)
        won = (over <= 0).all(axis=1) & (error < self.least)
        np.copyto(self.best, v, where=won)
        np.copyto(self.least, error, where=won)
        tighter = dual > self.bound
        np.copyto(self.relaxed, v, where=tighter)
        np.copyto(self.prices, self.price, where=tighter[:, None])
        np.maximum(self.bound, dual, out=self.bound)
        self.price = np.maximum(0, self.price + self.size * np.float32(share) * over.astype(np.float32))

    def keep(self, chosen: Bools) -> None:
        """Go on with these columns alone."""
        if chosen.all():
            return
        for name in ("m", "distance", "best", "relaxed"):
            setattr(self, name, np.ascontiguousarray(getattr(self, name)[..., chosen]))
        for name in ("price", "prices", "least", "bound"):
            setattr(self, name, getattr(self, name)[chosen])
