"""What stands around an array: cells, drivers, sample-and-hold, shift-and-add, registers.

The laws are fits of this project to runs of NeuroSim V1.4 (Peng et al., IEDM 2019; 22 nm, 8-bit weights and inputs)
with 64 to 256 rows, 1- to 4-bit cells, 4- to 7-bit converters and 4 to 16 columns per converter. Tests hold each of
them to those runs.
"""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from typing import ClassVar

from xbarch.parts.scaling.base import Point, Ratios, Relative

_FIT = "this project's fit to runs of NeuroSim V1.4 (Peng et al., IEDM 2019) at 22 nm"
_WIRE = Fraction(1, 16)  # of a driver's energy at 128 columns: the word line itself


class Array(Relative):
    """Cells: area by their number, an action is one cell's share of a read."""

    name: ClassVar[str] = "array"
    summary: ClassVar[str] = "cells of an array: area by their number, energy by those that are read"
    provenance: ClassVar[str] = (
        f"the area of a 1T1R array is exactly in proportion to its cells, whatever their bits, and the energy of a "
        f"read to those that are on: {_FIT}, 64 to 256 rows and 1- to 4-bit cells")
    follows: ClassVar[frozenset[str]] = frozenset({
        "rows", "columns", "arrays", "cell_bits", "crossbars", "cadence"})

    def ratios(self, of: Point, at: Point) -> Ratios:
        return Ratios(area=Fraction(at.cells, of.cells), energy=Fraction(at.arrays, of.arrays),
                      count=Fraction(at.crossbars * at.arrays, of.crossbars * of.arrays),
                      rate=Fraction(at.rows * at.columns * at.crossbars, of.rows * of.columns * of.crossbars)
                      * of.cadence / at.cadence)


class Driver(Relative):
    """A driver for each word line; a wider converter in it costs twice as much per bit."""

    name: ClassVar[str] = "driver"
    summary: ClassVar[str] = "word line drivers: by number, doubled by each further DAC bit"
    provenance: ClassVar[str] = (
        f"area by rows, whatever the columns, and a sixteenth of the energy in a word line of 128 columns: {_FIT}; "
        "area and energy doubled per bit of a DAC: MNSIM 2.0's table of 1- to 6-bit DACs (Zhu et al., GLSVLSI 2020), "
        "from Saberi et al., TCAS-I 2011 (2^n unit capacitors)")
    follows: ClassVar[frozenset[str]] = frozenset({"rows", "columns", "arrays", "dac_bits", "crossbars", "cadence"})

    def ratios(self, of: Point, at: Point) -> Ratios:
        number = Fraction(at.rows * at.crossbars, of.rows * of.crossbars)
        wider = Fraction(1 << at.dac_bits, 1 << of.dac_bits)
        line = (1 + _WIRE * (Fraction(at.columns * at.arrays, 128) - 1)) \
            / (1 + _WIRE * (Fraction(of.columns * of.arrays, 128) - 1))
        return Ratios(area=number * wider, energy=wider * line, count=number, rate=number * of.cadence / at.cadence)


class SampleHold(Relative):
    """A capacitor and a switch for each bit line."""

    name: ClassVar[str] = "sample_hold"
    summary: ClassVar[str] = "one sample-and-hold for each bit line"
    provenance: ClassVar[str] = "Shafiee et al., ISAAC, ISCA 2016, Table I: as many as bit lines (8 x 128 in an IMA)"
    follows: ClassVar[frozenset[str]] = frozenset({"columns", "crossbars", "cadence"})

    def ratios(self, of: Point, at: Point) -> Ratios:
        number = Fraction(at.columns * at.crossbars, of.columns * of.crossbars)
        return Ratios(area=number, count=number, rate=number * of.cadence / at.cadence)


class ShiftAdd(Relative):
    """Registers and adders behind each converter, as wide as the sums that they collect."""

    name: ClassVar[str] = "shift_add"
    summary: ClassVar[str] = "shift-and-add units: by converters, and by the bits of codes, weights and inputs"
    provenance: ClassVar[str] = (
        f"area a + b with 5.382 of a converter's bits, 3.992 of cells per weight, 1.301 of input bits, in um2; energy "
        f"0.687 + 0.2266 of a converter's bits: {_FIT}")
    follows: ClassVar[frozenset[str]] = frozenset({
        "columns", "adc_bits", "adcs", "cell_bits", "weight_bits", "input_bits", "dac_bits", "crossbars", "cadence"})

    @staticmethod
    def area(p: Point) -> Fraction:
        """Of one unit, um2 at 22 nm."""
        phases = -(-p.input_bits // p.dac_bits)
        return Fraction("5.382") * p.adc_bits + Fraction("3.992") * p.slices + Fraction("1.301") * phases \
            + Fraction("2.6")

    @staticmethod
    def energy(p: Point) -> Fraction:
        """Of one addition, relative to anything."""
        return Fraction("0.687") + Fraction("0.2266") * p.adc_bits

    def ratios(self, of: Point, at: Point) -> Ratios:
        number = at.adcs * at.crossbars / (of.adcs * of.crossbars)
        sums = Fraction(at.columns * at.crossbars, of.columns * of.crossbars)
        return Ratios(area=number * self.area(at) / self.area(of), energy=self.energy(at) / self.energy(of),
                      count=number, rate=sums * of.cadence / at.cadence)


class Register(Relative):
    """A register file: area and power by its bits, an access as wide as before."""

    provenance: ClassVar[str] = (
        f"area in proportion to the bits of a register file: {_FIT} (1.25 um2 per bit from 1,024 to 16,384 bits); "
        "power at full activity assumed alike, an access as wide as before")

    @abstractmethod
    def size(self, p: Point) -> int:
        """Bits, relative to anything."""

    def ratios(self, of: Point, at: Point) -> Ratios:
        larger = Fraction(self.size(at), self.size(of))
        return Ratios(area=larger, rate=larger)


class InputRegister(Register):
    name: ClassVar[str] = "input_register"
    summary: ClassVar[str] = "an IMA's input register: by word lines and input bits"
    follows: ClassVar[frozenset[str]] = frozenset({"rows", "crossbars", "input_bits"})

    def size(self, p: Point) -> int:
        return p.rows * p.crossbars * p.input_bits


class OutputRegister(Register):
    name: ClassVar[str] = "output_register"
    summary: ClassVar[str] = "an IMA's output register: by bit lines"
    follows: ClassVar[frozenset[str]] = frozenset({"columns", "crossbars"})

    def size(self, p: Point) -> int:
        return p.columns * p.crossbars


class TileRegister(Register):
    name: ClassVar[str] = "tile_register"
    summary: ClassVar[str] = "a tile's output register: by the bit lines of its IMAs"
    follows: ClassVar[frozenset[str]] = frozenset({"columns", "crossbars", "imas"})

    def size(self, p: Point) -> int:
        return p.columns * p.crossbars * p.imas
