"""Which output pixels each copy of a layer computes, and in which order.

Copies own vertical stripes of the output. In every row they take turns: the first pixel of each stripe, then the second
of each, and so on. So all copies work on the row that has just arrived, a layer keeps as many rows as its kernel is
high, and a tile only the columns of its stripes. Where rows cannot be cut evenly into so many stripes, `rows` copies
share a stripe and take its rows in turn. Of a map of a single row, whose stripes would all wait for its end, each copy
has every n-th pixel instead, n the number of copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xbarch.workload.graph import Layer
from xbarch.workload.resize import taps

Ints = NDArray[np.int64]
Marks = NDArray[np.bool_]

AUTO = "auto"
REPLICATIONS = {
    AUTO: "of these, what gives the shortest pipeline interval; the result says which",
    "stripes": "each copy owns a vertical stripe of the output; tiles receive and keep what their stripes read; the "
               "copies of all layers are placed from left to right",
    "stripes_by_layer": "the same, placed layer after layer",
    "in_turn": "copies take output pixels in turn; every tile receives and keeps what any copy of its layers reads",
}


# Rows that are computed together are kept together. So there are few of them unless every column is a stripe already,
# and more only where the busiest copy then has less by a _GAIN-th.
_ROWS, _GAIN = 4, 20


@dataclass(frozen=True)
class Share:
    """How a map of height x width pixels is shared among `rows` x `stripes` copies; copy s * rows + g has every
    `rows`-th row, from row g on, of stripe s. rows divides height. Of a single row, a stripe is every `stripes`-th
    pixel."""

    height: int
    width: int
    rows: int = 1
    stripes: int = 1

    @property
    def copies(self) -> int:
        return self.rows * self.stripes

    @property
    def turn(self) -> int:
        """Pixels of the rows that are computed together: any so many in succession have `rows` of each column."""
        return self.rows * self.width

    @property
    def longest(self) -> int:
        """Pixels of the copy that has most."""
        return -(-self.width // self.stripes) * (self.height // self.rows)

    @cached_property
    def borders(self) -> list[int]:
        """Where each stripe begins, and the end of the last."""
        return [s * self.width // self.stripes for s in range(self.stripes + 1)]

    @cached_property
    def order(self) -> Ints:
        """Pixels, numbered along the rows, in the order in which they are computed."""
        if self.height == 1:
            return np.arange(self.width, dtype=np.int64)
        y, x = np.divmod(np.arange(self.height * self.width, dtype=np.int64), self.width)
        first = np.array(self.borders, np.int64)[self._stripe[x]]
        found: Ints = np.lexsort((y % self.rows, x, x - first, y // self.rows))
        return found

    @cached_property
    def rank(self) -> Ints:
        """When each pixel is computed: its place in `order`, [height, width]."""
        found = np.empty(self.height * self.width, np.int64)
        found[self.order] = np.arange(len(found))
        return found.reshape(self.height, self.width)

    @cached_property
    def owner(self) -> Ints:
        """The copy that computes each pixel, in the order of `order`."""
        y, x = np.divmod(self.order, self.width)
        found: Ints = self._stripe[x] * self.rows + y % self.rows
        return found

    @property
    def _stripe(self) -> Ints:
        """The stripe of each column."""
        if self.height == 1:
            return np.arange(self.width, dtype=np.int64) % self.stripes
        return np.repeat(np.arange(self.stripes), np.diff(self.borders))


@lru_cache(maxsize=256)
def choices(height: int, width: int) -> Sequence[Share]:
    """The ways to share a map that are worth their copies, from one copy to one for every pixel: with no fewer copies
    would the copy that has most pixels have as few."""
    every = [Share(height, width, rows, stripes) for rows in range(1, height + 1) if height % rows == 0
             for stripes in range(1, width + 1) if rows <= _ROWS or stripes == width]
    every.sort(key=lambda share: (share.copies, share.longest, share.rows))
    kept: list[Share] = []
    for share in every:
        least = kept[-1] if kept else None
        if least is None or share.longest + (share.rows > least.rows) * least.longest // _GAIN < least.longest:
            kept.append(share)
    return kept


@dataclass(frozen=True)
class Slide:
    """How the windows of a layer slide over its input. whole: they do not; a window reads all of it. resized: height
    and width of a map that is interpolated, and whether its corner pixels are aligned."""

    whole: bool
    count: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    resized: tuple[int, int, bool] | None = None

    @classmethod
    def of(cls, layer: Layer) -> Slide:
        one = (1, 1)
        if layer.op in ("add", "mul", "concat", "affine", "norm"):
            whole = layer.op == "norm" and layer.kernel != one
            return cls(whole, layer.out_shape[1:], one, one, (0, 0), one)
        resized = (*layer.in_shape[1:], layer.aligned) if layer.op == "resize" else None
        return cls(layer.op == "linear", layer.out_shape[1:], layer.kernel, layer.stride, layer.padding, layer.dilation,
                   resized)

    def taps(self, axis: int) -> Ints:
        """The input coordinates that each output coordinate of an axis reads, [outputs, kernel]; some lie outside."""
        if self.resized is not None:
            found = taps(self.resized[axis], self.count[axis], self.resized[2])
            return np.stack([found.first, found.second], axis=1)
        start = np.arange(self.count[axis], dtype=np.int64)[:, None] * self.stride[axis] - self.padding[axis]
        return start + np.arange(self.kernel[axis], dtype=np.int64) * self.dilation[axis]

    def read(self, axis: int, size: int) -> Marks:
        """Whether each output coordinate reads each of `size` input coordinates."""
        everything = self.whole or size == 1  # one pixel may be read by all, as the gate of a channel is
        found = np.full((self.count[axis], size), everything)
        if not everything:
            taps = self.taps(axis)
            output, tap = np.nonzero((taps >= 0) & (taps < size))
            found[output, taps[output, tap]] = True
        return found


@dataclass(frozen=True)
class Reads:
    """What each copy of a layer reads of an input: the rows that row g of its copies needs, [rows, input height], and
    the columns that a stripe needs, [stripes, input width]."""

    rows: Marks
    columns: Marks

    @cached_property
    def spans(self) -> list[int]:
        """The columns of each stripe as the bits of a number."""
        return [int("".join("01"[mark] for mark in line), 2) for line in self.columns.tolist()]


@lru_cache(maxsize=1024)
def reads(slide: Slide, height: int, width: int, share: Share) -> Reads:
    """What the copies of a layer read of an input of height x width pixels."""
    down, across = slide.read(0, height), slide.read(1, width)
    rows = np.array([down[g::share.rows].any(axis=0) for g in range(share.rows)])
    every = [slice(s, None, share.stripes) for s in range(share.stripes)] if share.height == 1 else [
        slice(*ends) for ends in pairwise(share.borders)]
    columns = np.array([across[mine].any(axis=0) for mine in every])
    return Reads(rows, columns)


def reads_of(layer: Layer, source: Share, share: Share, moved: bool = False) -> Reads:
    """What the copies of a layer read of an input. source: how its producer is shared among its copies. moved: whether
    a view lies between the two; then every copy is sent everything."""
    slide = Slide.of(layer)
    return reads(replace(slide, whole=True) if moved else slide, source.height, source.width, share)
