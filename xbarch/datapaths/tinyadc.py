"""TinyADC: few weights are left in every crossbar column, anywhere in it, so its sum needs fewer ADC bits."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field, field_validator

from xbarch.datapaths.forms.reads import cuts
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Block, Geometry, Ints, Projection, Reals
from xbarch.datapaths.tools import cells
from xbarch.datapaths.tools.matrix import folded, unrolled
from xbarch.datapaths.xue import Xue
from xbarch.errors import InputError
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload

_CELLS = Xue({"single_bit": False})  # differential digits that use all bits of a cell, every row in its place


class TinyAdcOptions(Options):
    """Options of `tinyadc`."""

    most: int = Field(0, ge=0, le=1 << 16, description="l, the largest number of non-zero weights per crossbar column, "
                      "a power of two; 0: the largest power of two within the recipe's density")

    @field_validator("most")
    @classmethod
    def _power(cls, found: int) -> int:
        if found & (found - 1):
            raise ValueError(f"must be 0 or a power of two, not {found}")
        return found


class TinyAdc(Pruning[TinyAdcOptions]):
    """Every row and column stays in its place: no index, no routing, no crossbar saved; only the ADCs shrink.

    Signs are differential, so a zero weight is a zero cell. With operation units, a column is one of an operation
    unit.
    """

    name: ClassVar[str] = "tinyadc"
    title: ClassVar[str] = "TinyADC"
    summary: ClassVar[str] = "few weights per crossbar column, so smaller ADCs suffice (Yuan et al., TinyADC, 2021)"
    provenance: ClassVar[str] = (
        "Yuan et al., TinyADC, DATE 2021, abstract (pruning by which ADCs need fewer bits without any inaccuracy) and "
        "its description in Yuan et al., FORMS, ISCA 2021 (at most l non-zero weights per column, anywhere). This "
        "project's reading: l a power of two taken from the density, differential signs, columns of operation units")
    Options: ClassVar[type[Options]] = TinyAdcOptions

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        return _CELLS.accepts(workload, geometry)

    def levels(self, bits: int) -> tuple[int, int]:
        """A sign and bits - 1 magnitude bits."""
        return _CELLS.levels(bits)

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """Row blocks x column blocks. The cap of each is the largest sum of its weights in a phase, at most that of l
        weights."""
        promised = self.promised(layer, geometry)
        return [replace(b, cap=min(b.cap or 0, promised)) for b in _CELLS.pack(layer, geometry)]

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Keep the l largest weights of every column segment: the nearest weights with at most l of them non-zero.

        l: option `most`, or the largest power of two that is at most `density` of a segment's rows; all rows at a
        density of 1. Shorter segments also keep l, so slightly more than `density` may stay.

        side: most, l; density reached.

        Raises:
            InputError: a density outside 0 to 1 or below one weight per segment, or weights of another shape than the
                layer's or not finite.
        """
        matrix = np.abs(unrolled(weights, layer))
        most = self._most(layer, geometry, density)
        kept = np.zeros(matrix.shape, bool)
        starts = self._starts(layer, geometry)
        for part, mask in zip(np.split(matrix, starts[1:]), np.split(kept, starts[1:]), strict=True):
            np.put_along_axis(mask, np.argsort(-part, axis=0, kind="stable")[:most], True, axis=0)
        mask = folded(kept, weights)
        return Projection(np.where(mask, weights, 0.0), mask, {"most": most, "density": float(mask.mean())})

    def adc_bits(self, layer: Layer, geometry: Geometry) -> int:
        """ADC bits that hold every sum of a bit line, whatever the values of weights and inputs.

        Raises:
            InputError: a weight outside `levels`.
        """
        return geometry.lossless_bits(self.promised(layer, geometry))

    def promised(self, layer: Layer, geometry: Geometry) -> int:
        """Largest sum of a bit line in a phase, l * (2**cell_bits - 1) * (2**dac_bits - 1), with l counted in the
        stored weights.

        Raises:
            InputError: a weight outside `levels`.
        """
        cells.check(layer.matrix, *self.levels(layer.weight_bits), layer.name, self.name)
        largest = ((1 << geometry.cell_bits) - 1) * ((1 << geometry.dac_bits) - 1)
        return int(self.counted(layer, geometry).max(initial=0)) * largest

    def matched(self) -> tuple[dict[str, str], list[str]]:
        """Differential signs."""
        return {"sign": "differential"}, []

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """How far a column exceeds `most` non-zero weights; empty if none does, or where `most` is 0 (no
        constraint)."""
        found = int(self.counted(layer, geometry).max(initial=0))
        return "" if not self.options.most or found <= self.options.most else (
            f"layer {layer.name} has {found} non-zero weights in a crossbar column; option most allows "
            f"{self.options.most}")

    def counted(self, layer: Layer, geometry: Geometry) -> Ints:
        """Non-zero weights of every column segment, [segments, filters]."""
        return np.asarray(np.add.reduceat(layer.matrix != 0, self._starts(layer, geometry), axis=0, dtype=np.int64))

    def _most(self, layer: Layer, geometry: Geometry, density: float) -> int:
        """l of a layer."""
        height = int(np.diff(self._starts(layer, geometry), append=layer.rows).max())
        if not (density <= 1 and density * height + 1e-6 >= 1):
            raise InputError(f"must be 1/{height} to 1 for layer {layer.name}, not {density:g}: a segment of "
                             f"{height} weights keeps at least one", field="density")
        kept = int(density * height + 1e-6)
        from_density = height if kept == height else 1 << kept.bit_length() - 1
        return min(self.options.most or height, from_density)

    def _starts(self, layer: Layer, geometry: Geometry) -> Ints:
        """First rows of the segments."""
        return cuts(layer.rows, geometry.rows, min(geometry.ou_rows or geometry.rows, geometry.rows))
