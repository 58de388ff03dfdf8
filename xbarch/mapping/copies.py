"""How often each layer is replicated so that the pipeline is balanced within a crossbar budget."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm


@dataclass(frozen=True)
class Demand:
    """What one copy of a layer needs: crossbars, output windows per image, and mean ps that a window occupies it.
    owned: whether each window belongs to a copy, the same in every image; else copies take them in turn."""

    name: str
    crossbars: int
    windows: int
    occupancy: Fraction
    owned: bool = False

    def time(self, copies: int) -> Fraction:
        """ps that the busiest of so many copies works per image."""
        return self.occupancy * (self.longest(copies) if self.owned else Fraction(self.windows, copies))

    def longest(self, copies: int) -> int:
        """Windows of the copy that has most, where they are owned."""
        return -(-self.windows // copies)

    def more(self, copies: int) -> int:
        """The next larger number of copies of which the busiest has less to do; the same number if there is none."""
        if not self.owned:
            return min(copies + 1, self.windows)
        longest = self.longest(copies)
        return self.longest(longest - 1) if longest > 1 else copies


def balance(demands: Sequence[Demand], budget: int, enough: Fraction = Fraction(0)) -> list[int]:
    """Copies of each layer for the smallest interval T whose crossbars fit `budget`.

    copies_i = min(P_i, ceil(P_i * tau_i / T)), ISAAC's balanced pipeline (Shafiee et al., ISCA 2016, section
    on replication) with a real T instead of a whole number of windows. Lowering T always starts with the
    slowest layer, so raising that one layer until the next copy does not fit finds the smallest T exactly.
    Where copies own windows, a layer is raised to the next number of copies of which none has as many.
    One copy of each layer is given even where the budget is smaller.

    enough: an interval (ps) that need not be shortened further.
    """
    copies = [1] * len(demands)
    used = sum(d.crossbars for d in demands)
    scale = lcm(*(d.occupancy.denominator for d in demands))  # whole numbers, which are soon compared

    def time(i: int) -> int | Fraction:
        demand = demands[i]
        window = demand.occupancy.numerator * (scale // demand.occupancy.denominator)
        return window * demand.longest(copies[i]) if demand.owned else Fraction(window * demand.windows, copies[i])

    slowest = [(-time(i), i) for i in range(len(demands))]
    heapq.heapify(slowest)
    while slowest:
        least, i = heapq.heappop(slowest)
        more = demands[i].more(copies[i])
        cost = (more - copies[i]) * demands[i].crossbars
        if -least <= enough * scale or not cost or used + cost > budget:
            break
        copies[i] = more
        used += cost
        heapq.heappush(slowest, (-time(i), i))
    return copies


def interval_bound(demands: Sequence[Demand], budget: int) -> Fraction:
    """The pipeline interval (ps) with fractional copies, sum(crossbars * P * tau) / budget: whole copies cannot do
    better."""
    return sum((d.crossbars * d.windows * d.occupancy for d in demands), Fraction(0)) / budget
