"""Finds shapes in a mask, and lays pieces of a layer on crossbars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Bools, Ints


@dataclass(frozen=True)
class Piece:
    """Kept rows of a band and the filters that keep exactly these rows, or the part of both that is read together."""

    rows: Ints
    filters: Ints


@dataclass(frozen=True)
class Placed:
    """A piece in its place; `read` is the number of its read on the crossbar."""

    piece: Piece
    crossbar: int
    row0: int
    col0: int
    read: int


def heights(rows: int, unit: int, density: float) -> list[int]:
    """Heights that a band may have: multiples of `unit` up to twice what fills a crossbar at that density, and all
    rows."""
    most = min(-(-rows // unit), 2 * int(np.ceil(1 / max(density, 1 / rows))))
    return list(dict.fromkeys([*(min(unit * m, rows) for m in range(1, most + 1)), rows]))


def height(mask: Bools, unit: int, per: int) -> int:
    """The band height with which the segments of mask [F, R] take the fewest crossbars; of several, the tallest.

    Crossbars are the sum over shapes of ceil(rows / unit) * ceil(filters / per). Shapes are distinguished by a hash; a
    collision could at worst choose a less suitable height.
    """
    filters, rows = mask.shape
    chunks = -(-rows // unit)
    padded = np.zeros((filters, chunks * unit), bool)
    padded[:, :rows] = mask
    padded = padded.reshape(filters, chunks, unit)
    bits = np.packbits(padded, axis=2).astype(np.uint64)
    salt = np.random.default_rng(0).integers(1, 1 << 63, bits.shape[1:], np.uint64) * 2 + 1
    name = (bits * salt).sum(axis=2).T
    kept = padded.sum(axis=2).T
    best: tuple[int, int] | None = None
    for h in heights(rows, unit, float(mask.mean())):
        starts = np.arange(0, chunks, -(-h // unit))
        cost = _cost(np.add.reduceat(name, starts, axis=0), np.add.reduceat(kept, starts, axis=0), unit, per)
        best = min(best, (cost, -h)) if best else (cost, -h)
    assert best is not None
    return -best[1]


def _cost(names: NDArray[np.uint64], kept: Ints, unit: int, per: int) -> int:
    """Crossbars of bands whose segments have these names and numbers of kept rows, both [bands, F]."""
    order = np.argsort(names, axis=1)
    names, kept = np.take_along_axis(names, order, axis=1), np.take_along_axis(kept, order, axis=1)
    first = np.ones(names.shape, bool)
    first[:, 1:] = names[:, 1:] != names[:, :-1]
    at = np.flatnonzero(first)
    members = np.diff(at, append=names.size)
    return int((-(-kept.ravel()[at] // unit) * -(-members // per)).sum())


def shapes(mask: Bools, h: int) -> Iterator[Piece]:
    """The distinct non-empty shapes of each band of `h` rows of mask [F, R], in the order of their first filters."""
    for row0 in range(0, mask.shape[1], h):
        band = mask[:, row0:row0 + h]
        packed = np.ascontiguousarray(np.packbits(band, axis=1))
        _, first, shape = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_index=True, return_inverse=True)
        members = np.split(np.argsort(shape, kind="stable"), np.cumsum(np.bincount(shape))[:-1])
        for s in np.argsort(first):
            rows = np.flatnonzero(band[first[s]])
            if len(rows):
                yield Piece(rows + row0, members[s])


def cut(pieces: Iterator[Piece], rows: int, filters: int) -> Iterator[Piece]:
    """Pieces of at most `rows` rows and `filters` filters; pieces that share filters follow one another."""
    for piece in pieces:
        for f in range(0, len(piece.filters), filters):
            for r in range(0, len(piece.rows), rows):
                yield Piece(piece.rows[r:r + rows], piece.filters[f:f + filters])


def alone(pieces: Sequence[Piece]) -> list[Placed]:
    """Every piece on a crossbar of its own."""
    return [Placed(piece, number, 0, 0, 0) for number, piece in enumerate(pieces)]


def shelved(pieces: Sequence[Piece], bitlines_per_filter: int, reference_bitlines: int, rows: int,
            columns: int) -> list[Placed]:
    """Pieces side by side on shelves, and shelves stacked on crossbars of rows x columns; both best fit, tallest first.

    reference_bitlines: bit lines beside the filters of each piece. Every piece is a read of its own.
    """
    order = sorted(pieces, key=lambda p: (-len(p.rows), -len(p.filters)))
    shelves, boards = _Bins(columns), _Bins(rows)
    placed, reads = [], list[int]()
    where: list[tuple[int, int]] = []  # crossbar and first row of each shelf
    for piece in order:
        shelf, col0 = shelves.put(len(piece.filters) * bitlines_per_filter + reference_bitlines)
        if shelf == len(where):
            where.append(boards.put(len(piece.rows)))
        crossbar, row0 = where[shelf]
        if crossbar == len(reads):
            reads.append(0)
        placed.append(Placed(piece, crossbar, row0, col0, reads[crossbar]))
        reads[crossbar] += 1
    return placed


class _Bins:
    """Bins of one size, numbered as they are opened; an item goes where the least room stays free."""

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0
        self.free: list[list[int]] = [[] for _ in range(size + 1)]  # bins by the room they have

    def put(self, width: int) -> tuple[int, int]:
        """(bin, place in it) for an item of that width."""
        for room in range(width, self.size + 1):
            if self.free[room]:
                chosen = self.free[room].pop()
                break
        else:
            room, chosen, self.count = self.size, self.count, self.count + 1
        self.free[room - width].append(chosen)
        return chosen, self.size - room
