"""Crossbars as arrays of cells, built from the blocks of a layer, and the reads that sense them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Block, Contents, Geometry
from xbarch.errors import ConservationError
from xbarch.parts.sensing.base import Sensing
from xbarch.plugins.guard import asking, is_builtin_call, restrained
from xbarch.workload.graph import Layer

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Read:
    """One activation of one crossbar: what drives its word lines, the cells sensed, how they decode."""

    blocks: list[Block]
    lines: Ints
    """The word lines that are driven."""
    columns: Ints
    """The bit lines that are sensed, in the order of `cells`."""
    inputs: Ints
    cells: NDArray[np.float32]
    column: Ints
    output: Ints
    coefficient: Ints
    targets: Ints
    digital: list[tuple[Ints, Ints, Ints]]
    """Terms beside the bit lines: (inputs that are summed, outputs, factors)."""


@dataclass(frozen=True, kw_only=True)
class Crossbar:
    """One crossbar, reference column included. cells: [word lines, bit lines], zero where nothing is held."""

    number: int
    cells: NDArray[np.float32]
    held: NDArray[np.bool_]
    """Cells that a block holds."""
    stored: list[tuple[Block, Contents]]

    def reads(self) -> Iterator[Read]:
        """One for each activation group."""
        for group in sorted({b.group for b, _ in self.stored}):
            yield _read(self.number, self.cells, [s for s in self.stored if s[0].group == group])


def crossbars(blocks: Sequence[Block], geometry: Geometry) -> Iterator[Crossbar]:
    """Every crossbar of the blocks, filled."""
    for crossbar, members in groupby(sorted(blocks, key=lambda b: b.crossbar), key=lambda b: b.crossbar):
        stored = []
        for block in members:
            with nullcontext() if is_builtin_call(block.contents) else restrained():
                stored.append((block, block.contents()))
        array = _array(crossbar, stored, geometry)
        yield Crossbar(number=crossbar, cells=np.nan_to_num(array), held=~np.isnan(array), stored=stored)


def reads(blocks: Sequence[Block], geometry: Geometry) -> Iterator[Read]:
    """Every (crossbar, activation group) with the whole crossbar behind it, so that a cell of another block that
    lies on a driven word line and a read bit line disturbs the result as it would in the array."""
    for crossbar in crossbars(blocks, geometry):
        yield from crossbar.reads()


def _array(crossbar: int, stored: list[tuple[Block, Contents]], geometry: Geometry) -> NDArray[np.float32]:
    """The crossbar's cells, reference column included; NaN where nothing is held."""
    array = np.full((geometry.rows, geometry.columns + geometry.unit_column), np.nan, np.float32)
    largest = (1 << geometry.cell_bits) - 1
    for block, contents in stored:
        here = array[block.row0:block.row0 + block.rows, block.col0:block.col0 + block.columns]
        lowest = -largest if geometry.signed else 0
        if here.shape != contents.cells.shape or contents.cells.max(initial=0) > largest \
                or contents.cells.min(initial=0) < lowest:
            raise ConservationError(f"crossbar {crossbar}: a block does not fit its place or its cells")
        if not np.isnan(here).all():
            raise ConservationError(f"crossbar {crossbar}: two blocks overlap")
        here[:] = contents.cells
    return array


def significance(read: Read) -> Ints:
    """log2 of what a sum of each bit line counts at most in an output, rounded down, [bit lines]."""
    most = np.ones(read.cells.shape[1], np.int64)
    np.maximum.at(most, read.column, np.abs(read.coefficient))
    return np.frexp(most.astype(np.float64))[1].astype(np.int64) - 1


def _read(crossbar: int, array: NDArray[np.float32], stored: list[tuple[Block, Contents]]) -> Read:
    lines = np.full(len(array), -1, np.int64)
    columns: list[Ints] = []
    for block, _ in stored:
        here = lines[block.row0:block.row0 + block.rows]
        if ((here >= 0) & (here != block.inputs)).any():
            raise ConservationError(f"crossbar {crossbar}: one word line would be driven by two inputs at once")
        here[:] = block.inputs
        columns.append(np.arange(block.col0, block.col0 + block.columns))
    read = np.concatenate(columns)
    if len(np.unique(read)) != len(read):
        raise ConservationError(f"crossbar {crossbar}: two blocks of one activation group share a bit line")
    driven = np.flatnonzero(lines >= 0)
    starts = np.cumsum([0, *(len(c) for c in columns)])
    output = np.concatenate([c.output for _, c in stored])
    return Read(
        blocks=[b for b, _ in stored], lines=driven, columns=read, inputs=lines[driven],
        cells=array[np.ix_(driven, read)],
        column=np.concatenate([c.column + s for (_, c), s in zip(stored, starts, strict=False)]),
        output=output, coefficient=np.concatenate([c.coefficient for _, c in stored]), targets=np.unique(output),
        digital=[(b.inputs, c.summed, c.factor) for b, c in stored if len(c.summed)])


def low_bits(sensing: Sensing | None, layer: Layer, worth: Ints, bits: int) -> Ints | None:
    """Low bits that the unit, set for the layer, drops of sums of such worth; None: it drops none."""
    if sensing is None:
        return None
    with asking(sensing, "dropped", layer.name):
        return sensing.dropped(worth, bits)
