"""Projection-based shape voting: which positions the segments of a row band keep, and which shape each filter takes.

A band is h rows of the unrolled matrix. The part of one filter in a band is a segment; the positions that a segment
keeps are its shape. A band has few shapes, so many filters share each of them. Everything works on energies, the
squared weights: the nearest weights of a given shape have all others set to zero, and their squared distance is the
energy lost. Steps, in this project's reading of Zheng et al. (only the paper's abstract is public):

    ballot  every segment votes for its own Euclidean projection, its `keep` largest weights
    vote equal ballots are merged; a shape's votes are the energy that its voters keep; the best are candidates
    elect greedy maximum coverage: the next shape is the one that adds most energy to the shapes elected so far
        refine  rounds of Lloyd's algorithm: filters take the shape that keeps most of them, no shape more than its
        share
            of filters (an optimal assignment); shapes take the rows of largest energy over their filters
    grow    variable k: rows of all shapes of the layer compete for the available cells and crossbars; then filters
            change shapes again, with the number per shape unchanged, as long as that keeps more energy
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xbarch.datapaths.records import Bools, Ints, Reals
from xbarch.datapaths.segprune.seats import seated

_ROUNDS = 8 # of Lloyd's algorithm


@dataclass(frozen=True)
class Band:
    """Segments of one row band. row0: its first row. shapes: bool [T, h]; member: each filter's shape, [F]."""

    row0: int
    shapes: Bools
    member: Ints

    @property
    def mask(self) -> Bools:
        """Kept positions [h, F]."""
        return self.shapes[self.member].T

    @property
    def sizes(self) -> Ints:
        """Filters of each shape, [T]."""
        return np.bincount(self.member, minlength=len(self.shapes))


def vote(energy: Reals, row0: int, keep: int, count: int, sizes: Ints | None) -> Band:
    """`count` shapes of `keep` rows for a band's energy [h, F]. sizes: most filters of each shape (None: no limit)."""
    shapes = elect(energy, ballots(energy.T, keep), count)
    kept = shapes.astype(np.float64) @ energy
    band = Band(row0, shapes, assign(kept, sizes))
    return refine(energy, band, keep, sizes, total(kept, band))


def ballots(energy: Reals, keep: int) -> Bools:
    """The `keep` largest of each row of energy [n, h], bool [n, h]: its Euclidean projection."""
    chosen = np.zeros(energy.shape, bool)
    if 0 < keep < energy.shape[1]:
        np.put_along_axis(chosen, np.argpartition(-energy, keep - 1, axis=1)[:, :keep], True, axis=1)
    else:
        chosen[:] = keep > 0
    return chosen


def elect(energy: Reals, cast: Bools, count: int) -> Bools:
    """`count` shapes [count, h] from the ballots cast [F, h]."""
    _, first, ballot = np.unique(np.packbits(cast, axis=1), axis=0, return_index=True, return_inverse=True)
    votes = np.bincount(ballot.ravel(), (cast.T * energy).sum(axis=0))
    candidates = cast[first[np.argsort(-votes, kind="stable")[:max(8 * count, 64)]]]
    kept = candidates.astype(np.float64) @ energy
    covered, chosen = np.zeros(energy.shape[1]), np.empty(count, np.int64)
    for seat in range(count):
        chosen[seat] = np.maximum(kept, covered).sum(axis=1).argmax()
        covered = np.maximum(covered, kept[chosen[seat]])
    return np.asarray(candidates[chosen], np.bool_)


def assign(kept: Reals, sizes: Ints | None) -> Ints:
    """The shape of each filter, [F], such that most energy is kept in total; kept [T, F], at most sizes[t] filters of
    shape t.

    Exact: without limits, the best shape of each filter; with limits, `seats.seated`.
    """
    if sizes is None or len(kept) == 1:
        return np.asarray(kept.argmax(axis=0), np.int64)
    return seated(kept, sizes)


def refine(energy: Reals, band: Band, keep: int, sizes: Ints | None, best: float) -> Band:
    """Rounds of Lloyd's algorithm until the energy kept no longer grows. best: the energy that the band keeps."""
    for _ in range(_ROUNDS):
        shapes = np.where(band.sizes[:, None] > 0, ballots(together(energy, band).T, keep), band.shapes)
        kept = shapes.astype(np.float64) @ energy
        other = Band(band.row0, shapes, assign(kept, sizes))
        found = total(kept, other)
        if found <= best:
            break
        best, band = found, other
    return band


