"""Integrate-and-fire counters in place of converters (PipeLayer)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from xbarch.datapaths.records import Work
from xbarch.parts.sensing.base import Ints, Sensing


class IntegrateFire(Sensing):
    """Every bit line charges a capacitor that fires one spike per fixed amount of charge. Each bit line has a counter
    of its own, so all columns are read together and a read takes only the array's read time. Inputs are spikes in
    weighted time slots, one per phase, so there is no converter at the word lines either. Nothing is rounded: a counter
    has as many bits as the sum (this project's reading)."""

    every_line: ClassVar[bool] = True
    emits: ClassVar[tuple[str, ...]] = ("fire", "shift_add")
    name: ClassVar[str] = "integrate_fire"
    summary: ClassVar[str] = "integrate-and-fire circuits and counters on every bit line (PipeLayer)"
    provenance: ClassVar[str] = "Song et al., PipeLayer, HPCA 2017 (spike-coded inputs, integrate and fire, no ADC)"

    def each(self, work: Work) -> Ints:
        return self.array.slotted(np.full(len(work.columns), self.array.read, np.int64))

    def actions(self, work: Work) -> dict[str, Ints]:
        return {"fire": work.reads * work.columns, "shift_add": work.reads * work.columns}
