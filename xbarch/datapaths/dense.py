"""The baseline: every weight of the unrolled matrix is stored on crossbars, in the chosen sign scheme."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Block, Contents, Geometry, Projection, Reals
from xbarch.datapaths.tools import cells
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload

Sign = Literal["offset", "differential", "twos"]
Scheme = Literal["offset", "differential", "twos", "signed"]
_ENCODE: dict[Scheme, Callable[..., Contents]] = {
    "offset": cells.offset, "differential": cells.differential, "twos": cells.twos, "signed": cells.signed,
}


class DenseOptions(Options):
    """Options of `dense`."""

    sign: Sign = Field("offset", description="how signed weights are stored: offset (with flipped bit lines and a unit "
                       "column, ISAAC), differential (positive and negative parts, subtracted after conversion), twos "
                       "(two's complement); where the crossbar subtracts in analog, cells hold signed digits instead "
                       "(PRIME)")
    groups: Literal["apart", "diagonal"] = Field("apart", description="groups of a grouped convolution: each on "
                                                 "crossbars of its own, or several small ones on a crossbar, along its "
                                                 "diagonal and read together")


class Dense(Pruning[DenseOptions]):
    """Row blocks x column blocks; no weight is split over crossbars. Every group of a grouped convolution has
    crossbars of its own, ceil(R / rows) * ceil(F * S / columns) per group, or shares one with others (`groups`)."""

    name: ClassVar[str] = "dense"
    title: ClassVar[str] = "Dense"
    reads_every_phase: ClassVar[bool] = True
    by_shape: ClassVar[bool] = True
    summary: ClassVar[str] = "every weight stored, nothing skipped (the baseline)"
    provenance: ClassVar[str] = ("Shafiee et al., ISAAC, ISCA 2016 (offset, flipped columns, unit column); "
                                 "Chi et al., PRIME, ISCA 2016 (positive and negative arrays, subtracted in analog)")
    Options: ClassVar[type[Options]] = DenseOptions

    def cells_per_weight(self, bits: int, geometry: Geometry) -> int:
        return per_weight(bits, geometry, self.options.sign)

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        for layer in workload.compute_layers:
            if per_crossbar(layer.weight_bits, geometry, self.options.sign) < 1:
                needed = (per_weight(layer.weight_bits, geometry, self.options.sign)
                          + _taken(geometry, self.options.sign))
                return (f"a {layer.weight_bits}-bit weight of layer {layer.name} needs {needed} bit lines, "
                        f"the crossbar has {geometry.columns}")
        return ""

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Unstructured magnitude pruning: the largest weights, wherever they are. Saves nothing on this data path."""
        size = np.abs(weights).ravel()
        mask = np.zeros(size.size, bool)
        mask[np.argsort(-size, kind="stable")[:max(1, round(density * size.size))]] = True
        shaped = mask.reshape(weights.shape)
        return Projection(weights * shaped, shaped)

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """Blocks of one copy, column block by column block, so that crossbars that share outputs are neighbours."""
        found = blocks(layer, geometry, self.options.sign)
        if self.options.groups == "diagonal" and len(found) == layer.groups > 1:
            return diagonal(found, layer, geometry, self.options.sign)
        return found


