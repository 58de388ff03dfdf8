"""Accuracy against compression, from the stored workloads of a grid of recipes."""

from __future__ import annotations

from xbarch.studies.accuracy.report import accuracy

__all__ = ["accuracy"]
