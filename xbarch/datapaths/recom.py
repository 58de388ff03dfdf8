"""ReCom: whole rows and filters of a layer are removed, inputs are fetched for the remaining rows, and zero activations
are skipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Block, Geometry, Projection, Reals
from xbarch.datapaths.tools.cuts import by_layer
from xbarch.datapaths.tools.groups import strongest
from xbarch.datapaths.tools.packing import Piece, Placed
from xbarch.datapaths.tools.pieces import ActivationOptions, Activations
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer


class ReComOptions(ActivationOptions):
    """Options of `recom`."""

    grain: Literal["rows", "filters", "both"] = Field(
        "rows", description="what a projection removes: rows of the unrolled matrix, filters, or first filters and "
        "then rows of the remaining filters, the same share of each")


class ReCom(Activations[ReComOptions]):
    """A layer's matrix, without its empty rows and filters, is packed as `dense` packs a smaller layer: every crossbar
    is full except the last. Inputs are fetched for the stored rows (structurally-compressed weight oriented fetching).
    Where a workload stores inputs, reads whose inputs are all zero are skipped.
    """

    name: ClassVar[str] = "recom"
    title: ClassVar[str] = "ReCom"
    summary: ClassVar[str] = "rows and filters of layers removed, zero activations skipped (ReCom 2018)"
    provenance: ClassVar[str] = (
        "Ji et al., ReCom, DATE 2018, abstract (structurally compressed weights, fetching oriented by them, zero "
        "activations skipped, in-layer pipeline). Assumed, as the full text could not be read: what is removed is rows "
        "and columns of whole layers, a read is skipped when all its inputs are zero. This project's reading: "
        "projection, zero detectors, index lists, all prices; windows are pipelined by the machine")
    Options: ClassVar[type[Options]] = ReComOptions

    def __init__(self, options: ReComOptions | Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self.whole_filters = self.options.grain != "rows"

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int] | None:
        """A row, or a filter, of a group of the convolution."""
        per = layer.filters // layer.groups
        return {"rows": (per, 1), "filters": (1, layer.rows)}.get(self.options.grain)

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Keep the rows (or filters) of largest norm, `density` of them: the nearest weights with no more rows (or
        filters). With `both`, keep sqrt(density) of the filters, then the same share of their rows.

        Raises:
            InputError: a density that cannot be reached.
        """
        if self.options.grain != "both":
            return super().project(weights, layer, geometry, density)
        share = sqrt(max(density, 0))
        first = strongest(weights, layer, (1, layer.rows), share)
        then = strongest(first.weights, layer, (layer.filters // layer.groups, 1), share)
        mask = first.mask & then.mask
        return Projection(np.where(mask, weights, 0.0), mask, {"filters": first.side, "rows": then.side})

    def ways(self, layer: Layer, geometry: Geometry) -> Iterable[list[Block]]:
        """The remaining matrix, cut as on `dense`, for each group of the convolution separately."""
        per, pieces = layer.filters // layer.groups, list[Piece]()
        for g in range(layer.groups):
            own = layer.kept[:, g * per:(g + 1) * per]
            pieces += [Piece(p.rows + g * layer.rows, p.filters + g * per)
                       for p in by_layer(own, geometry.rows, self.per(layer, geometry))]
        alone = [Placed(piece, n, 0, 0, 0) for n, piece in enumerate(pieces or [Piece(np.arange(1), np.arange(1))])]
        yield self.blocks(alone, layer, geometry)
