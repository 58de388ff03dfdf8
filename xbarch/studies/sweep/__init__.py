"""Sweeps: many runs from one file, in several processes, kept in a store that survives them."""

from xbarch.studies.sweep.points import Point, points
from xbarch.studies.sweep.run import sweep
from xbarch.studies.sweep.sheet import Row, Swept, sections

__all__ = ["Point", "Row", "Swept", "points", "sections", "sweep"]
