"""A price of one technology node at another. Ideal rules (Dennard, Taylor) and fits to simulated CMOS (Stillmaker and
Baas). Wires, analog circuits and memory cells scale less, and leakage follows none of these: a scaled price is right to
its order of magnitude only."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from math import exp, log
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import TypeVar

from xbarch.parts.scaling.base import OutOfRangeError, Point, Price, Scaling
from xbarch.specs.model import Options
from xbarch.units import Length

Factors = tuple[Fraction, Fraction, Fraction]
_NODES = (180, 130, 90, 65, 45, 32, 20, 16, 14, 10, 7)


class NodeOptions(Options):
    """Options of every node model."""

    of: Length | None = Field(None, ge=1, description="node that the price is written for; none: that of the machine "
                                                      "that it is written for")
    to: Length | None = Field(None, ge=1, description="node that is built; none: the machine's")


OptionsT = TypeVar("OptionsT", bound=NodeOptions, default=NodeOptions)


class Node(Scaling[OptionsT]):
    """Price as written, times the model's factors. Leakage stays as written."""

    Options: ClassVar[type[Options]] = NodeOptions
    kind: ClassVar[str] = "node"
    follows: ClassVar[frozenset[str]] = frozenset({"node"})

    @abstractmethod
    def factors(self, of: int, to: int) -> Factors:
        """(energy of an action, area, delay) at `to` nm over those at `of` nm."""

    def scale(self, written: Price, of: Point, at: Point) -> Price:
        before, after = self.options.of or of.node, self.options.to or at.node
        if not before or not after:
            raise OutOfRangeError("node must be stated, of the machine that the price is written for and of what is "
                                  "built (`node`, or `of` and `to` of the model)")
        energy, area, delay = self.factors(before, after)
        return written.times(energy, area, delay=delay)


class Dennard(Node):
    name: ClassVar[str] = "dennard"
    summary: ClassVar[str] = "constant field: area s^2, energy s^3, delay s"
    provenance: ClassVar[str] = (
        "Dennard et al., JSSC 1974, Table I (dimensions, voltage, current and delay s, power s^2). Ideal: voltages "
        "have not followed since about 90 nm")

    def factors(self, of: int, to: int) -> Factors:
        s = Fraction(to, of)
        return s**3, s**2, s


class PostDennard(Node):
    name: ClassVar[str] = "post_dennard"
    summary: ClassVar[str] = "constant voltage: area s^2, energy s, delay s"
    provenance: ClassVar[str] = (
        "Taylor, Is Dark Silicon Useful?, DAC 2012, Table 1 (capacitance and delay s, voltage as it is). Ideal: for "
        "logic below 90 nm")

    def factors(self, of: int, to: int) -> Factors:
        s = Fraction(to, of)
        return s, s**2, s


class StillmakerOptions(NodeOptions):
    """Options of Stillmaker and Baas's equations."""

    transistors: Literal["hp", "lp"] = Field("hp", description="high performance or low power, from 45 nm down")
    vdd_of: float | None = Field(None, gt=0, le=5, description="supply of the written price, V; none: the nominal one")
    vdd_to: float | None = Field(None, gt=0, le=5, description="supply of what is built, V; none: the nominal one")


