"""SegPrune (Zheng et al. 2022): segments of equal shape share crossbars; shapes are elected by voting."""

from xbarch.datapaths.segprune.path import SegPrune, SegPruneOptions

__all__ = ["SegPrune", "SegPruneOptions"]
