"""How often each layer is replicated so that the pipeline is balanced within a crossbar budget."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
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


class Ladder:
    """Copies of each layer for the smallest interval T whose crossbars fit a budget, for any number of budgets.

    copies_i = min(P_i, ceil(P_i * tau_i / T)), ISAAC's balanced pipeline (Shafiee et al., ISCA 2016, section
    on replication) with a real T instead of a whole number of windows. Lowering T always starts with the
    slowest layer, so raising that one layer until the next copy does not fit finds the smallest T exactly.
    Where copies own windows, a layer is raised to the next number of copies of which none has as many.
    One copy of each layer is given even where the budget is smaller.

    What is raised next does not depend on the budget, so budgets differ only in the step at which they end.
    """

    def __init__(self, demands: Sequence[Demand]) -> None:
        self._demands = demands
        self._scale = lcm(*(d.occupancy.denominator for d in demands))  # whole numbers, which are soon compared
        self._steps: list[tuple[int, int]] = []  # layer, and its copies from then on
        self._used = [sum(d.crossbars for d in demands)]  # crossbars before each step, and after the last
        self._times: list[int | Fraction] = []  # of the slowest layer before each step, times -scale
        self._rising = self._climb()

    def copies(self, budget: int, enough: Fraction = Fraction(0)) -> list[int]:
        """Copies of each layer within a budget. enough: an interval (ps) that need not be shortened further."""
        while self._used[-1] <= budget and next(self._rising, False):
            pass
        end = min(max(bisect_right(self._used, budget) - 1, 0), bisect_left(self._times, -enough * self._scale))
        found = [1] * len(self._demands)
        for i, copies in self._steps[:end]:
            found[i] = copies
        return found

    def _climb(self) -> Iterator[bool]:
        """Take one step after another."""
        copies = [1] * len(self._demands)
        slowest = [(-self._time(i, 1), i) for i in range(len(self._demands))]
        heapq.heapify(slowest)
        while slowest:
            least, i = heapq.heappop(slowest)
            more = self._demands[i].more(copies[i])
            cost = (more - copies[i]) * self._demands[i].crossbars
            if not least or not cost:
                return
            copies[i] = more
            self._steps.append((i, more))
            self._used.append(self._used[-1] + cost)
            self._times.append(least)
            heapq.heappush(slowest, (-self._time(i, more), i))
            yield True

    def _time(self, i: int, copies: int) -> int | Fraction:
        demand = self._demands[i]
        window = demand.occupancy.numerator * (self._scale // demand.occupancy.denominator)
        return window * demand.longest(copies) if demand.owned else Fraction(window * demand.windows, copies)


@lru_cache(maxsize=8)
def ladder(demands: tuple[Demand, ...]) -> Ladder:
    """The ladder of these layers, which several plans of a run climb."""
    return Ladder(demands)


def balance(demands: Sequence[Demand], budget: int, enough: Fraction = Fraction(0)) -> list[int]:
    """Copies of each layer for the smallest interval whose crossbars fit a budget (`Ladder`)."""
    return Ladder(demands).copies(budget, enough)


def interval_bound(demands: Sequence[Demand], budget: int) -> Fraction:
    """The pipeline interval (ps) with fractional copies, sum(crossbars * P * tau) / budget: whole copies cannot do
    better."""
    return sum((d.crossbars * d.windows * d.occupancy for d in demands), Fraction(0)) / budget
