"""Design points near a published chip: other crossbars, converters and counts, from the chip's own unit prices.

ISAAC's paper names its points H-A-C-I: rows and columns of a crossbar, ADCs and crossbars of an IMA, IMAs of a tile. It
prints the parts of one of them (ISAAC-CE, H128-A8-C8-I12) and for two others the headline alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from xbarch.cost.nameplate import nameplate, window
from xbarch.cost.pricing import reprice
from xbarch.specs.architecture import Architecture, Component

_PER_ROW, _PER_COLUMN = ("dac", "input_register"), ("sample_hold", "output_register")
_REGISTERS = ("input_register", "output_register")
_BITS = 16, 16  # weights and inputs of ISAAC


@dataclass(frozen=True)
class Headline:
    """ce: GOPS/s/mm². pe: GOPS/W. se: MB of weights a mm². Of a chip with what it has beside its tiles."""

    ce: float
    pe: float
    se: float


def point(architecture: Architecture, rows: int, adcs: int, crossbars: int, imas: int, *,
          registers: bool = True) -> Architecture:
    """`architecture` (an ISAAC: components dac, sample_hold, crossbar, adc, shift_add, input_register, output_register
    in its IMA) with crossbars of `rows` x `rows`, `adcs` and `crossbars` an IMA and `imas` a tile.

    Every unit costs what it costs there: crossbars by cells, drivers by rows, sample-and-hold by columns, converters
    by number and bits (one bit for a doubling of the rows; `scaling`), shift-and-add by converters. Power of arrays,
    drivers and sample-and-hold goes with how often they are read, which fewer converters than columns slow down.
    registers: whether input and output registers grow with rows and columns (assumed: in proportion, area and power),
    or stay as printed. What a tile has beside IMAs, and the number of tiles, stay as they are (assumed).
    """
    a = architecture
    bits = a.crossbar.adc_bits + (rows.bit_length() - a.crossbar.rows.bit_length())
    made = a.model_copy(update={
        "crossbar": a.crossbar.model_copy(update={
            "rows": rows, "columns": rows, "adc_bits": bits, "adcs_per_crossbar": str(Fraction(adcs, crossbars))}),
        "hierarchy": a.hierarchy.model_copy(update={"imas_per_tile": imas, "crossbars_per_ima": crossbars})})
    wires = Fraction(rows * crossbars, a.crossbar.rows * a.hierarchy.crossbars_per_ima)
    rate = Fraction(*(window(each, *_BITS) for each in (a, made)))
    converters = Fraction(adcs) / Fraction(a.components["adc"].count)
    parts = dict(a.components)
    for name in (*_PER_ROW, *_PER_COLUMN):
        if name not in _REGISTERS:
            parts[name] = _times(parts[name], wires, wires * rate)
        elif registers:
            parts[name] = _times(parts[name], wires, wires)
    cells = wires * Fraction(rows, a.crossbar.rows)
    parts["crossbar"] = _times(parts["crossbar"], cells, cells * rate)
    parts.update({name: _times(parts[name], converters, converters) for name in ("adc", "shift_add")})
    return reprice(made.model_copy(update={"components": parts}))


def headline(architecture: Architecture, weight_bits: int = 16, input_bits: int = 16) -> Headline:
    """The chip's figures by nameplate; a MB is 2^20 bytes."""
    plate, x = nameplate(architecture, weight_bits, input_bits), architecture.crossbar
    return Headline(plate.gops_per_mm2, plate.gops_per_w,
                    architecture.crossbars * x.rows * x.columns * x.cell_bits / 8 / 2**20 / plate.area_mm2)


def _times(component: Component, area: Fraction, power: Fraction) -> Component:
    """`area` times as much of it, at full activity `power` times the power; an action costs what it did."""
    return component.model_copy(update={
        "count": str(ceil(Fraction(component.count) * area)), "area": round(component.area * area),
        "power": round(component.power * power), "energy": component.energy_aj})
