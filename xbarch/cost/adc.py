"""How an ADC's energy and area grow with its bits. A conclusion about ADC bits should hold under more than one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from xbarch.spec.architecture import Scaling


@dataclass(frozen=True)
class Model:
    """energy, area: relative to anything, of n bits. source: where the formula is from."""

    energy: Callable[[int], Fraction]
    area: Callable[[int], Fraction]
    source: str

    def ratios(self, bits: int, reference: int) -> tuple[Fraction, Fraction]:
        """(energy, area) of a conversion at `bits` over those at `reference` bits."""
        return self.energy(bits) / self.energy(reference), self.area(bits) / self.area(reference)


def _capdac(bits: int) -> Fraction:
    return Fraction(2**bits, bits + 1)


MODELS: dict[Scaling, Model] = {
    # pJ and um²: comparator, latches and logic linear in the bits, the capacitive DAC exponential
    "isaac_split": Model(
        lambda n: Fraction("0.19488") * n + Fraction("4.2005e-4") * 2**n,
        lambda n: Fraction("81.727") * n + Fraction("2.13353") * 2**n,
        "this project's fit, within 0.5 % at 4 to 10 bits, of ISAAC's 8-bit ADC as the Accelergy library scales it "
        "(Wu et al., ICCAD 2019; library/isaac), in the split of Saberi et al., TCAS-I 2011"),
    # area taken as the energy's, for want of anything better
    "capdac": Model(_capdac, _capdac,
                    "2^n / (n + 1), power of a capacitive-DAC SAR ADC (Saberi et al., TCAS-I 2011), as the public "
                    "simulator of SRE's 6-bit ADC has it (Yang et al., ISCA 2019); area assumed alike"),
}
