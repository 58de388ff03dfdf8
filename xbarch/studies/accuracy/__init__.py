"""Accuracy against what is kept, from the stored workloads of a grid of recipes: data in `rows`, files in `report` and
`picture`."""

from __future__ import annotations

from xbarch.studies.accuracy.report import accuracy

__all__ = ["accuracy"]
