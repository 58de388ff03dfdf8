"""Partial sums are kept in analog form in buffer cells and converted once per window (CASCADE)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Work
from xbarch.parts.sensing.base import Ints, Sensing
from xbarch.specs.model import Options


class AccumulationOptions(Options):
    """Options of `analog_accumulation`: `conversions` conversions are made for every `sums` partial sums."""

    conversions: int = Field(10, ge=1, le=4096, description="conversions made for `sums` partial sums")
    sums: int = Field(256, ge=1, le=65_536, description="partial sums of a window: columns per weight times phases")


class AnalogAccumulation(Sensing[AccumulationOptions]):
    """In every phase a transimpedance amplifier writes each column's sum into buffer cells, where sums of equal weight
    add up; after the last phase the buffer's columns are converted. A read takes the array's read time, which hides the
    write into the buffer; the conversions follow the window's reads."""

    emits: ClassVar[tuple[str, ...]] = ("interface", "buffer_write", "conversion", "shift_add")
    name: ClassVar[str] = "analog_accumulation"
    summary: ClassVar[str] = "partial sums accumulated in analog buffer cells, few conversions per window (CASCADE)"
    provenance: ClassVar[str] = (
        "Chou et al., CASCADE, MICRO 2019 (16 x 16 partial sums of a weight take 10 conversions). This project's "
        "reading: the same share for other precisions; conversions after the reads")
    Options: ClassVar[type[Options]] = AccumulationOptions

    def each(self, work: Work) -> Ints:
        return self.array.slotted(np.full(len(work.columns), self.array.read, np.int64))

    def rest(self, work: Work) -> Ints:
        return self.array.slotted(self.array.converting(self._converted(work)))

    def actions(self, work: Work) -> dict[str, Ints]:
        sums, converted = work.reads * work.columns, self._converted(work)
        return {"interface": sums, "buffer_write": sums, "conversion": converted, "shift_add": converted}

    def _converted(self, work: Work) -> Ints:
        return np.asarray(-(-work.reads * work.columns * self.options.conversions // self.options.sums), np.int64)
