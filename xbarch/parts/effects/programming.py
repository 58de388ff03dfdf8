"""Cells that are not programmed to the conductance of their level."""

from __future__ import annotations

from math import erf, sqrt
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from xbarch.parts.effects.base import Effect, Given, Singles
from xbarch.parts.effects.law import Law
from xbarch.specs.explain import listed
from xbarch.specs.model import Options, Spec


class Verified(Spec):
    """Program and verify: a cell is written again until its conductance is near enough."""

    tolerance: float = Field(gt=0, le=1, description="largest error that is accepted, as a share of Gmax")
    rounds: int = Field(ge=1, le=1000, description="pulses after which a cell is left as it is")


class ProgrammingOptions(Law):
    """Options of `programming`: the law of one pulse, and whether it is verified."""

    verify: Verified | None = Field(None, description="none: one pulse writes a cell for good")

    @model_validator(mode="after")
    def _error(self) -> ProgrammingOptions:
        if self.verify is not None and not self.model_fields_set & set(Law.model_fields):
            raise ValueError(f"verify: needs the error of a pulse; state {listed(list(Law.model_fields))}")
        return self

    def accepted(self, levels: Singles) -> Singles:
        """Probability that the error of a pulse is accepted, at each conductance; what is cut off at zero is an error
        of the conductance itself, however large it was."""
        near = self.verify.tolerance if self.verify else 1.0
        sigma = np.maximum(self.sigma(levels), 1e-12)
        within = np.array([erf(near / s / sqrt(2)) for s in sigma.tolist()], np.float32)
        return np.where(levels <= near, (1 + within) / 2, within)


class Programming(Effect[ProgrammingOptions]):
    """Every cell holds max(0, g + sigma(g) N(0, 1)), drawn once for a device; verified, until that is near g."""

    name: ClassVar[str] = "programming"
    summary: ClassVar[str] = "programming error: each cell's conductance is drawn once, normal around its level's"
    provenance: ClassVar[str] = (
        "the law of published fits: Joshi et al., Nature Communications 11, 2473 (2020); Wan et al., Nature 608, 504 "
        "(2022); cut off at zero as in Xiao et al., CrossSim (Sandia), NormalIndependentDevice")
    Options: ClassVar[type[Options]] = ProgrammingOptions

    def cells(self, conductance: Singles, given: Given) -> Singles:
        if self.options.null:
            return conductance
        found = self._written(conductance, given)
        verify = self.options.verify
        if verify is None:
            return found
        for _ in range(verify.rounds - 1):
            far = np.abs(found - conductance) > verify.tolerance
            if not far.any():
                break
            found[far] = self._written(conductance[far], given)
        return found

    def pulses(self, levels: Singles, together: int) -> tuple[float, float] | None:
        """Pulses are independent and accepted with probability p, so after k of them a share (1 - p)^k of the cells
        waits for another one."""
        verify = self.options.verify
        if verify is None:
            return None
        missed = 1 - self.options.accepted(levels).astype(np.float64)
        waiting = np.array([np.mean(missed ** k) for k in range(verify.rounds)])
        return float(waiting.sum()), float((1 - (1 - waiting) ** together).sum())

    def _written(self, conductance: Singles, given: Given) -> Singles:
        """Conductances after a pulse."""
        drawn = given.random.standard_normal(conductance.shape, np.float32)
        drawn *= self.options.sigma(conductance)
        drawn += conductance
        return np.maximum(drawn, 0, out=drawn)
