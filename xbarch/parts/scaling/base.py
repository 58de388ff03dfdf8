"""The contract of a scaling model: it turns a component's price as written into the price of what is built."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

from xbarch.errors import InputError
from xbarch.parts.scaling.point import Point
from xbarch.specs.model import OptionsT, Plugin

__all__ = ["Number", "OutOfRangeError", "Point", "Price", "Ratios", "Relative", "Scaling", "between"]

Number = int | float | Fraction


class OutOfRangeError(InputError):
    """What is built is beyond the range that a scaling model is for."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of a component: of all its instances in one parent (tile, IMA, ...)."""

    energy: Number
    """Energy of one action, aJ."""
    area: Number
    """Area, nm²."""
    power: Number
    """Power at full activity, µW."""
    leakage: Number
    """Leakage, µW."""
    per: Number
    """Time in which the instances perform the component's `actions` at full activity, ps; 0: no rate is known."""
    count: Number = Fraction(1)
    """Instances in one parent."""

    def times(self, energy: Number = 1, area: Number = 1, leakage: Number = 1, delay: Number = 1,
              count: Number = 1) -> Price:
        """The price with its parts multiplied; power follows energy and rate."""
        return replace(self, energy=self.energy * energy, area=self.area * area, leakage=self.leakage * leakage,
                       power=self.power * energy / delay, per=self.per * delay, count=self.count * count)


class Scaling(Plugin[OptionsT]):
    """A model of how prices scale. Registered by name, named in a component's `scaling` in any architecture's YAML. A
    component that names none follows the default model of its action (`xbarch.cost.defaults`)."""

    kind: ClassVar[str]
    """What it is for: "adc" (a component with an action of the sensing unit), "buffer" (a component whose action is an
    access, or with constant power), "node" (any component, beside the model of its kind) or another word (any
    component)."""
    follows: ClassVar[frozenset[str]] = frozenset()
    """The attributes of `Point` that the model takes account of. Where another one that matters to the component
    differs from what the price is written for, the price is marked as not for this geometry."""

    @abstractmethod
    def scale(self, written: Price, of: Point, at: Point) -> Price:
        """The price of what is built.

        Args:
            written: the price as the architecture states it.
            of: the machine that it is written for.
            at: the machine that is built.

        Raises:
            OutOfRangeError: what is built is outside the model's range. The price then stays, marked; a converter model
                that a component names is refused instead.
        """


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """What is built over what the price is written for."""

    energy: Number = 1
    """Of one action."""
    area: Number = 1
    """Of all units in one parent."""
    rate: Number = 1
    """Actions of all units in a given time, at full activity."""
    count: Number = 1
    """Instances in one parent."""


class Relative(Scaling[OptionsT]):
    """A model that knows ratios. Leakage follows the area: as many transistors of the same kind."""

    kind: ClassVar[str] = "geometry"

    @abstractmethod
    def ratios(self, of: Point, at: Point) -> Ratios:
        """What is built (`at`) over what the price is written for (`of`)."""

    def scale(self, written: Price, of: Point, at: Point) -> Price:
        r = self.ratios(of, at)
        return written.times(r.energy, r.area, leakage=r.area, delay=1 / Fraction(r.rate), count=r.count)


def between(table: dict[int, Fraction], at: int, what: str) -> Fraction:
    """A table's value at `at`, linear between its points.

    Raises:
        OutOfRangeError: `at` is outside the table.
    """
    points = sorted(table)
    if not points[0] <= at <= points[-1]:
        raise OutOfRangeError(f"{what} must be {points[0]} to {points[-1]}, the range of the model's table, not {at}")
    low = max(p for p in points if p <= at)
    high = min(p for p in points if p >= at)
    share = Fraction(at - low, high - low) if high > low else Fraction(0)
    return table[low] + share * (table[high] - table[low])
