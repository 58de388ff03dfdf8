"""Conductances that decay with the time since they were programmed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from xbarch.parts.effects.base import Effect, Given, Singles, Stage
from xbarch.specs.model import Options

Power = Annotated[float, Field(ge=-10, le=10)]


class Exponent(Options):
    """A quantity of a cell with x = g / Gmax: clip(offset + slope ln x, lowest, highest)."""

    offset: Power = 0.0
    slope: Power = Field(0.0, description="times ln x")
    lowest: Power = 0.0
    highest: Power = 10.0

    def of(self, conductance: Singles) -> Singles:
        """Any shape; x below 1e-6 counts as 1e-6."""
        found = self.offset + self.slope * np.log(np.maximum(conductance, np.float32(1e-6)))
        return np.asarray(np.clip(found, self.lowest, self.highest), np.float32)


class DriftOptions(Options):
    """Options of `drift`."""

    seconds: float = Field(0.0, ge=0, le=1e12, description="time since programming at which the cells are read, s")
    from_seconds: float = Field(1.0, gt=0, le=1e9, description="time after programming at which the programming error "
                                "was measured, t0, s; nothing drifts before it")
    exponent: Exponent = Field(Exponent(), description="mean of nu")
    spread: Exponent = Field(Exponent(), description="standard deviation of nu from cell to cell")
    compensation: Literal["array", "none"] = Field(
        "array", description="array: what each array gives is multiplied so that its cells together conduct what they "
                             "did when they were programmed; none: not")

    @model_validator(mode="after")
    def _drifts(self) -> DriftOptions:
        if self.model_fields_set and not self.model_fields_set & {"exponent", "spread"}:
            raise ValueError(f"{min(self.model_fields_set)}: needs exponent or spread, or nothing drifts")
        return self


class Drift(Effect[DriftOptions]):
    """g(t) = g (t / t0)^-nu, with nu normal from cell to cell, drawn once for a device."""

    stage: ClassVar[Stage] = "age"
    name: ClassVar[str] = "drift"
    summary: ClassVar[str] = "drift: conductances decay by a power of time, with one gain per array as compensation"
    provenance: ClassVar[str] = (
        "Nandakumar et al., ICECS 2019 (power law, nu by conductance); global compensation: Joshi et al., Nature "
        "Communications 11, 2473 (2020), per layer there; per array and before conversion: this project's reading")
    Options: ClassVar[type[Options]] = DriftOptions

    def cells(self, conductance: Singles, given: Given) -> Singles:
        o = self.options
        if o.seconds <= o.from_seconds:
            return conductance
        nu = given.random.standard_normal(conductance.shape, np.float32) * o.spread.of(conductance)
        nu += o.exponent.of(conductance)
        found = conductance * np.exp(-np.log(np.float32(o.seconds / o.from_seconds)) * nu)
        if o.compensation == "array":
            conducts = float(found.sum(where=given.held, dtype=np.float64))
            found *= float(conductance.sum(where=given.held, dtype=np.float64)) / conducts if conducts else 1.0
        return np.asarray(found, np.float32)
