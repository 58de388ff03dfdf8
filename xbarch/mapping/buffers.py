"""How many bits of buffer a tile needs for a layer, given which of its copies it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_

from xbarch.mapping.shares import Share, reads_of
from xbarch.mapping.windows import Input
from xbarch.workload.graph import Layer


def kept(count: int, share: Share, columns: int) -> int:
    """The most pixels of so many columns among any `count` that a producer computes in succession.

    Any `turn` in succession have `rows` of each column, so only those left over can be all of these columns.
    """
    if columns == share.width:
        return count
    turns, left = divmod(count, share.turn)
    each = share.rows * columns
    return turns * each + min(left, each)


class Buffers:
    """Called with a layer and copies of it, it returns the bits that a tile needs which holds those copies.

    capacity: producer windows that every input's buffer holds, over all tiles. shares: of layers whose copies own
    stripes, a tile keeps what their stripes read; of others it keeps everything.
    """

    def __init__(self, layers: Mapping[str, Layer], edges: Mapping[str, list[Input]], shares: Mapping[str, Share],
                 capacity: Mapping[tuple[str, int], int]) -> None:
        self.layers, self.edges, self.shares, self.capacity = layers, edges, shares, capacity
        self._known: dict[tuple[str, int, tuple[int, ...]], int] = {}
        self._needs: dict[tuple[str, tuple[int, ...]], int] = {}

    def __call__(self, layer: str, copies: Sequence[int]) -> int:
        key = layer, tuple(copies)
        if key not in self._needs:
            self._needs[key] = sum(
                kept(self.capacity[layer, index], self.source(edge), self.columns(layer, index, copies))
                * edge.words * edge.bits + edge.sums for index, edge in enumerate(self.edges[layer]))
        return self._needs[key]

    def source(self, edge: Input) -> Share:
        return self.shares.get(edge.producer) or Share(*self.layers[edge.producer].out_shape[1:])

    def columns(self, layer: str, index: int, copies: Sequence[int]) -> int:
        """Columns of an input that these copies of a layer read."""
        source, share = self.source(self.edges[layer][index]), self.shares.get(layer)
        if share is None or share.copies == 1:
            return source.width
        stripes = tuple(dict.fromkeys(copy // share.rows for copy in copies))
        key = layer, index, stripes
        if key not in self._known:
            spans = reads_of(self.layers[layer], source, share, self.edges[layer][index].moved).spans
            self._known[key] = reduce(or_, (spans[s] for s in stripes)).bit_count()
        return self._known[key]
