"""A price of one technology node at another, by ideal scaling rules. Wires, analog circuits and memory cells
scale less, and leakage follows none of these rules: a scaled price is right to its order of magnitude only."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from typing import ClassVar

from pydantic import Field

from xbarch.parts.scaling.base import Point, Price, Scaling
from xbarch.specs.model import Options
from xbarch.units import Length


class NodeOptions(Options):
    """Options of every node model."""

    of: Length = Field(ge=1, description="node that the price is written for")
    to: Length = Field(ge=1, description="node that is built")


class Node(Scaling[NodeOptions]):
    """Price as written, times the model's factors for s, the ratio of the two nodes. Leakage stays as written."""

    kind: ClassVar[str] = "node"
    Options: ClassVar[type[Options]] = NodeOptions

    @abstractmethod
    def factors(self, s: Fraction) -> tuple[Fraction, Fraction, Fraction]:
        """(energy of an action, area, delay) where dimensions are multiplied by s."""

    def scale(self, written: Price, of: Point, at: Point) -> Price:
        energy, area, delay = self.factors(Fraction(self.options.to, self.options.of))
        return written.times(energy, area, delay=delay)


class Dennard(Node):
    name: ClassVar[str] = "dennard"
    summary: ClassVar[str] = "constant field: area s^2, energy s^3, delay s"
    provenance: ClassVar[str] = (
        "Dennard et al., JSSC 1974, Table I (dimensions, voltage, current and delay s, power s^2). Ideal: voltages "
        "have not followed since about 90 nm")

    def factors(self, s: Fraction) -> tuple[Fraction, Fraction, Fraction]:
        return s**3, s**2, s


class PostDennard(Node):
    name: ClassVar[str] = "post_dennard"
    summary: ClassVar[str] = "constant voltage: area s^2, energy s, delay s"
    provenance: ClassVar[str] = (
        "Taylor, Is Dark Silicon Useful?, DAC 2012, Table 1 (capacitance and delay s, voltage as it is). Ideal: for "
        "logic below 90 nm")

    def factors(self, s: Fraction) -> tuple[Fraction, Fraction, Fraction]:
        return s, s**2, s
