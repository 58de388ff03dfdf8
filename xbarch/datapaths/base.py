"""The contract of a data path: everything a pruning method changes in packing, timing and energy, in one place.

A method packs a layer into blocks. A block is a rectangle of one crossbar with the inputs that drive its
word lines; how each bit line's digital sum enters the outputs is a list of integer coefficients, so that
slices, signs, flipped columns, unit columns and permuted filters need no special case anywhere else:

    output[o] += coefficient * (digital sum of bit line c)      for every (c, o, coefficient) of the block

The digital sum of a bit line is the shift-and-add over input phases of the ADC's codes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from xbarch.errors import InputError
from xbarch.workload.graph import Layer, Workload

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """What a crossbar offers: word lines, bit lines, bits a cell, bits a DAC drives, ADC bits.

    `unit_column`: one bit line beside the `columns`, free for a reference (ISAAC's unit column).
    `ou_rows`, `ou_columns`: the operation unit, the largest part of an array that one read senses; 0: the whole array.
    `signed`: a cell is two, of arrays that share word lines and whose bit lines are subtracted before they are sensed:
    it holds -(2**cell_bits - 1) to 2**cell_bits - 1, and converters give a magnitude of `adc_bits` and a sign.
    `crossbars_per_ima`: how many crossbars share what a data path adds to an IMA.
    """

    rows: int
    columns: int
    cell_bits: int
    dac_bits: int = 1
    adc_bits: int = 8
    unit_column: bool = True
    crossbars_per_ima: int = 8
    ou_rows: int = 0
    ou_columns: int = 0
    signed: bool = False

    @property
    def operation_units(self) -> bool:
        """Whether a read senses less than the whole array."""
        return self.ou_rows > 0

    def slices(self, bits: int) -> int:
        """Cells that hold `bits` bits."""
        return -(-bits // self.cell_bits)

    def phases(self, bits: int) -> int:
        """Input phases that drive `bits` bits, least significant first."""
        return -(-bits // self.dac_bits)

    def lossless_bits(self, largest_sum: int) -> int:
        """ADC bits that hold every sum of magnitude 0 to `largest_sum`."""
        return max(1, int(largest_sum).bit_length())


@dataclass(frozen=True)
class Stream:
    """What a layer will be given: the input vectors of all windows of `images` images, whole numbers of `bits` bits."""

    images: int
    bits: int
    make: Callable[[], NDArray[np.unsignedinteger[Any]]] = field(compare=False, repr=False)

    def vectors(self) -> NDArray[np.unsignedinteger[Any]]:
        """[images * windows, groups * rows], image by image, windows in their order."""
        return self.make()


@dataclass(frozen=True)
class Contents:
    """What a block stores and how it is read back. Arrays of equal length k for the three decode fields.

    cells: [rows, bit lines], 0 to 2**cell_bits - 1, and as far below zero where the crossbar's cells are signed.
    column, output, coefficient: the decode list; bit line, output index of the layer, integer factor.
    """

    cells: NDArray[np.integer[Any]]
    column: NDArray[np.int64]
    output: NDArray[np.int64]
    coefficient: NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """A rectangle of cells on one crossbar.

    inputs: int [rows], the entry of the layer's unrolled input vector that drives each word line.
    columns: bit lines read, references included. group: blocks of one crossbar in the same activation group
    are read together, different groups one after another. kept: cells that hold unmasked weights.
    targets: the distinct outputs of the layer this block adds to (known without its contents).
    cap: guaranteed largest magnitude of a bit line's sum in one read, if any (None: rows * (2**cell_bits - 1) *
    (2**dac_bits - 1)).
    gated: the bit lines not used are not converted. idle: bit lines that hold nothing, read with the others; they are
    not programmed. contents: makes cells and decode list, for execution.
    """

    crossbar: int
    row0: int
    col0: int
    inputs: NDArray[np.int64]
    columns: int
    kept: int
    targets: NDArray[np.int64]
    contents: Callable[[], Contents] = field(compare=False, repr=False)
    group: int = 0
    cap: int | None = None
    gated: bool = False
    idle: int = 0

    @property
    def rows(self) -> int:
        return len(self.inputs)

    @property
    def outputs(self) -> int:
        """Partial sums it delivers to the output register."""
        return len(self.targets)


@dataclass(frozen=True)
class Work:
    """What one output window costs on each activation group; the one emission timing and energy share.

    All arrays have one entry per activation group, ordered by (crossbar, group); where a group is read in several
    operation units, one entry per kind of unit. `reads` may instead be [images * windows, groups] where it depends on
    the data of a `Stream`. Extra actions are per window and crossbar.

    crossbar: which crossbar (0-based within the layer's one copy). rows: word lines driven. columns: bit lines
    converted in each read. reads: sequential reads a window needs (input phases times operation units).
    cells: cells sensed in each read. outputs: partial sums the group delivers to the output register.
    extra: action name -> float-free int array [crossbars] of that action per window. interval: time (ps) a crossbar
    needs between windows for what the data path adds, [crossbars]; latency: time (ps) until a window's first read is
    later than the base machine's.
    """

    crossbar: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    cells: NDArray[np.int64]
    reads: NDArray[np.int64]
    outputs: NDArray[np.int64]
    extra: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    interval: NDArray[np.int64] | None = None
    latency: int = 0


@dataclass(frozen=True)
class Added:
    """Hardware a data path adds, per `level` ("tile" or "ima"): one instance's area and energy an action.

    area in nm², energy in aJ an action; `action` is a key of `Work.extra`.
    """

    name: str
    level: Literal["tile", "ima"]
    count: int
    area: int
    action: str
    energy: int
    source: str


@dataclass(frozen=True)
class Projection:
    """The nearest weights a method's hardware can hold. weights: shape of those given; mask: True where kept;
    side: what packing or a report needs to know of it, JSON values. allowed: int8, shape of the weights, where single
    bits are removed: the sign of a weight times the bits its magnitude may use (None: every level).
    """

    weights: Reals
    mask: NDArray[np.bool_]
    side: dict[str, Any] = field(default_factory=dict)
    allowed: NDArray[np.int8] | None = None


Project = Callable[[Reals, Layer, Geometry, float], Projection]


class Options(BaseModel):
    """Base of every data path's options: strict, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataPath(ABC):
    """A published method's way through the hardware. Subclasses are registered by name (entry points)."""

    name: ClassVar[str]
    summary: ClassVar[str]
    provenance: ClassVar[str]
    Options: ClassVar[type[Options]] = Options
    # Whether projections remove whole filters: then a network's last layer, whose filters are its outputs, is not
    # pruned unless a recipe names it.
    whole_filters: bool = False

    def __init__(self, options: Any = None) -> None:
        self.options: Any = self.Options.model_validate(options or {})

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        """Empty when this path can run that workload on that crossbar, else the reason why not."""
        return ""

    def levels(self, bits: int) -> tuple[int, int]:
        """Smallest and largest weight it can store at that many bits."""
        return -(1 << bits - 1), (1 << bits - 1) - 1

    @abstractmethod
    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """Blocks of one copy of `layer`, crossbars numbered from 0 without gaps."""

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """Per window cost of the packed layer. The default reads every activation group once per input phase, in as
        many operation units as it takes.

        stream: the layer's inputs, for what depends on them; None where the workload stores none: then nothing is
        skipped.
        """
        return standard_work(blocks, geometry.phases(layer.input_bits), geometry)

    # -- what training needs to know ----------------------------------------------------------------------

    def prunes(self, layer: Layer) -> bool:
        """Whether the method prunes such a layer."""
        return True

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int] | None:
        """What is removed together: filters, and consecutive rows of the unrolled matrix; None if the method has no
        such groups. Groups begin with the first filter and row, of each group of the convolution, and are smaller at
        the borders."""
        return None

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Euclidean projection of `weights` (F, C / groups, kh, kw) on what this method may keep.

        weights: in levels, real numbers. density: share of the weights to keep, 0 to 1. The default keeps the groups
        of largest norm.

        Raises:
            InputError: the method has none, or cannot reach that density on that crossbar.
        """
        size = self.group(layer, geometry)
        if size is None:
            raise InputError(f"data path {self.name} has no projection, allowed a method that prunes", field="method")
        return strongest(weights, layer, size, density)

    def refit(self, weights: Reals, layer: Layer, geometry: Geometry, before: Projection) -> Projection:
        """The projection when what is kept is settled by an earlier one. The default: its mask."""
        return Projection(weights * before.mask, before.mask, before.side)

    def projections(self) -> Sequence[Project]:
        """The constraints of the method, for an ADMM that splits them; `project` satisfies all at once."""
        return [self.project]

    def share(self, weights: Sequence[Reals], layers: Sequence[Layer], geometry: Geometry,
              density: float) -> list[float]:
        """Densities of single layers that keep `density` of all their weights. The default: all alike."""
        return [density] * len(layers)

    def reduce(self, layers: Sequence[Layer], masks: Mapping[str, NDArray[np.bool_]],
               weights: Mapping[str, Reals]) -> dict[str, NDArray[np.bool_]]:
        """The masks with their consequences for the rest of the network, asked once when the cut is made for good.

        layers: all, in topological order. masks, weights: (F, C / groups, kh, kw) of every layer on crossbars. Only
        removes. The default: none.
        """
        return dict(masks)

    def adc_bits(self, layer: Layer, geometry: Geometry) -> int | None:
        """ADC bits that lose nothing of this layer whatever its inputs, where the method guarantees fewer than the
        array could need; None: it guarantees none."""
        return None

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """Empty when the layer's weights keep what the method promises on that crossbar, else what does not: the layer,
        found and allowed. The default promises nothing: every mask packs exactly."""
        return ""

    def components(self, geometry: Geometry) -> list[Added]:
        """Hardware this path adds to the base machine."""
        return []

    # -- what comparisons need to know --------------------------------------------------------------------

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """Bits stored beside the weights of one copy: indices, maps, signs."""
        return 0

    def matched(self) -> tuple[dict[str, str], list[str]]:
        """(options of `dense`, changes of the machine "a.b.c=value") of a dense network with this method's cells and
        signs, for gains that are not owed to these."""
        sign = getattr(self.options, "sign", None)
        return ({"sign": sign} if sign in ("offset", "differential", "twos") else {}), []


def strongest(weights: Reals, layer: Layer, size: tuple[int, int], density: float) -> Projection:
    """The groups of largest Euclidean norm, `density` of them: `size` filters and rows of the unrolled matrix, smaller
    at its borders. The nearest weights with no more groups than that.

    weights: (F, C / groups, kh, kw). side: {groups: how many are kept, of: how many there are}.

    Raises:
        InputError: density outside 0 to 1, or too small for a single group.
    """
    flat = np.asarray(weights, np.float64).reshape(layer.groups, layer.filters // layer.groups, layer.rows)
    norms = energies(flat, size)
    keep = round(density * norms.size) if 0 < density <= 1 else 0
    if keep < 1:
        raise InputError(f"layer {layer.name}: found {density:g}, allowed 1/{norms.size} to 1, a group of {size[0]} "
                         f"filters and {size[1]} rows at least", field="density")
    mask = widened(largest(norms, keep), size, flat.shape).reshape(np.shape(weights))
    return Projection(np.where(mask, weights, 0.0), mask, {"groups": keep, "of": norms.size})


def energies(values: Reals, size: tuple[int, int]) -> Reals:
    """Sums of squares of blocks of `size` of the last two axes."""
    sums = np.add.reduceat(np.square(values), np.arange(0, values.shape[-2], size[0]), axis=-2)
    return np.asarray(np.add.reduceat(sums, np.arange(0, values.shape[-1], size[1]), axis=-1))


def largest(values: Reals, count: int) -> NDArray[np.bool_]:
    """Where the `count` largest are; of equal ones the first."""
    found = np.zeros(values.size, bool)
    found[np.argsort(-values, axis=None, kind="stable")[:count]] = True
    return found.reshape(values.shape)


def widened(blocks: NDArray[np.bool_], size: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The inverse of `energies`: one value a block as one an entry."""
    wide = blocks.repeat(size[0], axis=-2)[..., :shape[-2], :].repeat(size[1], axis=-1)[..., :shape[-1]]
    return np.ascontiguousarray(wide)


