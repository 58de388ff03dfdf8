"""Converters that a crossbar's columns share, one after another."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from xbarch.datapaths.base import Work
from xbarch.sensing.base import Ints, Sensing


class Adc(Sensing):
    """A read takes the array's read time or its columns' conversions, whichever is longer: columns are held while the
    next read goes on. The reference column's conversion is hidden (ISAAC's unit column)."""

    name: ClassVar[str] = "adc"
    summary: ClassVar[str] = "analog-to-digital converters, shared by columns in turn"
    provenance: ClassVar[str] = "Shafiee et al., ISAAC, ISCA 2016 (one 8-bit SAR converter a crossbar, sample and hold)"

    def each(self, work: Work) -> Ints:
        a = self.array
        return a.slotted(np.maximum(a.converting(np.minimum(work.columns, a.columns)), a.read))

    def actions(self, work: Work) -> dict[str, Ints]:
        converted = work.reads * work.columns
        return {"conversion": converted, "sample": converted, "shift_add": converted}
