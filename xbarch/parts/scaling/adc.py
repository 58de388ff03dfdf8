"""How a converter's energy and area grow with its bits, rate and node. A conclusion about bits should hold under more
than one model."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from fractions import Fraction
from math import ceil, exp, log
from typing import ClassVar

from xbarch.parts.scaling.base import OutOfRangeError, Point, Price, Scaling, between

_NODE = 32  # nm, of a machine that states none: ISAAC's


class Survey:
    """The envelope of the published converters of Murmann's survey, as fitted by Andrulis et al., arXiv 2404.06553
    (coefficients of the Accelergy ADC plug-in, MIT licence): the Schreier figure of merit falls with the rate, up to
    the best that any converter of so many bits has reached."""

    AT_1_HZ, PER_LOG_HZ = 213.7806687348118, -2.8719030399529957  # dB
    BEST, BEST_PER_BIT = 128.3068287398817, 3.2205215109695
    NODE, PER_LOG_NM, PER_LOG_BIT, LEFT = 26.0496215686518, 1.8800369206815004, -2.8291256050594527, -1.4702022133784405
    AREA, AREA_NM, AREA_HZ, AREA_PJ = 1.3461916439910742, 0.9932794744745022, 0.18071538424508238, 0.29912426192653485

    @classmethod
    def energy(cls, bits: int, rate: float, node: int) -> float:
        """Of a conversion, pJ. rate: conversions per second. node: nm."""
        merit = min(cls.AT_1_HZ + cls.PER_LOG_HZ * log(rate), cls.BEST + cls.BEST_PER_BIT * ceil(bits))
        noise = 6.02 * bits + 1.76  # dB that so many bits resolve
        return exp(cls.NODE + cls.PER_LOG_NM * log(node) + cls.PER_LOG_BIT * log(bits) + cls.LEFT) \
            / (2 * 10 ** ((merit - noise) / 10))

    @classmethod
    def area(cls, bits: int, rate: float, node: int) -> float:
        """Of a converter, um2."""
        return exp(cls.AREA + cls.AREA_NM * log(node) + cls.AREA_HZ * log(rate)
                   + cls.AREA_PJ * log(cls.energy(bits, rate, node)))


def _surveyed(bits: int, p: Point) -> tuple[Fraction, Fraction]:
    """Energy and area of a converter of `bits` bits at a machine's rate and node, by the survey."""
    rate, node = 10**12 / p.conversion, p.node or _NODE
    return Fraction(Survey.energy(bits, rate, node)), Fraction(Survey.area(bits, rate, node))


class Adc(Scaling):
    """Price as written for `of.adc_bits`, times the model's ratio for the bits that are built, and the survey's for
    another rate or node; as many converters as crossbars have."""

    kind: ClassVar[str] = "adc"
    follows: ClassVar[frozenset[str]] = frozenset({
        "adc_bits", "adcs", "conversion", "node", "columns", "crossbars", "cadence"})

    @abstractmethod
    def energy(self, bits: int) -> Fraction:
        """Energy of a conversion, in arbitrary units."""

    @abstractmethod
    def area(self, bits: int) -> Fraction:
        """Area of a converter, in arbitrary units."""

    def ratios(self, of: Point, at: Point) -> tuple[Fraction, Fraction]:
        """(energy of a conversion, area of a converter) at `at` over those at `of`."""
        energy, area = Fraction(1), Fraction(1)
        if at.adc_bits != of.adc_bits:
            energy = self.energy(at.adc_bits) / self.energy(of.adc_bits)
            area = self.area(at.adc_bits) / self.area(of.adc_bits)
        if (at.conversion, at.node) != (of.conversion, of.node):
            new, old = _surveyed(at.adc_bits, at), _surveyed(at.adc_bits, of)
            energy, area = energy * new[0] / old[0], area * new[1] / old[1]
        return energy, area

    def scale(self, written: Price, of: Point, at: Point) -> Price:
        energy, area = self.ratios(of, at)
        number = at.adcs * at.crossbars / (of.adcs * of.crossbars)
        sums = Fraction(at.columns * at.crossbars, of.columns * of.crossbars)
        return written.times(energy, area * number, leakage=energy * number, count=number,
                             delay=at.cadence / of.cadence / sums)


