"""Cells that are not programmed to the conductance of their level."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from xbarch.parts.effects.base import Effect, Given, Singles
from xbarch.parts.effects.law import Law
from xbarch.specs.model import Options


class Programming(Effect[Law]):
    """Every cell holds max(0, g + sigma(g) N(0, 1)), drawn once for a device."""

    name: ClassVar[str] = "programming"
    summary: ClassVar[str] = "programming error: each cell's conductance is drawn once, normal around its level's"
    provenance: ClassVar[str] = (
        "the law of published fits: Joshi et al., Nature Communications 11, 2473 (2020); Wan et al., Nature 608, 504 "
        "(2022); cut off at zero as in Xiao et al., CrossSim (Sandia), NormalIndependentDevice")
    Options: ClassVar[type[Options]] = Law

    def cells(self, conductance: Singles, given: Given) -> Singles:
        if self.options.null:
            return conductance
        drawn = given.random.standard_normal(conductance.shape, np.float32)
        drawn *= self.options.sigma(conductance)
        drawn += conductance
        return np.maximum(drawn, 0, out=drawn)
