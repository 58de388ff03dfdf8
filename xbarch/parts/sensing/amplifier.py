"""Reconfigurable sense amplifiers that count up to the sum (PRIME)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Work
from xbarch.parts.sensing.base import Array, Ints, Sensing, Setting
from xbarch.specs.model import Options


class AmplifierOptions(Options):
    """Options of `sense_amplifier`."""

    keeps: Literal["high", "low"] = Field(
        "high", description="which bits of a result are kept: the highest of its full scale, so that low bits are "
                            "dropped; or the lowest, so that large sums saturate as in a converter")
    headroom: int = Field(0, ge=0, le=16, description="number of the highest bits of the full scale that are given up "
                          "in favour of the same number of low bits, since a network's sums stay below them; larger "
                          "sums saturate")


class SenseAmplifier(Sensing[AmplifierOptions]):
    """An amplifier distinguishes 2^k levels in 2^k steps of `conversion`; the columns of a crossbar take turns at its
    amplifiers.

    A result of weights of w bits, inputs of i bits and 2^n word lines has w + i + n bits, of which the `bits` highest
    are kept. It is composed of partial sums, one for each digit of the weights and of the inputs. An amplifier is set
    to the k bits of a partial sum that lie in the kept part; the other bits are dropped toward zero. A partial sum with
    no bit in the kept part is not sensed.
    """

    emits: ClassVar[tuple[str, ...]] = ("conversion", "shift_add")
    name: ClassVar[str] = "sense_amplifier"
    summary: ClassVar[str] = "shared sense amplifiers of adjustable precision, time exponential in the bits (PRIME)"
    provenance: ClassVar[str] = (
        "Chi et al., PRIME, ISCA 2016 (reconfigurable sense amplifiers of 1 to 6 bits; section III-D: the highest bits "
        "of the result, composed of 6, 3, 2 and 0 bits of four partial sums); steps exponential in the bits: as Chou "
        "et al., CASCADE, MICRO 2019, sum up. This project's reading: magnitudes are sensed, the sign beside; "
        "headroom; a weight's digits share an amplifier")
    Options: ClassVar[type[Options]] = AmplifierOptions

    def __init__(self, array: Array, options: AmplifierOptions | Mapping[str, Any] | None = None) -> None:
        super().__init__(array, options)
        self.precision = array.cell_bits, array.dac_bits  # bits of weights and inputs; at first one digit of each
        self.carry = (array.rows - 1).bit_length()        # bits by which a sum over all word lines exceeds a product

    def adjusted(self, given: Setting) -> SenseAmplifier:
        unit = copy(self)
        unit.precision = given.layer.weight_bits, given.layer.input_bits
        return unit

    def dropped(self, worth: Ints, bits: int) -> Ints | None:
        if self.options.keeps == "low":
            return None
        lowest = sum(self.precision) + self.carry - bits - self.options.headroom
        return np.asarray(np.maximum(lowest - worth, 0), np.int64)

    @property
    def conversion(self) -> Fraction:
        steps = [1 << bits if bits else 0 for bits in self.sensed()]
        return Fraction(self.array.conversion * sum(steps), len(steps))

    def sensed(self) -> list[int]:
        """Bits to which an amplifier is set, for every digit of the weights and every input phase, lowest first."""
        a, (weight_bits, input_bits) = self.array, self.precision
        found = []
        for w in range(0, weight_bits, a.cell_bits):
            for i in range(0, input_bits, a.dac_bits):
                size = min(a.cell_bits, weight_bits - w) + min(a.dac_bits, input_bits - i) + self.carry
                drop = self.dropped(np.array(w + i), a.bits)
                found.append(a.bits if drop is None else min(a.bits, max(0, size - int(drop))))
        return found

    def each(self, work: Work) -> Ints:
        """Mean over the phases; every digit has the same number of bit lines."""
        a, conversion = self.array, self.conversion
        if a.elsewhere:
            return a.slotted(np.full(len(work.columns), a.read, np.int64))
        turns = -(-np.minimum(work.columns, a.columns) * a.converters.denominator // a.converters.numerator)
        return a.slotted(a.read - -turns * conversion.numerator // conversion.denominator)

    def actions(self, work: Work) -> dict[str, Ints]:
        kept = self.sensed()
        converted = -(-work.reads * work.columns * sum(bits > 0 for bits in kept) // len(kept))
        return {"conversion": converted, "shift_add": converted}
