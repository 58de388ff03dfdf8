"""Fragments of a crossbar: where they begin, what their cells hold, which of them a crossbar takes, how often each is
read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Block, Bools, Contents, Geometry, Ints, Stream, Work
from xbarch.datapaths.tools import cells
from xbarch.workload.graph import Layer


def cuts(rows: int, tall: int, height: int) -> Ints:
    """First rows of the pieces of at most `height` rows into which crossbars of `tall` rows are cut."""
    return np.array([s for start in range(0, rows, tall) for s in range(start, min(start + tall, rows), height)])


def effective(vectors: NDArray[Any], inputs: Ints, starts: Ints, dac_bits: int) -> Ints:
    """Effective input cycles of fragments: phases until the longest input of a fragment has no bits left.

    EIC = ceil(max_i bit length(x_i) / dac_bits) (Yuan et al., FORMS, ISCA 2021); none where all inputs are zero.

    Args:
        vectors: unsigned [windows, inputs of the layer]. inputs: which of them drive the word lines. starts: first
            word line of each fragment.

    Returns:
        [windows, fragments].
    """
    longest = np.frexp(np.maximum.reduceat(vectors[:, inputs], starts, axis=1))[1]
    return -(-longest.astype(np.int64) // dac_bits)


def stacked(stacks: Sequence[list[Block]], phases: int, geometry: Geometry, stream: Stream | None) -> Work:
    """One entry for all fragments of a crossbar that have the same height: the whole ones, then a shorter last one."""
    vectors = None if stream is None else stream.vectors()
    table: list[tuple[int, int, int, int]] = []
    reads: list[Any] = []
    known: dict[bytes, Ints] = {}
    for stack in stacks:
        rows = np.array([b.rows for b in stack])
        if vectors is not None:
            inputs = np.concatenate([b.inputs for b in stack])
            key = inputs.tobytes()
            if key not in known:
                known[key] = effective(vectors, inputs, np.cumsum(rows) - rows, geometry.dac_bits)
        for height in dict.fromkeys(rows.tolist()):
            same = rows == height
            table.append((stack[0].crossbar, height, geometry.converted(stack[0].columns),
                          stack[0].outputs * int(same[0])))
            reads.append(phases * int(same.sum()) if vectors is None else known[key][:, same].sum(axis=1))
    crossbar, high, columns, outputs = np.array(table, np.int64).T
    return Work(crossbar=crossbar, rows=high, columns=columns, cells=high * columns, reads=np.array(reads, np.int64).T,
                outputs=outputs)


def contents(layer: Layer, rows: Ints, filters: Ints, mixed: Bools, slices: int, cell_bits: int) -> Contents:
    """Digits of the magnitudes of one fragment; negative columns are read back with a minus sign. mixed: filters whose
    positive and negative weights are stored side by side."""
    weights = layer.matrix[np.ix_(rows, filters)].astype(np.int64)
    which = np.repeat(np.arange(len(filters)), 1 + mixed)
    second = np.diff(which, prepend=-1) == 0
    negative = np.where(mixed[which], second, weights[:, which].min(axis=0) < 0)
    sign = np.where(negative, -1, 1)
    stored = cells.digits(np.maximum(weights[:, which] * sign, 0), slices, cell_bits)
    return Contents(stored, np.arange(stored.shape[1]), np.repeat(filters[which], slices),
                    np.repeat(sign, slices) * cells.weights_of(slices, cell_bits, len(which)))


def by_crossbar(mixed: Bools, per: int) -> Iterator[slice]:
    """The filters of one crossbar of `per` weight columns after another; a mixed filter takes two columns of the same
    crossbar."""
    first, used = 0, 0
    for number, width in enumerate((1 + mixed).tolist()):
        if used + width > per:
            yield slice(first, number)
            first, used = number, 0
        used += width
    yield slice(first, len(mixed))
