"""What methods based on operation units share: the remains of column groups moved together, row ids, and operation
units formed dynamically from the inputs.

A column group is the weights that lie side by side in one operation unit. Its kept rows move up independently of its
neighbours', so every group is driven by inputs of its own and is read alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from xbarch.datapaths import dense
from xbarch.datapaths.records import Added, Block, Contents, Geometry, Ints, Stream, Work
from xbarch.datapaths.tools import cells, indices
from xbarch.datapaths.tools.packing import Piece, Placed
from xbarch.datapaths.tools.reads import operation_units, standard_work
from xbarch.workload.graph import Layer, Workload

NEEDED = "needs an architecture with operation units, such as sre_like"
_ENTRIES = 2**22  # entries of the largest working array


def refused(workload: Workload, geometry: Geometry, sign: dense.Sign) -> str:
    """Why a method based on operation units cannot run the workload; empty if it can."""
    return dense.Dense({"sign": sign}).accepts(workload, geometry) if geometry.operation_units else NEEDED


def group_weights(layer: Layer, geometry: Geometry, sign: dense.Sign) -> int:
    """Weights per column group: as many as an operation unit holds beside the group's reference, at least one and at
    most the filters of a group of the convolution."""
    columns = min(geometry.ou_columns or geometry.columns, geometry.columns) - dense.reference(geometry, sign)
    return max(1, min(columns // dense.per_weight(layer.weight_bits, geometry, sign), layer.filters // layer.groups))


# -- packing --------------------------------------------------------------------------------------------------

def column_groups(layer: Layer, wide: int, tall: int) -> Iterator[Piece]:
    """The rows in which each group of `wide` filters keeps a weight, moved up and cut after every `tall`."""
    per = layer.filters // layer.groups
    for group in range(layer.groups):
        for f in range(0, per, wide):
            filters = group * per + np.arange(f, min(f + wide, per))
            rows = np.flatnonzero(layer.kept[:, filters].any(axis=1)) + group * layer.rows
            for r in range(0, len(rows), tall):
                yield Piece(rows[r:r + tall], filters)


def strips(layer: Layer, high: int, wide: int) -> Iterator[Piece]:
    """The filters that keep a weight in each strip of `high` rows, moved together and cut after every `wide`."""
    per = layer.filters // layer.groups
    for group in range(layer.groups):
        own = layer.kept[:, group * per:(group + 1) * per]
        for r in range(0, layer.rows, high):
            rows = group * layer.rows + np.arange(r, min(r + high, layer.rows))
            filters = group * per + np.flatnonzero(own[r:r + high].any(axis=0))
            for f in range(0, len(filters), wide):
                yield Piece(rows, filters[f:f + wide])


def stacked(pieces: Sequence[Piece], wide: int, geometry: Geometry, columns: int) -> list[Placed]:
    """Pieces one below the other in stacks as high as a crossbar and `wide` bit lines wide, and stacks side by side on
    crossbars of `columns` bit lines; tallest first, each where the least room stays. Every piece is a read of its own.

    A piece takes whole operation units, so no crossbar is read much more often than a full one.
    """
    across, rows, unit = max(1, columns // wide), geometry.rows, geometry.ou_rows or 1
    room: list[list[int]] = [[] for _ in range(rows + 1)]  # stacks by the word lines they have left
    opened, reads, placed = 0, dict[int, int](), list[Placed]()
    for piece in sorted(pieces, key=lambda p: -len(p.rows)):
        tall = min(-(-len(piece.rows) // unit) * unit, rows)
        free = next((n for n in range(tall, rows + 1) if room[n]), rows)
        if room[free]:
            stack = room[free].pop()
        else:
            stack, opened = opened, opened + 1
        room[free - tall].append(stack)
        crossbar = stack // across
        read = reads[crossbar] = reads.get(crossbar, -1) + 1
        placed.append(Placed(piece, crossbar, rows - free, stack % across * wide, read))
    return placed


def blocks(placed: Sequence[Placed], layer: Layer, geometry: Geometry, sign: dense.Sign, path: str) -> list[Block]:
    """Pieces as blocks, in the order of their crossbars; offset weights have a reference beside every piece."""
    each = dense.per_weight(layer.weight_bits, geometry, sign)
    found = []
    for p in sorted(placed, key=lambda p: (p.crossbar, p.read)):
        rows, filters = p.piece.rows % layer.rows, p.piece.filters
        width = len(filters) * each + dense.reference(geometry, sign)
        found.append(Block(
            crossbar=p.crossbar, row0=p.row0, col0=p.col0, inputs=p.piece.rows, columns=width,
            kept=int(layer.kept[np.ix_(rows, filters)].sum()) * each, targets=filters, group=p.read,
            contents=partial(_contents, layer, rows, filters, geometry, sign, path),
            cap=dense.largest(len(rows), geometry, sign)))
    return found


def _contents(layer: Layer, rows: Ints, filters: Ints, geometry: Geometry, sign: dense.Sign, path: str) -> Contents:
    """Cells and decode list of these rows and filters of the layer's matrix."""
    weights = layer.matrix[np.ix_(rows, filters)]
    half = 1 << layer.weight_bits - 1
    cells.check(weights, -half, half - 1, layer.name, path)
    width = len(filters) * dense.per_weight(layer.weight_bits, geometry, sign) + dense.reference(geometry, sign)
    return dense.encoded(weights, filters, layer.weight_bits, geometry, sign, width)


