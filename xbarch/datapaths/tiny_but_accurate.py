"""Tiny but Accurate (Ma et al.): removes filters and filter shapes, then purifies the network and removes unused
paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Bools, Geometry, Projection, Reals
from xbarch.datapaths.tools import purify
from xbarch.datapaths.tools.compact import Compact, CompactOptions
from xbarch.datapaths.tools.cuts import at_least, best, by_layer, projected
from xbarch.datapaths.tools.packing import Piece
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer


class TinyButAccurateOptions(CompactOptions):
    """Options of `tiny_but_accurate`."""

    filters: float = Field(0.5, ge=0, le=1, description="share of the pruning given to filters: density ** filters of "
                           "them are kept")
    shape: Literal["rows", "channels"] = Field(
        "rows", description="what the rest of the pruning removes, the same for all filters: rows of the unrolled "
        "matrix (the paper's columns, filter shapes) or whole channels")
    purify: bool = Field(True, description="the cut is extended to the whole network: channels without a producer and "
                         "filters that are hardly read are removed too")
    emptiness: float = Field(0.9, ge=0, le=1, description="a filter is hardly read if more than this share of its "
                             "readers' weights is removed")
    importance: float = Field(1e-3, ge=0, le=1, description="a filter is hardly read if, moreover, the norm of what is "
                              "left is below this share of that of its readers' largest channel")


class TinyButAccurate(Compact[TinyButAccurateOptions]):
    """The layer becomes smaller in both directions and is mapped like any other: nothing is looked up, no hardware is
    added."""

    lists: ClassVar[Literal["both", "outputs", "none"]] = "none"
    name: ClassVar[str] = "tiny_but_accurate"
    title: ClassVar[str] = "Tiny but Accurate"
    summary: ClassVar[str] = "filters, filter shapes and unused paths removed, nothing added (Ma et al. 2020)"
    provenance: ClassVar[str] = (
        "Ma et al., Tiny but Accurate, ASP-DAC 2020 (ADMM on filters, channels and columns, network purification and "
        "unused path removal by emptiness and importance). This project's reading: how the pruning is shared, what "
        "emptiness and importance are measured on, their thresholds")
    Options: ClassVar[type[Options]] = TinyButAccurateOptions
    whole_filters = True

    def ways(self, mask: Bools, layer: Layer, geometry: Geometry) -> list[Iterable[Piece]]:
        return [by_layer(mask, geometry.rows, self._per(layer, geometry))]

    def least(self, layer: Layer, geometry: Geometry) -> float:
        """One row, or channel, of one filter per group."""
        return self._unit(layer) * layer.groups / (layer.rows * layer.filters)

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Keep the filters of largest norm, then the rows or channels of largest norm over these filters, as many as
        come nearest to `density`, at least one. side: density reached, filters and rows kept per group.

        Raises:
            InputError: a density, shape or value not allowed, or a crossbar too narrow.
        """
        unit, masks = self._unit(layer), []
        for energy in self._energies(weights, layer, geometry, density):
            rows, filters = energy.shape
            wide = at_least(density ** self.options.filters, filters)
            chosen = best(energy.sum(axis=0), wide)
            value = energy[:, chosen].sum(axis=1).reshape(-1, unit).sum(axis=1)
            tall = min(len(value), max(1, round(density * rows * filters / wide / unit)))
            mask = np.repeat(best(value, tall), unit)[:, None] & chosen
            masks.append(mask)
        return projected(weights, masks, filters=wide, rows=tall * unit)

    def reduce(self, layers: Sequence[Layer], masks: Mapping[str, Bools], weights: Mapping[str, Reals]) -> dict[
            str, Bools]:
        """Network purification and unused path removal; see `purify.purified`."""
        if not self.options.purify:
            return dict(masks)
        return purify.purified(layers, masks, weights, self.options.emptiness, self.options.importance)

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """Whether some of the remaining filters keep other rows than the rest; empty if all keep the same."""
        for mask in np.split(layer.kept, layer.groups, axis=1):
            kept, whole = int(mask.sum()), int(mask.any(axis=0).sum() * mask.any(axis=1).sum())
            if kept != whole:
                return (f"layer {layer.name} keeps {kept} weights; it must keep all {whole} where its filters and "
                        "rows meet")
        return ""

    def _unit(self, layer: Layer) -> int:
        """Rows removed together."""
        return layer.kernel[0] * layer.kernel[1] if self.options.shape == "channels" else 1
