"""Newton's converters: a conversion decides only the bits that enter the 16 bits that are kept of a result."""

from typing import ClassVar

import numpy as np

from xbarch.parts.sensing.adc import Adc

# Bits that a 9-bit converter decides, by cycle (rows) and slice of the weight (columns), of 16-bit weights and inputs.
TABLE = np.array([[int(digit) for digit in row] for row in (
    "99751093", "99862094", "99973195", "99984296", "89995397", "79996498", "68997599", "57998699",
    "46999789", "35999879", "24899969", "13799959", "02689949", "01579939", "00469928", "00359917")])


class AdaptiveAdc(Adc):
    """Energy in bits decided; every conversion takes its whole time. Slices and cycles are equally frequent, so the
    mean of the table is exact."""

    name: ClassVar[str] = "adaptive_adc"
    summary: ClassVar[str] = "converters that stop at the last bit that counts (Newton)"
    provenance: ClassVar[str] = (
        "Nag et al., Newton, IEEE Micro 2018: table and power in proportion to the bits as the Accelergy library has "
        "them; for other precisions than 16 bits all bits are decided")
    emits: ClassVar[tuple[str, ...]] = (*Adc.emits, "conversion_bit")
    adaptive: bool = False

    def adjusted(self, given):
        unit = type(self)(self.array, self.options)
        unit.adaptive = given.layer.weight_bits == given.layer.input_bits == 16
        return unit

    def actions(self, work):
        made = super().actions(work)
        bits = (int(TABLE.sum()), TABLE.size) if self.adaptive else (self.array.bits, 1)
        return {**made, "conversion_bit": made["conversion"] * bits[0] // bits[1]}
