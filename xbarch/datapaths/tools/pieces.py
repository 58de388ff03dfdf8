"""Layers as pieces. A piece is rows of the unrolled matrix with the filters that keep a weight in them. Pieces are
packed on shelves of crossbars, read one after another, and skipped in windows that need no new result. Shared by the
methods that move weights together.

A packing of pieces is taken only where it needs no more crossbars, reads and conversions than the dense one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import TypeVar

from xbarch.datapaths import dense
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Added, Block, Bools, Geometry, Ints, Stream, Work
from xbarch.datapaths.tools import compact, indices, sparse_units
from xbarch.datapaths.tools.packing import Piece, Placed, shelved
from xbarch.datapaths.tools.reads import operation_units, standard_work
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload

Vectors = NDArray[np.unsignedinteger[Any]]


class PiecesOptions(Options):
    """Options of every data path that packs pieces."""

    sign: dense.Sign = Field("offset", description="how signed weights are stored, as for `dense`; offset weights have "
                             "a reference in every piece")
    index: indices.Store = Field("buffer", description="where indices are kept: in the tile's eDRAM buffer, or in an "
                               "SRAM of every IMA")
    gathers: int = Field(1, ge=1, le=64, description="address generators per IMA, each at one input per clock")


PiecesT = TypeVar("PiecesT", bound=PiecesOptions, default=PiecesOptions)


class Pieces(Pruning[PiecesT]):
    """Base of these methods. Packs any mask exactly, in the best of `ways` or densely."""

    Options: ClassVar[type[Options]] = PiecesOptions

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        return dense.Dense({"sign": self.options.sign}).accepts(workload, geometry)

    # -- packing ----------------------------------------------------------------------------------------

    @abstractmethod
    def ways(self, layer: Layer, geometry: Geometry) -> Iterable[list[Block]]:
        """Packings to try for a layer for which `saves` is true."""

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """The way that takes the fewest crossbars, of these the fewest reads, then conversions, among those that take
        no more of any than the dense packing; else the dense packing."""
        chosen = dense.blocks(layer, geometry, self.options.sign)
        if not self.saves(layer):
            return chosen
        limit = best = cost(chosen, geometry)
        for found in self.ways(layer, geometry):
            here = cost(found, geometry)
            if here < best and all(a <= b for a, b in zip(here, limit, strict=True)):
                chosen, best = found, here
        return chosen

    def saves(self, layer: Layer) -> bool:
        """Whether the layer could be packed better than densely."""
        return layer.mask is not None and not bool(layer.kept.all())

    def shelved(self, pieces: Iterable[Piece], layer: Layer, geometry: Geometry) -> list[Placed]:
        """Pieces of a layer side by side and stacked, one read each; for a layer with nothing left, one zero weight."""
        sign = self.options.sign
        return shelved(list(pieces) or [Piece(np.arange(1), np.arange(1))],
                       dense.per_weight(layer.weight_bits, geometry, sign), dense.reference(geometry, sign),
                       geometry.rows, dense.across(geometry, sign))

    def blocks(self, placed: Sequence[Placed], layer: Layer, geometry: Geometry) -> list[Block]:
        return sparse_units.blocks(placed, layer, geometry, self.options.sign, self.name)

    def per(self, layer: Layer, geometry: Geometry) -> int:
        """Filters that lie side by side on a crossbar."""
        return dense.per_crossbar(layer.weight_bits, geometry, self.options.sign)

    # -- costs ------------------------------------------------------------------------------------------

    def live(self, vectors: Vectors) -> Bools | None:
        """Which inputs, [windows, inputs], make a read necessary that drives them; None: every read is necessary."""
        return None

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """Every read is made once per phase, except those that `live` shows to be unnecessary. Once per window, indices
        are fetched, inputs gathered and sums scattered."""
        phases = geometry.phases(layer.input_bits)
        live = None if stream is None else self.live(stream.vectors())
        work = standard_work(blocks, phases, geometry) if live is None else skipping(blocks, live, phases, geometry)
        near = compact.ranked(blocks, layer)
        delay = indices.delay(near, layer, geometry, self.options.index, self.options.gathers)
        return replace(work, extra=self.actions(blocks, near, layer), latency=delay.latency, interval=delay.interval)

    def actions(self, blocks: Sequence[Block], near: Sequence[Block], layer: Layer) -> dict[str, Ints]:
        """Extra actions per window, each [crossbars]. near: the blocks as `compact.ranked` numbers them."""
        return indices.counted(near, layer, self.options.index)

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """Bits of the row and filter lists of all pieces."""
        return sum(indices.index_bits(b, layer) for b in compact.ranked(blocks, layer))

    def components(self, geometry: Geometry) -> list[Added]:
        """Index storage, address generators and filter latches of an IMA, sized for 8-bit weights."""
        weights = max(1, dense.per_crossbar(8, geometry, self.options.sign))
        return indices.components(geometry, self.options.index, self.options.gathers, weights,
                                  -(-geometry.rows // unit(geometry)))


class ActivationOptions(PiecesOptions):
    """Options of the data paths that skip zero activations."""

    skip_zeros: bool = Field(True, description="reads of word lines whose inputs are all zero are left out, window by "
                             "window (where the workload stores inputs)")


ActivationsT = TypeVar("ActivationsT", bound=ActivationOptions, default=ActivationOptions)


class Activations(Pieces[ActivationsT]):
    """Base of the data paths that skip reads whose inputs are all zero."""

    Options: ClassVar[type[Options]] = ActivationOptions

    def live(self, vectors: Vectors) -> Bools | None:
        return vectors != 0 if self.options.skip_zeros else None

    def components(self, geometry: Geometry) -> list[Added]:
        added = super().components(geometry)
        return [*added, indices.adder("zero detectors", "zero", 1, "this project's reading: an input is compared with "
                                      "zero as it is registered; ")] if self.options.skip_zeros else added

    def actions(self, blocks: Sequence[Block], near: Sequence[Block], layer: Layer) -> dict[str, Ints]:
        """Those of `Pieces`, and each input of a block compared with zero."""
        extra = super().actions(blocks, near, layer)
        return {**extra, "zero": per_crossbar(blocks, [b.rows for b in blocks])} if self.options.skip_zeros else extra


def unit(geometry: Geometry) -> int:
    """Word lines read together."""
    return min(geometry.ou_rows or geometry.rows, geometry.rows)


def per_crossbar(blocks: Sequence[Block], counts: Sequence[int]) -> Ints:
    """Sums of the blocks' counts, [crossbars]."""
    return np.bincount([b.crossbar for b in blocks], counts).astype(np.int64)


