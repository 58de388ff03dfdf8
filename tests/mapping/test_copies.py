"""Balanced copies against an exhaustive search."""

from fractions import Fraction
from itertools import product
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from xbarch.mapping.copies import Demand, balance, interval_bound

demands = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=3)


def interval(ds, copies):
    return max(Fraction(d.windows * d.occupancy, c) for d, c in zip(ds, copies, strict=True))


@settings(max_examples=300, deadline=None)
@given(demands, st.integers(0, 40))
def test_smallest_interval_of_all_assignments(raw, spare):
    ds = [Demand(str(i), x, p, Fraction(t)) for i, (x, p, t) in enumerate(raw)]
    budget = sum(d.crossbars for d in ds) + spare
    copies = balance(ds, budget)
    assert sum(c * d.crossbars for c, d in zip(copies, ds, strict=True)) <= budget
    options = [c for c in product(*(range(1, d.windows + 1) for d in ds))
               if sum(n * d.crossbars for n, d in zip(c, ds, strict=True)) <= budget]
    best = min(interval(ds, c) for c in options)
    assert interval(ds, copies) == best
    assert interval_bound(ds, budget) <= best


@settings(max_examples=100, deadline=None)
@given(demands, st.integers(0, 40))
def test_closed_form_of_the_copies(raw, spare):
    """copies_i = min(P_i, ceil(P_i tau_i / T)) up to the raise that no longer fitted."""
    ds = [Demand(str(i), x, p, Fraction(t)) for i, (x, p, t) in enumerate(raw)]
    copies = balance(ds, sum(d.crossbars for d in ds) + spare)
    t = interval(ds, copies)
    for c, d in zip(copies, ds, strict=True):
        assert c in (min(d.windows, ceil(d.windows * d.occupancy / t)),
                     min(d.windows, ceil(d.windows * d.occupancy / t)) + 1)


@settings(max_examples=100, deadline=None)
@given(demands, st.integers(1, 400))
def test_the_bound_is_the_work_over_the_budget(raw, budget):
    """sum of crossbars * windows * occupancy, added up one window of one crossbar at a time."""
    ds = [Demand(str(i), x, p, Fraction(t, 7)) for i, (x, p, t) in enumerate(raw)]
    work = sum(d.occupancy for d in ds for _ in range(d.crossbars) for _ in range(d.windows))
    assert interval_bound(ds, budget) * budget == work


def test_the_bound_by_hand():
    ds = [Demand("a", 2, 3, Fraction(5, 2)), Demand("b", 7, 1, Fraction(4))]
    assert interval_bound(ds, 10) == Fraction(43, 10)  # (2 * 3 * 2.5 + 7 * 1 * 4) / 10


def test_a_layer_of_one_picosecond_is_replicated_and_one_of_none_is_not():
    assert balance([Demand("a", 1, 4, Fraction(1))], 3) == [3]
    assert balance([Demand("a", 1, 1, Fraction(1)), Demand("b", 1, 4, Fraction(1))], 9) == [1, 4]
    assert balance([Demand("a", 1, 4, Fraction(0))], 3) == [1]


def test_first_layer_of_vgg_at_one_window_an_interval():
    """224 x 224 windows of conv1 need 50,176 copies where the last layer has one window ("more than 50K",
    ISAAC, ISCA 2016)."""
    ds = [Demand("conv1", 1, 224 * 224, Fraction(1)), Demand("fc", 1, 1, Fraction(1))]
    assert balance(ds, 10**6) == [50176, 1]
