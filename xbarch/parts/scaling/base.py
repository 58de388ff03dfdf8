"""What a scaling model tells: a component's price for what is built, given the price as written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

from xbarch.datapaths.base import Options
from xbarch.errors import InputError

Number = int | float | Fraction


@dataclass(frozen=True)
class Price:
    """energy: of an action, aJ. area: nm², power at full activity and leakage: µW, all of `count` units in one parent.
    per: ps in which the group does its actions at full activity (0: no rate is known)."""

    energy: Number
    area: Number
    power: Number
    leakage: Number
    per: Number
    count: Fraction = Fraction(1)

    def times(self, energy: Number = 1, area: Number = 1, leakage: Number = 1, delay: Number = 1) -> Price:
        """The price with its parts multiplied; power goes with energy and rate."""
        return replace(self, energy=self.energy * energy, area=self.area * area, leakage=self.leakage * leakage,
                       power=self.power * energy / delay, per=self.per * delay)


@dataclass(frozen=True)
class Built:
    """What there is to follow. of: bits of the converter that the price is written for. adc_bits: of the converters
    built. buffer, access: bits of a tile's buffer and of one access to it."""

    of: int | None
    adc_bits: int
    buffer: int
    access: int


class Scaling(ABC):
    """A model of how prices scale. Registered by name, named in a component's `scaling` in any architecture's YAML.

    kind: what it is for, "adc" (a component with bits and an action of the sensing unit), "buffer" (one without bits
    whose action is an access, or with constant power), "node" or another word (any). Without a model a price stays as
    written.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    provenance: ClassVar[str]
    kind: ClassVar[str]
    Options: ClassVar[type[Options]] = Options

    def __init__(self, options: Any = None) -> None:
        self.options: Any = self.Options.model_validate(options or {})

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
        raise InputError(f"found {at} {what}, allowed {points[0]} to {points[-1]}, which its table has")
    low = max(p for p in points if p <= at)
    high = min(p for p in points if p >= at)
    share = Fraction(at - low, high - low) if high > low else Fraction(0)
    return table[low] + share * (table[high] - table[low])
