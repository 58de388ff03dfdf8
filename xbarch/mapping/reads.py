"""Which pixels of an input the copies of a layer read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xbarch.mapping.shares import Share
from xbarch.workload.graph import Layer
from xbarch.workload.resize import taps

Ints = NDArray[np.int64]


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
    def of(cls, layer: Layer, moved: bool = False) -> Slide:
        """moved: whether a view lies between the layer and who makes its input; then every copy is sent everything."""
        one = (1, 1)
        if layer.op in ("add", "mul", "concat", "affine", "norm"):
            whole = layer.op == "norm" and layer.kernel != one
            return cls(whole or moved, layer.out_shape[1:], one, one, (0, 0), one)
        resized = (*layer.in_shape[1:], layer.aligned) if layer.op == "resize" else None
        return cls(layer.op == "linear" or moved, layer.out_shape[1:], layer.kernel, layer.stride, layer.padding,
                   layer.dilation, resized)

    def taps(self, axis: int) -> Ints:
        """The input coordinates that each output coordinate of an axis reads, [outputs, kernel]; some lie outside."""
        if self.resized is not None:
            found = taps(self.resized[axis], self.count[axis], self.resized[2])
            return np.stack([found.first, found.second], axis=1)
        start = np.arange(self.count[axis], dtype=np.int64)[:, None] * self.stride[axis] - self.padding[axis]
        return start + np.arange(self.kernel[axis], dtype=np.int64) * self.dilation[axis]

    def all_of(self, size: int) -> bool:
        """Whether every window reads all coordinates of an axis of that size: of one pixel, as the gate of a channel
        is, all do."""
        return self.whole or size == 1

    def reads(self, axis: int, size: int) -> tuple[Ints, Ints]:
        """Which output coordinate of an axis reads which of `size` input coordinates, as pairs, each once, by output;
        not where `all_of` them are read. As many as there are outputs times the kernel: an axis may be long."""
        taps = self.taps(axis)
        output, tap = np.nonzero((taps >= 0) & (taps < size))
        return np.divmod(np.unique(output * size + taps[output, tap]), size)


@lru_cache(maxsize=1024)
def columns(slide: Slide, width: int, share: Share) -> Sequence[int]:
    """The columns of an input, `width` of them, that each copy of a layer reads, as the bits of a number."""
    if slide.all_of(width):
        return [(1 << width) - 1] * share.copies
    output, column = slide.reads(1, width)
    if share.height == 1:
        order = np.argsort(output % share.copies, kind="stable")
        parts = np.split(column[order], np.searchsorted(output[order] % share.copies, range(1, share.copies)))
        return [_bits(part, width) for part in parts]
    found = {ends: _bits(column[slice(*np.searchsorted(output, ends))], width) for ends in dict.fromkeys(share.borders)}
    return [found[ends] for ends in share.borders]


def _bits(places: Ints, width: int) -> int:
    """The number of that many bits in which these are set, 0 the highest."""
    marks = np.zeros(width, bool)
    marks[places] = True
    return int.from_bytes(np.packbits(marks).tobytes(), "big") >> -width % 8


class Labels:
    """Sets of numbers, each a bit of an integer, and the number (label) by which arrays name each set."""

    def __init__(self) -> None:
        self.sets: list[int] = []
        self._known: dict[int, int] = {}

    def add(self, found: int) -> int:
        """The label of a set."""
        label = self._known.setdefault(found, len(self.sets))
        if label == len(self.sets):
            self.sets.append(found)
        return label

    def union(self, a: Ints, b: Ints) -> Ints:
        """The labels of the unions of two sets each."""
        pairs, which = np.unique(a * len(self.sets) + b, return_inverse=True)
        one, other = np.divmod(pairs, len(self.sets))
        made = [self.add(self.sets[i] | self.sets[j]) for i, j in zip(one.tolist(), other.tolist(), strict=True)]
        return np.array(made, np.int64)[which].reshape(a.shape)

    def readers(self, slide: Slide, size: tuple[int, int], labels: Ints) -> Ints:
        """For each pixel of an input of that height and width, the union of the sets of the windows that read it.
        labels: of the windows' sets, [height, width] of the output."""
        for axis in (0, 1):
            labels = self._along(slide, axis, size[axis], labels).T
        return labels

    def _along(self, slide: Slide, axis: int, size: int, labels: Ints) -> Ints:
        """`readers` along the first axis of `labels`, which is this axis of the output."""
        pairs = None if slide.all_of(size) else slide.reads(axis, size)
        if pairs is None or len(pairs[0]) == size * len(labels):  # in halves, as all of a map may be read
            while len(labels) > 1:
                half = len(labels) // 2
                labels = np.concatenate((self.union(labels[:half], labels[half:2 * half]), labels[2 * half:]))
            return np.repeat(labels, size, axis=0)
        padded = np.concatenate((labels, np.full((1, labels.shape[1]), self.add(0), np.int64)))
        order = np.lexsort(pairs)
        window, pixel = (each[order] for each in pairs)
        counts = np.bincount(pixel, minlength=size)
        who = np.full((size, int(counts.max(initial=1))), len(labels))
        who[pixel, np.arange(len(pixel)) - np.repeat(np.cumsum(counts) - counts, counts)] = window
        found: Ints = padded[who[:, 0]]
        for each in who.T[1:]:
            found = self.union(found, padded[each])
        return found
