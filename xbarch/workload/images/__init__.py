"""Test images that travel with xbarch: the digits, and pairs composed of them, by NumPy alone."""

from xbarch.workload.images.digits import TRAINS, VALIDATES, Part, Parts, digits, pair_test, pairs
from xbarch.workload.images.tested import Tested, tested

__all__ = ["TRAINS", "VALIDATES", "Part", "Parts", "Tested", "digits", "pair_test", "pairs", "tested"]
