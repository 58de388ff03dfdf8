"""Cells that hold their lowest or highest conductance whatever is written."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from xbarch.datapaths.records import Added, Geometry
from xbarch.datapaths.tools.indices import table
from xbarch.errors import InputError
from xbarch.parts.effects.base import Effect, Given, Ints, Singles, Stage
from xbarch.specs.model import Options

Bools = NDArray[np.bool_]


class StuckOptions(Options):
    """Options of `stuck`: shares of the cells."""

    off: float = Field(0.0, ge=0, le=1, description="share of cells that stay at the lowest conductance")
    on: float = Field(0.0, ge=0, le=1, description="share of cells that stay at the highest conductance")
    spare_columns: int = Field(0, ge=0, le=4096, description="bit lines that an array has besides, with stuck cells "
                               "like the others; columns that stuck cells harm most are held there instead")
    remap: bool = Field(False, description="any bit line of the array may hold any column, so that stuck cells lie "
                        "where they do least harm")

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

    def components(self, geometry: Geometry) -> list[Added]:
        """A table that says which bit line holds what: an entry for each spare one, or for every one; read whenever a
        sum is put in its place in the output register."""
        o, columns = self.options, geometry.columns
        entries = columns if o.remap else min(o.spare_columns, columns)
        if not entries:
            return []
        word = max(1, (columns + o.spare_columns - 1).bit_length())
        bits = entries * word * geometry.crossbars_per_ima * (2 if geometry.signed else 1)
        return [table("bit_line_index", "or_access", bits, word, "this project's reading; ")]

    def spares(self) -> int:
        return self.options.spare_columns

    def cells(self, conductance: Singles, given: Given) -> Singles:
        o, (rows, columns) = self.options, conductance.shape
        chance = given.random.random((rows, columns), np.float32)
        if o.spare_columns:
            chance = np.concatenate((chance, given.random.random((rows, o.spare_columns), np.float32)), axis=1)
        off, on = chance < o.off, chance >= 1 - o.on
        if o.spare_columns or o.remap:
            place = self._places(conductance, off, on, given)
            off, on = off[:, place], on[:, place]
        found = conductance.copy()
        found[off] = given.lowest
        found[on] = 1
        return found

    def _places(self, conductance: Singles, off: Bools, on: Bools, given: Given) -> Ints:
        """The bit line that holds each column: the assignment with the least sum of errors, over the cells that hold
        something (Chen et al., DATE 2017, for word lines; spare ones and any bit line: this project's reading)."""
        try:
            from scipy.optimize import linear_sum_assignment
        except ImportError:
            raise InputError("needs SciPy, which a plain installation does not bring: pip install scipy",
                             field="noise.effects.stuck") from None
        below, above = (np.where(given.held, size, 0) for size in (conductance - given.lowest, 1 - conductance))
        harm = np.abs(below).T @ off.astype(np.float32) + np.abs(above).T @ on.astype(np.float32)
        if not self.options.remap:
            columns = np.arange(len(harm))
            own = harm[columns, columns].copy()
            harm[:, :len(harm)] = len(conductance) + 1  # more than any column can be off
            harm[columns, columns] = own
        found: Ints = linear_sum_assignment(harm)[1]
        return found
