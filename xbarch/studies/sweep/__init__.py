"""Sweeps: many runs described by one file, in several processes, with a store that survives interruptions."""

from xbarch.studies.sweep.points import Point, points
from xbarch.studies.sweep.run import sweep
from xbarch.studies.sweep.sheet import Row, Swept, sections

__all__ = ["Point", "Row", "Swept", "points", "sections", "sweep"]