def diagonal(found: list[Block], layer: Layer, geometry: Geometry, sign: Sign) -> list[Block]:
    """Blocks of whole groups, as many on a crossbar as it has word lines and bit lines for. They share neither, so they
    are read together: cells beside the diagonal are erased and add nothing. Each has a reference of its own."""
    width = found[0].columns - found[0].idle
    each = min(geometry.rows // layer.rows, across(geometry, sign) // width)
    if each < 2:
        return found
    placed = []
    for number, block in enumerate(found):
        crossbar, place = divmod(number, each)
        make: Any = block.contents
        here = partial(make.func, *make.args[:-1], width)  # no bit lines in between
        placed.append(replace(block, crossbar=crossbar, row0=place * layer.rows, col0=place * width, columns=width,
                              idle=0, contents=here))
    return placed


def scheme(geometry: Geometry, sign: Sign) -> Scheme:
    """How weights are stored: as `sign` says, or as signed digits where the crossbar's cells are signed."""
    return "signed" if geometry.signed else sign


def per_weight(bits: int, geometry: Geometry, sign: Sign) -> int:
    """Cells per weight."""
    stored = scheme(geometry, sign)
    if stored == "twos":
        return geometry.slices(bits - 1) + 1
    return geometry.slices(bits) * (2 if stored == "differential" else 1)


def reference(geometry: Geometry, sign: Sign) -> int:
    """Bit lines beside a block's weights that undo their offset: the unit column, or none."""
    return int(scheme(geometry, sign) == "offset")


def across(geometry: Geometry, sign: Sign) -> int:
    """Bit lines of a crossbar that blocks may take, references included."""
    return geometry.columns + (geometry.unit_column and reference(geometry, sign))


def _taken(geometry: Geometry, sign: Sign) -> int:
    """Bit lines of the array that the unit column takes: one where the crossbar has no unit column beside the array."""
    return geometry.columns + reference(geometry, sign) - across(geometry, sign)


def span(used: int, geometry: Geometry, sign: Sign) -> int:
    """Bit lines of a block that has a crossbar to itself and uses so many, references included: where unused ones are
    converted it spans the array, its reference last."""
    return used if geometry.gated or geometry.operation_units else max(used, across(geometry, sign))


def per_crossbar(bits: int, geometry: Geometry, sign: Sign) -> int:
    """Weights per crossbar row."""
    return (geometry.columns - _taken(geometry, sign)) // per_weight(bits, geometry, sign)


def largest(rows: int, geometry: Geometry, sign: Sign) -> int:
    """Guaranteed largest magnitude of a bit line's sum in one phase: half the range where bit lines are flipped."""
    top = rows * ((1 << geometry.cell_bits) - 1)
    return (max(top // 2, rows) if reference(geometry, sign) else top) * ((1 << geometry.dac_bits) - 1)


def encoded(weights: NDArray[np.integer[Any]], outputs: NDArray[np.int64], bits: int, geometry: Geometry, sign: Sign,
            width: int) -> Contents:
    """Cells [rows, width] and decode list of `weights` [rows, outputs] of `bits` bits."""
    return _ENCODE[scheme(geometry, sign)](weights, outputs, bits, geometry.cell_bits, width)


def blocks(layer: Layer, geometry: Geometry, sign: Sign = "offset") -> list[Block]:
    """The dense packing. Weights are looked at only when a block's contents are made."""
    cells_each, wide = per_weight(layer.weight_bits, geometry, sign), per_crossbar(layer.weight_bits, geometry, sign)
    filters = layer.filters // layer.groups
    kept = layer.kept if layer.mask is not None else None
    result: list[Block] = []
    for group in range(layer.groups):
        chunks = [np.arange(r, min(r + geometry.rows, layer.rows)) for r in range(0, layer.rows, geometry.rows)]
        lines = [(rows + group * layer.rows, slice(int(rows[0]), int(rows[-1]) + 1), len(rows),
                  largest(len(rows), geometry, sign)) for rows in chunks]
        for f in range(0, filters, wide):
            targets = group * filters + np.arange(f, min(f + wide, filters))
            beside = slice(int(targets[0]), int(targets[-1]) + 1)
            count = len(targets)
            used = count * cells_each + reference(geometry, sign)
            width = span(used, geometry, sign)
            for inputs, down, high, cap in lines:
                weights = high * count if kept is None else int(kept[down, beside].sum())
                result.append(Block(
                    crossbar=len(result), row0=0, col0=0, inputs=inputs, columns=width, kept=weights * cells_each,
                    targets=targets, idle=width - used, cap=cap,
                    contents=partial(_contents, layer, (down, beside), targets, geometry, sign, width)))
    return result


def _contents(layer: Layer, here: tuple[slice, slice], targets: NDArray[np.int64], geometry: Geometry, sign: Sign,
              width: int) -> Contents:
    """Cells and decode list of the part `here` of the layer's matrix."""
    weights: NDArray[np.integer[Any]] = layer.matrix[here]
    half = 1 << layer.weight_bits - 1
    cells.check(weights, -half, half - 1, layer.name, "dense")
    return encoded(weights, targets, layer.weight_bits, geometry, sign, width)
