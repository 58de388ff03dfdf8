"""SNrram: empty columns and rows of blocks are not stored, and zero inputs are not read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from xbarch.datapaths.records import Block, Geometry
from xbarch.datapaths.tools import sparse_units
from xbarch.datapaths.tools.pieces import ActivationOptions, Activations, unit
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer


class SNrramOptions(ActivationOptions):
    """Options of `snrram`."""

    grain: Literal["column", "row"] = Field("column", description="what a projection removes: a filter's weights in a "
                                            "block's rows, or a row's weights in a block's filters")


class SNrram(Activations[SNrramOptions]):
    """A block is as many rows as are read together. Filters and rows of a block without a weight are left out; what is
    left moves together, is packed on shelves and is read alone. Indexing registers name its inputs and filters. Where a
    workload stores inputs, reads whose inputs are all zero are skipped.
    """

    name: ClassVar[str] = "snrram"
    title: ClassVar[str] = "SNrram"
    summary: ClassVar[str] = "zero columns and rows of blocks not stored, zero inputs not read (SNrram 2018)"
    provenance: ClassVar[str] = (
        "Wang et al., SNrram, DAC 2018, abstract (weight and activation sparsity, only non-trivial weights stored). "
        "Assumed, as the full text could not be read: columns of blocks of as many rows as are read together, indexing "
        "registers as index lists. This project's reading: no sparsity transfer, projection, packing, zero detectors, "
        "all prices")
    Options: ClassVar[type[Options]] = SNrramOptions

    def __init__(self, options: SNrramOptions | Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self.whole_filters = self.options.grain == "column"  # a filter may lose all of its columns

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int]:
        """A filter's weights in a block's rows, or a row's weights in a block's filters."""
        if self.options.grain == "column":
            return 1, min(unit(geometry), layer.rows)
        return min(self.per(layer, geometry), layer.filters // layer.groups), 1

    def ways(self, layer: Layer, geometry: Geometry) -> Iterable[list[Block]]:
        """Move filters together in strips of rows, or rows in strips of columns."""
        lines, wide = unit(geometry), self.per(layer, geometry)
        for pieces in (sparse_units.strips(layer, lines, wide), sparse_units.column_groups(layer, wide, lines)):
            yield self.blocks(self.shelved(pieces, layer, geometry), layer, geometry)
