"""Comparisons of data paths, workloads, architectures and policies, as one report."""

from xbarch.study.matrix import matrix, sections
from xbarch.study.report import compare, study
from xbarch.study.rows import plain

__all__ = ["compare", "matrix", "plain", "sections", "study"]