class IsaacSplit(Adc):
    """pJ and µm²: comparator, latches and logic linear in the bits, the capacitive DAC exponential."""

    name: ClassVar[str] = "isaac_split"
    summary: ClassVar[str] = "linear and exponential part, fitted to ISAAC's 8-bit SAR converter, 4 to 10 bits"
    provenance: ClassVar[str] = (
        "this project's fit, within 0.5 % at 4 to 10 bits, of ISAAC's 8-bit ADC as the Accelergy library scales it (Wu "
        "et al., ICCAD 2019; library/isaac), in the split of Saberi et al., TCAS-I 2011")

    def energy(self, bits: int) -> Fraction:
        return Fraction("0.19488") * bits + Fraction("4.2005e-4") * self._levels(bits)

    def area(self, bits: int) -> Fraction:
        return Fraction("81.727") * bits + Fraction("2.13353") * self._levels(bits)

    @staticmethod
    def _levels(bits: int) -> int:
        """Below its points the fit is nearly linear; above them, where the exponential part takes over, it is none."""
        if bits > 10:
            raise OutOfRangeError(f"bits must be at most 10, the largest converter of the fit, not {bits}")
        return 1 << bits


class CapDac(Adc):
    """Area is assumed to scale as energy does, for want of a better model."""

    name: ClassVar[str] = "capdac"
    summary: ClassVar[str] = "2^n / (n + 1), a capacitive-DAC SAR converter; area assumed alike"
    provenance: ClassVar[str] = (
        "2^n / (n + 1), power of a capacitive-DAC SAR ADC (Saberi et al., TCAS-I 2011), as the public simulator of "
        "SRE's 6-bit ADC has it (Yang et al., ISCA 2019); area assumed alike")

    def energy(self, bits: int) -> Fraction:
        return Fraction(1 << bits, bits + 1)

    area = energy


class Flash(Adc):
    """One comparator for every level except one."""

    name: ClassVar[str] = "flash"
    summary: ClassVar[str] = "2^n - 1 comparators of a flash converter; energy and area alike"
    provenance: ClassVar[str] = "Razavi, Principles of Data Conversion System Design, 1995 (flash: 2^n - 1 comparators)"

    def energy(self, bits: int) -> Fraction:
        return Fraction((1 << bits) - 1)

    area = energy


class Linear(Adc):
    """Newton's 0.287 pJ per bit and the PUMA simulator's 0.25 mW per bit are the same model, since only ratios
    count."""

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
    """Flat below six bits, steep above eight."""

    name: ClassVar[str] = "murmann_fit"
    summary: ClassVar[str] = "fit of Murmann's ADC survey, 4 to 10 bits, at the machine's rate and node"
    provenance: ClassVar[str] = (
        "Murmann, ADC Performance Survey, as fitted by Andrulis et al., Modeling ADC Energy and Area for "
        "Compute-In-Memory, arXiv 2404.06553 (coefficients of the Accelergy ADC plug-in); offered for 4 to 10 bits; a "
        "machine that states no node counts as 32 nm")

    def energy(self, bits: int) -> Fraction:
        return self._at(bits)[0]

    def area(self, bits: int) -> Fraction:
        return self._at(bits)[1]

    @staticmethod
    def _at(bits: int, rate: float = 1.2e9, node: int = _NODE) -> tuple[Fraction, Fraction]:
        between(dict.fromkeys((4, 10), Fraction(1)), bits, "bits")
        return Fraction(Survey.energy(bits, rate, node)), Fraction(Survey.area(bits, rate, node))

    def ratios(self, of: Point, at: Point) -> tuple[Fraction, Fraction]:
        new, old = (self._at(p.adc_bits, 10**12 / p.conversion, p.node or _NODE) for p in (at, of))
        return new[0] / old[0], new[1] / old[1]


