"""Gains of bit lines, trimmed after programming."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Added, Geometry
from xbarch.datapaths.tools.indices import table
from xbarch.parts.effects.base import Effect, Given, Singles, Stage
from xbarch.specs.model import Options

_BITS = 8  # of a gain
_MULTIPLY, _AREA = 200_000, 282_000_000  # aJ and nm^2 of an 8-bit integer multiplication and multiplier at 45 nm
_SOURCE = "Horowitz, Computing's energy problem, ISSCC 2014 (8-bit integer multiply at 45 nm: 282 um^2, 0.2 pJ)"


class TrimOptions(Options):
    """Options of `trim`."""

    per: Literal["column", "array"] = Field("column", description="what has a gain of its own")


class Trim(Effect[TrimOptions]):
    """With all word lines driven, once after programming, each bit line is given the gain with which its sum is what it
    should be. It takes out what is common to the cells of a bit line: most of what wires lose, and the mean of errors.
    """

    stage: ClassVar[Stage] = "trim"
    name: ClassVar[str] = "trim"
    summary: ClassVar[str] = "gain of every bit line or array, trimmed once with all word lines driven"
    provenance: ClassVar[str] = (
        "a gain per column measured after programming, as in Joshi et al., Nature Communications 11, 2473 (2020); all "
        "word lines at once, and before conversion: this project's reading")
    Options: ClassVar[type[Options]] = TrimOptions

    def components(self, geometry: Geometry) -> list[Added]:
        """A memory of the gains, read at every conversion, and a multiplier for each crossbar's codes."""
        gains = geometry.columns if self.options.per == "column" else 1
        bits = gains * _BITS * geometry.crossbars_per_ima * (2 if geometry.signed else 1)
        return [table("gains", "conversion", bits, _BITS, "this project's reading: gains of 8 bits; "),
                Added(name="gain_multiplier", level="ima", count=geometry.crossbars_per_ima, area=_AREA,
                      action="conversion", energy=_MULTIPLY, source=f"{_SOURCE}; one for each crossbar: this project's "
                      "reading")]

    def cells(self, conductance: Singles, given: Given) -> Singles:
        axis = 0 if self.options.per == "column" else None
        found = conductance.sum(axis=axis, dtype=np.float64)
        asked = given.target.sum(axis=axis, dtype=np.float64)
        gain = np.divide(asked, found, out=np.ones_like(asked), where=found > 0)
        trimmed: Singles = (conductance * gain).astype(np.float32)
        return trimmed