def cost(blocks: Sequence[Block], geometry: Geometry) -> tuple[int, int, int]:
    """Crossbars, and reads and conversions per input phase with nothing skipped."""
    work = standard_work(blocks, 1, geometry)
    return int(work.crossbar[-1]) + 1, int(work.reads.sum()), int((work.reads * work.columns).sum())


def skipping(blocks: Sequence[Block], live: Bools, phases: int, geometry: Geometry) -> Work:
    """Work where word lines that are read together are read only in windows in which any of their inputs is live, and
    then in every phase.

    live: [windows, inputs]. Every block is an activation group of its own. Operation units of a crossbar with the same
    number of word lines and of bit lines are counted together: reads [windows, sizes of operation units].
    """
    rows = unit(geometry)
    needed: dict[bytes, Bools] = {}  # whether a chunk of inputs is read, [windows]
    reads: dict[tuple[int, int, int], NDArray[np.int64]] = {}
    outputs: dict[tuple[int, int, int], int] = {}
    for block in blocks:
        columns = block.columns if block.gated else geometry.converted(block.columns)
        first = True
        for r in range(0, block.rows, rows):
            chunk = block.inputs[r:r + rows]
            name = chunk.tobytes()
            if name not in needed:
                needed[name] = np.asarray(live[:, chunk].any(axis=1), np.bool_)
            for _, wide, count in operation_units(1, columns, geometry):
                kind = (block.crossbar, len(chunk), wide)
                if kind not in reads:
                    reads[kind], outputs[kind] = np.zeros(len(live), np.int64), 0
                reads[kind] += needed[name] * (count * phases)
                outputs[kind] += block.outputs if first else 0
                first = False
    order = sorted(reads)
    crossbar, lines, wide_ = np.array(order, np.int64).T
    return Work(crossbar=crossbar, rows=lines, columns=wide_, cells=lines * wide_,
                reads=np.stack([reads[kind] for kind in order], axis=1),
                outputs=np.array([outputs[kind] for kind in order], np.int64))
