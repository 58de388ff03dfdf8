"""Sorted weight sectioning as a plugin, after Farias and Kung, arXiv 2410.11298 (abstract): the weights of a filter are
sorted by magnitude, so that sections of small weights need only the bit lines of low digits, and zeros none."""

from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.records import Block, Contents
from xbarch.datapaths.tools import cells, indices
from xbarch.datapaths.tools.reads import standard_work


class Sections(DataPath):
    """A section is the next so many weights of one sign of a filter, at most one per word line. Sections of a crossbar
    stand side by side and are driven by other inputs, so that they are read one after another. What is not in the
    abstract is a reading: signs apart, sections as high as the array, prices."""

    name: ClassVar[str] = "sections"
    summary: ClassVar[str] = "weights sorted by magnitude, small ones in few bit lines"
    provenance: ClassVar[str] = "Farias and Kung, arXiv 2410.11298, abstract; signs, heights and prices are a reading"

    @property
    def stores_once(self):  # weights that are zero are left out, kept or not
        return False

    def accepts(self, workload, geometry):
        for layer in workload.compute_layers:
            if geometry.signed or geometry.operation_units or geometry.slices(layer.weight_bits) > geometry.columns:
                return f"layer {layer.name}: cells with signs, operation units, or weights wider than the array"
        return ""

    def pack(self, layer, geometry):
        found, crossbar, column, group = [], 0, 0, 0
        for target in range(layer.filters):
            first = target // (layer.filters // layer.groups) * layer.rows
            for sign in (1, -1):
                values = np.maximum(sign * layer.matrix[:, target].astype(int), 0)
                order = np.argsort(-values, kind="stable")[:np.count_nonzero(values)]
                for top in range(0, len(order), geometry.rows):
                    rows = order[top:top + geometry.rows]
                    wide = geometry.slices(int(values[rows[0]]).bit_length())
                    if column + wide > geometry.columns:
                        crossbar, column, group = crossbar + 1, 0, 0
                    found.append(self.block(values[rows], sign, target, wide, geometry, crossbar=crossbar, row0=0,
                                            col0=column, group=group, inputs=first + rows))
                    column, group = column + wide, group + 1
        return found or [self.block(np.zeros(1, int), 1, 0, 1, geometry, crossbar=0, row0=0, col0=0,
                                    inputs=np.arange(1))]

    def block(self, values, sign, target, wide, geometry, **place):
        stored = cells.digits(values[:, None], wide, geometry.cell_bits)
        made = Contents(stored, np.arange(wide), np.full(wide, target),
                        sign * cells.weights_of(wide, geometry.cell_bits, 1))
        kept = len(values) * wide if values.any() else 0
        return Block(columns=wide, kept=kept, targets=np.array([target]), contents=partial(lambda: made), **place,
                     cap=int(stored.sum(axis=0, dtype=int).max()) * ((1 << geometry.dac_bits) - 1))

    def adc_bits(self, layer, geometry):
        return geometry.lossless_bits(max(b.cap for b in self.pack(layer, geometry)))

    def work(self, blocks, layer, geometry, stream=None):
        fetched = np.bincount([b.crossbar for b in blocks], [b.rows for b in blocks]).astype(int)
        return replace(standard_work(blocks, geometry.phases(layer.input_bits), geometry), extra={"look up": fetched})

    def components(self, geometry):  # ids of up to 4,096 inputs, for every word line of as many sections as fit
        bits = 12 * geometry.rows * geometry.columns * geometry.crossbars_per_ima
        return [indices.table("order of inputs", "look up", bits, 12, "a reading: ")]

    def index_bits(self, blocks, layer, geometry):
        return sum(b.rows for b in blocks) * max(1, (layer.rows * layer.groups - 1).bit_length())

    def matched(self):
        return {"sign": "differential"}, []