def packed(layer: Layer, geometry: Geometry, sign: dense.Sign, compact: Callable[[], list[Block]]) -> list[Block]:
    """What `compact` makes where it takes no more crossbars, reads and conversions than the dense packing, and fewer of
    one of them; else the dense packing."""
    whole = dense.blocks(layer, geometry, sign)
    if layer.mask is None or layer.kept.all():
        return whole
    found = compact()
    ours, theirs = _cost(found, geometry), _cost(whole, geometry)
    return found if ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True)) else whole


def _cost(found: Sequence[Block], geometry: Geometry) -> tuple[int, int, int]:
    """Crossbars, reads and conversions in an input phase with nothing skipped."""
    work = standard_work(found, 1, geometry)
    return int(work.crossbar[-1]) + 1, int(work.reads.sum()), int((work.reads * work.columns).sum())


# -- row ids --------------------------------------------------------------------------------------------------

def codes(rows: Ints, bits: int) -> int:
    """How many codes of `bits` bits the ascending `rows` after the first take. Each row has a code that says how many
    rows are skipped before it; for every 2**bits - 1 skipped rows there is one more, the largest code as an escape,
    which skips that many rows and names none."""
    skipped = np.diff(rows) - 1
    return int((1 + skipped // ((1 << bits) - 1)).sum())


def id_bits(block: Block, layer: Layer, bits: int) -> int:
    """Bits stored for a block: its first row and a code of `bits` bits for each further row, unless rows are
    consecutive; the filter of each weight column, unless filters are consecutive."""
    found = 0
    if indices.gathered(block):
        found += (layer.rows * layer.groups - 1).bit_length() + bits * codes(block.inputs, bits)
    if indices.scattered(block):
        found += block.outputs * max(1, (layer.filters - 1).bit_length())
    return found


def counted(found: Sequence[Block], layer: Layer, bits: int) -> dict[str, Ints]:
    """Actions per window, each [crossbars]: 64-bit words of ids fetched, inputs gathered, sums scattered. Every block
    gathers its own inputs, even those that another block of its crossbar also reads."""
    return indices.counted(found, layer, "sram", partial(id_bits, bits=bits))


def id_table(geometry: Geometry, sign: dense.Sign, bits: int) -> Added:
    """Memory of an IMA for ids: a code for each word line of every column group of 8-bit weights. No extra room is
    counted for escapes."""
    own, each = dense.reference(geometry, sign), dense.per_weight(8, geometry, sign)
    wide = max(1, (min(geometry.ou_columns or geometry.columns, geometry.columns) - own) // each) * each + own
    stacks = max(1, dense.across(geometry, sign) // wide)
    return indices.table("row ids", "index", geometry.crossbars_per_ima * stacks * geometry.rows * bits, 64,
                         f"this project's reading: {bits} bits for each word line of every column group of 8-bit "
                         "weights, 64 bits per access; ")


def moved(geometry: Geometry, gathers: int) -> list[Added]:
    """Address generators and filter latches of an IMA."""
    return [a for a in indices.components(geometry, "sram", gathers, 0, 0) if a.action in ("gather", "scatter")]


# -- units formed as inputs come ------------------------------------------------------------------------------

def dynamic(found: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream) -> Work:
    """Work where an operation unit takes the next rows whose input digit is not zero. A block, for each operation unit
    side by side, is read ceil(n1 / rows of an operation unit) times in a phase in which n1 of its rows have such a
    digit.

    Blocks of a crossbar that have the same width are counted together, by how many word lines a read drives.
    Every block is an activation group of its own.
    """
    high = min(geometry.ou_rows or geometry.rows, geometry.rows)
    found = sorted(found, key=lambda b: (b.crossbar, b.columns))
    kinds = list(dict.fromkeys((b.crossbar, b.columns) for b in found))
    place = {kind: number for number, kind in enumerate(kinds)}
    kind = np.array([place[b.crossbar, b.columns] for b in found])
    outputs = np.bincount(kind, [b.outputs for b in found]).astype(np.int64)
    steps = _steps(found, kind, layer, geometry, stream, high)
    entries: list[tuple[int, int, int, int]] = []
    reads: list[Ints] = []
    for number, (crossbar, columns) in enumerate(kinds):
        for part, (_, wide, count) in enumerate(operation_units(1, geometry.converted(columns), geometry)):
            for rest in (0, *(1 + np.flatnonzero(steps[:, number, 1:].any(axis=0)))):
                entries.append((crossbar, int(rest) or high, wide, 0 if part or rest else int(outputs[number])))
                reads.append(steps[:, number, rest] * count)
    at, rows, columns_, outs = np.array(entries, np.int64).T
    return Work(crossbar=at, rows=rows, columns=columns_, cells=rows * columns_, reads=np.stack(reads, axis=1),
                outputs=outs)


def _steps(found: Sequence[Block], kind: Ints, layer: Layer, geometry: Geometry, stream: Stream, high: int) -> Ints:
    """Reads of blocks of each kind, [windows, kinds, word lines driven]; index 0 counts the reads of `high` word
    lines."""
    vectors, kinds = stream.vectors(), int(kind.max()) + 1
    drives = np.zeros((vectors.shape[1], len(found)), np.float32)
    for number, block in enumerate(found):
        drives[block.inputs, number] = 1
    steps = np.zeros((len(vectors), kinds, high), np.int64)
    most = max(1, _ENTRIES // len(found))
    for start in range(0, len(vectors), most):
        part = vectors[start:start + most]
        at = np.arange(len(part))[:, None] * kinds + kind
        for phase in range(geometry.phases(layer.input_bits)):
            digit = part >> phase * geometry.dac_bits & (1 << geometry.dac_bits) - 1
            ones = ((digit != 0).astype(np.float32) @ drives).astype(np.int64)  # exact: below 2**24
            here = np.bincount((at * high + ones % high).ravel(), minlength=len(part) * kinds * high)
            here = here.reshape(len(part), kinds, high)
            here[:, :, 0] = np.bincount(at.ravel(), (ones // high).ravel(), len(part) * kinds).reshape(-1, kinds)
            steps[start:start + most] += here
    return steps
