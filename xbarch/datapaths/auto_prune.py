"""AUTO-PRUNE and APQ: densities are found layer by layer; what is kept moves together in operation units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths import dense
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Added, Block, Geometry, Stream, Work
from xbarch.datapaths.tools import indices, packing, sparse_units
from xbarch.datapaths.tools.packing import Piece
from xbarch.datapaths.tools.pieces import unit
from xbarch.datapaths.tools.reads import standard_work
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload


class AutoPruneOptions(Options):
    """Options of `auto_prune`."""

    grain: Literal["vectors", "rows"] = Field(
        "vectors", description="vectors: a column of an operation unit is kept or removed (APQ), those kept move "
        "together along the rows; rows: a row of an operation unit (AUTO-PRUNE), those kept move up as in `sre`")
    sign: dense.Sign = Field("offset", description="how signed weights are stored, as for `dense`; offset weights have "
                             "a reference beside the weights of every piece")
    delta_bits: int = Field(5, ge=1, le=16, description="bits of a row id's code, as for `sre`")
    gathers: int = Field(8, ge=1, le=64, description="address generators per IMA, each at one input per clock")


class AutoPrune(Pruning[AutoPruneOptions]):
    """Every layer has a density of its own; a recipe's `search` with option `density` finds them.

    Grain "vectors": in each strip of rows as tall as an operation unit, the filters with an unmasked weight lie side
    by side; sums go to their filters by index. Grain "rows": column groups keep rows of their own, as in `sre`. Either
    way, pieces share crossbars, are driven by inputs of their own and are read one after another. Where that saves
    nothing, a layer is packed as on `dense`.
    """

    name: ClassVar[str] = "auto_prune"
    title: ClassVar[str] = "AUTO-PRUNE"
    summary: ClassVar[str] = "column vectors of operation units, densities searched (AUTO-PRUNE, ICS 2021; APQ)"
    provenance: ClassVar[str] = (
        "Yang et al., AUTO-PRUNE, ICS 2021 (densities by layer, rewarded by accuracy and occupied crossbars; only kept "
        "elements stored, inputs indexed by operation units) and APQ, IEEE TPDS 2023 (column vectors), abstracts. "
        "Assumed, as the full texts could not be read: a vector is one column of an operation unit. This project's "
        "reading: the papers' reinforcement learning is replaced by a search of each layer alone, the first of given "
        "densities within an accuracy guard; kept by norm; packing, ids as in `sre`, sign schemes, all prices; APQ's "
        "bit widths are not searched")
    Options: ClassVar[type[Options]] = AutoPruneOptions

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        return sparse_units.refused(workload, geometry, self.options.sign)

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int]:
        """A vector, or a row of a column group."""
        return (self._wide(layer, geometry), 1) if self.options.grain == "rows" else (1, unit(geometry))

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        return sparse_units.packed(layer, geometry, self.options.sign, lambda: self._compact(layer, geometry))

    def _compact(self, layer: Layer, geometry: Geometry) -> list[Block]:
        sign = self.options.sign
        each, own = dense.per_weight(layer.weight_bits, geometry, sign), dense.reference(geometry, sign)
        columns = dense.across(geometry, sign)
        nothing = [Piece(np.arange(1), np.arange(1))]
        if self.options.grain == "rows":
            wide = self._wide(layer, geometry)
            pieces = list(sparse_units.column_groups(layer, wide, geometry.rows))
            placed = sparse_units.stacked(pieces or nothing, wide * each + own, geometry, columns)
        else:
            pieces = list(sparse_units.strips(layer, unit(geometry), (columns - own) // each))
            placed = packing.shelved(pieces or nothing, each, own, geometry.rows, columns)
        return sparse_units.blocks(placed, layer, geometry, sign, self.name)

    def _wide(self, layer: Layer, geometry: Geometry) -> int:
        return sparse_units.group_weights(layer, geometry, self.options.sign)

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """Every piece is read in each phase, one operation unit after another. Once per window, ids are fetched, inputs
        gathered and sums scattered. Zero inputs are not skipped."""
        delay = indices.delay(blocks, layer, geometry, "sram", self.options.gathers)
        return replace(standard_work(blocks, geometry.phases(layer.input_bits), geometry),
                       extra=sparse_units.counted(blocks, layer, self.options.delta_bits), latency=delay.latency,
                       interval=delay.interval)

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """Bits of the coded row ids and the filter ids."""
        return sum(sparse_units.id_bits(b, layer, self.options.delta_bits) for b in blocks)

    def components(self, geometry: Geometry) -> list[Added]:
        """Row ids, address generators and filter latches of an IMA."""
        o = self.options
        return [sparse_units.id_table(geometry, o.sign, o.delta_bits),
                *sparse_units.moved(geometry, o.gathers)]
