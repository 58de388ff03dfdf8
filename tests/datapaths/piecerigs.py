"""Layers, machines and recounts by loops for the data paths that pack pieces."""

from math import ceil

import numpy as np

from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry, Stream
from xbarch.datapaths.tools import pieces
from xbarch.functional.execute import run
from xbarch.workload.graph import Layer

SRE = Geometry(128, 128, 2, adc_bits=6, unit_column=False, ou_rows=16, ou_columns=16)
SMALL = Geometry(16, 21, 2, unit_column=False, ou_rows=4, ou_columns=5)
FULL = Geometry(12, 17, 2)


def conv(mask, bits=8, groups=1, seed=0, windows=1, weights=None):
    """A layer with that mask [F, C / groups, kh, kw], random weights or those given, 4-bit inputs."""
    mask = np.asarray(mask, bool)
    top = (1 << bits - 1) - 1
    drawn = np.random.default_rng(seed).integers(-top - 1, top + 1, mask.shape) if weights is None else weights
    stored = (drawn * mask).astype(np.int16)
    filters, channels, *kernel = mask.shape
    return Layer(name="conv", op="conv", inputs=("input",), in_shape=(channels * groups, *kernel),
                 out_shape=(filters, 1, windows), kernel=tuple(kernel), groups=groups, weight_bits=bits, input_bits=4,
                 weights=lambda: stored, mask=lambda: mask)


def exact(path, layer, geometry):
    """Blocks, after their outputs were compared with int64 arithmetic."""
    blocks = path.pack(layer, geometry)
    x = np.random.default_rng(1).integers(0, 16, (6, layer.rows * layer.groups))
    x[0] = 15
    done = run(blocks, layer, geometry, x, "lossless")
    per = layer.filters // layer.groups
    for f in range(layer.filters):
        first = f // per * layer.rows
        assert np.array_equal(done.out[:, f], x[:, first:first + layer.rows] @ layer.matrix[:, f].astype(np.int64))
    assert done.clips == 0
    return blocks


def lawful(path, layer, geometry):
    """No more crossbars, reads and conversions than `dense`, and room for what is kept."""
    blocks = exact(path, layer, geometry)
    ours, theirs = pieces.cost(blocks, geometry), pieces.cost(
        dense.blocks(layer, geometry, path.options.sign), geometry)
    assert all(a <= b for a, b in zip(ours, theirs, strict=True))
    assert ours[0] >= ceil(sum(b.kept for b in blocks) / (geometry.rows * geometry.columns))
    return blocks, ours, theirs


def tiles(blocks, geometry):
    """Rows, bit lines, crossbar and inputs of every operation unit, one after another."""
    high, wide = geometry.ou_rows or geometry.rows, geometry.ou_columns or geometry.columns + 1
    for b in blocks:
        for r in range(0, b.rows, high):
            for c in range(0, b.columns, wide):
                yield (min(high, b.rows - r), min(wide, b.columns - c), b.crossbar, b.inputs[r:r + high])


def recounted(blocks, geometry, phases, x, read):
    """Reads, conversions and cells sensed of every window and crossbar by loops; read(inputs, window): whether."""
    count = np.zeros((3, len(x), 1 + max(b.crossbar for b in blocks)), np.int64)
    for rows, columns, crossbar, inputs in tiles(blocks, geometry):
        for w in range(len(x)):
            if read(inputs, w):
                count[:, w, crossbar] += phases * np.array([1, columns, rows * columns])
    return count


def emitted(work, windows):
    """The same sums from a `Work`."""
    reads = np.broadcast_to(work.reads, (windows, len(work.crossbar)))
    count = np.zeros((3, windows, int(work.crossbar[-1]) + 1), np.int64)
    for number, crossbar in enumerate(work.crossbar):
        for kind, each in enumerate((1, work.columns[number], work.cells[number])):
            count[kind, :, crossbar] += reads[:, number] * each
    return count


def stream(x):
    return Stream(1, 4, lambda: x)
