"""Hybrid-P, in an assumed definition: removes filters, then rows shared by the filters of a crossbar, so that the rest
fills whole crossbars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Bools, Geometry, Projection, Reals
from xbarch.datapaths.tools.compact import Compact, ListOptions
from xbarch.datapaths.tools.cuts import at_least, best, by_columns_of_blocks, projected, whole
from xbarch.datapaths.tools.packing import Piece
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload


class HybridPOptions(ListOptions):
    """Options of `hybrid_p`."""

    filters: float = Field(0.5, ge=0, le=1, description="share of the pruning given to filters: density ** filters of "
                           "them are kept, rounded up to what fills crossbars")
    unit: Literal["rows", "kernels"] = Field(
        "rows", description="what is kept of a column block: rows, in numbers that fill crossbars, or whole kernels, "
        "in numbers that fit crossbars whole")


class HybridP(Compact[HybridPOptions]):
    """No public text defines the Hybrid-P that SegPrune compares itself with. Assumed here: filters are removed until
    those left fill whole crossbars; then every column block loses rows, the same for all its filters, until those left
    fill whole crossbars. Each block has one list of rows."""

    name: ClassVar[str] = "hybrid_p"
    title: ClassVar[str] = "Hybrid-P"
    summary: ClassVar[str] = "filters and block rows in whole crossbars (assumed definition of SegPrune's baseline)"
    provenance: ClassVar[str] = (
        "assumed: Zheng et al., SegPrune, IEEE TCAD 41(11), 2022, compare themselves with a Hybrid-P whose definition "
        "could not be found in public text. All of this is this project's definition")
    Options: ClassVar[type[Options]] = HybridPOptions
    whole_filters = True

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        for layer in workload.compute_layers:
            height, width = layer.kernel
            if self.options.unit == "kernels" and height * width > geometry.rows:
                return (f"a {height} x {width} kernel of layer {layer.name} needs {height * width} word lines, "
                        f"the crossbar has {geometry.rows}")
        return super().accepts(workload, geometry)

    def ways(self, mask: Bools, layer: Layer, geometry: Geometry) -> list[Iterable[Piece]]:
        return [by_columns_of_blocks(mask, geometry.rows, self._per(layer, geometry))]

    def least(self, layer: Layer, geometry: Geometry) -> float:
        """One crossbar per group."""
        filters = layer.filters // layer.groups
        unit, step = self._unit(layer, geometry)
        return min(self._per(layer, geometry), filters) * min(unit * step, layer.rows) / (layer.rows * filters)

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Keep the filters of largest norm, then in every column block the rows of largest norm. Both numbers are
        rounded to what fills crossbars, that of rows so that the result is nearest to `density`. Where all rows fit one
        crossbar, only filters are removed. side: density reached, filters and rows kept.

        Raises:
            InputError: a density below one crossbar per group or above 1, a shape or value not allowed, or a crossbar
                too small.
        """
        per, (unit, step) = self._per(layer, geometry), self._unit(layer, geometry)
        masks = []
        for energy in self._energies(weights, layer, geometry, density):
            rows, filters = energy.shape
            given = self.options.filters if rows > unit * step else 1.0  # else no row can be removed
            wide = min(filters, -(-at_least(density ** given, filters) // per) * per)
            chosen = np.flatnonzero(best(energy.sum(axis=0), wide))
            tall = whole(density * rows * filters / wide / unit, step, rows // unit)
            mask = np.zeros(energy.shape, bool)
            for f in range(0, wide, per):
                block = chosen[f:f + per]
                value = energy[:, block].sum(axis=1).reshape(-1, unit).sum(axis=1)
                mask[np.ix_(np.repeat(best(value, tall), unit), block)] = True
            masks.append(mask)
        return projected(weights, masks, filters=wide, rows=tall * unit)

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """Why filters, or the rows of a column block (the same for all its filters), do not fill crossbars; empty if
        they do."""
        reason = self.accepts(Workload(name=layer.name, layers=(layer,)), geometry)
        if reason:
            return reason
        per, (unit, step) = self._per(layer, geometry), self._unit(layer, geometry)
        for mask in np.split(layer.kept, layer.groups, axis=1):
            filters = np.flatnonzero(mask.any(axis=0))
            if len(filters) % per and len(filters) < mask.shape[1]:
                return (f"layer {layer.name} keeps {len(filters)} filters of a group; it must keep a multiple "
                        f"of {per}, or all {mask.shape[1]}")
            for f in range(0, len(filters), per):
                part = mask[:, filters[f:f + per]].reshape(-1, unit, len(filters[f:f + per]))
                units = part.any(axis=(1, 2))
                if not part[units].all():
                    return f"filters of a column block of layer {layer.name} must keep the same rows"
                if units.sum() % step and not units.all():
                    return (f"a column block of layer {layer.name} keeps {int(units.sum()) * unit} rows; it "
                            f"must keep a multiple of {step * unit}, or all {layer.rows}")
        return ""

    def _unit(self, layer: Layer, geometry: Geometry) -> tuple[int, int]:
        """(Rows removed together, how many such sets fill a crossbar)."""
        area = layer.kernel[0] * layer.kernel[1]
        return (1, geometry.rows) if self.options.unit == "rows" else (area, max(1, geometry.rows // area))
