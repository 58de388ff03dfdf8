"""SegPrune's data path: options, projection, packing, work and added hardware."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths import dense
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Added, Block, Contents, Geometry, Ints, Projection, Reals, Stream, Work
from xbarch.datapaths.segprune import voting
from xbarch.datapaths.segprune.voting import Band, Tally
from xbarch.datapaths.tools import cells, indices, packing, sparse_units
from xbarch.datapaths.tools.packing import Piece, Placed
from xbarch.datapaths.tools.pieces import cost
from xbarch.datapaths.tools.reads import standard_work
from xbarch.errors import InputError
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload


class SegPruneOptions(Options):
    """Options of `segprune`."""

    mode: Literal["xbar", "cluster", "ou"] = Field(
        "xbar", description="xbar: a crossbar holds one shape of one row band; cluster: the same with segments as tall "
        "as the layer, so filters are grouped once; ou: pieces of a few rows, stacked and read one after another")
    sign: dense.Sign = Field("offset", description="how signed weights are stored, as for `dense`")
    segment: int = Field(0, ge=0, description="rows of a segment; 0: in training, what fills a crossbar (in mode ou, a "
                         "read) at the recipe's density, and in packing, what packs best")
    shapes: int = Field(0, ge=0, le=1024, description="shapes per row band; 0: one for as many filters as fill a "
                        "crossbar (in mode ou 16)")
    variable_k: bool = Field(True, description="shapes compete for rows instead of all keeping the same number")
    balance: bool = Field(True, description="no shape has more filters than its share of crossbars holds (not in ou)")
    ou_rows: int = Field(8, ge=1, le=1024, description="word lines read together in mode ou")
    index: indices.Store = Field("buffer", description="where indices are kept: in the tile's eDRAM buffer, or in an "
                               "SRAM of every IMA")
    gathers: int = Field(1, ge=1, le=64, description="address generators per IMA, each at one input per clock")


class SegPrune(Pruning[SegPruneOptions]):
    """Segments of equal shape share a crossbar, which stores only their kept rows. Shapes are found in the mask, so any
    mask is packed exactly. A layer is packed as on `dense` where segments save no crossbar, or take more reads or
    conversions. In mode ou this rule applies only to machines with operation units; on other machines the mode itself
    reads a few rows at a time, and segments are always used."""

    name: ClassVar[str] = "segprune"
    title: ClassVar[str] = "SegPrune"
    reads_every_phase: ClassVar[bool] = True
    summary: ClassVar[str] = "segments of equal shape share crossbars, indexed inputs and outputs (Zheng et al. 2022)"
    provenance: ClassVar[str] = (
        "Zheng et al., SegPrune, IEEE TCAD 41(11), 2022, abstract (segments, shapes, equal shapes on one crossbar, "
        "projection-based shape voting, added area below 0.27 %). This project's reading: the election's rules, "
        "balance, variable k, band height, the three packing modes, where indices are kept, all prices")
    Options: ClassVar[type[Options]] = SegPruneOptions

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        return dense.Dense({"sign": self.options.sign}).accepts(workload, geometry)

    # -- training ---------------------------------------------------------------------------------------

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Elect shapes on `weights` (F, C / groups, kh, kw) and set the rest to zero.

        side: segment, its rows; groups, for each group of the convolution its bands {row0, shapes: the kept rows of
        each shape, counted from row0, sizes: the number of filters of each shape}. At most density * rows * filters
        weights of each group are kept.

        Raises:
            InputError: a density outside 0 to 1 or smaller than one row of a segment, or a crossbar too narrow.
        """
        if not 0 < density <= 1:
            raise InputError(f"must be above 0 and at most 1 for layer {layer.name}, not {density:g}", field="density")
        per = self._per(layer, geometry)
        if per < 1:
            raise InputError(self._narrow(layer, geometry), field="crossbar.columns")
        unit = self._unit(geometry)
        h = self._segment(layer.rows, unit, density)
        if int(density * h + 1e-9) < 1:
            raise InputError(f"must be at least 1/{h} for layer {layer.name}, not {density:g}, which keeps no row "
                             f"of a segment of {h} rows", field="density")
        return _projected(weights, layer, h, [self._elected(energy, h, unit, per, density)
                                              for energy in _energies(weights, layer)])

    def refit(self, weights: Reals, layer: Layer, geometry: Geometry, before: Projection) -> Projection:
        """The nearest weights with the frozen shapes of an earlier projection: every filter takes the shape that keeps
        most of it; where balanced, each shape keeps its number of filters. No more weights are kept than before."""
        balanced = self._seats(layer.filters // layer.groups, self._per(layer, geometry))[1] is not None
        side = before.side
        groups = []
        for energy, stored in zip(_energies(weights, layer), side["groups"], strict=True):
            bands = _thawed(stored, layer.rows)
            tallies = _tallies(energy, [band.row0 for band in bands])
            kept = [tally.kept(band.shapes) for tally, band in zip(tallies, bands, strict=True)]
            groups.append(voting.deal(bands, kept, balanced))
        return _projected(weights, layer, side["segment"], groups)

    def _elected(self, energy: Ints, h: int, unit: int, per: int, density: float) -> list[Band]:
        """The bands of one group's energy [F, R]."""
        filters, rows = energy.shape
        count, sizes = self._seats(filters, per)
        tallies, bands = _tallies(energy, range(0, rows, h)), []
        for tally in tallies:
            keep = int(density * tally.energy.shape[1] + 1e-9)
            bands.append(voting.vote(tally, max(keep, 1) if self.options.variable_k else keep, count, sizes))
        if not self.options.variable_k:
            return bands
        return voting.settle(tallies, bands, unit, per, density, sizes is not None)

    def _segment(self, rows: int, unit: int, density: float) -> int:
        """Rows of a segment, such that its kept rows fill a crossbar (or a read) and bands have about the same
        height."""
        if self.options.segment or self.options.mode == "cluster":
            return min(self.options.segment or rows, rows)
        bands = max(1, rows // (unit * int(np.ceil(1 / density - 1e-9))))
        return min(rows, unit * -(-rows // (bands * unit)))

    def _seats(self, filters: int, per: int) -> tuple[int, Ints | None]:
        """(Shapes per band, most filters of each shape or None)."""
        free = self.options.mode == "ou"
        count = min(filters, self.options.shapes or (16 if free else -(-filters // per)))
        most = per * -(-filters // (count * per))
        return count, np.full(count, most) if self.options.balance and not free else None

    # -- packing ----------------------------------------------------------------------------------------

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        if self.options.mode == "ou":
            pieces = partial(self._blocks, layer, geometry)
            return sparse_units.packed(layer, geometry, self.options.sign, pieces) \
                if geometry.operation_units else pieces()
        whole = dense.blocks(layer, geometry, self.options.sign)
        if layer.mask is None or layer.kept.all():
            return whole
        found = self._blocks(layer, geometry)
        saved = [a - b for a, b in zip(cost(whole, geometry), cost(found, geometry), strict=True)]
        return found if saved[0] > 0 and min(saved) >= 0 else whole

    def _blocks(self, layer: Layer, geometry: Geometry) -> list[Block]:
        return [self._block(layer, geometry, placed) for placed in self._placed(layer, geometry)]

    def _placed(self, layer: Layer, geometry: Geometry) -> list[Placed]:
        """Every piece of the layer in its place; rows of a piece are entries of the unrolled input vector. A layer with
        nothing left keeps one weight, so it still has a crossbar."""
        unit, per = self._unit(geometry), self._per(layer, geometry)
        pieces: list[Piece] = []
        for group in range(layer.groups):
            pieces += self._pieces(layer, group, unit, per)
        pieces = pieces or [Piece(np.arange(1), np.arange(1))]
        if self.options.mode != "ou":
            return packing.alone(pieces)
        sign = self.options.sign
        return packing.shelved(pieces, dense.per_weight(layer.weight_bits, geometry, sign),
                               dense.reference(geometry, sign), geometry.rows, dense.across(geometry, sign))

    def _pieces(self, layer: Layer, group: int, unit: int, per: int) -> Iterator[Piece]:
        filters = layer.filters // layer.groups
        mask = layer.kept.T[group * filters:(group + 1) * filters]
        if not mask.any():
            return
        fixed = self.options.segment or (layer.rows if self.options.mode == "cluster" else 0)
        h = min(fixed, layer.rows) or packing.height(mask, unit, per)
        for piece in packing.cut(packing.shapes(mask, h), unit, per):
            yield Piece(piece.rows + group * layer.rows, piece.filters + group * filters)

    def _block(self, layer: Layer, geometry: Geometry, placed: Placed) -> Block:
        rows, filters, sign, ou = placed.piece.rows, placed.piece.filters, self.options.sign, self.options.mode == "ou"
        each = dense.per_weight(layer.weight_bits, geometry, sign)
        used = len(filters) * each + dense.reference(geometry, sign)
        width = used if ou else dense.span(used, geometry, sign)
        kept = int(layer.kept[rows % layer.rows][:, filters].sum()) * each
        return Block(
            crossbar=placed.crossbar, row0=placed.row0, col0=placed.col0, inputs=rows, columns=width, kept=kept,
            targets=filters, contents=partial(_contents, layer, rows % layer.rows, filters, geometry, sign, width),
            group=placed.read, cap=dense.largest(len(rows), geometry, sign), idle=width - used)

    # -- costs ------------------------------------------------------------------------------------------

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """Every read is made once per phase. Once per window, indices are fetched, inputs gathered and sums
        scattered."""
        work = standard_work(blocks, geometry.phases(layer.input_bits), geometry)
        delay = indices.delay(blocks, layer, geometry, self.options.index, self.options.gathers)
        return replace(work, extra=indices.counted(blocks, layer, self.options.index), latency=delay.latency,
                       interval=delay.interval)

    def components(self, geometry: Geometry) -> list[Added]:
        """Index storage, address generators and filter latches of an IMA, sized for 8-bit weights."""
        weights = max(1, dense.per_crossbar(8, geometry, self.options.sign))
        reads = -(-geometry.rows // self._unit(geometry))
        return indices.components(geometry, self.options.index, self.options.gathers, weights, reads)

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """Bits of the rows and filters of all segments."""
        return sum(indices.index_bits(b, layer) for b in blocks)

    # -- sizes ------------------------------------------------------------------------------------------

    def _unit(self, geometry: Geometry) -> int:
        """Word lines read together."""
        return min(self.options.ou_rows, geometry.rows) if self.options.mode == "ou" else geometry.rows

    def _per(self, layer: Layer, geometry: Geometry) -> int:
        """Filters whose weights lie side by side on a crossbar."""
        return dense.per_crossbar(layer.weight_bits, geometry, self.options.sign)

    def _narrow(self, layer: Layer, geometry: Geometry) -> str:
        return self.accepts(Workload(name=layer.name, layers=(layer,)), geometry)


def _contents(layer: Layer, rows: Ints, filters: Ints, geometry: Geometry, sign: dense.Sign, width: int) -> Contents:
    """Cells and decode list of these rows and filters of the layer's matrix."""
    weights = layer.matrix[rows][:, filters]
    half = 1 << layer.weight_bits - 1
    cells.check(weights, -half, half - 1, layer.name, SegPrune.name)
    return dense.encoded(weights, filters, layer.weight_bits, geometry, sign, width)


def _energies(weights: Reals, layer: Layer) -> Iterator[Ints]:
    """Energies of each group, [F / groups, R]."""
    filters, flat = layer.filters // layer.groups, weights.reshape(layer.filters, -1)
    for group in range(layer.groups):
        yield voting.energies(flat[group * filters:(group + 1) * filters])


def _tallies(energy: Ints, starts: Sequence[int]) -> list[Tally]:
    """Of the bands that start at these rows."""
    ends = [*starts[1:], energy.shape[1]]
    return [Tally(energy, start, end - start) for start, end in zip(starts, ends, strict=True)]


def _projected(weights: Reals, layer: Layer, segment: int, groups: Sequence[Sequence[Band]]) -> Projection:
    """Weights where the bands keep them, with the shapes as JSON values."""
    mask = np.concatenate([np.concatenate([band.mask for band in bands], axis=1) for bands in groups])
    mask = mask.reshape(weights.shape)
    frozen = [[{"row0": band.row0, "shapes": [np.flatnonzero(s).tolist() for s in band.shapes],
                "sizes": band.sizes.tolist()} for band in bands] for bands in groups]
    return Projection(np.where(mask, weights, 0.0), mask, {"segment": segment, "groups": frozen})


def _thawed(stored: Sequence[Mapping[str, Any]], rows: int) -> list[Band]:
    """The bands from their JSON values. Each shape has its number of filters; which filters they were is not stored."""
    ends = [*(band["row0"] for band in stored[1:]), rows]
    bands = []
    for band, end in zip(stored, ends, strict=True):
        shapes = np.zeros((len(band["shapes"]), end - band["row0"]), bool)
        for shape, kept in zip(shapes, band["shapes"], strict=True):
            shape[kept] = True
        bands.append(Band(band["row0"], shapes, np.repeat(np.arange(len(shapes)), band["sizes"])))
    return bands