def standard_work(blocks: Sequence[Block], phases: int, geometry: Geometry) -> Work:
    """Every activation group read once per phase; all columns of the array converted unless blocks are gated.

    The reference (unit) column beside the array is converted where a block uses it (its `columns` reach
    past `geometry.columns`). An operation unit senses its own bit lines only: groups are read unit by unit, whole
    units first, those that the group's last rows and bit lines leave incomplete after them.
    """
    groups: dict[tuple[int, int], list[Block]] = {}
    for block in blocks:
        groups.setdefault((block.crossbar, block.group), []).append(block)
    rows: list[tuple[int, int, int, int, int]] = []
    for key in sorted(groups):
        members = groups[key]
        lines = members[0].rows if len(members) == 1 else \
            len({r for b in members for r in range(b.row0, b.row0 + b.rows)})
        used, outputs = sum(b.columns for b in members), sum(b.outputs for b in members)
        gated = geometry.operation_units or all(b.gated for b in members)
        for number, (r, c, count) in enumerate(units(lines, used if gated else max(used, geometry.columns), geometry)):
            rows.append((key[0], r, c, phases * count, 0 if number else outputs))
    crossbar, r_, c_, reads, outs = np.array(rows, np.int64).T
    return Work(crossbar=crossbar, rows=r_, columns=c_, cells=r_ * c_, reads=reads, outputs=outs)


def units(rows: int, columns: int, geometry: Geometry) -> list[tuple[int, int, int]]:
    """(rows, bit lines, count) of the kinds of operation units that cover so many rows and bit lines."""
    if not geometry.operation_units:
        return [(rows, columns, 1)]
    high, wide = _chunks(rows, geometry.ou_rows), _chunks(columns, geometry.ou_columns)
    return [(r, c, m * n) for r, m in high for c, n in wide]


def _chunks(size: int, most: int) -> list[tuple[int, int]]:
    """(length, count) of pieces of `most`, and of the rest."""
    return [piece for piece in ((most, size // most), (size % most, 1)) if piece[0] and piece[1]]