class _Neurosim(Adc):
    """A converter of NeuroSim V1.4. Its node scales by that tool's own runs at 22 to 65 nm, its rate by the survey."""

    ENERGY: ClassVar[dict[int, float]] = {22: 1, 32: 1.201, 45: 2.061, 65: 4.177}
    AREA: ClassVar[dict[int, float]] = {22: 1, 32: 2.087, 45: 4.151, 65: 8.395}
    HOME: ClassVar[int] = 22  # nm, of its figures and of a machine that states none

    def at_node(self, node: int) -> tuple[float, float]:
        """Energy and area over those at 22 nm; between two nodes a power of the node.

        Raises:
            OutOfRangeError: a node outside 22 to 65 nm.
        """
        if not min(self.ENERGY) <= node <= max(self.ENERGY):
            raise OutOfRangeError(f"node must be {min(self.ENERGY)} to {max(self.ENERGY)} nm, the range of the model's "
                             f"table, not {node}")
        low, high = max(n for n in self.ENERGY if n <= node), min(n for n in self.ENERGY if n >= node)
        share = log(node / low) / log(high / low) if high > low else 0.0
        energy, area = (t[low] ** (1 - share) * t[high] ** share for t in (self.ENERGY, self.AREA))
        return energy, area

    def ratios(self, of: Point, at: Point) -> tuple[Fraction, Fraction]:
        known = of.node or self.HOME
        energy, area = super().ratios(replace(of, node=known), replace(at, node=known))
        if (at.node or self.HOME) != known:
            new, old = self.at_node(at.node or self.HOME), self.at_node(known)
            energy, area = energy * Fraction(new[0] / old[0]), area * Fraction(new[1] / old[1])
        return energy, area


class NeurosimFlash(_Neurosim):
    """Comparators for every level but one, each with a part that grows with the word lines, and an encoder."""

    name: ClassVar[str] = "neurosim_flash"
    summary: ClassVar[str] = "NeuroSim V1.4's multi-level sense amplifier, 4 to 7 bits, 22 to 65 nm"
    provenance: ClassVar[str] = (
        "this project's fit to runs of NeuroSim V1.4 (Peng et al., IEDM 2019) at 22 nm, 64 to 256 rows: area (L - 1) "
        "(0.92685 + 0.07681 rows / L) um2 for L levels, and an encoder of 10.3, 14.2, 35.1, 60.8 um2; energy of a "
        "conversion as its runs print it")
    FJ: ClassVar[dict[int, Fraction]] = dict(zip(range(4, 8), map(Fraction, ("31.9", "68.2", "152", "382.9")),
                                                 strict=True))
    ENCODER: ClassVar[dict[int, Fraction]] = dict(zip(range(4, 8), map(Fraction, ("10.3", "14.2", "35.1", "60.8")),
                                                      strict=True))

    def energy(self, bits: int) -> Fraction:
        """Of a conversion at 22 nm, fJ."""
        return between(self.FJ, bits, "bits")

    def area(self, bits: int, rows: int = 128) -> Fraction:
        """Of a converter at 22 nm, um2."""
        levels = 1 << bits
        return (levels - 1) * (Fraction("0.92685") + Fraction("0.07681") * rows / levels) \
            + between(self.ENCODER, bits, "bits")

    def ratios(self, of: Point, at: Point) -> tuple[Fraction, Fraction]:
        energy, area = super().ratios(of, at)
        if at.rows != of.rows:
            area *= self.area(at.adc_bits, at.rows) / self.area(at.adc_bits, of.rows)
        return energy, area


class NeurosimSar(_Neurosim):
    """Area linear in the bits: one comparator, and a register and a switch for each bit."""

    name: ClassVar[str] = "neurosim_sar"
    summary: ClassVar[str] = "NeuroSim V1.4's SAR converter, 3 to 10 bits, 22 to 65 nm"
    provenance: ClassVar[str] = (
        "this project's fit to runs of NeuroSim V1.4 (Peng et al., IEDM 2019) at 22 nm, 4 to 7 bits: area 30.4 + 18.75 "
        "n um2, energy of a conversion -1.4 + 17.33 n fJ within 1.5 %; offered for 3 to 10 bits, beyond the runs by "
        "its straight lines")

    def energy(self, bits: int) -> Fraction:
        """Of a conversion at 22 nm, fJ."""
        between(dict.fromkeys((3, 10), Fraction(1)), bits, "bits")
        return Fraction("17.33") * bits - Fraction("1.4")

    def area(self, bits: int) -> Fraction:
        """Of a converter at 22 nm, um2."""
        return Fraction("30.4") + Fraction("18.75") * bits
