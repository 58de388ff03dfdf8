"""Which scaling model a component follows that names none, and what of a machine matters to its price."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from xbarch.parts.scaling.point import Point
from xbarch.specs.architecture import Component

MODELS = {
    "cell_read": "array", "row_drive": "driver", "sample": "sample_hold", "conversion": "murmann_fit",
    "shift_add": "shift_add", "ir_access": "input_register", "or_access": "output_register",
    "tile_or_access": "tile_register", "edram_access": "cacti_sram_hp", "global_access": "global_sram",
    "bus_transfer": "bus", "flit_hop": "router",
    "activation": "activation", "pool": "activation", "merge_add": "adder", "requantize": "multiplier",
}
"""By the action that a component is paid for."""

_ARRAY = frozenset({"rows", "columns", "arrays", "cell_bits", "crossbars", "cadence"})
_MATTERS: dict[str, frozenset[str]] = {
    "cell_read": _ARRAY, "row_drive": frozenset({"rows", "columns", "arrays", "dac_bits", "crossbars",
                                                               "cadence"}),
    "sample": frozenset({"columns", "crossbars", "cadence"}),
    "conversion": frozenset({"adc_bits", "adcs", "conversion", "node", "columns", "crossbars", "cadence"}),
    "shift_add": frozenset({"columns", "adc_bits", "adcs", "cell_bits", "weight_bits", "input_bits", "dac_bits",
                            "crossbars", "cadence"}),
    "ir_access": frozenset({"rows", "crossbars", "input_bits"}), "or_access": frozenset({"columns", "crossbars"}),
    "tile_or_access": frozenset({"columns", "crossbars", "imas"}),
    "edram_access": frozenset({"buffer", "access_bits", "access"}), "global_access": frozenset({"shared"}),
    "bus_transfer": frozenset({"wires", "bandwidth"}),
    "flit_hop": frozenset({"link_bits", "clock", "queue", "concentration"}),
    "activation": frozenset({"input_bits"}), "pool": frozenset({"input_bits"}),
    "merge_add": frozenset({"weight_bits", "input_bits"}), "requantize": frozenset({"weight_bits", "input_bits"}),
}
_UNKNOWN = _ARRAY | {"dac_bits", "adc_bits", "adcs"}  # what may matter to an action that a plugin emits


def model_of(component: Component) -> str:
    """The default model of a component; "fixed" where none is known."""
    if component.constant:
        return "off_chip" if component.scope == "whole" else "fixed"
    return MODELS.get(component.action or "", "fixed")


def matters(component: Component) -> frozenset[str]:
    """The attributes of a `Point` that the price of the component depends on, whatever its model knows of them."""
    if component.constant:
        return frozenset({"off_chip"}) if component.scope == "whole" else frozenset()
    found: frozenset[str] = frozenset()
    for action in (component.action, *component.covers):
        found |= _MATTERS.get(action or "", _UNKNOWN)
    return found


def spoken_point(of: Mapping[str, object]) -> str:
    """What a price is written for, as a reader says it: "crossbar.dac_bits 1, crossbar.rows 128"."""
    return ", ".join(f"{place} {value}" for place, value in of.items())


def expected_count(action: str, at: Point) -> int | None:
    """How many units of that action an IMA has, where the hierarchy says so."""
    known = {"cell_read": Fraction(at.crossbars * at.arrays), "conversion": at.adcs * at.crossbars,
             "row_drive": Fraction(at.rows * at.crossbars), "sample": Fraction(at.columns * at.crossbars)}
    number = known.get(action)
    return None if number is None or number.denominator > 1 else int(number)
