"""Do two lists have the same order?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from statistics import correlation


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the rank correlation of two lists; equal values share their mean rank.

    Raises:
        statistics.StatisticsError: all values of a list are equal, or there are fewer than two.
    """
    def ranks(values: Sequence[float]) -> list[float]:
        return [(sum(x < v for x in values) + sum(x <= v for x in values) - 1) / 2 for v in values]
    return correlation(ranks(a), ranks(b))


def kendall(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Kendall's rank correlation of two lists, tau-b: pairs in the same order less pairs in opposite orders,
    over the geometric mean of the pairs that are not tied in one list and in the other (Kendall, Biometrika 33(3), 239,
    1945).

    Raises:
        ZeroDivisionError: all values of a list are equal, or there are fewer than two.
    """
    def signs(values: Sequence[float]) -> list[int]:
        return [(x > y) - (x < y) for x, y in combinations(values, 2)]

    one, other = signs(a), signs(b)
    untied = sum(map(abs, one)) * sum(map(abs, other))
    return sum(x * y for x, y in zip(one, other, strict=True)) / sqrt(untied)
