"""RAELLA (Andrulis et al., ISCA 2023): centers and offsets as a data path, speculation as a sensing unit."""

from copy import copy
from dataclasses import replace

import numpy as np
from pydantic import Field

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.records import INPUT_SUM, Block, Contents
from xbarch.datapaths.tools.reads import standard_work
from xbarch.functional.execute import sums
from xbarch.parts.sensing.adc import Adc
from xbarch.specs.model import Options


class Slices(Options):
    slices: str = Field("422", pattern="^(422|2222)$", description="bits of an offset's slices, highest first")


class CenterOffset(DataPath[Slices]):
    """A weight is its filter's center (here a mean; the paper searches it) and an offset, sliced over cell pairs."""
    name, summary, provenance, Options = "center_offset", "centers and offsets", "ISCA 2023; means: assumed", Slices
    emits = (INPUT_SUM, "center_multiply")

    def cells_per_weight(self, bits, geometry):
        return len(self.options.slices)

    def accepts(self, workload, geometry):
        fits = geometry.signed and geometry.gated and geometry.cell_bits >= 4 and max(
            la.weight_bits for la in workload.compute_layers) <= 8
        return "" if fits else "it needs pairs of 4-bit cells, gated bit lines and weights of at most 8 bits"

    def pack(self, layer, geometry):
        found, each, cells = [], layer.filters // layer.groups, len(self.options.slices)
        for f in (f for g in range(0, layer.filters, each) for f in range(g, g + each, geometry.columns // cells)):
            targets = np.arange(f, min(f + geometry.columns // cells, f - f % each + each))
            for top in range(0, layer.rows, geometry.rows):
                at = np.ix_(rows := np.arange(top, min(top + geometry.rows, layer.rows)), targets)
                found.append(Block(crossbar=len(found), row0=0, col0=0, inputs=f // each * layer.rows + rows,
                    columns=len(targets) * cells, kept=int(layer.kept[at].sum()) * cells, targets=targets,
                    contents=lambda at=at, targets=targets: self.contents(layer.matrix[at].astype(int), targets)))
        return found

    def contents(self, weights, targets):
        centers, widths = np.rint(weights.mean(axis=0)).astype(int), np.array([int(n) for n in self.options.slices])
        shift, offsets = np.cumsum(widths[::-1])[::-1] - widths, (weights - centers)[:, :, None]
        cells = ((np.abs(offsets) >> shift & (1 << widths) - 1) * np.sign(offsets)).reshape(len(weights), -1)
        return Contents(cells, np.arange(len(cells[0])), np.repeat(targets, len(shift)),
                        np.tile(1 << shift, len(targets)), summed=targets, factor=centers)

    def work(self, blocks, layer, geometry, stream=None):  # a sum of inputs serves all crossbars with these inputs
        first = {int(b.inputs[0]): n for n, b in reversed(list(enumerate(blocks)))}
        own = np.array([b.rows * (first[int(b.inputs[0])] == n) for n, b in enumerate(blocks)])
        return replace(standard_work(blocks, geometry.phases(layer.input_bits), geometry),
                       extra={INPUT_SUM: own, "center_multiply": np.array([b.outputs for b in blocks])})


class Speculation(Adc):
    """Three reads of 4, 2 and 2 input bits, and eight of one bit in which bit lines that saturated convert again."""
    name, summary, provenance, emits = "speculation", "speculative reads", "ISCA 2023", (*Adc.emits, "speculative_read")
    repeated = 0.36  # beside three: 0.42 of eight conversions in the authors' models, where no inputs are stored

    def adjusted(self, given):
        unit, blocks, found = copy(self), given.blocks() if given.stream else (), []
        for _, analog in sums(blocks, given.layer, given.geometry, given.stream.vectors()[::50]) if blocks else ():
            for phases in (slice(0, 2), slice(2, 4), slice(4, 8)):
                wide = analog[phases] * 2.0 ** np.arange(len(analog[phases]))[:, None, None]
                found.append((np.abs(wide.sum(axis=0)) >= 1 << self.array.bits).mean(axis=0) * len(wide))
        unit.repeated = 3 * float(np.concatenate(found).mean()) if found else self.repeated
        return unit

    def each(self, work):
        return -(-11 * super().each(work) // 8)

    def actions(self, work):
        made = np.ceil(work.reads * work.columns * (3 + self.repeated) / 8).astype(int)
        return {"conversion": made, "sample": made, "shift_add": made,
                "speculative_read": -(-3 * work.reads * work.cells // 2)}  # 2.5 times the pulses, as in their models
