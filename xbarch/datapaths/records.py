"""The records that data paths exchange with the rest of xbarch: crossbar, blocks, work, added hardware, projections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xbarch.specs.crossbar import Crossbar
from xbarch.workload.graph import Layer

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Geometry:
    """What a crossbar offers."""

    rows: int
    """Word lines."""
    columns: int
    """Bit lines, not counting the unit column."""
    cell_bits: int
    """Bits that a cell holds."""
    dac_bits: int = field(default=1, kw_only=True)
    """Bits of an input that drive a word line in one phase."""
    adc_bits: int = field(default=8, kw_only=True)
    """Resolution of the converters."""
    unit_column: bool = field(default=True, kw_only=True)
    """Whether there is one bit line beside the `columns`, free for a reference (ISAAC's unit column)."""
    crossbars_per_ima: int = field(default=8, kw_only=True)
    """Crossbars that share the hardware that a data path adds to an IMA."""
    ou_rows: int = field(default=0, kw_only=True)
    """Word lines of an operation unit, the largest part of an array that one read senses; 0: the whole array."""
    ou_columns: int = field(default=0, kw_only=True)
    """Bit lines of an operation unit; 0: all."""
    gated: bool = field(default=True, kw_only=True)
    """Whether bit lines that hold nothing are left out of a read's conversions; else it converts all of the array, or
    of the operation unit."""
    signed: bool = field(default=False, kw_only=True)
    """Whether each cell is a pair, in two arrays that share word lines and whose bit lines are subtracted before they
    are sensed: it holds -(2**cell_bits - 1) to 2**cell_bits - 1, and converters give a sign and `adc_bits` of
    magnitude."""

    offset_inputs: bool = field(default=False, kw_only=True)
    """How signed inputs of b bits drive word lines. False: in two's complement, whose last phase is subtracted (ISAAC);
    True: with 2**(b - 1) added, of which every sum is freed by the sum of its weights."""

    @classmethod
    def of(cls, crossbar: Crossbar) -> Geometry:
        """The geometry of an architecture's crossbar."""
        unit = crossbar.operation_unit
        return cls(crossbar.rows, crossbar.columns, crossbar.cell_bits, dac_bits=crossbar.dac_bits,
                   adc_bits=crossbar.adc_bits, unit_column=crossbar.unit_column, gated=crossbar.gated,
                   ou_rows=unit.rows if unit else 0, ou_columns=unit.columns if unit else 0,
                   signed=crossbar.subtraction == "analog", offset_inputs=crossbar.offset_inputs)

    @property
    def operation_units(self) -> bool:
        """Whether a read senses less than the whole array."""
        return self.ou_rows > 0

    def converted(self, used: int) -> int:
        """Bit lines that a read converts whose blocks use so many: these alone where the machine gates the others, else
        all of the array, or of each operation unit."""
        if self.gated:
            return used
        return -(-used // self.ou_columns) * self.ou_columns if self.ou_columns else max(used, self.columns)

    @property
    def cells(self) -> int:
        """Cells of a crossbar."""
        return self.rows * self.columns

    def slices(self, bits: int) -> int:
        """Bit slices, one cell each, that hold `bits` bits."""
        return -(-bits // self.cell_bits)

    def phases(self, bits: int) -> int:
        """Input phases that drive `bits` bits, least significant first."""
        return -(-bits // self.dac_bits)

    def offset(self, layer: Layer) -> int:
        """What is added to every input of a layer before it drives a word line."""
        return 1 << layer.input_bits - 1 if layer.signed_in and (self.offset_inputs or self.dac_bits > 1) else 0

    def worth(self, layer: Layer) -> Ints:
        """What a driven digit of each input phase counts, [phases]."""
        found = np.int64(1) << np.arange(self.phases(layer.input_bits), dtype=np.int64) * self.dac_bits
        if layer.signed_in and not self.offset(layer):
            found[-1] *= -1
        return found

    def digits(self, x: NDArray[np.integer[Any]], layer: Layer) -> NDArray[np.integer[Any]]:
        """Inputs of a layer as the unsigned numbers of `input_bits` bits whose digits drive the word lines."""
        return (x + self.offset(layer)) & ((1 << layer.input_bits) - 1) if layer.signed_in else x

    def lossless_bits(self, largest_sum: int) -> int:
        """ADC bits that hold every sum of magnitude 0 to `largest_sum`."""
        return max(1, int(largest_sum).bit_length())


@dataclass(frozen=True)
class Stream:
    """A layer's input vectors for all output pixels (windows) of `images` images: unsigned integers of `bits` bits."""

    images: int
    bits: int
    make: Callable[[], NDArray[np.unsignedinteger[Any]]] = field(compare=False, repr=False)

    def vectors(self) -> NDArray[np.unsignedinteger[Any]]:
        """[images * windows, groups * rows], image by image, each image's windows in order."""
        return self.make()


@dataclass(frozen=True)
class Contents:
    """What a block stores, and its decode list: k entries that say how bit lines are read back.

    For every entry k: outputs[output[k]] += coefficient[k] * (digital sum of bit line column[k]). A digital term adds a
    multiple of the sum of the window's inputs that drive the block (with their offset, if signed inputs have one),
    which adders make and no bit line: for every j,
    outputs[summed[j]] += factor[j] * (sum of the block's inputs).
    """

    cells: NDArray[np.integer[Any]]
    """[rows, bit lines]: 0 to 2**cell_bits - 1; from -(2**cell_bits - 1) where the crossbar's cells are signed."""
    column: Ints
    """[k]: bit line, counted from the block's first."""
    output: Ints
    """[k]: output of the layer."""
    coefficient: Ints
    """[k]: integer factor."""
    summed: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """[j]: output that gets a digital term."""
    factor: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """[j]: integer factor of the sum of inputs. `INPUT_SUM` counts what the sums take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A rectangle of cells on one crossbar."""

    crossbar: int
    """Its crossbar, numbered from 0 within one copy of the layer."""
    row0: int
    """Its first word line."""
    col0: int
    """Its first bit line."""
    inputs: Ints
    """[rows]: the entry of the layer's unrolled input vector that drives each word line."""
    columns: int
    """Bit lines read, references included."""
    kept: int
    """Cells that hold a digit of a kept weight, whatever it is; a cell that several weights share counts once."""
    targets: Ints
    """The distinct outputs of the layer that the block adds to, known without its contents."""
    contents: Callable[[], Contents] = field(compare=False, repr=False)
    """Makes cells and decode list, for execution."""
    group: int = 0
    """Activation group: blocks of one crossbar and one group are read together, different groups one after another."""
    cap: int | None = None
    """Guaranteed largest magnitude of a bit line's sum in one read; None: rows * (2**cell_bits - 1) *
    (2**dac_bits - 1)."""
    gated: bool = False
    """Whether the data path's own hardware picks the bit lines that are converted, on every machine."""
    idle: int = 0
    """Bit lines that hold no weight but are read with the others; they are not programmed."""

    @property
    def rows(self) -> int:
        """Word lines."""
        return len(self.inputs)

    @property
    def outputs(self) -> int:
        """Partial sums that the block delivers to the output register."""
        return len(self.targets)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one output pixel (window) costs on each activation group. Timing and energy both derive from it.

    Arrays of [entries] are ordered by crossbar. There is one entry per activation group, in the order of (crossbar,
    group); where a group is read in several operation units, one per size of operation unit. A group that is read in
    several ways (all bit lines first, some of them again) has an entry for each, and `group` says whose each is.
    """

    crossbar: Ints
    """[entries]: the crossbar, numbered from 0 within one copy of the layer."""
    rows: Ints
    """[entries]: word lines driven in each read."""
    columns: Ints
    """[entries]: bit lines converted in each read."""
    cells: Ints
    """[entries]: cells sensed in each read: rows * columns; with `group`, reads may sense fewer of them, or count a
    cell once per pulse, at most rows * columns * (2**dac_bits - 1)."""
    reads: Ints
    """[entries]: sequential reads (input phases times operation units); [images * windows, entries] where they depend
    on the data of a `Stream`."""
    outputs: Ints
    """[entries]: partial sums that the group delivers to the output register; of a group with several entries, those of
    all of them together."""
    group: Ints | None = None
    """[entries]: the activation group that is read, where a group is read in several ways; None: one way each."""
    extra: dict[str, Ints] = field(default_factory=dict)
    """Further actions by name, [crossbars]: how often each is done per window."""
    interval: Ints | None = None
    """[crossbars]: time (ps) that a crossbar needs between windows for what the data path adds; None: none."""
    latency: int = 0
    """Time (ps) by which a window's first read is later than on the base machine."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """Hardware that a data path adds to every tile or IMA."""

    name: str
    """Name of the component in results."""
    level: Literal["tile", "ima"]
    """Whether it is added to each tile or to each IMA."""
    count: int
    """Instances in each tile or IMA."""
    area: int
    """Area of one instance, nm²."""
    action: str
    """The action it performs, a key of `Work.extra`."""
    energy: int
    """Energy of one action, aJ."""
    source: str
    """Citation, or the assumption that the price rests on."""


@dataclass(frozen=True)
class Projection:
    """The nearest weights that a method's hardware can hold."""

    weights: Reals
    """(F, C / groups, kh, kw): as given, zero where removed."""
    mask: Bools
    """Same shape: True where a weight is kept."""
    side: dict[str, Any] = field(default_factory=dict)
    """What packing or a report needs to know about the projection: JSON values."""
    allowed: NDArray[np.int8] | None = None
    """Same shape, where single bits are removed: the sign of a weight times the bits its magnitude may use; None:
    every level."""
    ties: Ints | None = None
    """Same shape, where weights are to stay equal: weights of one number, from 0, are tied to each other; -1: free.
    None: all are free."""


INPUT_SUM = "input_sum"
"""The action, in `Work.extra`, that adds an input to a digital sum of inputs."""
Project = Callable[[Reals, Layer, Geometry, float], Projection]
