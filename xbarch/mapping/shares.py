"""Which output pixels each copy of a layer computes, and in which order.

Any number of copies own equal parts of the output, to within one pixel, each of them a vertical stripe. A stripe's
borders need not lie between two columns: a column that two copies share is theirs in the rows that they take in turn,
as evenly as their parts of it allow. Where there are more copies than columns, rows are computed together, so many that
no copy is idle. So all copies work on the rows that have just arrived, a layer keeps little more than the rows of its
kernel, and a tile only the columns of its stripes. Of a map of a single row, whose stripes would all wait for its end,
each copy has every n-th pixel instead, n the number of copies.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

AUTO = "auto"
REPLICATIONS = {
    AUTO: "of these, what gives the shortest pipeline interval; the result says which",
    "stripes": "each copy owns a vertical stripe of the output; tiles receive and keep what their stripes read; the "
               "copies of all layers are placed from left to right",
    "stripes_by_layer": "the same, placed layer after layer",
    "in_turn": "copies take output pixels in turn; every tile receives and keeps what any copy of its layers reads",
}


@dataclass(frozen=True)
class Share:
    """How a map of height x width pixels is shared among copies, numbered from left to right; of a single row, copy c
    has every pixel c + n * copies. There are no more copies than pixels."""

    height: int
    width: int
    copies: int = 1

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def rows(self) -> int:
        """Rows that are computed together: as many as have a pixel for each copy."""
        return min(self.height, -(-self.copies // self.width))

    @property
    def longest(self) -> int:
        """Pixels of the copy that has most; the others have one less at least."""
        return -(-self.pixels // self.copies)

    @property
    def owners(self) -> Ints:
        """The copy that computes each pixel, [height, width]."""
        return _dealt(self)[0]

    @property
    def order(self) -> Ints:
        """Pixels, numbered along the rows, in the order in which they are computed: round after round, in each the
        next pixel, along the rows, of every copy."""
        return _dealt(self)[1]

    @property
    def rank(self) -> Ints:
        """When each pixel is computed: its place in `order`, [height, width]."""
        return _dealt(self)[2]

    @property
    def owner(self) -> Ints:
        """The copy that computes each pixel, in the order of `order`."""
        found: Ints = self.owners.ravel()[self.order]
        return found

    @cached_property
    def borders(self) -> list[tuple[int, int]]:
        """The columns of each copy, of a map of several rows: the first, and the one after the last."""
        ends = [-(-c * self.pixels // self.copies) for c in range(self.copies + 1)]
        return [(a // self.height, -(-b // self.height)) for a, b in pairwise(ends)]

    def tallest(self, count: int) -> int:
        """The most pixels of one column among any `count` that are computed in succession."""
        return bisect_left(range(2 * count + 1), count, key=lambda n: _apart(self, n))

    def whole(self, count: int) -> int:
        """The most pixels in succession that have no more of any column than some `count` have."""
        return _apart(self, self.tallest(count))

    def within(self, count: int, tallest: int) -> int:
        """The most pixels in succession, up to `count`, that have no more than `tallest` of any column and to which one
        more would add one; 0 if there are none."""
        return _apart(self, min(self.tallest(count + 1) - 1, tallest))


@lru_cache(maxsize=512)
def _dealt(share: Share) -> tuple[Ints, Ints, Ints]:
    """(owners, order, rank) of a share."""
    pixel = np.arange(share.pixels, dtype=np.int64)
    owner = pixel % share.copies if share.height == 1 else _owners(share)
    first = np.lexsort((pixel, owner))
    counts = np.bincount(owner)
    turn = np.empty_like(pixel)  # of each pixel among its copy's
    turn[first] = pixel - np.repeat(np.cumsum(counts) - counts, counts)
    order = np.lexsort((owner, turn))
    rank = np.empty_like(pixel)
    rank[order] = pixel
    return owner.reshape(share.height, share.width), order, rank.reshape(share.height, share.width)


def _owners(share: Share) -> Ints:
    """The copy that computes each pixel.

    Pixels are counted down the columns and cut into equal parts. `rows` times a column: those of every `rows`-th of its
    rows follow one another. Where several copies have some of these, the j-th of a copy's q comes at the moment
    (2j + 1) / 2q, so that all of them have their part in every few rows.
    """
    y, x = np.divmod(np.arange(share.pixels, dtype=np.int64), share.width)
    place = x * share.rows + y % share.rows
    down = np.lexsort((y, place))
    owner = np.arange(share.pixels, dtype=np.int64) * share.copies // share.pixels
    piece = np.flatnonzero(np.diff(place[down] * share.copies + owner, prepend=-1))
    sizes = np.diff(piece, append=share.pixels)
    number, size = np.arange(share.pixels) - np.repeat(piece, sizes), np.repeat(sizes, sizes)
    found = np.empty_like(owner)
    found[down] = owner[np.lexsort((owner, (2 * number + 1) / size, place[down]))]
    return found


@lru_cache(maxsize=16384)
def _apart(share: Share, pixels: int) -> int:
    """The least number of pixels in succession of which so many pixels of a column lie before a further one of it."""
    images, more = divmod(pixels, share.height)
    ranks = _columns(share)
    later = np.concatenate((ranks[:, more:], ranks[:, :more] + share.pixels), axis=1)
    return int((later - ranks).min()) + images * share.pixels


@lru_cache(maxsize=64)
def _columns(share: Share) -> Ints:
    """When the pixels of each column are computed, ascending, [width, height]."""
    return np.sort(share.rank.T, axis=1)
