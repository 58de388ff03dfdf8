"""Where the blocks of a packed layer lie, as tables for placement, timing and costing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Block, Geometry

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lists:
    """Lists of indices, each stored once. which: [blocks] the number of a block's list. starts: [lists + 1] where each
    begins in `values`."""

    which: Ints
    starts: Ints
    values: Ints

    @classmethod
    def of(cls, lists: Sequence[Ints]) -> Lists:
        """From each block's list; blocks with the same list pass the same array."""
        distinct = {id(found): found for found in lists}
        number = {key: n for n, key in enumerate(distinct)}
        starts = np.cumsum([0, *map(len, distinct.values())])
        which = np.fromiter((number[id(found)] for found in lists), np.int64, len(lists))
        return cls(which, starts, np.concatenate([np.asarray(found, np.int64) for found in distinct.values()]))

    def distinct(self, chosen: Sequence[int]) -> int:
        """How many different indices the chosen lists hold together."""
        parts = [self.values[self.starts[n]:self.starts[n + 1]] for n in chosen]
        return len(np.unique(np.concatenate(parts))) if parts else 0


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Tables of [blocks] entries, in the order of the crossbars.

    rows, columns: size of the part that is written.
    kept: cells that hold unmasked weights.
    cap: guaranteed largest magnitude of a bit line's sum in one read; -1: none.
    inputs: the inputs that drive each block.
    targets: the outputs that each block adds to.
    """

    crossbar: Ints
    row0: Ints
    rows: Ints
    columns: Ints
    kept: Ints
    cap: Ints
    inputs: Lists
    targets: Lists

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> Layout:
        """From the blocks of one copy."""
        ordered = sorted(blocks, key=lambda b: b.crossbar)
        table = np.array([(b.crossbar, b.row0, len(b.inputs), b.columns - b.idle, b.kept,
                           -1 if b.cap is None else b.cap) for b in ordered], np.int64)
        crossbar, row0, rows, columns, kept, cap = np.ascontiguousarray(table.T)
        return cls(crossbar=crossbar, row0=row0, rows=rows, columns=columns, kept=kept, cap=cap,
                   inputs=Lists.of([b.inputs for b in ordered]), targets=Lists.of([b.targets for b in ordered]))

    @property
    def crossbars(self) -> int:
        return int(self.crossbar[-1]) + 1

    def largest_sum(self, geometry: Geometry) -> int:
        """Largest magnitude that a bit line can sum to in one read, whatever the inputs: of any block, the smaller of
        what it guarantees and of what its word lines in full cells could drive."""
        rows = np.minimum(self.rows, geometry.ou_rows or self.rows)
        most = rows * ((1 << geometry.cell_bits) - 1) * ((1 << geometry.dac_bits) - 1)
        return int(np.where(self.cap < 0, most, np.minimum(self.cap, most)).max())

    @cached_property
    def first(self) -> list[int]:
        """[crossbars + 1]: each crossbar's first block, and the end."""
        return starts(self.crossbar, self.crossbars)

    @cached_property
    def borders(self) -> list[int]:
        """Crossbar indices between which no output is shared: borders of column blocks, 0 and the end."""
        lists, outputs = self.targets, int(self.targets.values.max(initial=-1)) + 1
        # Blocks are in the order of their crossbars: the first and last of each list are its lowest and highest.
        lowest, highest = np.full(len(lists.starts) - 1, self.crossbars), np.full(len(lists.starts) - 1, -1)
        lowest[lists.which[::-1]], highest[lists.which] = self.crossbar[::-1], self.crossbar
        size = np.diff(lists.starts)
        first, last = np.full(outputs, self.crossbars), np.full(outputs, -1)
        np.minimum.at(first, lists.values, lowest.repeat(size))
        np.maximum.at(last, lists.values, highest.repeat(size))
        used = last >= 0
        inside = np.bincount(first[used] + 1, minlength=self.crossbars + 2)
        inside -= np.bincount(last[used] + 1, minlength=self.crossbars + 2)
        crossed = np.cumsum(inside)[:self.crossbars + 1]
        crossed[[0, self.crossbars]] = 0
        return [int(i) for i in np.flatnonzero(crossed == 0)]


def starts(crossbar: Ints, crossbars: int) -> list[int]:
    """[crossbars + 1]: the first entry of each crossbar in a sorted list of them, and the end."""
    found: list[int] = np.searchsorted(crossbar, np.arange(crossbars + 1)).tolist()
    return found
