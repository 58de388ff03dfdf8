"""How many bits of buffer a tile needs for a layer, given which of its copies it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_

from xbarch.mapping.reads import Slide, columns
from xbarch.mapping.shares import Share
from xbarch.mapping.windows import Input
from xbarch.workload.graph import Layer


class Buffers:
    """Called with a layer and copies of it, it returns the bits that a tile needs which holds those copies.

    capacity: producer windows that every input's buffer holds, over all tiles. shares: of layers whose copies own
    stripes, a tile keeps what their stripes read; of others it keeps everything.
    """

    def __init__(self, layers: Mapping[str, Layer], edges: Mapping[str, list[Input]], shares: Mapping[str, Share],
                 capacity: Mapping[tuple[str, int], int]) -> None:
        self.layers, self.edges, self.shares, self.capacity = layers, edges, shares, capacity
        self._needs: dict[tuple[str, tuple[int, ...]], int] = {}
        self._tallest: dict[tuple[str, int], int] = {}

    def __call__(self, layer: str, copies: Sequence[int]) -> int:
        key = layer, tuple(copies)
        if key not in self._needs:
            self._needs[key] = sum(self.kept(layer, index, copies) * edge.words * edge.bits + edge.sums
                                   for index, edge in enumerate(self.edges[layer]))
        return self._needs[key]

    def kept(self, layer: str, index: int, copies: Sequence[int]) -> int:
        """The most pixels of the columns that these copies read among any that the buffer holds."""
        count, wide = self.capacity[layer, index], self.columns(layer, index, copies)
        source = self.source(self.edges[layer][index])
        return count if wide == source.width else min(count, wide * self.tallest(layer, index))

    def tallest(self, layer: str, index: int) -> int:
        """The most pixels of a column that the buffer of an input holds."""
        if (layer, index) not in self._tallest:
            source = self.source(self.edges[layer][index])
            self._tallest[layer, index] = source.tallest(self.capacity[layer, index])
        return self._tallest[layer, index]

    def source(self, edge: Input) -> Share:
        return self.shares.get(edge.producer) or Share(*self.layers[edge.producer].out_shape[1:])

    def columns(self, layer: str, index: int, copies: Sequence[int]) -> int:
        """Columns of an input that these copies of a layer read."""
        source, share = self.source(self.edges[layer][index]), self.shares.get(layer)
        if share is None or share.copies == 1:
            return source.width
        spans = columns(Slide.of(self.layers[layer], self.edges[layer][index].moved), source.width, share)
        return reduce(or_, (spans[copy] for copy in copies)).bit_count()
