"""Reconfigurable sense amplifiers that count up to the sum (PRIME)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from xbarch.datapaths.base import Options, Work
from xbarch.sensing.base import Ints, Sensing


class AmplifierOptions(Options):
    """Options of `sense_amplifier`."""

    subtracted: bool = Field(True, description="the bit lines of positive and negative weights are subtracted before "
                             "they are sensed, so that a pair is one conversion")


class SenseAmplifier(Sensing):
    """An amplifier decides one of 2^bits levels in as many steps of `conversion`; the columns of a crossbar take turns
    at its amplifiers. Bit lines come in pairs, positive and negative, where `subtracted`."""

    name: ClassVar[str] = "sense_amplifier"
    summary: ClassVar[str] = "shared sense amplifiers of adjustable precision, time exponential in the bits (PRIME)"
    provenance: ClassVar[str] = (
        "Chi et al., PRIME, ISCA 2016 (reconfigurable sense amplifiers of up to 6 bits, analog subtraction of positive "
        "and negative arrays before them); steps exponential in the bits: as Chou et al., CASCADE, MICRO 2019, sum up")
    Options: ClassVar[type[Options]] = AmplifierOptions

    @property
    def conversion(self) -> int:
        return self.array.conversion << self.array.bits

    def each(self, work: Work) -> Ints:
        a = self.array
        columns = self._sensed(np.minimum(work.columns, a.columns))
        convert = -(-columns * a.converters.denominator // a.converters.numerator) * self.conversion
        return a.slotted(a.read + convert)

    def actions(self, work: Work) -> dict[str, Ints]:
        sensed = work.reads * self._sensed(work.columns)
        return {"conversion": sensed, "shift_add": sensed}

    def _sensed(self, columns: Ints) -> Ints:
        return -(-columns // 2) if self.options.subtracted else columns
