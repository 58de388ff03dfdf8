"""Cuts a mask [rows, filters] of one group of the convolution into pieces of at most a crossbar, and finds counts that
fill crossbars.

tall: rows of a crossbar. per: filters that lie side by side on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np

from xbarch.datapaths.records import Bools, Projection, Reals
from xbarch.datapaths.tools.packing import Piece


def by_columns_of_blocks(mask: Bools, tall: int, per: int) -> Iterator[Piece]:
    """Column blocks of `per` filters: the rows in which any of them keeps a weight, end to end and cut at a crossbar's
    last row."""
    filters = np.flatnonzero(mask.any(axis=0))
    for f in range(0, len(filters), per):
        block = filters[f:f + per]
        rows = np.flatnonzero(mask[:, block].any(axis=1))
        for r in range(0, len(rows), tall):
            yield Piece(rows[r:r + tall], block)


def by_rows_of_blocks(mask: Bools, tall: int, per: int) -> Iterator[Piece]:
    """Row blocks of `tall` rows: the filters that keep a weight in them, side by side."""
    rows = np.flatnonzero(mask.any(axis=1))
    for r in range(0, len(rows), tall):
        filters = np.flatnonzero(mask[rows[r:r + tall]].any(axis=0))
        for f in range(0, len(filters), per):
            yield Piece(rows[r:r + tall], filters[f:f + per])


def by_blocks(mask: Bools, tall: int, per: int) -> Iterator[Piece]:
    """Blocks of `tall` rows and `per` filters, each without its empty rows and filters."""
    rows, filters = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    for f in range(0, len(filters), per):
        for r in range(0, len(rows), tall):
            here, block = rows[r:r + tall], filters[f:f + per]
            part = mask[np.ix_(here, block)]
            if part.any():
                yield Piece(here[part.any(axis=1)], block[part.any(axis=0)])


def by_layer(mask: Bools, tall: int, per: int) -> Iterator[Piece]:
    """The layer without its empty rows and filters, cut as on `dense`."""
    rows, filters = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    for f in range(0, len(filters), per):
        for r in range(0, len(rows), tall):
            yield Piece(rows[r:r + tall], filters[f:f + per])


def best(values: Reals, count: int) -> Bools:
    """True at the `count` largest; of equal values the first are taken."""
    kept = np.zeros(len(values), bool)
    kept[np.argsort(-values, kind="stable")[:count]] = True
    return kept


def whole(wanted: float, unit: int, most: int) -> int:
    """The positive multiple of `unit` up to `most`, or `most` itself, that is nearest to `wanted`; of two, the
    smaller."""
    allowed = np.minimum(np.arange(1, -(-most // unit) + 1) * unit, most)
    return int(allowed[np.argmin(np.abs(allowed - wanted))])


def at_least(share: float, size: int) -> int:
    """The smallest number that is at least `share` of `size`, and at least one."""
    return max(1, ceil(share * size - 1e-9))


def projected(weights: Reals, masks: Sequence[Bools], **side: Any) -> Projection:
    """The weights under the masks [rows, filters] of all groups. The projection's side has `side` and the density."""
    mask = np.ascontiguousarray(np.concatenate(masks, axis=1).T).reshape(weights.shape)
    return Projection(np.where(mask, weights, 0.0), mask, {"density": float(mask.mean()), **side})
