"""The contract of a data path: everything a method changes in packing, timing and energy, in one place.

A data path packs a layer into blocks. A block is a rectangle of one crossbar with the inputs that drive its
word lines; how each bit line's digital sum enters the outputs is a list of integer coefficients, so that
bit slices, signs, flipped columns, unit columns and permuted filters need no special case anywhere else:

    output[o] += coefficient * (digital sum of bit line c)      for every (c, o, coefficient) of the block

The digital sum of a bit line is the shift-and-add over input phases of the ADC's codes.

A method that also prunes extends `xbarch.datapaths.pruning.Pruning`. Code that several methods share is in
`xbarch.datapaths.tools` (docs/toolbox.md).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from xbarch.datapaths.records import (
    Added,
    Block,
    Contents,
    Geometry,
    Project,
    Projection,
    Reals,
    Stream,
    Work,
)
from xbarch.datapaths.tools.reads import standard_work
from xbarch.specs.model import Options, OptionsT, Plugin
from xbarch.workload.graph import Layer, Workload

__all__ = ["Added", "Block", "Contents", "DataPath", "Geometry", "Options", "Project", "Projection", "Reals", "Stream",
           "Work", "standard_work"]


class DataPath(Plugin[OptionsT]):
    """A published method's way through the hardware.

    `pack` is all that a subclass must define. Every method may raise `xbarch.errors.InputError`; the run then ends with
    that sentence and exit code 2.
    """

    title: ClassVar[str] = ""
    """The method's name as reports print it; empty: its registered name (`title_of`)."""
    reads_every_phase: ClassVar[bool] = False
    """Whether, where a read senses the whole array, every activation group is read once per input phase whatever the
    inputs are."""

    emits: ClassVar[tuple[str, ...]] = ()
    """Actions that `work` may count beside those of its `components`, so that an architecture may have components for
    them."""

    by_shape: ClassVar[bool] = False
    """Whether a layer without a mask is packed, and its work counted, by its shape and bits alone, whatever its weights
    and inputs: layers alike are then packed once."""

    @property
    def stores_once(self) -> bool:
        """Whether every kept weight has cells of its own, the same number for each; False where weights share cells, or
        kept weights that are zero have none."""
        return True

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        """Why this data path cannot run the workload on that crossbar, in one sentence; empty if it can."""
        return ""

    def levels(self, bits: int) -> tuple[int, int]:
        """Smallest and largest weight that the data path can store in `bits` bits. The default: two's complement."""
        return -(1 << bits - 1), (1 << bits - 1) - 1

    def cells_per_weight(self, bits: int, geometry: Geometry) -> int | None:
        """Cells that each kept weight of `bits` bits takes; None: the number differs between weights."""
        return None

    @abstractmethod
    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """Blocks of one copy of `layer`, crossbars numbered from 0 without gaps.

        Blocks lie within their crossbars, share no cell and hold every kept weight exactly once; one that is zero may
        be left out. `layer.matrix` [rows, filters] has the weights, `layer.kept` the mask; a grouped convolution's
        rows are those of one group.
        """

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """What one output pixel (window) of the packed layer costs. The default reads every activation group once per
        input phase, one operation unit after another.

        stream: the layer's inputs, for methods that skip reads; None where the workload stores none: then nothing is
        skipped.
        """
        return standard_work(blocks, geometry.phases(layer.input_bits), geometry)

    def adc_bits(self, layer: Layer, geometry: Geometry) -> int | None:
        """ADC bits, 1 to 32, with which this layer's sums are exact whatever its inputs, where the method guarantees
        fewer bits than the array could need; None: no such guarantee."""
        return None

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """How the layer's weights break the method's constraint on that crossbar, in one sentence that names the layer;
        empty if they keep it. The default has no constraint: every mask packs exactly."""
        return ""

    def components(self, geometry: Geometry) -> list[Added]:
        """Hardware that this data path adds to the base machine."""
        return []

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """Bits stored beside the weights of one copy, such as indices, maps and signs, for comparisons."""
        return 0

    def matched(self) -> tuple[dict[str, str], list[str]]:
        """The dense baseline with this method's cells and signs, so that comparisons show the method's own gain:
        options of `dense`, and changes of the machine as "a.b.c=value"."""
        sign = getattr(self.options, "sign", None)
        return ({"sign": sign} if sign in ("offset", "differential", "twos") else {}), []


def title_of(path: DataPath | type[DataPath]) -> str:
    """Return the name of a data path as reports print it, such as "Hybrid-P". A class does not inherit its base's
    title, since it is another method."""
    own = path if isinstance(path, type) else type(path)
    return own.__dict__.get("title") or path.name
