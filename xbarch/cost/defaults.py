"""Which scaling model a component follows that names none, and what of a machine matters to its price."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from xbarch.parts.scaling.point import Point
from xbarch.plugins import registry
from xbarch.plugins.kinds import SCALING
from xbarch.specs.component import Component

MODELS = {
    "cell_read": "array", "cell_level": "array", "row_drive": "driver", "row_level": "driver",
    "sample": "sample_hold", "conversion": "murmann_fit",
    "shift_add": "shift_add", "ir_access": "input_register", "or_access": "output_register",
    "tile_or_access": "tile_register", "edram_access": "cacti_sram_hp", "edram_read": "cacti_sram_hp",
    "edram_write": "cacti_sram_hp", "global_access": "global_sram",
    "bus_transfer": "bus", "flit_hop": "router",
    "activation": "activation", "pool": "activation", "merge_add": "adder", "requantize": "multiplier",
}
"""By the action that a component is paid for."""

_UNKNOWN = frozenset({  # what may matter to an action that a plugin emits
    "rows", "columns", "arrays", "cell_bits", "crossbars", "cadence", "dac_bits", "adc_bits", "adcs"})


def model_of(component: Component) -> str:
    """The default model of a component; "fixed" where none is known."""
    if component.constant:
        return "off_chip" if component.scope == "whole" else "fixed"
    return MODELS.get(component.action or "", "fixed")


def matters(component: Component) -> frozenset[str]:
    """The attributes of a `Point` that the price of the component depends on, whatever its own model knows of them:
    what the default models of its actions follow."""
    if component.constant:
        return _followed(model_of(component))
    found: frozenset[str] = frozenset()
    for action in (component.action, *component.covers):
        found |= _followed(MODELS[action]) if action in MODELS else _UNKNOWN
    return found


def _followed(model: str) -> frozenset[str]:
    kind = registry.find(SCALING, model)
    return frozenset() if kind is None else kind.follows


def spoken_point(of: Mapping[str, object]) -> str:
    """What a price is written for, as a reader says it: "crossbar.dac_bits 1, crossbar.rows 128"."""
    return ", ".join(f"{place} {value}" for place, value in of.items())


def expected_count(action: str, at: Point) -> int | None:
    """How many units of that action an IMA has, where the hierarchy says so."""
    arrays, lines = Fraction(at.crossbars * at.arrays), Fraction(at.rows * at.crossbars)
    known = {"cell_read": arrays, "cell_level": arrays, "conversion": at.adcs * at.crossbars,
             "row_drive": lines, "row_level": lines, "sample": Fraction(at.columns * at.crossbars)}
    number = known.get(action)
    return None if number is None or number.denominator > 1 else int(number)
