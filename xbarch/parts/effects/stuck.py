"""Cells that hold their lowest or highest conductance whatever is written."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from xbarch.parts.effects.base import Effect, Given, Singles, Stage
from xbarch.specs.model import Options


class StuckOptions(Options):
    """Options of `stuck`: shares of the cells."""

    off: float = Field(0.0, ge=0, le=1, description="share of cells that stay at the lowest conductance")
    on: float = Field(0.0, ge=0, le=1, description="share of cells that stay at the highest conductance")

    @model_validator(mode="after")
    def _shares(self) -> StuckOptions:
        if self.off + self.on > 1:
            raise ValueError(f"off and on must be at most 1 together, not {self.off + self.on:g}")
        return self


class Stuck(Effect[StuckOptions]):
    """Each cell is stuck at the lowest or the highest conductance with a probability of its own, drawn once for a
    device, independent of its neighbours and of what it was to hold."""

    stage: ClassVar[Stage] = "fault"
    name: ClassVar[str] = "stuck"
    summary: ClassVar[str] = "stuck cells: shares of the cells stay at the lowest or the highest conductance"
    provenance: ClassVar[str] = (
        "Chen et al., IEEE Trans. Comput. 64(1), 180 (2015): stuck-at-0 and stuck-at-1 faults of RRAM; independent "
        "cells: this project's reading")
    Options: ClassVar[type[Options]] = StuckOptions

    def cells(self, conductance: Singles, given: Given) -> Singles:
        chance, found = given.random.random(conductance.shape, np.float32), conductance.copy()
        found[chance < self.options.off] = given.lowest
        found[chance >= 1 - self.options.on] = 1
        return found
