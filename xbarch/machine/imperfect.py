"""What is not ideal about a machine's crossbars, checked against them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.functional.device import Imperfect
from xbarch.parts.effects.base import Effect
from xbarch.parts.sensing.base import Sensing
from xbarch.plugins import checked
from xbarch.plugins.registry import effects
from xbarch.specs.architecture import Architecture


def imperfect(a: Architecture, geometry: Geometry, sensing: Sensing[Any]) -> Imperfect | None:
    """The noise of an architecture with its effects; None: cells and sums are exact integers.

    Raises:
        InputError: there is no such effect, it does not take an option, or it contradicts the converters.
    """
    noise = a.noise
    if noise is None or noise.ideal:
        return None
    found = effects(noise)
    for effect in found:
        if effect.absolute and noise.conductance.highest is None:
            raise InputError(f"must be stated for the effect {effect.name}, such as 25 uS: the largest conductance of "
                             "a cell", field="noise.conductance.highest")
    if noise.full_scale == "ideal":
        for effect in found:
            if type(effect).transfer is not Effect.transfer or effect.jitter():
                raise InputError(f"must not be ideal with the effect {effect.name}, whose errors are in steps of a "
                                 "converter; choose unit, array, calibrated or a number of cell levels",
                                 field="noise.full_scale")
    elif noise.full_scale != "unit" and _drops(sensing, geometry):
        raise InputError(f"must be unit or ideal with {sensing.name}, which keeps the highest bits of a result, not "
                         f"{noise.full_scale}", field="noise.full_scale")
    if geometry.signed and noise.calibration.lower_end != "zero":
        raise InputError("must be zero where a crossbar subtracts two arrays, as sums of both signs have codes around "
                         "zero", field="noise.calibration.lower_end")
    return Imperfect(noise=noise, effects=found, geometry=geometry, every_line=sensing.every_line,
                     converters=Fraction(a.crossbar.adcs_per_crossbar))


def _drops(sensing: Sensing[Any], geometry: Geometry) -> bool:
    """Whether the sensing unit drops low bits of some sum."""
    low = checked.dropped(sensing, np.zeros(1, np.int64), geometry.adc_bits)
    return low is not None and bool(low.any())
