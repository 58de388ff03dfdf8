"""Comparisons of data paths, workloads, architectures and policies, as one report."""

from xbarch.study.report import compare, study
from xbarch.study.rows import plain

__all__ = ["compare", "plain", "study"]
