"""Comparisons of data paths, workloads, architectures and policies in one report."""

from xbarch.studies.comparison.matrix import matrix, sections
from xbarch.studies.comparison.report import compare, study
from xbarch.studies.comparison.resources import warnings
from xbarch.studies.comparison.rows import plain

__all__ = ["compare", "matrix", "plain", "sections", "study", "warnings"]
