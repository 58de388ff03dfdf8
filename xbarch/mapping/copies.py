"""How often each layer is replicated so that the pipeline is balanced within a crossbar budget."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from xbarch.mapping.shares import Share


@dataclass(frozen=True)
class Demand:
    """What one copy of a layer needs: crossbars, output windows per image, and mean ps that a window occupies it.
    shares: the ways in which copies may own the windows, with more and more copies; none: they take them in turn."""

    name: str
    crossbars: int
    windows: int
    occupancy: Fraction
    shares: Sequence[Share] = ()

    def time(self, copies: int) -> Fraction:
        """ps that the busiest of so many copies works per image."""
        share = self.share(copies)
        return self.occupancy * (share.longest if share else Fraction(self.windows, copies))

    def share(self, copies: int) -> Share | None:
        """How so many copies own the windows; None: in turn."""
        return self.shares[self._place(copies)] if self.shares else None

    def more(self, copies: int) -> int:
        """The next larger number of copies of which the busiest has less to do; the same number if there is none."""
        if self.shares:
            return self.shares[min(self._place(copies) + 1, len(self.shares) - 1)].copies
        return min(copies + 1, self.windows)

    def _place(self, copies: int) -> int:
        return bisect_left(self.shares, copies, key=lambda share: share.copies)


def balance(demands: Sequence[Demand], budget: int, enough: Fraction = Fraction(0)) -> list[int]:
    """Copies of each layer for the smallest interval T whose crossbars fit `budget`.

    copies_i = min(P_i, ceil(P_i * tau_i / T)), ISAAC's balanced pipeline (Shafiee et al., ISCA 2016, section
    on replication) with a real T instead of a whole number of windows. Lowering T always starts with the
    slowest layer, so raising that one layer until the next copy does not fit finds the smallest T exactly.
    Where copies own stripes, a layer is raised to the next number of copies that has a use.
    One copy of each layer is given even where the budget is smaller.

    enough: an interval (ps) that need not be shortened further.
    """
    copies = [1] * len(demands)
    used = sum(d.crossbars for d in demands)
    slowest = [(-d.time(1), i) for i, d in enumerate(demands)]
    heapq.heapify(slowest)
    while slowest:
        time, i = heapq.heappop(slowest)
        demand = demands[i]
        more = demand.more(copies[i])
        cost = (more - copies[i]) * demand.crossbars
        if -time <= enough or not cost or used + cost > budget:
            break
        copies[i] = more
        used += cost
        heapq.heappush(slowest, (-demand.time(more), i))
    return copies


def interval_bound(demands: Sequence[Demand], budget: int) -> Fraction:
    """The pipeline interval (ps) with fractional copies, sum(crossbars * P * tau) / budget: whole copies cannot do
    better."""
    return sum((d.crossbars * d.windows * d.occupancy for d in demands), Fraction(0)) / budget
