"""Sweeps: many runs from one file, in several processes, kept in a store that survives them."""

from xbarch.sweep.points import Point, points
from xbarch.sweep.run import sweep
from xbarch.sweep.sheet import Row, Swept, sections

__all__ = ["Point", "Row", "Swept", "points", "sections", "sweep"]
