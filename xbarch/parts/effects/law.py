"""How the standard deviation of a conductance follows the conductance, and the normal law cut off at zero."""

from __future__ import annotations

from math import erf, pi, sqrt

import numpy as np
from pydantic import Field, model_validator

from xbarch.parts.effects.base import Singles
from xbarch.specs.model import Options, Spec


class Exponential(Spec):
    """`scale` (1 - exp(-`rate` x))."""

    scale: float = Field(ge=0, le=10, description="the standard deviation it tends to, share of Gmax")
    rate: float = Field(gt=0, le=1000, description="per Gmax")


class Law(Options):
    """The standard deviation of a conductance x = g / Gmax, as a share of Gmax: independent + proportional x, or a
    polynomial, or an exponential. What is drawn is normal and cut off at zero: g' = max(0, g + sigma N(0, 1))."""

    independent: float = Field(0.0, ge=0, le=10, description="standard deviation of every cell, as a share of Gmax")
    proportional: float = Field(0.0, ge=0, le=10, description="standard deviation as a share of the cell's conductance")
    polynomial: list[float] | None = Field(
        None, min_length=1, max_length=12, description="c0, c1, ...: the standard deviation over Gmax is c0 + c1 x + "
        "c2 x^2 + ..., at least 0, with x = g / Gmax")
    exponential: Exponential | None = Field(None, description="the standard deviation over Gmax is scale "
                                            "(1 - exp(-rate x)), with x = g / Gmax")

    @model_validator(mode="after")
    def _one(self) -> Law:
        given = [name for name in ("polynomial", "exponential") if getattr(self, name) is not None]
        if self.independent or self.proportional:
            given.append("independent and proportional")
        if len(given) > 1:
            raise ValueError(f"states the standard deviation twice, by {' and by '.join(given)}; keep one")
        return self

    def sigma(self, conductance: Singles) -> Singles:
        """The standard deviation at conductances, both as shares of Gmax, any shape."""
        x = conductance
        if self.exponential is not None:
            return np.asarray(self.exponential.scale * -np.expm1(-self.exponential.rate * x), np.float32)
        found = np.zeros_like(x)
        for c in reversed(self.polynomial or [self.independent, self.proportional]):
            found = found * x + np.float32(c)
        return np.maximum(found, 0)

    @property
    def null(self) -> bool:
        """Whether it is zero everywhere."""
        exponential = self.exponential is not None and self.exponential.scale > 0
        return not (exponential or any(self.polynomial or [self.independent, self.proportional]))


def moments(conductance: Singles, sigma: Singles) -> tuple[Singles, Singles]:
    """Mean and variance of max(0, g + s N(0, 1)): g P + s p and (g^2 + s^2) P + g s p - mean^2, with P and p the normal
    distribution and density at g / s. Beyond g = 8 s nothing is cut off in double precision."""
    mean, variance = conductance.astype(np.float32), np.square(sigma, dtype=np.float32)
    cut = (conductance < 8 * sigma) & (sigma > 0)
    g, s = conductance[cut].astype(np.float64), sigma[cut].astype(np.float64)
    z = g / s
    below, density = (1 + np.asarray(_erf(z / sqrt(2)), np.float64)) / 2, np.exp(-z * z / 2) / sqrt(2 * pi)
    mean[cut] = at = g * below + s * density
    variance[cut] = np.maximum((g * g + s * s) * below + g * s * density - at * at, 0)
    return mean, variance


_erf = np.frompyfunc(erf, 1, 1)
