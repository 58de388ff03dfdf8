"""skeleton: a data path of xbarch. It works as it stands; change it, piece by piece, into the method that you mean."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from pydantic import Field

from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Block, Contents, Geometry
from xbarch.datapaths.tools import cells
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload


class SkeletonOptions(Options):
    """What a user may set by `-o name=value`; other names and values are refused by name."""

    close_up: bool = Field(True, description="rows without a kept weight are left out, the others move up")


class SkeletonMethod(Pruning[SkeletonOptions]):
    """Signed weights as a positive and a negative part, `close_up`: rows of a crossbar without a kept weight left out.

    State here what is published and where, and what is your own reading.
    """

    name: ClassVar[str] = "skeleton"
    summary: ClassVar[str] = "rows of a crossbar without a kept weight are left out"
    provenance: ClassVar[str] = "made by `xbarch new`; cite your paper here"
    Options: ClassVar[type[Options]] = SkeletonOptions

    def filters(self, layer: Layer, geometry: Geometry) -> int:
        """Filters that fit side by side on a crossbar; both parts of a weight are cut into cells."""
        return geometry.columns // (2 * geometry.slices(layer.weight_bits))

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        """Empty, or the reason why not."""
        for layer in workload.compute_layers:
            if layer.groups > 1:
                return f"layer {layer.name} has groups"
            if not self.filters(layer, geometry):
                return f"a {layer.weight_bits}-bit weight of layer {layer.name} needs more bit lines than there are"
        return ""

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int]:
        """What training removes together: filters, here all on a crossbar, and rows, here one. From this follows the
        projection that prunes: the groups of largest norm are kept."""
        return self.filters(layer, geometry), 1

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """Filters side by side, inputs one below the other, a crossbar for every block."""
        blocks: list[Block] = []
        for first in range(0, layer.filters, wide := self.filters(layer, geometry)):
            targets = np.arange(first, min(first + wide, layer.filters))
            used = layer.kept[:, targets].any(axis=1) if self.options.close_up else np.ones(layer.rows, bool)
            inputs = np.flatnonzero(used) if used.any() else np.arange(1)  # at least one row, or there is no block
            for top in range(0, len(inputs), geometry.rows):
                rows, width = inputs[top:top + geometry.rows], 2 * geometry.slices(layer.weight_bits)
                kept = int(layer.kept[np.ix_(rows, targets)].sum()) * width
                blocks.append(Block(
                    crossbar=len(blocks), row0=0, col0=0, inputs=rows, columns=width * len(targets), kept=kept,
                    targets=targets, contents=partial(self.contents, layer, rows, targets, geometry)))
        return blocks

    def contents(self, layer: Layer, rows: np.ndarray, targets: np.ndarray, geometry: Geometry) -> Contents:
        """Cells and decode list, made only when the block is executed."""
        width = 2 * geometry.slices(layer.weight_bits) * len(targets)
        return cells.differential(layer.matrix[np.ix_(rows, targets)], targets, layer.weight_bits, geometry.cell_bits,
                                  width)

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """What must be stored beside the weights: which input drives each row, where that is not all in order."""
        return sum(b.rows for b in blocks) * (layer.rows - 1).bit_length() if self.options.close_up else 0
