"""Xue et al.: single weights, then single bits are removed until a low-resolution ADC holds every bit line's sum."""

from xbarch.datapaths.xue.bits import bit_level, budget, hold, largest_sums, value_level
from xbarch.datapaths.xue.path import Xue, XueOptions

__all__ = ["Xue", "XueOptions", "bit_level", "budget", "hold", "largest_sums", "value_level"]
