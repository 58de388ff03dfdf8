"""Converters that a crossbar's columns share in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Work
from xbarch.parts.sensing.base import Array, Ints, Sensing
from xbarch.specs.model import Options, OptionsT


class Adc(Sensing[OptionsT]):
    """A read takes the array's read time or the time of its columns' conversions, whichever is longer: sums are held
    while the next read goes on. The reference column's conversion is hidden (ISAAC's unit column)."""

    emits: ClassVar[tuple[str, ...]] = ("conversion", "sample", "shift_add")
    name: ClassVar[str] = "adc"
    summary: ClassVar[str] = "converters shared by columns in turn, as fast at any resolution (flash, or at a set rate)"
    provenance: ClassVar[str] = (
        "Shafiee et al., ISAAC, ISCA 2016 (one 8-bit SAR converter per crossbar, sample and hold)")

    def each(self, work: Work) -> Ints:
        a = self.array
        return a.slotted(np.maximum(a.converting(np.minimum(work.columns, a.columns)), a.read))

    def actions(self, work: Work) -> dict[str, Ints]:
        converted = work.reads * work.columns
        return {"conversion": converted, "sample": converted, "shift_add": converted}


class SarOptions(Options):
    """Options of `sar_adc`."""

    of: int = Field(8, ge=1, le=16, description="resolution for which `conversion` is the time")


class SarAdc(Adc[SarOptions]):
    """A successive-approximation converter decides one bit per step, so its time is proportional to its bits."""

    name: ClassVar[str] = "sar_adc"
    summary: ClassVar[str] = "successive-approximation converters, shared by columns in turn, one step per bit"
    provenance: ClassVar[str] = (
        "Kull et al., JSSC 2013 (8-bit asynchronous SAR, that of ISAAC); one step per bit: assumed")
    Options: ClassVar[type[Options]] = SarOptions

    def __init__(self, array: Array, options: SarOptions | Mapping[str, Any] | None = None) -> None:
        super().__init__(array, options)
        self.array = replace(array, conversion=-(-array.conversion * array.bits // self.options.of))
