"""Sweeps: many runs described by one file, on any executor, with a store that survives interruptions."""

from xbarch.studies.sweep.frames import frames, parquet
from xbarch.studies.sweep.points import Point, Points
from xbarch.studies.sweep.rows import Row, Rows
from xbarch.studies.sweep.run import sweep
from xbarch.studies.sweep.sheet import Swept, sections

__all__ = ["Point", "Points", "Row", "Rows", "Swept", "frames", "parquet", "sections", "sweep"]
