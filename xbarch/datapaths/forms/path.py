"""FORMS: fragments of a few rows whose weights have one sign. Only magnitudes are stored, sums stay small, and a
fragment's inputs are driven only until the longest of them has no bits left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths.forms.reads import by_crossbar, contents, cuts, stacked
from xbarch.datapaths.forms.structure import densest
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import (
    Added,
    Block,
    Bools,
    Geometry,
    Ints,
    Project,
    Projection,
    Reals,
    Stream,
    Work,
)
from xbarch.datapaths.tools import cells, indices
from xbarch.datapaths.tools.matrix import flat, folded, unrolled
from xbarch.datapaths.tools.reads import standard_work
from xbarch.errors import InputError
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload

_READING = "this project's reading, "
_SIZED = 8  # bits of the weights that the added memories are sized for


class FormsOptions(Options):
    """Options of `forms`."""

    fragment: Literal[0, 4, 8, 16] = Field(
        0, description="rows of a fragment; 0: those of the machine's operation unit, which no fragment exceeds; other "
        "values also serve for training on a crossbar without operation units, which then reads fragment by fragment")
    order: Literal["width", "height", "channel"] = Field(
        "width", description="order down the word lines in which fragments are cut: along a kernel's width (the order "
        "of the unrolled matrix), along its height, or along the channels at one position of the kernel")
    rows: Literal["layer", "block"] = Field(
        "layer", description="which filters share their kept rows: all of the layer (filter shapes), or those of one "
        "column of crossbars, which then reads its inputs by index")
    polarize: bool = Field(True, description="a projection gives every fragment one sign; if false, only filters and "
                           "rows are removed, which trains the baseline that the paper compares with")
    sign: Literal["sum", "energy"] = Field(
        "sum", description="sign of a fragment: that of the sum of its weights (the paper), or the one whose weights "
        "have the larger sum of squares (the nearest)")
    zero_skip: bool = Field(True, description="a fragment is read only as often as the longest of its inputs has "
                            "significant bits")


@dataclass(frozen=True)
class Part:
    """Filters that share their kept rows: `filters` [n] of group `group`, and `rows` [r] of the group's matrix in the
    order of the word lines."""

    group: int
    filters: Ints
    rows: Ints


class Forms(Pruning[FormsOptions]):
    """The rows of a crossbar are a stack of fragments, read one after another, each with one sign per weight column. A
    filter with a fragment of mixed signs is stored in two columns, its positive and its negative weights.
    """

    emits: ClassVar[tuple[str, ...]] = ("sign", "skip")
    name: ClassVar[str] = "forms"
    title: ClassVar[str] = "FORMS"
    summary: ClassVar[str] = "fragments of few rows and one sign, input zeros skipped (Yuan et al., FORMS, 2021)"
    provenance: ClassVar[str] = (
        "Yuan et al., FORMS, ISCA 2021 (structured pruning by ADMM, fragments of one sign, magnitudes in 2-bit cells, "
        "4-bit ADCs, zero skipping); recalled: sign by the sum of a fragment, order of rows, effective input cycles. "
        "This project's reading: how filters and rows share a density, kept counts that fill crossbars, rows of a "
        "block, two columns where signs mix, where signs are kept, all prices")
    Options: ClassVar[type[Options]] = FormsOptions
    whole_filters = True

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        if not (geometry.operation_units or self.options.fragment):
            return "needs an architecture with operation units, such as forms_like (or option fragment)"
        if geometry.operation_units and geometry.ou_columns < geometry.columns:
            return (f"operation units of {geometry.ou_columns} bit lines, a fragment is read on all "
                    f"{geometry.columns} of the crossbar, as on forms_like")
        for layer in workload.compute_layers:
            if layer.weight_bits < 2:
                return f"layer {layer.name} has {layer.weight_bits}-bit weights, a sign and a magnitude need 2 bits"
            if self._per(layer, geometry) < 2:
                return (f"a {layer.weight_bits}-bit weight of layer {layer.name} needs "
                        f"{2 * geometry.slices(layer.weight_bits - 1)} bit lines where signs mix, the crossbar has "
                        f"{geometry.columns}")
        return ""

    def levels(self, bits: int) -> tuple[int, int]:
        """A sign and bits - 1 magnitude bits."""
        top = (1 << bits - 1) - 1
        return -top, top

    def height(self, geometry: Geometry) -> int:
        """Rows of a fragment.

        Raises:
            InputError: neither the crossbar nor the option says.
        """
        asked, unit = self.options.fragment, geometry.ou_rows
        if not (asked or unit):
            raise InputError(self.accepts(Workload(name="", layers=()), geometry))
        return int(min(asked or unit, unit or asked, geometry.rows))

    # -- training ---------------------------------------------------------------------------------------

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """`structure`, then polarize every fragment that is left: weights of the other sign become zero but stay
        unmasked, since they keep their cells.

        side: that of `structure`, and signs: one bit per fragment and filter, set where positive, in hexadecimal.
        allowed: every magnitude with the sign of its fragment. Without `polarize`, the result of `structure` alone.

        Raises:
            InputError: as `structure`; 1-bit weights or more than 8 bits.
        """
        kept = self.structure(weights, layer, geometry, density)
        if not self.options.polarize:
            return kept
        return self._polarized(kept, layer, geometry, self._signs(kept, layer, geometry))

    def refit(self, weights: Reals, layer: Layer, geometry: Geometry, before: Projection) -> Projection:
        """Filters, rows and signs as before."""
        frozen = Projection(weights * before.mask, before.mask, before.side)
        if not self.options.polarize:
            return frozen
        parts = self._parts(flat(before.mask), layer, geometry)
        shapes = [(len(self._cuts(len(p.rows), geometry)), len(p.filters)) for p in parts]
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(before.side["signs"]), np.uint8))
        ends = np.cumsum([0, *(a * b for a, b in shapes)])
        signs = [bits[s:s + a * b].reshape(a, b).astype(bool) for s, (a, b) in zip(ends, shapes, strict=False)]
        return self._polarized(frozen, layer, geometry, signs)

    def projections(self) -> Sequence[Project]:
        """The two constraints, for an ADMM that splits them."""
        return [self.structure, self.polarize] if self.options.polarize else [self.structure]

    def structure(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Remove whole filters and whole rows so that at most `density` of each group's weights is kept: of all pairs
        of counts, the pair that keeps the largest sum of squares. From one crossbar on, counts are multiples of its
        rows (and weight columns); below one crossbar they are whole fragments (and filters); all rows (or filters) are
        also allowed.

        side: density reached; filters and rows kept in each group.

        Raises:
            InputError: a density outside 0 to 1 or smaller than a fragment of one filter, or weights of another shape
                or not finite.
        """
        energy = np.square(unrolled(weights, layer))
        per_group = layer.filters // layer.groups
        least, all_ = min(self.height(geometry), layer.rows), layer.rows * per_group
        if not least / all_ - 1e-9 <= density <= 1:
            raise InputError(f"must be {least}/{all_} (a fragment of one filter) to 1 for layer {layer.name}, not "
                             f"{density:g}", field="density")
        kept, sizes = np.zeros(energy.shape, bool), []
        for f in range(0, layer.filters, per_group):
            mask, size = densest(energy[:, f:f + per_group], density, self._per(layer, geometry),
                                 (geometry.rows, self.height(geometry)), self.options.rows == "block")
            kept[:, f:f + per_group] = mask
            sizes.append(size)
        mask = folded(kept, weights)
        return Projection(np.where(mask, weights, 0.0), mask, {
            "density": float(mask.mean()), "filters": [f for f, _ in sizes], "rows": [r for _, r in sizes]})

    def polarize(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Give every fragment of the rows that `structure` keeps one sign; weights that `structure` removes stay as
        they are.

        Raises:
            InputError: as `project`.
        """
        kept = self.structure(weights, layer, geometry, density)
        signed = self._polarized(kept, layer, geometry, self._signs(kept, layer, geometry))
        mixed = np.where(kept.mask, signed.weights, weights)
        return Projection(mixed, mixed != 0)

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """Which filter has a fragment of both signs; empty if none has."""
        for part in self._parts(layer.kept, layer, geometry) if self.options.polarize else ():
            wrong = part.filters[self._mixed(layer, part, geometry)]
            if len(wrong):
                return (f"filter {wrong[0]} of layer {layer.name} has weights of both signs in a fragment of "
                        f"{self.height(geometry)} rows, which must all have one sign ({len(wrong)} of "
                        f"{len(part.filters)} filters)")
        return ""

    def _signs(self, kept: Projection, layer: Layer, geometry: Geometry) -> list[Bools]:
        """For every part, which fragments are positive, [fragments, filters]."""
        matrix = flat(kept.weights)
        value = matrix if self.options.sign == "sum" else matrix * np.abs(matrix)
        return [np.add.reduceat(value[np.ix_(p.rows, p.filters)], self._cuts(len(p.rows), geometry), axis=0) >= 0
                for p in self._parts(flat(kept.mask), layer, geometry)]

    def _polarized(self, kept: Projection, layer: Layer, geometry: Geometry, signs: Sequence[Bools]) -> Projection:
        """`kept` with these signs of its parts' fragments."""
        if not 2 <= layer.weight_bits <= 8:
            raise InputError(f"must be 2 to 8 (a sign and a magnitude) for layer {layer.name}, not "
                             f"{layer.weight_bits}", field="weight_bits")
        sign = np.zeros(flat(kept.mask).shape, np.int8)
        for part, positive in zip(self._parts(flat(kept.mask), layer, geometry), signs, strict=True):
            starts = self._cuts(len(part.rows), geometry)
            tall = np.repeat(positive, np.diff(starts, append=len(part.rows)), axis=0)
            sign[np.ix_(part.rows, part.filters)] = np.where(tall, 1, -1)
        sign = folded(sign, kept.weights) * kept.mask
        packed = np.packbits(np.concatenate([s.ravel() for s in signs])) if signs else np.zeros(0, np.uint8)
        return Projection(np.where(kept.weights * sign > 0, kept.weights, 0.0), kept.mask,
                          {**kept.side, "signs": packed.tobytes().hex()},
                          sign * np.int8(self.levels(layer.weight_bits)[1]))

    # -- packing ----------------------------------------------------------------------------------------

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """Each block is one fragment of the filters on one crossbar, and an activation group of its own."""
        cells.check(layer.matrix, *self.levels(layer.weight_bits), layer.name, self.name)
        parts = self._parts(layer.kept, layer, geometry) or [Part(0, np.zeros(1, np.int64), np.zeros(1, np.int64))]
        result: list[Block] = []
        crossbar = 0
        for part in parts:
            mixed = self._mixed(layer, part, geometry)
            for here in by_crossbar(mixed, self._per(layer, geometry)):
                for start in range(0, len(part.rows), geometry.rows):
                    tall = replace(part, filters=part.filters[here], rows=part.rows[start:start + geometry.rows])
                    result += self._stack(layer, tall, mixed[here], crossbar, geometry)
                    crossbar += 1
        return result

    def _stack(self, layer: Layer, part: Part, mixed: Bools, crossbar: int, geometry: Geometry) -> list[Block]:
        """The fragments of one crossbar."""
        height, slices = self.height(geometry), geometry.slices(layer.weight_bits - 1)
        kept = layer.kept[np.ix_(part.rows, part.filters)].sum(axis=1)
        width = (len(mixed) + int(mixed.sum())) * slices
        return [Block(crossbar=crossbar, row0=row0, col0=0,
                      inputs=part.rows[row0:row0 + height] + part.group * layer.rows, columns=width,
                      kept=int(kept[row0:row0 + height].sum()) * slices, targets=part.filters, group=number,
                      contents=partial(contents, layer, part.rows[row0:row0 + height], part.filters, mixed,
                                       slices, geometry.cell_bits))
                for number, row0 in enumerate(range(0, len(part.rows), height))]

    def _parts(self, kept: Bools, layer: Layer, geometry: Geometry) -> list[Part]:
        """What is left of the mask [rows, filters] of all groups."""
        per_group, parts = layer.filters // layer.groups, []
        order = self._order(layer)
        for group in range(layer.groups):
            here = kept[:, group * per_group:(group + 1) * per_group]
            alive = np.flatnonzero(here.any(axis=0))
            per = self._per(layer, geometry) if self.options.rows == "block" else max(1, len(alive))
            for start in range(0, len(alive), per):
                members = alive[start:start + per]
                rows = order[here[np.ix_(order, members)].any(axis=1)]
                parts.append(Part(group, members + group * per_group, rows))
        return parts

    def _order(self, layer: Layer) -> Ints:
        """Rows of a group's matrix in the order of the word lines."""
        height, width = layer.kernel
        axes = {"width": (0, 1, 2), "height": (0, 2, 1), "channel": (1, 2, 0)}[self.options.order]
        return np.arange(layer.rows).reshape(-1, height, width).transpose(axes).ravel()

    def _mixed(self, layer: Layer, part: Part, geometry: Geometry) -> Bools:
        """Which filters have a fragment of both signs."""
        weights = layer.matrix[np.ix_(part.rows, part.filters)]
        starts = self._cuts(len(part.rows), geometry)
        both = (np.maximum.reduceat(weights, starts, axis=0) > 0) & (np.minimum.reduceat(weights, starts, axis=0) < 0)
        return np.asarray(both.any(axis=0))

    def _cuts(self, rows: int, geometry: Geometry) -> Ints:
        return cuts(rows, geometry.rows, self.height(geometry))

    def _per(self, layer: Layer, geometry: Geometry) -> int:
        """Weight columns of a crossbar."""
        return geometry.columns // geometry.slices(layer.weight_bits - 1)

    # -- costs ------------------------------------------------------------------------------------------

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """A sign for every weight column of a fragment, and the lists of rows where column blocks keep rows of their
        own."""
        signs = sum(-(-b.columns // geometry.slices(layer.weight_bits - 1)) for b in blocks)
        listed = sum(indices.index_bits(b, layer) for b in blocks) if self.options.rows == "block" else 0
        return signs + listed

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """Fragments are read one after another, each `effective` times where inputs are known, else once per phase.
        With operation units a crossbar's sums are added or subtracted in its shift-and-add and leave it once; without
        them every fragment delivers its own sums and no read is skipped."""
        stacks = [list(members) for _, members in groupby(blocks, key=lambda b: b.crossbar)]
        phases = geometry.phases(layer.input_bits)
        work = stacked(stacks, phases, geometry, stream if self.options.zero_skip else None) \
            if geometry.operation_units else standard_work(blocks, phases, geometry)
        word = _signs_held(geometry)
        per = geometry.slices(layer.weight_bits - 1)
        extra = {"sign": np.array([sum(-(-b.columns // per // word) for b in s) for s in stacks], np.int64)}
        if self._skips(geometry):
            extra["skip"] = np.array([sum(b.rows for b in s) for s in stacks], np.int64)
        if self.options.rows == "layer":
            return replace(work, extra=extra)
        whole = [replace(s[0], inputs=np.sort(np.concatenate([b.inputs for b in s]))) for s in stacks]
        delay = indices.delay(whole, layer, geometry, "buffer", 1)
        return replace(work, extra={**extra, **indices.counted(whole, layer, "buffer")}, latency=delay.latency,
                       interval=delay.interval)

    def components(self, geometry: Geometry) -> list[Added]:
        """Sign bits of all fragments, sized for 8-bit weights; with `zero_skip`, an OR of the inputs of a fragment,
        which tells how many phases it needs; with rows "block", the indices."""
        word, crossbars = _signs_held(geometry), geometry.crossbars_per_ima
        fragments = len(self._cuts(geometry.rows, geometry))
        added = [indices.table("signs", "sign", word * fragments * crossbars, word, _READING)]
        if self._skips(geometry):
            added.append(indices.adder("zero skipping", "skip", crossbars,
                                       _READING + "one OR an input of a fragment, no more than an addition; "))
        return added + (indices.components(geometry, "buffer", 1, word, 1) if self.options.rows == "block" else [])

    def _skips(self, geometry: Geometry) -> bool:
        return bool(self.options.zero_skip and geometry.operation_units)


def _signs_held(geometry: Geometry) -> int:
    """Sign bits of a fragment: one per weight column of a crossbar."""
    return max(1, geometry.columns // geometry.slices(_SIZED - 1))


