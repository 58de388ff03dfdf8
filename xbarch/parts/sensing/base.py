"""The contract of a sensing unit: how long reads take, and which actions they are made of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from xbarch.datapaths.records import Block, Geometry, Ints, Stream, Work
from xbarch.specs.crossbar import Crossbar
from xbarch.specs.model import OptionsT, Plugin
from xbarch.workload.graph import Layer

__all__ = ["Array", "Ints", "Sensing", "Setting", "Work"]


@dataclass(frozen=True, kw_only=True)
class Array:
    """The crossbar whose bit lines are sensed, with its converters."""

    columns: int
    """Bit lines, not counting the reference column."""
    read: int
    """Time of one array read, ps."""
    conversion: int
    """Time of one conversion, ps."""
    converters: Fraction
    """Converters that the crossbar has to itself, or all those above one another whose sums are sensed together."""
    bits: int
    """Resolution of the converters."""
    slot: int = 0
    """Length of a slot, ps: reads take whole slots; 0: no slots."""
    rows: int = 128
    """Largest number of word lines driven together."""
    cell_bits: int = 2
    """Bits per cell."""
    dac_bits: int = 1
    """Bits of an input that drive a word line in one phase."""
    elsewhere: bool = False
    """Whether sums are converted by shared converters for which windows queue: they are no part of the reads' time."""

    @classmethod
    def of(cls, crossbar: Crossbar, slot: int) -> Array:
        """The array of an architecture's crossbar, on a machine with slots of `slot` ps (0: no slots)."""
        unit = crossbar.operation_unit
        return cls(columns=crossbar.columns, read=unit.read if unit else crossbar.read, conversion=crossbar.conversion,
                   converters=Fraction(crossbar.adcs_per_crossbar), bits=crossbar.adc_bits, slot=slot,
                   rows=unit.rows if unit else crossbar.rows, cell_bits=crossbar.cell_bits, dac_bits=crossbar.dac_bits)

    def converting(self, sums: Ints) -> Ints:
        """Time (ps) that the crossbar's converters take for that many sums, one after another, rounded up; none where
        they are converted elsewhere."""
        if self.elsewhere:
            return np.zeros_like(sums)
        return -(-sums * self.conversion * self.converters.denominator // self.converters.numerator)

    def slotted(self, times: Ints) -> Ints:
        """Times (ps) rounded up to whole slots."""
        return -(-times // self.slot) * self.slot if self.slot else times


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The packed layer that a sensing unit is set for."""

    layer: Layer
    """Its rows, precisions and weights."""
    geometry: Geometry
    """The crossbar that it is packed for."""
    blocks: Callable[[], Sequence[Block]] = field(default=tuple, repr=False)
    """Makes the blocks of one copy: their inputs, targets, caps and contents. None at a machine's nameplate."""
    stream: Stream | None = None
    """Its inputs, where the workload stores them."""

    @property
    def windows(self) -> int:
        """Output pixels of the stored inputs; 0: none are stored."""
        return self.layer.windows * self.stream.images if self.stream else 0


class Sensing(Plugin[OptionsT]):
    """A kind of circuit at the end of the bit lines. Registered by name, used from any architecture's YAML.

    Arrays are int64. "Entries" are those of a `Work`. What `rest` and `actions` answer may differ from window to
    window, as [windows, entries]: where the work's `reads` do, or where the unit has looked at stored inputs
    (`Setting.windows`).
    """

    emits: ClassVar[tuple[str, ...]] = ()
    """Actions that it may count (`actions`), so that an architecture may have components for them."""
    apart: ClassVar[tuple[str, ...]] = ()
    """Of these, those that every crossbar does for itself where several lie above one another (`dataflow.stack`); the
    others are done once for the sum of all."""

    every_line: ClassVar[bool] = False
    """Whether every bit line has a circuit of its own, instead of the crossbar's converters in turn."""

    def __init__(self, array: Array, options: OptionsT | Mapping[str, Any] | None = None) -> None:
        self.array = array
        super().__init__(options)

    @property
    def conversion(self) -> Fraction:
        """Mean time of a conversion (ps) over all bit lines and reads, for the utilization of the converters."""
        return Fraction(self.array.conversion)

    def adjusted(self, given: Setting) -> Sensing[Any]:
        """The sensing unit, set for a layer: another object, since this one serves all layers. The default has nothing
        to set. What depends on the inputs, such as reads that are repeated where a sum saturates, is measured here: on
        the stored inputs, or else it is assumed (`xbarch.functional.execute.sums` drives inputs through the blocks)."""
        return self

    def dropped(self, worth: Ints, bits: int) -> Ints | None:
        """How many low bits of a sum a conversion to `bits` bits drops, toward zero.

        The `bits` bits above them are kept; larger sums saturate. None, the default: no low bits are dropped, so a
        method that guarantees small sums needs converters only for these.

        Args:
            worth: any shape: a sum counts 2**worth times in a result.

        Returns:
            0 to 64, the shape of `worth`.
        """
        return None

    @abstractmethod
    def each(self, work: Work) -> Ints:
        """Time of one read of each entry (ps), at least 1, [entries]."""

    def rest(self, work: Work) -> Ints | None:
        """Time after the reads of a window on each entry's crossbar (ps), [entries] or [windows, entries]; the next
        window's reads wait for it. None, the default: no such time."""
        return None

    @abstractmethod
    def actions(self, work: Work) -> dict[str, Ints]:
        """Actions per window, each [entries] or [windows, entries], by the names under which the architecture's
        components price them."""
