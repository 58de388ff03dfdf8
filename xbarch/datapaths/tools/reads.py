"""What reading blocks costs when nothing is skipped, with and without operation units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xbarch.datapaths.records import Block, Geometry, Work


def standard_work(blocks: Sequence[Block], phases: int, geometry: Geometry) -> Work:
    """Every activation group read once per phase; bit lines converted as the machine's `Geometry.converted` says, or
    those of the blocks alone where the data path itself picks them.

    The reference (unit) column beside the array is converted where a block uses it (its `columns` reach
    past `geometry.columns`). An operation unit senses only its own bit lines: a group is read one operation unit after
    another, first the whole ones, then those that the group's last rows and bit lines fill only in part.
    """
    if len({(b.crossbar, b.group) for b in blocks}) == len(blocks) and not geometry.operation_units:
        return _alone(sorted(blocks, key=lambda b: (b.crossbar, b.group)), phases, geometry)
    groups: dict[tuple[int, int], list[Block]] = {}
    for block in blocks:
        groups.setdefault((block.crossbar, block.group), []).append(block)
    rows: list[tuple[int, int, int, int, int]] = []
    for key in sorted(groups):
        members = groups[key]
        lines = members[0].rows if len(members) == 1 else \
            len({r for b in members for r in range(b.row0, b.row0 + b.rows)})
        used, outputs = sum(b.columns for b in members), sum(b.outputs for b in members)
        wide = used if all(b.gated for b in members) else geometry.converted(used)
        for number, (r, c, count) in enumerate(operation_units(lines, wide, geometry)):
            rows.append((key[0], r, c, phases * count, 0 if number else outputs))
    crossbar, r_, c_, reads, outs = np.array(rows, np.int64).T
    return Work(crossbar=crossbar, rows=r_, columns=c_, cells=r_ * c_, reads=reads, outputs=outs)


def _alone(blocks: Sequence[Block], phases: int, geometry: Geometry) -> Work:
    """Blocks of which every one is read alone and whole, in the order of their groups: the same, at once."""
    table = np.array([(b.crossbar, len(b.inputs), b.columns, b.outputs, b.gated) for b in blocks], np.int64)
    crossbar, rows, used, outputs, picked = np.ascontiguousarray(table.T)
    columns = np.where(picked > 0, used, used if geometry.gated else np.maximum(used, geometry.columns))
    return Work(crossbar=crossbar, rows=rows, columns=columns, cells=rows * columns,
                reads=np.full(len(blocks), phases, np.int64), outputs=outputs)


def operation_units(rows: int, columns: int, geometry: Geometry) -> list[tuple[int, int, int]]:
    """(rows, bit lines, count) of each size of operation unit needed to cover so many rows and bit lines."""
    if not geometry.operation_units:
        return [(rows, columns, 1)]
    high, wide = _chunks(rows, geometry.ou_rows), _chunks(columns, geometry.ou_columns)
    return [(r, c, m * n) for r, m in high for c, n in wide]


def _chunks(size: int, most: int) -> list[tuple[int, int]]:
    """(length, count) of the pieces of length `most`, and of the rest."""
    return [piece for piece in ((most, size // most), (size % most, 1)) if piece[0] and piece[1]]
