"""Design points near a published chip: other crossbars, converters and counts, from the chip's own unit prices.

ISAAC's paper names its points H-A-C-I: rows and columns of a crossbar, ADCs and crossbars of an IMA, IMAs of a tile. It
prints the parts of one of them (ISAAC-CE, H128-A8-C8-I12) and for two others the headline alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from xbarch.cost.nameplate import nameplate
from xbarch.cost.pricing import reprice
from xbarch.specs.architecture import Architecture
from xbarch.specs.component import Scaled

_REGISTERS = ("input_register", "output_register")


@dataclass(frozen=True)
class Headline:
    """ce: GOPS/s/mm². pe: GOPS/W. se: MB of weights a mm². Of a chip with what it has beside its tiles."""

    ce: float
    pe: float
    se: float


def point(architecture: Architecture, rows: int, adcs: int, crossbars: int, imas: int, *,
          registers: bool = True) -> Architecture:
    """`architecture` (an ISAAC: components input_register and output_register in its IMA) with crossbars of `rows` x
    `rows`, `adcs` and `crossbars` an IMA and `imas` a tile, at the prices of what is built (`xbarch.cost.pricing`).

    Converters have one bit more for a doubling of the rows, and an array is read in the published cycle, as the paper
    has one cycle for all its points.

    registers: whether input and output registers grow with rows and columns (assumed: in proportion, area and power),
    or stay as printed. What a tile has beside IMAs, and the number of tiles, stay as they are (assumed).
    """
    a = architecture
    bits = a.crossbar.adc_bits + (rows.bit_length() - a.crossbar.rows.bit_length())
    parts = dict(a.components)
    if not registers:
        parts.update({name: parts[name].model_copy(update={"scaling": Scaled(model="fixed")}) for name in _REGISTERS})
    return reprice(a.model_copy(update={
        "components": parts,
        "crossbar": a.crossbar.model_copy(update={
            "rows": rows, "columns": rows, "adc_bits": bits, "read_rows": rows,
            "adcs_per_crossbar": str(Fraction(adcs, crossbars))}),
        "hierarchy": a.hierarchy.model_copy(update={"imas_per_tile": imas, "crossbars_per_ima": crossbars})}), a)


def headline(architecture: Architecture, weight_bits: int = 16, input_bits: int = 16) -> Headline:
    """The chip's figures by nameplate; a MB is 2^20 bytes."""
    plate, x = nameplate(architecture, weight_bits, input_bits), architecture.crossbar
    return Headline(plate.gops_per_mm2, plate.gops_per_w,
                    architecture.crossbars * x.rows * x.columns * x.cell_bits / 8 / 2**20 / plate.area_mm2)
