"""What a sensing unit tells the machine: how long reads take, and what is done in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Options, Work

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Array:
    """What is sensed. columns: bit lines without the reference column. read, conversion: ps. converters: those a
    crossbar has to itself. bits: their resolution. slot: reads take whole ones, ps (0: no slots). rows: word lines
    driven together at most, cell_bits, dac_bits: what a sum is made of."""

    columns: int
    read: int
    conversion: int
    converters: Fraction
    bits: int
    slot: int = 0
    rows: int = 128
    cell_bits: int = 2
    dac_bits: int = 1

    def converting(self, sums: Ints) -> Ints:
        """Time (ps) the crossbar's converters take for so many sums, in turn, rounded up."""
        return -(-sums * self.conversion * self.converters.denominator // self.converters.numerator)

    def slotted(self, times: Ints) -> Ints:
        """Times rounded up to whole slots."""
        return -(-times // self.slot) * self.slot if self.slot else times


class Sensing(ABC):
    """A kind of circuit at the end of the bit lines. Registered by name, used from any architecture's YAML."""

    name: ClassVar[str]
    summary: ClassVar[str]
    provenance: ClassVar[str]
    Options: ClassVar[type[Options]] = Options

    def __init__(self, array: Array, options: Any = None) -> None:
        self.array = array
        self.options: Any = self.Options.model_validate(options or {})

    @property
    def conversion(self) -> Fraction:
        """Mean time of a conversion (ps) over all bit lines and reads, for the converters' utilization."""
        return Fraction(self.array.conversion)

    def adjusted(self, weight_bits: int, input_bits: int) -> Sensing:
        """The unit as it is set for a layer of such weights and inputs. The default: there is nothing to set."""
        return self

    def dropped(self, worth: Ints, bits: int) -> Ints | None:
        """How many low bits of a sum a conversion to `bits` bits drops, toward zero: of sums that count 2**worth times
        in a result, for each of `worth`. The `bits` above are kept, larger sums saturate. None, the default: no low bit
        is dropped, so that a method that guarantees small sums needs converters of no more bits than these."""
        return None

    @abstractmethod
    def each(self, work: Work) -> Ints:
        """Time of one read of each entry of `work` (ps), [entries]."""

    def rest(self, work: Work) -> Ints | None:
        """What follows the reads of a window on each entry's crossbar (ps), [entries] or [windows, entries]; None:
        nothing. The next window's reads wait for it."""
        return None

    @abstractmethod
    def actions(self, work: Work) -> dict[str, Ints]:
        """How often each entry does what in a window, [entries] or [windows, entries]; keys are actions that the
        architecture's components pay for."""
