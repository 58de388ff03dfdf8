"""PIM-Prune (Chu et al.): structured pruning of the network, then of blocks the size of a crossbar."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Bools, Geometry, Projection, Reals
from xbarch.datapaths.tools.compact import Compact, ListOptions
from xbarch.datapaths.tools.cuts import (
    at_least,
    best,
    by_blocks,
    by_columns_of_blocks,
    by_rows_of_blocks,
    projected,
    whole,
)
from xbarch.datapaths.tools.packing import Piece
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer


class PimPruneOptions(ListOptions):
    """Options of `pim_prune`."""

    structured: float = Field(0.5, ge=0, le=1, description="share of the pruning given to the first stage: it keeps "
                              "density ** structured of the weights, as whole filters and channels")
    block: Literal["rows", "columns", "auto"] = Field(
        "auto", description="what the second stage removes from every block: rows, columns, or whichever loses less")
    stack: bool = Field(True, description="compressed blocks share crossbars and are read one after another where "
                        "that takes fewer crossbars")


class PimPrune(Compact[PimPruneOptions]):
    """Stage 1 keeps the filters and channels of largest norm. Stage 2 compares the remaining matrix with the crossbar:
    if its filters fit one crossbar, it keeps whole crossbars of rows; if its rows fit one crossbar, whole crossbars of
    filters; otherwise the same number of rows (or columns) of every crossbar-sized block. What is left of the blocks
    is packed together; lists say which inputs a block reads and which filters it adds to."""

    name: ClassVar[str] = "pim_prune"
    title: ClassVar[str] = "PIM-Prune"
    summary: ClassVar[str] = "filters and channels, then rows or columns of crossbar-sized blocks (Chu et al. 2020)"
    provenance: ClassVar[str] = (
        "Chu et al., PIM-Prune, DAC 2020, abstract, and patent US 12,154,034 of the same authors (two stages; block, "
        "crossbar-row or crossbar-column pruning by comparing with the crossbar). This project's reading: how the "
        "pruning is shared by the stages, as many rows kept of every block, stacking, row and column lists, prices")
    Options: ClassVar[type[Options]] = PimPruneOptions
    whole_filters = True

    def stacks(self) -> bool:
        return bool(self.options.stack)

    def ways(self, mask: Bools, layer: Layer, geometry: Geometry) -> list[Iterable[Piece]]:
        tall, per = geometry.rows, self._per(layer, geometry)
        return [by_columns_of_blocks(mask, tall, per), by_rows_of_blocks(mask, tall, per), by_blocks(mask, tall, per)]

    def least(self, layer: Layer, geometry: Geometry) -> float:
        """One weight per group."""
        return layer.groups / (layer.rows * layer.filters)

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Both stages. Rows and columns kept as whole crossbars are rounded to the nearest number of crossbars, at
        least one, so small layers keep more than `density`. side: density reached, kind of stage 2 for every group.

        Raises:
            InputError: a density, shape or value not allowed, or a crossbar too narrow.
        """
        masks, kinds = [], []
        for energy in self._energies(weights, layer, geometry, density):
            rows, filters = self.structured(energy, layer.kernel[0] * layer.kernel[1], density)
            left = energy[np.ix_(rows, filters)]
            mask = np.zeros(energy.shape, bool)
            mask[np.ix_(rows, filters)], kind = self.fitted(
                left, geometry.rows, self._per(layer, geometry), min(1.0, density * energy.size / left.size))
            masks.append(mask)
            kinds.append(kind)
        return projected(weights, masks, stage2=kinds)

    def structured(self, energy: Reals, area: int, density: float) -> tuple[Bools, Bools]:
        """Stage 1: rows and filters that are kept, from the squared weights [rows, filters]; a channel is `area`
        rows."""
        each = sqrt(density ** self.options.structured)
        filters = best(energy.sum(axis=0), at_least(each, energy.shape[1]))
        channels = energy[:, filters].sum(axis=1).reshape(-1, area).sum(axis=1)
        return np.repeat(best(channels, at_least(each, len(channels))), area), filters

    def fitted(self, energy: Reals, tall: int, per: int, density: float) -> tuple[Bools, str]:
        """Stage 2: the mask over the remaining squared weights, and which kind of removal made it."""
        rows, filters = energy.shape
        if filters <= per:
            kept = best(energy.sum(axis=1), whole(density * rows, tall, rows))
            return np.broadcast_to(kept[:, None], energy.shape), "crossbar rows"
        if rows <= tall:
            kept = best(energy.sum(axis=0), whole(density * filters, per, filters))
            return np.broadcast_to(kept, energy.shape), "crossbar columns"
        found = {}
        if self.options.block != "columns":
            found["block rows"] = _block_rows(energy, tall, per, density)
        if self.options.block != "rows":
            found["block columns"] = _block_rows(energy.T, per, tall, density).T
        kind = max(found, key=lambda k: float((energy * found[k]).sum()))
        return found[kind], kind

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """Which block of the remaining matrix keeps only parts of rows or columns; empty if none does."""
        per, filters = self._per(layer, geometry), layer.filters // layer.groups
        for g in range(layer.groups):
            mask = layer.kept[:, g * filters:(g + 1) * filters]
            for piece in by_blocks(mask, geometry.rows, per):
                part = mask[np.ix_(piece.rows, piece.filters)]
                if not part.all():
                    return (f"a block of layer {layer.name} of {part.shape[0]} rows and {part.shape[1]} columns keeps "
                            f"{int(part.sum())} weights; it must keep all {part.size}")
        return ""


def _block_rows(energy: Reals, tall: int, per: int, density: float) -> Bools:
    """The rows of largest norm of every block of `tall` rows and `per` columns: the same share of each block, at least
    one row."""
    kept = np.zeros(energy.shape, bool)
    for r in range(0, energy.shape[0], tall):
        for f in range(0, energy.shape[1], per):
            part = energy[r:r + tall, f:f + per]
            kept[r:r + tall, f:f + per] = best(part.sum(axis=1), max(1, round(density * len(part))))[:, None]
    return kept
