"""skeleton: times and actions against their closed forms, and a machine that uses it."""

from fractions import Fraction

import numpy as np
import pytest
from skeleton import SkeletonUnit

import xbarch
from xbarch.datapaths.records import Work
from xbarch.parts.sensing.base import Array

ARRAY = Array(columns=128, read=100_000, conversion=781, converters=Fraction(1), bits=8)


def work(columns, reads):
    one = np.array
    return Work(crossbar=one([0]), rows=one([128]), columns=one([columns]), cells=one([128 * columns]),
                reads=one([reads]), outputs=one([0]))


@pytest.mark.parametrize(("columns", "settling", "time"), [
    (128, 0, 100_000), (128, 5_000, 104_968), (64, 5_000, 100_000)])
def test_times(columns, settling, time):
    unit = SkeletonUnit(ARRAY, {"settling": settling})
    assert unit.each(work(columns, 16)).tolist() == [time]


def test_actions():
    assert {k: v.tolist() for k, v in SkeletonUnit(ARRAY).actions(work(100, 16)).items()} == {
        "conversion": [1600], "sample": [1600], "shift_add": [1600]}


def test_a_machine_takes_it():
    """Settling that hides in the read changes nothing; what does not makes the network slower."""
    times = [xbarch.simulate("isaac_like", "vgg7_pruned", images=1, overrides=[
        "crossbar.sensing.unit=skeleton", f"crossbar.sensing.options={{settling: {settling}}}",
    ])["mapping.window_weighted_ps"] for settling in (0, 200_000)]
    assert times[0] < times[1]
