"""skeleton: an effect of real devices. It works as it stands; change it into the effect that you mean."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from xbarch.parts.effects.base import Effect, Given, Singles, Stage
from xbarch.specs.model import Options


class SkeletonOptions(Options):
    """What `noise.effects.skeleton` may set; other names and values are refused by name."""

    share: float = Field(0.0, ge=0, le=1, description="standard deviation of a word line's strength from 1")


class SkeletonEffect(Effect[SkeletonOptions]):
    """Word lines are driven unequally: all cells of one conduct more or less by the same factor.

    State here what is published and where, and what is your own reading.
    """

    stage: ClassVar[Stage] = "wire"
    name: ClassVar[str] = "skeleton"
    summary: ClassVar[str] = "word lines of unequal strength"
    provenance: ClassVar[str] = "made by `xbarch new`; cite your paper here"
    Options: ClassVar[type[Options]] = SkeletonOptions

    def cells(self, conductance: Singles, given: Given) -> Singles:
        """Once for a device. All random numbers are from `given.random`, so that a draw can be repeated."""
        strength = 1 + self.options.share * given.random.standard_normal((len(conductance), 1), np.float32)
        return np.asarray(conductance * np.maximum(strength, 0), np.float32)
