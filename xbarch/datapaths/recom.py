"""ReCom: whole rows and filters of a layer are removed, inputs are fetched for the remaining rows, and zero activations
are skipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Block, Bools, Geometry, Projection, Reals
from xbarch.datapaths.tools.cuts import by_layer
from xbarch.datapaths.tools.groups import strongest
from xbarch.datapaths.tools.packing import Piece, Placed
from xbarch.datapaths.tools.pieces import ActivationOptions, Activations
from xbarch.datapaths.tools.purify import purified, shown
from xbarch.errors import InputError
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer


class ReComOptions(ActivationOptions):
    """Options of `recom`."""

    grain: Literal["rows", "filters", "both", "layers"] = Field(
        "rows", description="what a projection removes: rows of the unrolled matrix, filters, first filters and then "
        "rows of the remaining filters, the same share of each, or whole layers (where a shortcut leads past them)")


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
        return {"rows": (per, 1), "filters": (1, layer.rows), "layers": (per, layer.rows)}.get(self.options.grain)

    def share(self, weights: Sequence[Reals], layers: Sequence[Layer], geometry: Geometry,
              density: float) -> list[float]:
        """Of whole layers, 1 for those of largest mean square, as many as keep at most `density` of all weights, and 0
        for the others (Structured Sparsity Learning, NIPS 2016, depth); else as the default."""
        if self.options.grain != "layers":
            return super().share(weights, layers, geometry, density)
        stay, left = [0.0] * len(layers), density * sum(w.size for w in weights) + 1e-6
        for at in sorted(range(len(layers)), key=lambda i: -float(np.square(weights[i]).mean())):
            if weights[at].size <= left:
                stay[at], left = 1.0, left - weights[at].size
        return stay

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Keep the rows (or filters) of largest norm, `density` of them: the nearest weights with no more rows (or
        filters). With `both`, keep sqrt(density) of the filters, then the same share of their rows; with `layers`, all
        or nothing.

        Raises:
            InputError: a density that cannot be reached.
        """
        if self.options.grain == "layers":
            if density not in (0, 1):
                raise InputError(f"must be 0 or 1 for layer {layer.name}, which stays or goes as a whole, not "
                                 f"{density:g}", field="density")
            mask = np.full(np.shape(weights), density == 1)
            return Projection(np.where(mask, weights, 0.0), mask, {})
        if self.options.grain != "both":
            return super().project(weights, layer, geometry, density)
        share = sqrt(max(density, 0))
        first = strongest(weights, layer, (1, layer.rows), share)
        then = strongest(first.weights, layer, (layer.filters // layer.groups, 1), share)
        mask = first.mask & then.mask
        return Projection(np.where(mask, weights, 0.0), mask, {"filters": first.side, "rows": then.side})

    def reduce(self, layers: Sequence[Layer], masks: Mapping[str, Bools],
               weights: Mapping[str, Reals]) -> dict[str, Bools]:
        """Without a layer, what only it read or only it fed is of no use either.

        Raises:
            InputError: no path from the image to the outputs is left.
        """
        if self.options.grain != "layers":
            return super().reduce(layers, masks, weights)
        kept = purified(layers, masks, weights, emptiness=1, importance=0)
        if dead := [name for name in shown(layers) if not kept[name].any()]:
            gone = [name for name, mask in masks.items() if not mask.any()]
            raise InputError(f"must spare layers that no shortcut leads past, by a density of 1: without "
                             f"{', '.join(gone)} nothing of the image reaches {dead[0]}", field="pruning.layers")
        return kept

    def ways(self, layer: Layer, geometry: Geometry) -> Iterable[list[Block]]:
        """The remaining matrix, cut as on `dense`, for each group of the convolution separately."""
        per, pieces = layer.filters // layer.groups, list[Piece]()
        for g in range(layer.groups):
            own = layer.kept[:, g * per:(g + 1) * per]
            pieces += [Piece(p.rows + g * layer.rows, p.filters + g * per)
                       for p in by_layer(own, geometry.rows, self.per(layer, geometry))]
        alone = [Placed(piece, n, 0, 0, 0) for n, piece in enumerate(pieces or [Piece(np.arange(1), np.arange(1))])]
        yield self.blocks(alone, layer, geometry)
