"""Projection-based shape voting: which positions the segments of a row band keep, and which shape each filter takes.

A band is h rows of the unrolled matrix. The part of one filter in a band is a segment; the positions that a segment
keeps are its shape. A band has few shapes, so many filters share each of them. Everything works on energies, the
squared weights: the nearest weights of a given shape have all others set to zero, and their squared distance is the
energy lost. Energies are whole numbers, so sums of them do not depend on their order. Steps, in this project's reading
of Zheng et al. (only the paper's abstract is public):

    ballot  every segment votes for its own Euclidean projection, its `keep` largest weights
    vote    equal ballots are merged; a shape's votes are the energy that its voters keep; the best are candidates
    elect   greedy maximum coverage: the next shape is the one that adds most energy to the shapes elected so far
    refine  rounds of Lloyd's algorithm: filters take the shape that keeps most of them, no shape more than its share
            of filters (an optimal assignment); shapes take the rows of largest energy over their filters
    grow    variable k: rows of all shapes of the layer compete for the available cells and crossbars; then filters
            change shapes again, with the number per shape unchanged, as long as that keeps more energy
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xbarch.datapaths.records import Bools, Ints, Reals
from xbarch.datapaths.segprune import loops
from xbarch.datapaths.segprune.seats import seated

_ROUNDS = 8  # of Lloyd's algorithm
_BITS = 60  # of the sum of all energies as a whole number
_TILE = 64  # filters that lie side by side in memory


@dataclass(frozen=True)
class Band:
    """Segments of one row band. row0: its first row. shapes: bool [T, h]; member: each filter's shape, [F]."""

    row0: int
    shapes: Bools
    member: Ints

    @property
    def mask(self) -> Bools:
        """Kept positions [F, h]."""
        return self.shapes[self.member]

    @property
    def sizes(self) -> Ints:
        """Filters of each shape, [T]."""
        return np.bincount(self.member, minlength=len(self.shapes))


def energies(weights: Reals) -> Ints:
    """Squares of weights [F, R] as whole numbers, so that no sum depends on its order: multiples of about 2**-60 of
    their sum."""
    weights = np.asarray(weights, np.float64)
    scale = min(_BITS - int(np.frexp(np.einsum("fr,fr->", weights, weights))[1]), 1000)  # 2**1000 is a number
    found = np.empty(weights.shape, np.int64)
    for first in range(0, len(weights), _TILE):  # some at a time, which stay in the processor's cache
        some = np.square(weights[first:first + _TILE]) * np.ldexp(1.0, scale)
        found[first:first + _TILE] = np.rint(some, out=some)
    return found


