"""Test images that travel with xbarch: the digits, and pairs composed of them, by NumPy alone."""

from xbarch.workload.images.digits import TRAINS, VALIDATES, Part, Parts, digits, pair_test, pairs
from xbarch.workload.images.shown import Shown, shown

__all__ = ["TRAINS", "VALIDATES", "Part", "Parts", "Shown", "digits", "pair_test", "pairs", "shown"]
