"""Sparse ReRAM Engine: rows of operation units whose weights are all pruned are not stored, and inputs whose current
bit is zero are not driven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from xbarch.datapaths import dense
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Added, Block, Geometry, Ints, Stream, Work
from xbarch.datapaths.tools import indices, sparse_units
from xbarch.datapaths.tools.packing import Piece
from xbarch.datapaths.tools.reads import standard_work
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload


class SreOptions(Options):
    """Options of `sre`."""

    orc: bool = Field(True, description="operation-unit row compression: rows that are masked for all weights of a "
                      "column group are left out, and the others move up")
    dof: bool = Field(True, description="dynamic operation units: in each input phase an operation unit takes the next "
                      "rows whose input bit is one")
    sign: dense.Sign = Field("offset", description="how signed weights are stored, as for `dense`; offset weights have "
                             "a reference in every column group, since each has rows of its own")
    delta_bits: int = Field(5, ge=1, le=16, description="bits of a row id's code, which says how many rows are "
                            "skipped; the largest code is an escape")
    gathers: int = Field(8, ge=1, le=64, description="address generators per IMA, each at one input per clock")


class Sre(Pruning[SreOptions]):
    """A column group is the weights that an operation unit holds side by side. With `orc`, its rows that have an
    unmasked weight move up, are cut at a crossbar's last row and are stacked with those of other groups. Groups are
    driven by different inputs, so each is read alone and fetches its own inputs. A masked row of a group takes no cell,
    whatever level its sign scheme gives to zero; a masked weight beside unmasked ones is stored as zero.

    A layer is compacted where that takes no more crossbars, reads and conversions than the dense packing. With `dof`, a
    group in which n1 rows have a one at an input bit takes ceil(n1 / rows of an operation unit) reads for that bit.
    Where a workload stores no inputs, nothing is skipped.
    """

    name: ClassVar[str] = "sre"
    title: ClassVar[str] = "SRE"
    summary: ClassVar[str] = "rows of operation units and zero input bits skipped (Sparse ReRAM Engine, ISCA 2019)"
    provenance: ClassVar[str] = (
        "Yang et al., Sparse ReRAM Engine, ISCA 2019 (operation units, row compression, dynamic operation units, "
        "delta-coded row ids). Assumed, as the full text could not be read: 5-bit codes, each column group read alone. "
        "This project's reading: masked weights, not zero cells, decide what is left out; the escape code; "
        "rows stacked across row blocks; sign schemes; projection (the paper prunes nothing itself); all prices")
    Options: ClassVar[type[Options]] = SreOptions

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        return sparse_units.refused(workload, geometry, self.options.sign)

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int]:
        """A row of a column group."""
        return self._wide(layer, geometry), 1

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        if not self.options.orc:
            return dense.blocks(layer, geometry, self.options.sign)
        return sparse_units.packed(layer, geometry, self.options.sign, lambda: self._compact(layer, geometry))

    def _compact(self, layer: Layer, geometry: Geometry) -> list[Block]:
        sign, wide = self.options.sign, self._wide(layer, geometry)
        pieces = list(sparse_units.column_groups(layer, wide, geometry.rows))
        width = wide * dense.per_weight(layer.weight_bits, geometry, sign) + dense.reference(geometry, sign)
        placed = sparse_units.stacked(pieces or [Piece(np.arange(1), np.arange(1))], width, geometry,
                                      dense.across(geometry, sign))
        return sparse_units.blocks(placed, layer, geometry, sign, self.name)

    def _wide(self, layer: Layer, geometry: Geometry) -> int:
        return sparse_units.group_weights(layer, geometry, self.options.sign)

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """With `dof` and a stream, the reads of every window follow from the bits of its inputs. Once per window, the
        ids are fetched and each group's inputs gathered; once per phase, each group selects the word lines to drive."""
        phases = geometry.phases(layer.input_bits)
        if self.options.dof and stream is not None:
            work = sparse_units.dynamic(blocks, layer, geometry, stream)
        else:
            work = standard_work(blocks, phases, geometry)
        extra: dict[str, Ints] = {}
        if self.options.dof:
            extra["form"] = np.bincount([b.crossbar for b in blocks]) * phases
        if not self.options.orc:
            return replace(work, extra=extra)
        moved = sparse_units.counted(blocks, layer, self.options.delta_bits)
        delay = indices.delay(blocks, layer, geometry, "sram", self.options.gathers)
        return replace(work, extra={**extra, "index": moved["index"], "gather": moved["gather"]},
                       latency=delay.latency, interval=delay.interval)

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """Bits of the coded row ids."""
        return sum(sparse_units.id_bits(b, layer, self.options.delta_bits) for b in blocks) if self.options.orc else 0

    def components(self, geometry: Geometry) -> list[Added]:
        """Per IMA: with `orc`, row ids and address generators; with `dof`, word-line vectors. Sums need no routing."""
        added: list[Added] = []
        if self.options.dof:
            added.append(indices.table(
                "word lines", "form", 2 * geometry.rows * geometry.crossbars_per_ima, geometry.rows, "this project's "
                "reading: rows still to be read and rows of the unit, a bit each for every word line, passed once for "
                "every column group and input phase; "))
        if self.options.orc:
            o = self.options
            added.append(sparse_units.id_table(geometry, o.sign, o.delta_bits))
            added += [a for a in sparse_units.moved(geometry, o.gathers) if a.action == "gather"]
        return added
