"""The data path of Xue et al.: dense crossbars, differential signs, and the ADC resolution that the projections
guarantee."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Added, Block, Contents, Geometry, Ints, Project, Projection, Stream, Work
from xbarch.datapaths.tools import cells, indices
from xbarch.datapaths.tools.matrix import folded, unrolled
from xbarch.datapaths.tools.reads import standard_work
from xbarch.datapaths.xue.bits import budget, hold, largest_sums, value_level
from xbarch.errors import InputError
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload

_WORD = 64  # bits of the map that one look-up returns
_ADC_BITS, _MOST = 3, 8
_REFUSED = {
    "offset": "zeros would be stored as 2**(bits - 1), a one in every row of the highest bit line",
    "twos": "small negative weights would be stored with ones in nearly every bit line",
}


class XueOptions(Options):
    """Options of `xue`."""

    sign: str = Field("differential", description="how signed weights are stored: only differential (positive and "
                      "negative parts in bit lines of their own) keeps the zeros that pruning makes")
    adc_bits: int | dict[str, int] = Field(_ADC_BITS, description="ADC resolution that the projection prunes for, 1 "
                                           "to 8 (the paper: 2 or 3); or a mapping of layer names to it, '*' for all "
                                           "others (3 if absent)")
    single_bit: bool = Field(True, description="one bit in each cell, whatever the machine's cells hold; if false, as "
                             "many as they hold")
    value: Literal["column", "layer"] = Field(
        "column", description="value level: the largest weights of every crossbar column segment, or of the layer")
    skip: bool = Field(False, description="all-zero bit lines are not converted, and crossbars without a kept weight "
                       "are not used; a map beside each crossbar names the bit lines to convert (this project's "
                       "reading)")

    @field_validator("adc_bits", mode="before")
    @classmethod
    def _few(cls, found: object) -> object:
        numbers = list(found.values()) if isinstance(found, dict) else [found]
        if not all(type(n) is int and 1 <= n <= _MOST for n in numbers):
            raise ValueError(f"must be 1 to {_MOST}, or a mapping of layer names to such numbers")
        return found

    @field_validator("sign")
    @classmethod
    def _differential(cls, sign: str) -> str:
        if sign != "differential":
            reason = _REFUSED.get(sign)
            raise ValueError(f"must be differential{f'; with {sign} {reason}' if reason else f', not {sign}'}")
        return sign


class Xue(Pruning[XueOptions]):
    """Every row stays and every bit line has its place, so there is no index and no routing; only the ADCs shrink.

    A weight of b bits is a sign and b - 1 magnitude bits. A block's cap is computed from the weights it stores, so
    it holds for any weights, pruned or not. Training first removes whole weights (`value`), then
    single bits of the remaining weights (`bit`), and then keeps every weight within its remaining bits (`refit`).
    """

    emits: ClassVar[tuple[str, ...]] = ("skip",)
    name: ClassVar[str] = "xue"
    title: ClassVar[str] = "Xue et al."
    reads_every_phase: ClassVar[bool] = True
    summary: ClassVar[str] = "weights, then single bits pruned so that 2- or 3-bit ADCs suffice (Xue et al. 2023)"
    provenance: ClassVar[str] = (
        "Xue et al., DATE 2023, abstract: joint value-level and bit-level non-structured pruning by ADMM for low "
        "ADC resolution. This project's reading: the two sets, the worst-case bound, the Lagrangian projection, "
        "differential signs, one bit per cell, skip")
    Options: ClassVar[type[Options]] = XueOptions

    @property
    def stores_once(self) -> bool:
        """With `skip`, bit lines of zeros are not stored."""
        return not self.options.skip

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        named = self.options.adc_bits if isinstance(self.options.adc_bits, dict) else {}
        for name in named:
            if name != "*" and name not in {layer.name for layer in workload.compute_layers}:
                return f"option adc_bits names layer {name}, which the workload does not have"
        for layer in workload.compute_layers:
            if layer.weight_bits < 2:
                return f"layer {layer.name} has {layer.weight_bits}-bit weights, a sign and a magnitude need 2 bits"
            if self._per_weight(layer, geometry) > geometry.columns:
                return (f"a {layer.weight_bits}-bit weight of layer {layer.name} needs "
                        f"{self._per_weight(layer, geometry)} bit lines, the crossbar has {geometry.columns}")
        return ""

    def levels(self, bits: int) -> tuple[int, int]:
        """A sign and bits - 1 magnitude bits."""
        top = (1 << bits - 1) - 1
        return -top, top

    def cell_bits(self, geometry: Geometry) -> int:
        """Bits of each cell that the data path uses."""
        return 1 if self.options.single_bit else geometry.cell_bits

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """Row blocks x column blocks as in `dense`; the cap of each is the largest sum of its weights in a phase."""
        cells.check(layer.matrix, *self.levels(layer.weight_bits), layer.name, self.name)
        sums = largest_sums(layer.matrix, geometry.rows, layer.weight_bits - 1, self.cell_bits(geometry))
        per_group = layer.filters // layer.groups
        wide = geometry.columns // self._per_weight(layer, geometry)
        kept = layer.kept if layer.mask is not None else None
        result: list[Block] = []
        for first in range(0, layer.filters, per_group):
            for f in range(first, first + per_group, wide):
                targets = np.arange(f, min(f + wide, first + per_group))
                for segment, start in enumerate(range(0, layer.rows, geometry.rows)):
                    here = (slice(start, min(start + geometry.rows, layer.rows)), slice(f, int(targets[-1]) + 1))
                    count = np.full(len(targets), here[0].stop - start) if kept is None else kept[here].sum(axis=0)
                    if count.any() or not self.options.skip:
                        result.append(self._block(layer, geometry, len(result), here, count, sums[segment, here[1]]))
        # a layer with nothing left still has outputs, so one block stays
        return result or [self._block(layer, geometry, 0, (slice(0, 1), slice(0, 1)), np.zeros(1, np.int64),
                                      np.zeros_like(sums[0, :1]))]

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """Every crossbar is read once per phase; with `skip`, the map of its bit lines is looked up in each read."""
        work = standard_work(blocks, geometry.phases(layer.input_bits), geometry)
        if not self.options.skip:
            return work
        words = np.bincount(work.crossbar, work.reads * -(-geometry.columns // _WORD)).astype(np.int64)
        return replace(work, extra={"skip": words})

    def components(self, geometry: Geometry) -> list[Added]:
        """With `skip`, a map with one bit per bit line; otherwise nothing."""
        if not self.options.skip:
            return []
        bits = geometry.columns * geometry.crossbars_per_ima
        return [indices.table("skip map", "skip", bits, _WORD, "this project's reading, ")]

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """With `skip`, a bit for every bit line that could be left out."""
        return sum(b.columns for b in blocks) if self.options.skip else 0

    def matched(self) -> tuple[dict[str, str], list[str]]:
        """Differential signs; one bit per cell where single bits are pruned."""
        return {"sign": "differential"}, ["crossbar.cell_bits=1"] if self.options.single_bit else []

    def target(self, layer: Layer) -> int:
        """ADC bits that the layer is to be pruned for."""
        bits = self.options.adc_bits
        named: dict[str, int] = bits if isinstance(bits, dict) else {"*": bits}
        return named.get(layer.name, named.get("*", _ADC_BITS))

    def adc_bits(self, layer: Layer, geometry: Geometry) -> int:
        """ADC bits with which sums are exact whatever the inputs are, computed from the stored weights: at most
        `target` where the layer was projected for this geometry.

        Raises:
            InputError: a weight outside `levels`.
        """
        cells.check(layer.matrix, *self.levels(layer.weight_bits), layer.name, self.name)
        sums = largest_sums(layer.matrix, geometry.rows, layer.weight_bits - 1, self.cell_bits(geometry))
        return geometry.lossless_bits(int(sums.max(initial=0)) * ((1 << geometry.dac_bits) - 1))

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """Why ADCs of `target` bits do not hold the largest sum of every bit line; empty if they do."""
        needed, most = self.adc_bits(layer, geometry), self.target(layer)
        return "" if needed <= most else (
            f"the weights of layer {layer.name} need {needed}-bit ADCs; option adc_bits allows {most}")

    def project(self, weights: NDArray[np.float64], layer: Layer, geometry: Geometry, density: float) -> Projection:
        """`value`, then `bit` on what is left: the hierarchical projection. The bit level may set more weights to zero,
        so `density` is the largest share kept. side: that of `bit`.

        Raises:
            InputError: as `value` and `bit`.
        """
        return self.bit(self.value(weights, layer, geometry, density).weights, layer, geometry)

    def value(self, weights: NDArray[np.float64], layer: Layer, geometry: Geometry, density: float) -> Projection:
        """The value level alone: keep the largest weights of every column segment (or of the layer, by option `value`),
        at most `density` of them, at least one.

        Raises:
            InputError: a density outside 0 to 1 or below one weight per segment, or weights of another shape than the
                layer's or not finite.
        """
        matrix = unrolled(weights, layer)
        whole = self.options.value == "layer"
        column = matrix.reshape(-1, 1) if whole else matrix
        height = len(column) if whole else min(geometry.rows, len(column))
        if not (density <= 1 and density * height + 1e-6 >= 1):
            raise InputError(f"must be {1 / height:.2g} to 1 for layer {layer.name}, not {density:g}: "
                             f"{'a layer' if whole else 'a segment'} of {height} weights keeps at least one",
                             field="density")
        mask = folded(value_level(column, height, density).reshape(matrix.shape), weights)
        return Projection(np.where(mask, weights, 0.0), mask)

    def projections(self) -> Sequence[Project]:
        """The two levels, for an ADMM that splits them."""
        return [self.value, self.bit]

    def refit(self, weights: NDArray[np.float64], layer: Layer, geometry: Geometry, before: Projection) -> Projection:
        """The weights kept before, their bits projected anew."""
        return self.bit(weights * before.mask, layer, geometry)

    def bit(self, weights: NDArray[np.float64], layer: Layer, geometry: Geometry, density: float = 1.0) -> Projection:
        """The bit level alone: the nearest levels whose bit lines never exceed the ADC; zeros stay, larger weights
        saturate. `density` is ignored: it belongs to the value level.

        Returns:
            side: adc_bits, the resolution aimed at, and cap, the largest digit sum allowed. allowed: sign and bits of
            each weight; retraining within them cannot increase a digit sum.

        Raises:
            InputError: ADCs that cannot hold the sum of a single driven cell, 1-bit weights or more than 8 bits,
                weights of another shape than the layer's or not finite.
        """
        target, bits = self.target(layer), layer.weight_bits - 1
        if not 1 <= bits <= 7:
            raise InputError(f"must be 2 to 8 (a sign and a magnitude) for layer {layer.name}, not "
                             f"{layer.weight_bits}", field="weight_bits")
        cap = budget(target, geometry.dac_bits)
        codes = folded(hold(unrolled(weights, layer), geometry.rows, bits, self.cell_bits(geometry), cap), weights)
        return Projection(codes.astype(np.float64), codes != 0, {"adc_bits": target, "cap": cap},
                          codes.astype(np.int8))

    def _per_weight(self, layer: Layer, geometry: Geometry) -> int:
        """Cells per weight: the digits of its magnitude, once for each sign."""
        return 2 * -(-(layer.weight_bits - 1) // self.cell_bits(geometry))

    def _block(self, layer: Layer, geometry: Geometry, crossbar: int, here: tuple[slice, slice], kept: Ints,
               sums: Ints) -> Block:
        """The block of the part `here` of the matrix; kept: its unmasked weights [filters]; sums: its digit sums
        [filters, sign, digit]."""
        targets = np.arange(here[1].start, here[1].stop)
        inputs = np.arange(here[0].start, here[0].stop) + targets[0] // (layer.filters // layer.groups) * layer.rows
        skip = self.options.skip
        used = np.flatnonzero(sums) if skip and sums.any() else np.arange(1 if skip else sums.size)
        spans = not skip and not geometry.gated and not geometry.operation_units
        width = geometry.columns if spans else len(used)
        stored = int(kept[used // sums[0].size].sum())
        return Block(
            crossbar=crossbar, row0=0, col0=0, inputs=inputs, columns=width, kept=stored, targets=targets,
            gated=skip, idle=width - len(used), cap=int(sums.max(initial=0)) * ((1 << geometry.dac_bits) - 1),
            contents=partial(_contents, layer, here, targets, self.cell_bits(geometry), used, width))


def _contents(layer: Layer, here: tuple[slice, slice], targets: Ints, cell_bits: int, used: Ints,
              width: int) -> Contents:
    """Positive and negative digits of every weight; of their bit lines, those in `used` are stored side by side."""
    weights: NDArray[np.integer[Any]] = layer.matrix[here]
    bits = layer.weight_bits - 1
    whole = cells.differential(weights, targets, bits, cell_bits, 2 * -(-bits // cell_bits) * len(targets))
    stored = np.pad(whole.cells[:, used], ((0, 0), (0, width - len(used))))
    return Contents(stored, np.arange(len(used)), whole.output[used], whole.coefficient[used])
