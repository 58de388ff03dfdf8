"""The nameplate: counts times printed power and area, arithmetic without simulation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Work
from xbarch.mapping.pack import occupied
from xbarch.plugins.checked import adjusted
from xbarch.plugins.registry import sensed
from xbarch.specs.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class Nameplate:
    """Roll-up of one chip.

    tops: peak throughput; a MAC is two operations.
    converter: the component that pays for conversions, "" where nothing is converted.
    adc_share: the converter's share of a tile's power.
    """

    tile_power_w: float
    tile_area_mm2: float
    power_w: float
    area_mm2: float
    tops: float
    converter: str
    adc_share: float

    @property
    def gops_per_w(self) -> float:
        return 1000 * self.tops / self.power_w

    @property
    def gops_per_mm2(self) -> float:
        return 1000 * self.tops / self.area_mm2


def nameplate(architecture: Architecture, weight_bits: int = 16, input_bits: int = 16) -> Nameplate:
    """Every unit at full activity (ISAAC, ISCA 2016, Table I: group totals times counts).

    Peak: rows * floor(columns / cells per weight) * crossbars * 2 operations in the time a full array takes for a
    window.
    """
    a = architecture
    tile_power = tile_area = chip_power = chip_area = Fraction(0)
    for component in [c for c in a.components.values() if c.when is None]:
        count = a.instances(component)
        chip_power += component.power * count
        chip_area += component.area * count
        if component.level != "chip":
            tile_power += component.power * count / a.hierarchy.tiles
            tile_area += component.area * count / a.hierarchy.tiles
    weights = a.crossbar.columns // ceil(weight_bits / a.crossbar.cell_bits)
    tops = Fraction(2 * a.crossbar.rows * weights * a.crossbars, window(a, weight_bits, input_bits))
    converter = next((name for name, c in a.components.items() if "conversion" in (c.action, *c.covers)), "")
    adc = a.components.get(converter)
    share = adc.power * a.instances(adc) / a.hierarchy.tiles / tile_power if adc and tile_power else Fraction(0)
    return Nameplate(
        tile_power_w=float(tile_power / 10**6), tile_area_mm2=float(tile_area / 10**12),
        power_w=float(chip_power / 10**6), area_mm2=float(chip_area / 10**12), tops=float(tops),
        converter=converter, adc_share=float(share))


def window(architecture: Architecture, weight_bits: int, input_bits: int) -> int:
    """Time (ps) a full array takes for a window of weights and inputs of so many bits, operation unit by operation unit
    where it is read so."""
    unit = sensed(architecture.crossbar, architecture.pipeline.slot)
    return int(occupied(adjusted(unit, weight_bits, input_bits), full(architecture, input_bits))[0])


def full(architecture: Architecture, input_bits: int) -> Work:
    """A full array's window of inputs of so many bits."""
    x, unit = architecture.crossbar, architecture.crossbar.operation_unit
    high, wide = (unit.rows, unit.columns) if unit else (x.rows, x.columns)
    reads = ceil(x.rows / high) * ceil(x.columns / wide) * ceil(input_bits / x.dac_bits)
    return Work(crossbar=_one(0), rows=_one(high), columns=_one(wide), cells=_one(high * wide), reads=_one(reads),
                outputs=_one(0))


def _one(value: int) -> NDArray[np.int64]:
    return np.array([value], np.int64)
