"""Do two lists have the same order?"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import correlation


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the rank correlation of two lists; equal values share their mean rank.

    Raises:
        statistics.StatisticsError: all values of a list are equal, or there are fewer than two.
    """
    def ranks(values: Sequence[float]) -> list[float]:
        return [(sum(x < v for x in values) + sum(x <= v for x in values) - 1) / 2 for v in values]
    return correlation(ranks(a), ranks(b))
