"""How a converter's energy and area grow with its bits. A conclusion about bits should hold under more than one."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from typing import ClassVar

from xbarch.errors import InputError
from xbarch.parts.scaling.base import Built, Price, Scaling, between


class Adc(Scaling):
    """Price as written for the component's `bits`, times the model's ratio for crossbar.adc_bits."""

    kind: ClassVar[str] = "adc"

    @abstractmethod
    def energy(self, bits: int) -> Fraction:
        """Of a conversion, relative to anything."""

    @abstractmethod
    def area(self, bits: int) -> Fraction:
        """Of a converter, relative to anything."""

    def ratios(self, bits: int, reference: int) -> tuple[Fraction, Fraction]:
        """(energy, area) at `bits` over those at `reference` bits."""
        return self.energy(bits) / self.energy(reference), self.area(bits) / self.area(reference)

    def scale(self, written: Price, built: Built) -> Price:
        if built.of is None:
            raise InputError("the component states no bits; state the resolution that its price is for")
        if built.of == built.adc_bits:
            return written
        energy, area = self.ratios(built.adc_bits, built.of)
        return written.times(energy, area, leakage=energy)


class IsaacSplit(Adc):
    """pJ and µm²: comparator, latches and logic linear in the bits, the capacitive DAC exponential."""

    name: ClassVar[str] = "isaac_split"
    summary: ClassVar[str] = "linear and exponential part, fitted to ISAAC's 8-bit SAR converter, 4 to 10 bits"
    provenance: ClassVar[str] = (
        "this project's fit, within 0.5 % at 4 to 10 bits, of ISAAC's 8-bit ADC as the Accelergy library scales it (Wu "
        "et al., ICCAD 2019; library/isaac), in the split of Saberi et al., TCAS-I 2011")

    def energy(self, bits: int) -> Fraction:
        return Fraction("0.19488") * bits + Fraction("4.2005e-4") * (1 << bits)

    def area(self, bits: int) -> Fraction:
        return Fraction("81.727") * bits + Fraction("2.13353") * (1 << bits)


class CapDac(Adc):
    """Area taken as the energy's, for want of anything better."""

    name: ClassVar[str] = "capdac"
    summary: ClassVar[str] = "2^n / (n + 1), a capacitive-DAC SAR converter; area assumed alike"
    provenance: ClassVar[str] = (
        "2^n / (n + 1), power of a capacitive-DAC SAR ADC (Saberi et al., TCAS-I 2011), as the public simulator of "
        "SRE's 6-bit ADC has it (Yang et al., ISCA 2019); area assumed alike")

    def energy(self, bits: int) -> Fraction:
        return Fraction(1 << bits, bits + 1)

    area = energy


class Flash(Adc):
    """A comparator for every level but one."""

    name: ClassVar[str] = "flash"
    summary: ClassVar[str] = "2^n - 1 comparators of a flash converter; energy and area alike"
    provenance: ClassVar[str] = "Razavi, Principles of Data Conversion System Design, 1995 (flash: 2^n - 1 comparators)"

    def energy(self, bits: int) -> Fraction:
        return Fraction((1 << bits) - 1)

    area = energy


class Linear(Adc):
    """Newton's 0.287 pJ and the PUMA simulator's 0.25 mW a bit are one model, as only ratios count."""

    name: ClassVar[str] = "linear"
    summary: ClassVar[str] = "in proportion to the bits (Newton, PUMA's simulator); area assumed alike"
    provenance: ClassVar[str] = (
        "Nag et al., Newton, IEEE Micro 2018 (2.58333 n / 9 pJ, as the Accelergy library, Wu et al., ICCAD 2019, has "
        "it) and the public simulator of Ankit et al., PUMA, ASPLOS 2019 (0.25 n mW); area assumed alike")

    def energy(self, bits: int) -> Fraction:
        return Fraction(bits)

    area = energy


class Mnsim(Adc):
    """Published converters of different kinds, so area need not grow with bits."""

    name: ClassVar[str] = "mnsim_table"
    summary: ClassVar[str] = "MNSIM 2.0's converters of 4, 6, 8 and 10 bits, linear between"
    provenance: ClassVar[str] = (
        "Zhu et al., MNSIM 2.0, GLSVLSI 2020, converter table of its public simulator: 4 b 0.7 mW 500 um^2 1 GS/s, 6 b "
        "1.26 mW 580 um^2 1 GS/s, 8 b 4 mW 1650 um^2 1.1 GS/s, 10 b 6.92 mW 1600 um^2 1.5 GS/s; linear between by this "
        "project")
    PJ: ClassVar[dict[int, Fraction]] = {
        4: Fraction("0.7"), 6: Fraction("1.26"), 8: Fraction("4") / Fraction("1.1"),
        10: Fraction("6.92") / Fraction("1.5")}
    UM2: ClassVar[dict[int, Fraction]] = {4: Fraction(500), 6: Fraction(580), 8: Fraction(1650), 10: Fraction(1600)}

    def energy(self, bits: int) -> Fraction:
        return between(self.PJ, bits, "bits")

    def area(self, bits: int) -> Fraction:
        return between(self.UM2, bits, "bits")


class Murmann(Adc):
    """The envelope of the best published converters: flat below six bits, steep above eight."""

    name: ClassVar[str] = "murmann_fit"
    summary: ClassVar[str] = "fit of Murmann's ADC survey at 32 nm and 1.2 GS/s, 4 to 10 bits"
    provenance: ClassVar[str] = (
        "Murmann, ADC Performance Survey, as fitted by Andrulis et al., Modeling ADC Energy and Area for "
        "Compute-In-Memory, arXiv 2404.06553 (Accelergy ADC plug-in), computed at 32 nm and 1.2 GS/s for 4 to 10 bits")
    PJ: ClassVar[dict[int, Fraction]] = dict(zip(range(4, 11), map(Fraction, (
        "0.923", "0.935", "1.064", "1.311", "1.846", "5.291", "15.707")), strict=True))
    UM2: ClassVar[dict[int, Fraction]] = dict(zip(range(4, 11), map(Fraction, (
        5129, 5149, 5352, 5696, 6311, 8647, 11973)), strict=True))

    def energy(self, bits: int) -> Fraction:
        return between(self.PJ, bits, "bits")

    def area(self, bits: int) -> Fraction:
        return between(self.UM2, bits, "bits")