class Stillmaker(Node[StillmakerOptions]):
    """Energy is a polynomial of the supply of second degree, delay one of third, area a table. Between two nodes of the
    tables a power of the node."""

    name: ClassVar[str] = "stillmaker_baas"
    summary: ClassVar[str] = "fits to simulated CMOS, 180 to 7 nm, by node and supply"
    provenance: ClassVar[str] = (
        "Stillmaker and Baas, Scaling equations for the accurate prediction of CMOS device performance from 180 nm to "
        "7 nm, Integration 58, 2017: coefficients and areas as the public tool nodeScale (UCLA NanoCAD, MIT licence) "
        "has them; nominal supplies of the Predictive Technology Model; between two nodes by this project")
    Options: ClassVar[type[Options]] = StillmakerOptions
    AREA: ClassVar[tuple[tuple[float, ...], ...]] = (
        (1, 0.34, 0.15, 0.08, 0.053, 0.025, 0.011, 0.01, 0.0093, 0.0055, 0.0032),
        (2.9, 1, 0.44, 0.23, 0.16, 0.072, 0.033, 0.03, 0.027, 0.016, 0.0092),
        (6.6, 2.3, 1, 0.53, 0.35, 0.16, 0.075, 0.067, 0.061, 0.036, 0.021),
        (12, 4.3, 1.9, 1, 0.66, 0.31, 0.14, 0.13, 0.12, 0.068, 0.039),
        (19, 6.4, 2.8, 1.5, 1, 0.46, 0.21, 0.19, 0.17, 0.1, 0.059),
        (40, 14, 6.1, 3.3, 2.2, 1, 0.46, 0.41, 0.38, 0.22, 0.13),
        (88, 30, 13, 7.1, 4.7, 2.2, 1, 0.89, 0.82, 0.48, 0.28),
        (99, 34, 15, 7.9, 5.3, 2.4, 1.1, 1, 0.91, 0.54, 0.31),
        (110, 37, 16, 8.7, 5.8, 2.7, 1.2, 1.1, 1, 0.59, 0.34),
        (180, 63, 28, 15, 9.8, 4.5, 2.1, 1.9, 1.7, 1, 0.58),
        (320, 110, 48, 25, 17, 7.8, 3.6, 3.2, 2.9, 1.7, 1))
    """By the node that an area is of, and the one it is scaled to."""
    DELAY: ClassVar[dict[str, tuple[tuple[float, ...], ...]]] = {
        "hp": ((0, 97.09, -356.7, 406.5), (-76.65, 334.9, -493.4, 275.8), (-60.34, 262.5, -384.2, 210.9),
               (-53.3, 230.4, -333.9, 178.6), (-501.6, 1567, -1619, 566.1), (-1047, 2982, -2797, 873.5),
               (0, 34.63, -66.37, 41.15), (0, 24.8, -47.52, 28.87), (-40.66, 109.2, -100.6, 35.92),
               (-34.95, 93.65, -85.99, 30.4), (-28.58, 76.6, -70.26, 24.69)),
        "lp": ((0, 97.09, -356.7, 406.5), (-76.65, 334.9, -493.4, 275.8), (-60.34, 262.5, -384.2, 210.9),
               (-53.3, 230.4, -333.9, 178.6), (-285.7, 1239, -1795, 898.8), (-325.9, 1374, -1922, 913.2),
               (-160.5, 514.1, -558.6, 217.5), (-114.6, 366.7, -397.4, 153.6), (-85.37, 271.6, -292.2, 111.4),
               (-71.76, 228.6, -246.3, 93.91), (-61.79, 196.1, -210.3, 79.55))}
    ENERGY: ClassVar[dict[str, tuple[tuple[float, ...], ...]]] = {
        "hp": ((24.64, -17.98, 0), (7.171, -6.709, 2.904), (4.762, -4.781, 2.092), (3.755, -4.398, 1.975),
               (1.018, -0.3107, 0.1539), (0.8367, -0.4341, 0.1701), (0.373, -0.1582, 0.04104),
               (0.2958, -0.1241, 0.03024), (0.2363, -0.09675, 0.02239), (0.2068, -0.09311, 0.02375),
               (0.1776, -0.09097, 0.02447)),
        "lp": ((24.64, -17.98, 0), (7.171, -6.709, 2.904), (4.762, -4.781, 2.092), (3.755, -4.398, 1.975),
               (1.103, -0.362, 0.2767), (0.9559, -0.7823, 0.471), (0.2632, -0.14, 0.06841),
               (0.2139, -0.1187, 0.05639), (0.1556, -0.06472, 0.03066), (0.1261, -0.0518, 0.02769),
               (0.09365, -0.03409, 0.02043))}
    NOMINAL: ClassVar[dict[str, tuple[float, ...]]] = {
        "hp": (1.8, 1.3, 1.2, 1.1, 1.0, 0.9, 0.9, 0.85, 0.8, 0.75, 0.7),
        "lp": (1.8, 1.3, 1.2, 1.1, 1.1, 1.0, 0.9, 0.85, 0.8, 0.75, 0.7)}

    def factors(self, of: int, to: int) -> Factors:
        kind, before, after = self.options.transistors, self.options.vdd_of, self.options.vdd_to
        energy, delay = (self._value(table[kind], to, after) / self._value(table[kind], of, before)
                         for table in (self.ENERGY, self.DELAY))
        area = sum(share * log(self.AREA[row][column]) * other for row, share in _between(of)
                   for column, other in _between(to))
        return Fraction(energy), Fraction(exp(area)).limit_denominator(10**6), Fraction(delay)

    def _value(self, table: tuple[tuple[float, ...], ...], node: int, vdd: float | None) -> float:
        """A polynomial of the supply at a node.

        Raises:
            OutOfRangeError: the polynomial is not above 0 at that supply.
        """
        found = 0.0
        for row, share in _between(node):
            supply = vdd or self.NOMINAL[self.options.transistors][row]
            value = sum(c * supply**power for power, c in enumerate(reversed(table[row])))
            if value <= 0:
                raise OutOfRangeError(f"supply must be within the fit's range at {_NODES[row]} nm, not {supply:g} V")
            found += share * log(value)
        return exp(found)


def _between(node: int) -> list[tuple[int, float]]:
    """The rows of the tables around a node, with the share of each.

    Raises:
        OutOfRangeError: a node outside the tables.
    """
    if not _NODES[-1] <= node <= _NODES[0]:
        raise OutOfRangeError(f"node must be {_NODES[-1]} to {_NODES[0]} nm, the range of the model's tables, not "
                              f"{node}")
    above = max(row for row, each in enumerate(_NODES) if each >= node)
    if _NODES[above] == node:
        return [(above, 1.0)]
    share = log(_NODES[above] / node) / log(_NODES[above] / _NODES[above + 1])
    return [(above, 1 - share), (above + 1, share)]
