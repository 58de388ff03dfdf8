"""Liang et al.: whole crossbars, or columns of them, are removed by L0-constrained projection; feature maps are
reordered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Bools, Geometry, Ints, Projection, Reals
from xbarch.datapaths.tools.compact import Compact, CompactOptions
from xbarch.datapaths.tools.cuts import by_columns_of_blocks, projected
from xbarch.datapaths.tools.groups import energies, largest, widened
from xbarch.datapaths.tools.packing import Piece, cut
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer


class LiangOptions(CompactOptions):
    """Options of `liang`."""

    grain: Literal["crossbar", "column"] = Field(
        "crossbar", description="what is removed: blocks of kin channels and kout filters, or of kin channels and one "
        "filter")
    kin: int = Field(0, ge=0, le=4096, description="input channels of a block; 0: those that fill a crossbar's rows "
                     "(the paper: 8 to 16)")
    kout: int = Field(0, ge=0, le=4096, description="filters of a block at grain crossbar; 0: those that fill a "
                      "crossbar's columns (the paper: 4)")
    reorder: bool = Field(True, description="input feature maps are put in the order of their importance before they "
                          "are cut in blocks of kin")


class Liang(Compact[LiangOptions]):
    """Blocks of largest norm stay. Feature maps are read whole or not at all, in an order fixed when the layer is
    mapped, so inputs need no list. At grain "column" the remaining columns of a block of channels are packed side by
    side, and a list says which filter each adds to."""

    lists: ClassVar[Literal["both", "outputs", "none"]] = "outputs"
    name: ClassVar[str] = "liang"
    title: ClassVar[str] = "Liang et al."
    summary: ClassVar[str] = "whole crossbars or their columns, feature maps reordered (Liang et al. 2018)"
    provenance: ClassVar[str] = (
        "Liang et al., Crossbar-aware neural network pruning, IEEE Access 2018 (crossbar and column grain, L0-"
        "constrained projection, feature maps in the order of importance). This project's reading: blocks sized by "
        "the crossbar on the unrolled instead of the semi-folded mapping, the exact instead of the relaxant "
        "probabilistic projection, importance as norm, the list of outputs and its price")
    Options: ClassVar[type[Options]] = LiangOptions

    def ways(self, mask: Bools, layer: Layer, geometry: Geometry) -> list[Iterable[Piece]]:
        tall, per, area = geometry.rows, self._per(layer, geometry), layer.kernel[0] * layer.kernel[1]
        maps: Bools = np.logical_or.reduce(mask.reshape(-1, area, mask.shape[1]), axis=1)
        whole = np.repeat(maps, area, axis=0)
        return [by_columns_of_blocks(whole, tall, per), cut(_alike(maps, area), tall, per)]

    def size(self, layer: Layer, geometry: Geometry) -> tuple[int, int]:
        """Filters and channels of a block."""
        area = layer.kernel[0] * layer.kernel[1]
        kin = min(self.options.kin or max(1, geometry.rows // area), layer.rows // area)
        kout = 1 if self.options.grain == "column" else self.options.kout or self._per(layer, geometry)
        return min(kout, layer.filters // layer.groups), kin

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int] | None:
        """A block, where its channels are consecutive."""
        kout, kin = self.size(layer, geometry)
        return None if self.options.reorder else (kout, kin * layer.kernel[0] * layer.kernel[1])

    def least(self, layer: Layer, geometry: Geometry) -> float:
        """The smallest block per group."""
        kout, kin = self.size(layer, geometry)
        filters, channels = layer.filters // layer.groups, layer.rows // (layer.kernel[0] * layer.kernel[1])
        return min(kout, filters % kout or kout) * min(kin, channels % kin or kin) / (filters * channels)

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Keep the blocks of largest norm, `density` of them, at least one. side: density reached, size of a block.

        Raises:
            InputError: a density, shape or value not allowed, or a crossbar too narrow.
        """
        size, area, masks = self.size(layer, geometry), layer.kernel[0] * layer.kernel[1], []
        for energy in self._energies(weights, layer, geometry, density):
            maps = np.sqrt(energy.reshape(-1, area, energy.shape[1]).sum(axis=1))  # [channels, filters]
            order = np.argsort(-np.square(maps).sum(axis=1), kind="stable") if self.options.reorder \
                else np.arange(len(maps))
            kept = np.empty(maps.shape, bool)
            norms = energies(maps[order].T, size)
            kept[order] = widened(largest(norms, max(1, round(density * norms.size))), size, maps.T.shape).T
            masks.append(np.repeat(kept, area, axis=0))
        return projected(weights, masks, block=list(size))

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """Why the mask is not made of whole blocks; empty if it is: each set of `kout` filters keeps the same channels,
        and channels that keep the same filters are multiples of `kin`."""
        (kout, kin), area = self.size(layer, geometry), layer.kernel[0] * layer.kernel[1]
        for mask in np.split(layer.kept, layer.groups, axis=1):
            starts = np.arange(0, mask.shape[1], kout)
            sizes = np.diff(starts, append=mask.shape[1])
            kept = np.add.reduceat(mask.reshape(-1, area, mask.shape[1]).sum(axis=1), starts, axis=1)
            if (kept % (sizes * area)).any():
                return (f"layer {layer.name} keeps parts of blocks; it must keep whole ones of {kin} channels and "
                        f"{kout} filters")
            _, alike = np.unique(kept, axis=0, return_counts=True)
            over = alike % kin
            if int((over > 0).sum()) > (len(kept) % kin > 0):
                return (f"layer {layer.name} keeps the same filters of {int(alike[over > 0][0])} channels; "
                        f"these must be multiples of {kin}, and once the rest")
        return ""


def _alike(maps: Bools, area: int) -> Iterator[Piece]:
    """Sets of channels that keep the same filters, each with these filters; maps [channels, filters]."""
    _, first, kind = np.unique(np.packbits(maps, axis=1), axis=0, return_index=True, return_inverse=True)
    for k in np.argsort(first):
        filters = np.flatnonzero(maps[first[k]])
        if len(filters):
            channels: Ints = np.flatnonzero(kind.ravel() == k)
            yield Piece((channels[:, None] * area + np.arange(area)).ravel(), filters)
