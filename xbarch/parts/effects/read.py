"""Conductances that vary from read to read."""

from __future__ import annotations

from typing import ClassVar

from xbarch.parts.effects.base import Effect, Given, Singles
from xbarch.parts.effects.law import Law, moments
from xbarch.specs.model import Options


class ReadNoise(Effect[Law]):
    """Every read sees max(0, g + sigma(g) N(0, 1)) of every cell. A sum of many cells is then normal, so one number is
    drawn for a sum, with the cells' variances added up."""

    name: ClassVar[str] = "read"
    summary: ClassVar[str] = "read noise: each cell's conductance varies from read to read"
    provenance: ClassVar[str] = (
        "law as of `programming`; one normal number per sum, with the variance of the sum of the cells (central limit)")
    Options: ClassVar[type[Options]] = Law

    def reading(self, conductance: Singles, given: Given) -> tuple[Singles, Singles] | None:
        return None if self.options.null else moments(conductance, self.options.sigma(conductance))