class Tally:
    """Sums over the shapes and over the filters of a band: rows row0 to row0 + height of energy [F, R]. They are kept
    up: only what is asked otherwise than the time before is added or taken away."""

    def __init__(self, energy: Ints, row0: int, height: int) -> None:
        self.whole, self.row0 = energy, row0
        self.tiles = np.zeros((-(-len(energy) // _TILE), height, _TILE), np.int64)
        loops.tile(energy, row0, self.tiles)
        self.shapes, self.sums = np.zeros((0, height), bool), np.zeros((0, 0), np.int64)
        self.member, self.rows = np.full(len(energy), -1), np.zeros((0, height), np.int64)

    @property
    def energy(self) -> Ints:
        """The band's part, [F, h]."""
        return self.whole[:, self.row0:self.row0 + self.shapes.shape[1]]

    def kept(self, shapes: Bools) -> Ints:
        """Energy that each of the shapes [T, h] would keep of each filter, [T, F]; valid until the next call."""
        if len(shapes) != len(self.shapes):
            self.shapes = np.zeros_like(shapes)
            self.sums = np.zeros((len(shapes), len(self.tiles) * _TILE), np.int64)
        for more, sign in ((shapes & ~self.shapes, 1), (self.shapes & ~shapes, -1)):
            number, row = np.nonzero(more)
            loops.add_rows(self.sums, self.tiles, number, row, sign)
        self.shapes = shapes
        return self.sums[:, :len(self.whole)]

    def together(self, band: Band) -> Ints:
        """Energy of each row over the filters of each shape, [T, h]; valid until the next call."""
        if not len(self.rows):
            self.rows = np.zeros(band.shapes.shape, np.int64)
        moved = np.flatnonzero(self.member != band.member)
        left = moved[self.member[moved] >= 0]
        loops.add_filters(self.rows, self.whole, self.row0, band.member[moved], moved, 1)
        loops.add_filters(self.rows, self.whole, self.row0, self.member[left], left, -1)
        self.member = band.member
        return self.rows


def vote(tally: Tally, keep: int, count: int, sizes: Ints | None) -> Band:
    """`count` shapes of `keep` rows for a band. sizes: most filters of each shape (None: no limit)."""
    shapes = elect(tally, ballots(tally.energy, keep), count)
    kept = tally.kept(shapes)
    band = Band(tally.row0, shapes, assign(kept, sizes))
    return refine(tally, band, keep, sizes, total(kept, band))


def ballots(energy: Reals | Ints, keep: int) -> Bools:
    """The `keep` largest of each row of energy [n, h], bool [n, h]: its Euclidean projection."""
    chosen = np.zeros(energy.shape, bool)
    if not 0 < keep < energy.shape[1]:
        chosen[:] = keep > 0
        return chosen
    least = energy.shape[1] - keep
    chosen = energy >= np.partition(energy, least, axis=1)[:, least, None]
    if len(tied := np.flatnonzero(np.count_nonzero(chosen, axis=1) > keep)):
        among = -energy[tied]
        chosen[tied] = False
        chosen[tied[:, None], np.argpartition(among, keep - 1, axis=1)[:, :keep]] = True
    return chosen


def elect(tally: Tally, cast: Bools, count: int) -> Bools:
    """`count` shapes [count, h] from the ballots cast [F, h]."""
    _, first, ballot = np.unique(np.packbits(cast, axis=1), axis=0, return_index=True, return_inverse=True)
    votes = np.bincount(ballot.ravel(), np.where(cast, tally.energy, 0).sum(axis=1))
    candidates = cast[first[np.argsort(-votes, kind="stable")[:max(8 * count, 64)]]]
    chosen = np.empty(count, np.int64)
    loops.cover(np.ascontiguousarray(tally.kept(candidates)), chosen)
    return np.asarray(candidates[chosen], np.bool_)


def assign(kept: Reals | Ints, sizes: Ints | None) -> Ints:
    """The shape of each filter, [F], such that most energy is kept in total; kept [T, F], at most sizes[t] filters of
    shape t.

    Exact: without limits, the best shape of each filter; with limits, `seats.seated`.
    """
    if sizes is None or len(kept) == 1:
        return np.asarray(kept.argmax(axis=0), np.int64)
    return seated(np.ldexp(kept, -_BITS), sizes)


def refine(tally: Tally, band: Band, keep: int, sizes: Ints | None, best: int) -> Band:
    """Rounds of Lloyd's algorithm until the energy kept no longer grows. best: the energy that the band keeps."""
    for _ in range(_ROUNDS):
        shapes = np.where(band.sizes[:, None] > 0, ballots(tally.together(band), keep), band.shapes)
        kept = tally.kept(shapes)
        other = Band(band.row0, shapes, assign(kept, sizes))
        found = total(kept, other)
        if found <= best:
            break
        best, band = found, other
    return band


def total(kept: Ints, band: Band) -> int:
    """Energy that a band keeps; kept: as of `assign`."""
    return int(kept[band.member, np.arange(len(band.member))].sum())


def settle(tallies: Sequence[Tally], bands: Sequence[Band], unit: int, per: int, share: float,
           balanced: bool) -> list[Band]:
    """`grow` the shapes to that share of the weights, assign filters to them again (`deal`), and repeat while that
    keeps more energy."""
    cells = int(share * tallies[0].whole.size + 1e-6)
    best, most = list(bands), -1
    for _ in range(_ROUNDS):
        bands = grow(tallies, bands, unit, per, cells, share)
        kept = [tally.kept(band.shapes) for tally, band in zip(tallies, bands, strict=True)]
        found = sum(map(total, kept, bands))
        if found <= most:
            break
        best, most = bands, found
        bands = deal(bands, kept, balanced)
    return best


def deal(bands: Sequence[Band], kept: Sequence[Ints], balanced: bool) -> list[Band]:
    """Assign every filter to the frozen shape of its band that keeps most of it, with no more weights than before.
    kept: the energy that each shape would keep of each filter, [T, F] for each band.

    balanced: each shape keeps its number of filters, and the assignment is optimal. Otherwise the number is free: every
    filter takes the shape that keeps most energy less a price per row, at the smallest price with which no more weights
    are kept than before (found by bisection).
    """
    if balanced:
        return [replace(b, member=assign(k, b.sizes)) for b, k in zip(bands, kept, strict=True)]
    rows = [band.shapes.sum(axis=1) for band in bands]
    cells = sum(int(r[band.member].sum()) for r, band in zip(rows, bands, strict=True))

    def chosen(price: float) -> list[Ints]:
        return [assign(k - price * r[:, None], None) for k, r in zip(kept, rows, strict=True)]

    def fits(members: list[Ints]) -> bool:
        return sum(int(r[m].sum()) for r, m in zip(rows, members, strict=True)) <= cells

    low, high, found = 0.0, 2.0 * max(int(k.max(initial=0)) for k in kept) + 1, chosen(0.0)
    if not fits(found):
        found = chosen(high)
        for _ in range(40):
            price = (low + high) / 2
            members = chosen(price)
            if fits(members):
                high, found = price, members
            else:
                low = price
    return [replace(band, member=member) for band, member in zip(bands, found, strict=True)]


def grow(tallies: Sequence[Tally], bands: Sequence[Band], unit: int, per: int, cells: int,
         share: float) -> list[Band]:
    """Choose how many rows each shape keeps, from none (its segments are pruned whole) to all.

    A page is `unit` rows of one shape, in the order of their energy: what one crossbar, or one read of an operation
    unit, holds. Pages are taken in the order of energy per crossbar (a page takes ceil(filters / per) of them) until
    they make up the share `share` of all pages or one page per shape, whichever is more. Within them, rows are taken in
    the order of energy per cell while at most `cells` weights are kept.
    """
    tall = max(band.shapes.shape[1] for band in bands)
    tall = -(-tall // unit) * unit
    gains = np.full((len(bands), len(bands[0].shapes), tall), -1)  # -1: no such row
    for b, (tally, band) in enumerate(zip(tallies, bands, strict=True)):
        gains[b, :, :band.shapes.shape[1]] = tally.together(band)
    filters = np.array([band.sizes for band in bands])
    rank = np.argsort(-gains, axis=2, kind="stable")
    gains = np.take_along_axis(gains, rank, axis=2)
    pages = np.maximum(gains, 0).reshape(*filters.shape, -1, unit).sum(axis=3)
    real = (gains[:, :, ::unit] >= 0) & (filters > 0)[:, :, None]
    price = np.where(real, -(-filters // per)[:, :, None], 0)  # of a page
    room = max(int(np.ceil(share * price.sum())), int(price[:, :, 0].sum()))
    taken = _fill(pages / np.maximum(price, 1), price, real, room)
    each = np.broadcast_to(filters[:, :, None], gains.shape)
    rows = _fill(gains / np.maximum(each, 1), each, np.repeat(taken, unit, axis=2) & (gains >= 0), cells)
    kept = np.zeros_like(rows)
    np.put_along_axis(kept, rank, rows, axis=2)
    return [replace(band, shapes=kept[b, :, :band.shapes.shape[1]]) for b, band in enumerate(bands)]


def _fill(worth: Reals, price: Ints, allowed: Bools, room: int) -> Bools:
    """The allowed entries of largest worth, as many as fit into `room` by price; equal ones in order."""
    order = np.flatnonzero(allowed)
    order = order[np.argsort(-worth.ravel()[order], kind="stable")]
    chosen = np.zeros(worth.size, bool)
    chosen[order] = np.cumsum(price.ravel()[order]) <= room
    return chosen.reshape(worth.shape)
