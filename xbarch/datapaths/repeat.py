"""PattPIM and RePIM: columns that repeat within a row group are stored and computed once, their results reused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xbarch.datapaths import dense
from xbarch.datapaths.records import Added, Block, Bools, Contents, Geometry, Ints
from xbarch.datapaths.tools import cells, indices
from xbarch.datapaths.tools.packing import Piece, Placed
from xbarch.datapaths.tools.pieces import Pieces, PiecesOptions, per_crossbar, unit
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer

_RESULT_BITS = 24  # per result of a pattern: 16 rows of 8-bit weights and 8-bit inputs sum to 20 bits
_INPUT_BITS = 8
_READING = "this project's reading: "


class RepeatOptions(PiecesOptions):
    """Options of `pattpim` and `repim`."""

    height: int = Field(0, ge=0, le=1024, description="rows of a row group, in which columns are compared; 0: the word "
                        "lines read together")


@dataclass(frozen=True)
class Shared(Block):
    """A block of `patterns` stored weight columns, each of which adds to one or several filters."""

    patterns: int = 0

    @property
    def repeats(self) -> int:
        """Filters that use a result computed for another filter."""
        return self.outputs - self.patterns


@dataclass(frozen=True)
class Group:
    """Patterns of a row group: the first filter of each, and the pattern of each filter that has one.

    rows: entries of the unrolled input vector. first: [patterns]. filters, pattern: [filters that keep something].
    """

    rows: Ints
    first: Ints
    filters: Ints
    pattern: Ints


class PattPim(Pieces[RepeatOptions]):
    """A row group is as many consecutive rows as an operation unit reads. A filter's integers in it are a pattern.
    Equal patterns are stored once and read once; every further filter with the same pattern takes the result from a
    buffer. Patterns that are masked entirely are not stored.

    The bit lines of a stored pattern add to all its filters, so the outputs are exact. A layer whose patterns do not
    repeat enough to save crossbars, reads or conversions is packed as on `dense`.
    """

    name: ClassVar[str] = "pattpim"
    title: ClassVar[str] = "PattPIM"
    summary: ClassVar[str] = "repeated weight patterns stored and computed once, results reused (PattPIM 2020)"
    provenance: ClassVar[str] = (
        "PattPIM, DAC 2020 and IEEE TCAD 2022, abstracts (repetitions of non-zero weight patterns mapped once to "
        "operation units, computation reuse). Assumed, as the full texts could not be read: whole weights are "
        "compared, over all filters of a layer, in consecutive rows; a 24-bit result buffer. This project's reading: "
        "no approximate pattern transform, so no weight is changed; the projection; packing, index storage, all prices")
    Options: ClassVar[type[Options]] = RepeatOptions

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int]:
        """A pattern: a filter's weights in a row group. This project's definition, for training."""
        return 1, self._height(layer, geometry)

    def _height(self, layer: Layer, geometry: Geometry) -> int:
        return min(self.options.height or unit(geometry), layer.rows)

    # -- packing ----------------------------------------------------------------------------------------

    @property
    def stores_once(self) -> bool:
        """Repeated patterns share cells."""
        return False

    def saves(self, layer: Layer) -> bool:
        """Patterns may repeat even in a layer that is not pruned."""
        return layer.weights is not None

    def ways(self, layer: Layer, geometry: Geometry) -> Iterable[list[Block]]:
        height = min(self.options.height or unit(geometry), unit(geometry))
        pieces: dict[int, tuple[Group, slice]] = {}  # by the piece's identity
        stored: list[Piece] = []
        found = list(groups(layer, height))
        if sum(len(group.first) for group in found) == layer.filters * -(-layer.rows // height):
            return  # no pattern repeats: every column of every row group is stored
        for group in found:
            for p in range(0, len(group.first), self.per(layer, geometry)):
                part = slice(p, min(p + self.per(layer, geometry), len(group.first)))
                stored.append(Piece(group.rows, group.first[part]))
                pieces[id(stored[-1])] = group, part
        if not stored:
            yield self.blocks(self.shelved([], layer, geometry), layer, geometry)
            return
        placed = self.shelved(stored, layer, geometry)
        yield [self._block(layer, geometry, p, *pieces[id(p.piece)])
               for p in sorted(placed, key=lambda p: (p.crossbar, p.read))]

    def _block(self, layer: Layer, geometry: Geometry, placed: Placed, group: Group, part: slice) -> Block:
        """The block of patterns `part` of a row group."""
        mine = (group.pattern >= part.start) & (group.pattern < part.stop)
        filters, pattern = group.filters[mine], group.pattern[mine] - part.start
        rows, count, sign = placed.piece.rows % layer.rows, len(placed.piece.filters), self.options.sign
        each = dense.per_weight(layer.weight_bits, geometry, sign)
        width = count * each + dense.reference(geometry, sign)
        kept = np.zeros((len(rows), count), bool)
        np.logical_or.at(kept.T, pattern, layer.kept[rows][:, filters].T)
        return Shared(
            crossbar=placed.crossbar, row0=placed.row0, col0=placed.col0, inputs=placed.piece.rows, columns=width,
            kept=int(kept.sum()) * each, targets=filters,
            contents=partial(self._contents, layer, geometry, rows, placed.piece.filters, filters, pattern),
            group=placed.read, cap=dense.largest(len(rows), geometry, sign), patterns=count)

    def _contents(self, layer: Layer, geometry: Geometry, rows: Ints, first: Ints, filters: Ints,
                  pattern: Ints) -> Contents:
        """The cells of every pattern once, and its decode list once for each of its filters."""
        weights = layer.matrix[np.ix_(rows, first)]
        cells.check(weights, *self.levels(layer.weight_bits), layer.name, self.name)
        width = len(first) * dense.per_weight(layer.weight_bits, geometry, self.options.sign) \
            + dense.reference(geometry, self.options.sign)
        once = dense.encoded(weights, np.arange(len(first)), layer.weight_bits, geometry, self.options.sign, width)
        entries = np.argsort(once.output, kind="stable").reshape(len(first), -1)[pattern]
        return Contents(once.cells, once.column[entries.ravel()], np.repeat(filters, entries.shape[1]),
                        once.coefficient[entries.ravel()])

    # -- costs ------------------------------------------------------------------------------------------

    def actions(self, blocks: Sequence[Block], near: Sequence[Block], layer: Layer) -> dict[str, Ints]:
        """Words of the map from filters to patterns and of row ids, inputs gathered, sums scattered, and results taken
        from the buffer by the filters that repeat a pattern."""
        named = [_map_bits(b) for b in blocks]
        extra = indices.counted(near, layer, self.options.index)
        extra["map"] = per_crossbar(blocks, [-(-bits // 64) for bits in named])
        extra["reuse"] = per_crossbar(blocks, [b.repeats if isinstance(b, Shared) else 0 for b in blocks])
        return extra

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """Bits of the lists, and of the maps from filters to patterns."""
        return super().index_bits(blocks, layer, geometry) + sum(_map_bits(b) for b in blocks)

    def components(self, geometry: Geometry) -> list[Added]:
        """A map of 5-bit pattern numbers, four filters per pattern, and a buffer for the results of one row group."""
        weights, reads = max(1, dense.per_crossbar(8, geometry, self.options.sign)), -(-geometry.rows // unit(geometry))
        crossbars = geometry.crossbars_per_ima
        return [
            *super().components(geometry),
            indices.table("pattern map", "map", 4 * weights * reads * crossbars * 5, 64, _READING + "5-bit numbers of "
                          "patterns for four filters a stored pattern; "),
            indices.table("result buffer", "reuse", weights * crossbars * _RESULT_BITS, _RESULT_BITS, _READING +
                          "24 bits for each pattern in a row group of a crossbar; "),
        ]


class RePim(PattPim):
    """PattPIM with activation repetition: where the inputs of a row group equal those of the previous window, no read
    is made and that window's results are used again."""

    name: ClassVar[str] = "repim"
    title: ClassVar[str] = "RePIM"
    summary: ClassVar[str] = "weight patterns and activations that repeat are computed once (RePIM 2021)"
    provenance: ClassVar[str] = (
        "RePIM, DAC 2021 (joint use of activation and weight repetitions, from its title and abstract). Assumed, as "
        "the full text could not be read: an activation repetition is a row group whose inputs equal those of the "
        "window before. Weight repetition as in `pattpim`, with its readings. This project's reading: comparison and "
        "results held for one window, packing, all prices")

    def live(self, vectors: NDArray[np.unsignedinteger[Any]]) -> Bools | None:
        """Inputs that differ from those of the previous window, in the order of the stream."""
        changed = np.ones(vectors.shape, bool)
        changed[1:] = vectors[1:] != vectors[:-1]
        return changed

    def actions(self, blocks: Sequence[Block], near: Sequence[Block], layer: Layer) -> dict[str, Ints]:
        """Those of PattPIM, and inputs compared with the previous window, results stored or used again."""
        held = [b.patterns if isinstance(b, Shared) else b.outputs for b in blocks]
        return {**super().actions(blocks, near, layer), "compare": per_crossbar(blocks, [b.rows for b in blocks]),
                "hold": per_crossbar(blocks, held)}

    def components(self, geometry: Geometry) -> list[Added]:
        """Those of PattPIM, and memories for the previous window: inputs of every word line and results of every
        pattern of an IMA."""
        weights, reads = max(1, dense.per_crossbar(8, geometry, self.options.sign)), -(-geometry.rows // unit(geometry))
        crossbars = geometry.crossbars_per_ima
        return [
            *super().components(geometry),
            indices.table("previous inputs", "compare", geometry.rows * crossbars * _INPUT_BITS, _INPUT_BITS, _READING +
                          "8 bits for each word line; "),
            indices.table("previous results", "hold", weights * reads * crossbars * _RESULT_BITS, _RESULT_BITS,
                          _READING + "24 bits for each stored pattern; "),
        ]


def groups(layer: Layer, height: int) -> Iterator[Group]:
    """The row groups of a layer that keep any weight, `height` consecutive rows each, with their patterns in the order
    of their first filters."""
    per = layer.filters // layer.groups
    for g in range(layer.groups):
        own = slice(g * per, (g + 1) * per)
        for r in range(0, layer.rows, height):
            rows = np.arange(r, min(r + height, layer.rows))
            filters = np.flatnonzero(layer.kept[rows[0]:rows[-1] + 1, own].any(axis=0)) + g * per
            if not len(filters):
                continue
            band = np.ascontiguousarray(layer.matrix[rows[0]:rows[-1] + 1][:, filters].T)
            _, first, found = np.unique(band.view(f"V{band.shape[1] * band.itemsize}").ravel(), return_index=True,
                                        return_inverse=True)
            order = np.argsort(first)
            rank = np.empty(len(order), np.int64)
            rank[order] = np.arange(len(order))
            yield Group(rows + g * layer.rows, filters[first[order]], filters, rank[found.ravel()])


def _map_bits(block: Block) -> int:
    """Bits that name the pattern of every filter; 0 where no pattern is used more than once."""
    return block.outputs * max(1, (block.patterns - 1).bit_length()) \
        if isinstance(block, Shared) and block.repeats else 0