def total(kept: Reals, band: Band) -> float:
    """Energy that a band keeps; kept: as of `assign`."""
    return float(kept[band.member, np.arange(len(band.member))].sum())


def together(energy: Reals, band: Band) -> Reals:
    """Energy of each row over the filters of each shape, [h, T]."""
    return np.asarray(energy @ (band.member[:, None] == np.arange(len(band.shapes))).astype(np.float64))


def settle(energy: Reals, bands: Sequence[Band], unit: int, per: int, share: float, balanced: bool) -> list[Band]:
    """`grow` the shapes to that share of the weights, assign filters to them again (`deal`), and repeat while that
    keeps more energy."""
    cells = int(share * energy.size + 1e-6)
    best, most = list(bands), -1.0
    for _ in range(_ROUNDS):
        bands = grow(energy, bands, unit, per, cells, share)
        kept = [retained(energy, band) for band in bands]
        found = sum(map(total, kept, bands))
        if found <= most:
            break
        best, most = bands, found
        bands = deal(bands, kept, balanced)
    return best


def deal(bands: Sequence[Band], kept: Sequence[Reals], balanced: bool) -> list[Band]:
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

    low, high, found = 0.0, max(float(k.max(initial=0)) for k in kept) + 1, chosen(0.0)
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


def retained(energy: Reals, band: Band) -> Reals:
    """Energy that each shape would keep of each filter, [T, F]."""
    return np.asarray(band.shapes.astype(np.float64) @ part(energy, band))


def part(energy: Reals, band: Band) -> Reals:
    """The band's rows of the layer's energy."""
    return energy[band.row0:band.row0 + band.shapes.shape[1]]


def grow(energy: Reals, bands: Sequence[Band], unit: int, per: int, cells: int, share: float) -> list[Band]:
    """Choose how many rows each shape keeps, from none (its segments are pruned whole) to all.

    energy: [R, F] of the layer. A page is `unit` rows of one shape, in the order of their energy: what one crossbar, or
    one read of an operation unit, holds. Pages are taken in the order of energy per crossbar (a page takes
    ceil(filters / per) of them) until they make up the share `share` of all pages or one page per shape, whichever is
    more. Within them, rows are taken in the order of energy per cell while at most `cells` weights are kept.
    """
    tall = max(band.shapes.shape[1] for band in bands)
    tall = -(-tall // unit) * unit
    gains = np.full((len(bands), len(bands[0].shapes), tall), -1.0)  # -1: no such row
    for b, band in enumerate(bands):
        gains[b, :, :band.shapes.shape[1]] = together(part(energy, band), band).T
    filters = np.array([band.sizes for band in bands])
    rank = np.argsort(-gains, axis=2, kind="stable")
    gains = np.take_along_axis(gains, rank, axis=2)
    pages = np.maximum(gains, 0).reshape(*filters.shape, -1, unit).sum(axis=3)
    real = (gains[:, :, ::unit] >= 0) & (filters > 0)[:, :, None]
    price = np.where(real, -(-filters // per)[:, :, None], 0)
    room = max(int(np.ceil(share * price.sum())), int(price[:, :, 0].sum()))
    taken = _fill(np.where(real, pages / np.maximum(price, 1), -1.0), price, room) & real
    allowed = np.repeat(taken, unit, axis=2) & (gains >= 0)
    each = np.broadcast_to(filters[:, :, None], gains.shape)
    rows = _fill(np.where(allowed, gains / np.maximum(each, 1), -1.0), np.where(allowed, each, 0), cells) & allowed
    kept = np.zeros_like(rows)
    np.put_along_axis(kept, rank, rows, axis=2)
    return [replace(band, shapes=kept[b, :, :band.shapes.shape[1]]) for b, band in enumerate(bands)]


def _fill(worth: Reals, price: Ints, room: int) -> Bools:
    """The entries of largest worth, as many as fit into `room` by price; equal ones in order."""
    order = np.argsort(-worth, axis=None, kind="stable")
    chosen = np.zeros(worth.size, bool)
    chosen[order] = np.cumsum(price.ravel()[order]) <= room
    return chosen.reshape(worth.shape)
