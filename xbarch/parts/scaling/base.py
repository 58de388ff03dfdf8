"""The contract of a scaling model: a component's price for what is built, from the price as written."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

from xbarch.errors import InputError
from xbarch.specs.model import OptionsT, Plugin

Number = int | float | Fraction


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of a component: all of its units in one parent."""

    energy: Number
    """Energy of one action, aJ."""
    area: Number
    """Area, nm²."""
    power: Number
    """Power at full activity, µW."""
    leakage: Number
    """Leakage, µW."""
    per: Number
    """Time in which the group performs its actions at full activity, ps; 0: no rate is known."""
    count: Fraction = Fraction(1)
    """Units in one parent."""

    def times(self, energy: Number = 1, area: Number = 1, leakage: Number = 1, delay: Number = 1) -> Price:
        """The price with its parts multiplied; power follows energy and rate."""
        return replace(self, energy=self.energy * energy, area=self.area * area, leakage=self.leakage * leakage,
                       power=self.power * energy / delay, per=self.per * delay)


@dataclass(frozen=True, kw_only=True)
class Built:
    """What is built, for a model to follow."""

    of: int | None
    """Bits of the converter that the price is written for; None: the component states none."""
    adc_bits: int
    """Bits of the converters that are built."""
    buffer: int
    """Size of a tile's buffer, bits."""
    access: int
    """Bits of one access to it."""


class Scaling(Plugin[OptionsT]):
    """A model of how prices scale. Registered by name, named in a component's `scaling` in any architecture's YAML.
    Without a model a price stays as written."""

    kind: ClassVar[str]
    """What it is for: "adc" (a component with bits and an action of the sensing unit), "buffer" (a component without
    bits whose action is an access, or with constant power), "node" or another word (any component)."""

    @abstractmethod
    def scale(self, written: Price, built: Built) -> Price:
        """The price of what is built.

        Raises:
            InputError: the model does not reach that far.
        """


def between(table: dict[int, Fraction], at: int, what: str) -> Fraction:
    """A table's value at `at`, linear between its points.

    Raises:
        InputError: outside the table.
    """
    points = sorted(table)
    if not points[0] <= at <= points[-1]:
        raise InputError(f"{what} must be {points[0]} to {points[-1]}, the range of the model's table, not {at}")
    low = max(p for p in points if p <= at)
    high = min(p for p in points if p >= at)
    share = Fraction(at - low, high - low) if high > low else Fraction(0)
    return table[low] + share * (table[high] - table[low])
