"""Units of digital logic that work on whole results: adders, activation, pooling, multipliers, and prices that follow
nothing."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from typing import ClassVar

from xbarch.parts.scaling.base import Point, Price, Ratios, Relative, Scaling


class Wide(Relative):
    """Logic whose area and energy follow its width."""

    grows: ClassVar[int] = 1
    """The power of the width."""

    @abstractmethod
    def bits(self, p: Point) -> int:
        """Its width."""

    def ratios(self, of: Point, at: Point) -> Ratios:
        wider = Fraction(self.bits(at), self.bits(of)) ** self.grows
        return Ratios(area=wider, energy=wider)


class Adder(Wide):
    """Ripple or prefix: a bit slice for every bit of a partial sum."""

    name: ClassVar[str] = "adder"
    summary: ClassVar[str] = "adders of partial sums: by the bits of weights and inputs together"
    provenance: ClassVar[str] = (
        "area and energy in proportion to the width, as the adder tables of MNSIM 2.0 (Zhu et al., GLSVLSI 2020: "
        "0.284 um2 per bit at 45 nm) and the integer adders of Horowitz, ISSCC 2014 (8 bits 36 um2 and 0.03 pJ, 32 "
        "bits 137 um2 and 0.1 pJ) have it")
    follows: ClassVar[frozenset[str]] = frozenset({"weight_bits", "input_bits"})

    def bits(self, p: Point) -> int:
        return p.weight_bits + p.input_bits


class Activation(Wide):
    """A comparator or a table of so many bits."""

    name: ClassVar[str] = "activation"
    summary: ClassVar[str] = "activation and pooling: by the bits of an activation"
    provenance: ClassVar[str] = (
        "a comparison is a subtraction: area and energy in proportion to the width, as an adder's (Horowitz, ISSCC "
        "2014)")
    follows: ClassVar[frozenset[str]] = frozenset({"input_bits"})

    def bits(self, p: Point) -> int:
        return p.input_bits


class Multiplier(Adder):
    """An array of full adders, one for every pair of bits."""

    name: ClassVar[str] = "multiplier"
    summary: ClassVar[str] = "multipliers: by the square of the bits of weights and inputs together"
    provenance: ClassVar[str] = (
        "area and energy by the square of the width, as the integer multipliers of Horowitz, ISSCC 2014 have it (8 "
        "bits 282 um2 and 0.2 pJ, 32 bits 3,495 um2 and 3.1 pJ)")
    grows: ClassVar[int] = 2


class Fixed(Scaling):
    """The written price, whatever is built."""

    name: ClassVar[str] = "fixed"
    summary: ClassVar[str] = "the price as written, whatever is built"
    provenance: ClassVar[str] = "none: for parts of which nothing is known"
    kind: ClassVar[str] = "geometry"

    def scale(self, written: Price, of: Point, at: Point) -> Price:
        return written
