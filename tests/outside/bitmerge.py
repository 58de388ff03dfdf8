"""Bit-column merging as a plugin, after Yang et al., "A Bit Level Weight Reordering Strategy", arXiv 2511.14202
(abstract): of bit columns with the same bits one is kept, and of columns of zeros none."""

from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
from pydantic import Field

from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Block, Contents, Projection
from xbarch.datapaths.tools import cells, indices
from xbarch.datapaths.tools.matrix import folded, unrolled
from xbarch.datapaths.tools.reads import standard_work
from xbarch.datapaths.tools.ties import averaged
from xbarch.specs.model import Options


class BitMergeOptions(Options):
    """Options of `bitmerge`."""

    height: int = Field(32, ge=1, le=4096, description="word lines of a block; bit columns are compared within it")


class BitMerge(Pruning[BitMergeOptions]):
    """Two's complement; the digital sum of a bit line goes to every output that has these bits, whatever they are worth
    there. Training ties filters to each other, so that their columns stay equal."""

    name: ClassVar[str] = "bitmerge"
    summary: ClassVar[str] = "equal bit columns stored once, sums fanned out"
    provenance: ClassVar[str] = "Yang et al., arXiv 2511.14202, abstract; ties, blocks and prices are a reading of it"
    Options: ClassVar[type[Options]] = BitMergeOptions

    @property
    def stores_once(self):
        return False

    def accepts(self, workload, geometry):
        for layer in workload.compute_layers:
            if geometry.signed or geometry.slices(layer.weight_bits - 1) + 1 > geometry.columns:
                return f"layer {layer.name}: cells with signs, or weights wider than the array"
        return ""

    def parts(self, layer, geometry):
        """(rows, filters, first input) of all parts whose columns are compared."""
        height, wide = min(self.options.height, geometry.rows), layer.filters // layer.groups
        for group in range(layer.groups):
            for top in range(0, layer.rows, height):
                yield slice(top, top + height), np.arange(group * wide, (group + 1) * wide), group * layer.rows

    def pack(self, layer, geometry):
        found = []
        for rows, filters, first in self.parts(layer, geometry):
            inputs = first + np.arange(layer.rows)[rows]
            whole = cells.twos(layer.matrix[rows][:, filters], filters, layer.weight_bits, geometry.cell_bits,
                               len(filters) * (geometry.slices(layer.weight_bits - 1) + 1))
            alive = whole.cells.any(axis=0)
            bits, whose = np.unique(whole.cells, axis=1, return_inverse=True)
            chosen, start, seen = [], 0, set()
            for f in range(len(filters)):  # as many filters as the array has bit lines for
                own = np.flatnonzero((whole.output == filters[f]) & alive)
                if len(seen | set(whose.ravel()[own])) > geometry.columns:
                    chosen.append((start, f))
                    start, seen = f, set()
                seen |= set(whose.ravel()[own])
            for low, high in [*chosen, (start, len(filters))]:
                of = np.flatnonzero(np.isin(whole.output, filters[low:high]) & alive)
                if len(of):
                    found.append(self.block(layer, rows, inputs, bits, whose.ravel()[of], whole.output[of],
                                            whole.coefficient[of]))
        none = Block(crossbar=0, row0=0, col0=0, inputs=np.arange(1), columns=1, kept=0, targets=np.arange(1),
                     contents=lambda: Contents(np.zeros((1, 1), int), *[np.zeros(1, int)] * 3))
        return self.stacked(found, geometry) or [none]

    def block(self, layer, rows, inputs, bits, which, output, coefficient):
        stored, column = np.unique(which, return_inverse=True)
        targets = np.unique(output)
        worth = np.zeros((len(stored), len(targets)), int)  # bits that an output has several times add up
        np.add.at(worth, (column.ravel(), np.searchsorted(targets, output)), coefficient)
        column, output = np.nonzero(worth)
        held = layer.kept[rows][:, targets].astype(int) @ (worth != 0).T
        return Block(crossbar=0, row0=0, col0=0, inputs=inputs, columns=len(stored), kept=int(np.count_nonzero(held)),
                     targets=targets, contents=partial(Contents, bits[:, stored], column, targets[output],
                                                       worth[column, output]))

    def stacked(self, blocks, geometry):
        """Blocks above one another, read one after another."""
        each = geometry.rows // max(1, min(self.options.height, geometry.rows))
        return [replace(b, crossbar=n // each, row0=n % each * min(self.options.height, geometry.rows), group=n % each)
                for n, b in enumerate(blocks)]

    def work(self, blocks, layer, geometry, stream=None):
        more = np.bincount([b.crossbar for b in blocks],
                           [len(b.contents().column) - b.columns for b in blocks]).astype(int)
        done = standard_work(blocks, phases := geometry.phases(layer.input_bits), geometry)
        return replace(done, extra={"hand on": more * phases})

    def components(self, geometry):
        return [indices.adder("fan-out", "hand on", geometry.crossbars_per_ima, "a reading: ")]

    def index_bits(self, blocks, layer, geometry):
        return sum(len(b.contents().column) * max(1, b.columns - 1).bit_length() for b in blocks)

    def matched(self):
        return {"sign": "twos"}, []

    def project(self, weights, layer, geometry, density):
        """In each part, filters are gathered round as many of them as the density asks for, and tied."""
        matrix, ties = unrolled(weights, layer), np.zeros((layer.rows, layer.filters), int)
        for rows, filters, _ in self.parts(layer, geometry):
            part = matrix[rows][:, filters]
            centres = part[:, np.argsort(-np.square(part).sum(axis=0), kind="stable")[:max(1, round(
                density * len(filters)))]]
            nearest = np.square(part[:, :, None] - centres[:, None]).sum(axis=0).argmin(axis=1)
            lines = np.arange(layer.rows)[rows, None]
            ties[rows, filters[0]:filters[-1] + 1] = lines * layer.filters + filters[0] + nearest
        tied = folded(ties, weights)
        return Projection(averaged(weights, tied), np.ones(weights.shape, bool), ties=tied)
