"""The contract of an effect: how cells and converters of real devices differ from exact integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Added, Geometry
from xbarch.specs.model import OptionsT, Plugin

Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Transfer = Callable[[Singles], Singles]
Stage = Literal["program", "age", "fault", "wire", "trim"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""The order in which effects change the cells of an array; within a stage that of their names."""

BEHIND: tuple[Stage, ...] = ("wire", "trim")
"""Stages that see and return currents of bit lines per voltage of a word line, which may be negative."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What an effect knows of the array, and the only random numbers that it may use."""

    levels: int
    """The highest level of a cell, 2**cell_bits - 1."""
    lowest: float
    """Conductance of level 0 as a share of the highest, Gmin / Gmax; 0: a cell at level 0 conducts nothing."""
    highest: int | None
    """Gmax in pS, where it is stated."""
    held: NDArray[np.bool_]
    """[word lines, bit lines]: cells that hold something, references included. The others are erased; where `lowest` is
    0 they conduct nothing, whatever an effect returns for them."""
    target: Singles
    """[word lines, bit lines]: the conductances that the levels ask for, shares of the highest."""
    converters: int
    """Converters, amplifiers or counters of the array."""
    random: np.random.Generator
    """Seeded by seed, draw, layer, array and effect, so that a draw depends on no order."""


class Effect(Plugin[OptionsT]):
    """One way in which a device is not ideal. Registered by name, used in the `noise` of any architecture.

    Conductances are shares of the highest, Gmax. Every method has a default that changes nothing; an effect defines
    those that it has an influence on. Equal random numbers give equal answers, and what is given is not changed.
    """

    stage: ClassVar[Stage] = "program"
    """When it changes cells."""
    absolute: ClassVar[bool] = False
    """Whether it needs Gmax itself, `Given.highest`."""

    def cells(self, conductance: Singles, given: Given) -> Singles:
        """The conductances of an array as they are on this device, once for all its reads.

        Args:
            conductance: [word lines, bit lines], at least 0.

        Returns:
            The same shape, finite, at least 0 except in the stages `BEHIND` wires, where it is the current of a bit
            line per voltage of a word line.
        """
        return conductance

    def pulses(self, levels: Singles, together: int) -> tuple[float, float] | None:
        """What verifying cells takes: expected pulses of a cell, and expected rounds until the last of `together` cells
        that are written at the same time is done, both at least 1; None: this effect verifies nothing.

        Args:
            levels: conductances of a cell's levels, [levels], each as frequent as the others.
        """
        return None

    def reading(self, conductance: Singles, given: Given) -> tuple[Singles, Singles] | None:
        """Mean and variance of each conductance from read to read, both the shape of `conductance`; None: it does not
        vary. Reads are independent of one another, and cells are within a read."""
        return None

    def transfer(self, which: Ints, given: Given) -> Transfer | None:
        """How converters distort what they convert: a function of sums [bit lines, any number] in steps of a converter,
        which returns that shape, any real numbers; None: not at all.

        Args:
            which: [bit lines]: the converter of each bit line that is read, 0 to `given.converters` - 1. An array is
                asked once for every group of bit lines that it reads, each time with the same random numbers.
        """
        return None

    def components(self, geometry: Geometry) -> list[Added]:
        """Hardware that makes up for errors, in every tile or IMA; its actions are those of the machine, such as
        `conversion` or `or_access`, and it is paid beside what the machine has for them."""
        return []

    def spares(self) -> int:
        """Bit lines that an array has besides."""
        return 0

    def jitter(self) -> float:
        """Standard deviation of what each conversion adds to its sum, in steps of the converter, normal and
        independent."""
        return 0.0
