"""How often each layer is replicated so that the pipeline is balanced within a crossbar budget."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


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
        return self.occupancy * (-(-self.windows // copies) if self.owned else Fraction(self.windows, copies))

    def more(self, copies: int) -> int:
        """The next larger number of copies of which the busiest has less to do; the same number if there is none."""
        if not self.owned:
            return min(copies + 1, self.windows)
        longest = -(-self.windows // copies)
        return -(-self.windows // (longest - 1)) if longest > 1 else copies


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
