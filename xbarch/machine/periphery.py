"""How the shared parts of a machine are sized: units, ports, buses and links, in number over what is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any

from xbarch.specs.architecture import Architecture
from xbarch.specs.component import Component
from xbarch.support import defaults

_WITH = {"bus.wires": "bus.bandwidth"}  # grows with it


@dataclass(frozen=True)
class Periphery:
    """How the shared parts of a machine are sized. factors: of each field that was changed, or of each component, as it
    is built over as it is published; all are above 1."""

    kind: str = defaults.PERIPHERY
    factors: Mapping[str, Fraction] = field(default_factory=dict)

    def of(self, architecture: Architecture) -> Architecture:
        """Return the architecture with these sizes; prices of components follow their number at once, those of the rest
        follow in `xbarch.cost.pricing`."""
        built = architecture
        for place, factor in self.factors.items():
            section, name = place.split(".")
            if section == "components":
                built = built.model_copy(update={"components": {
                    **built.components, name: _more(built.components[name], factor)}})
                continue
            values = {name: ceil(value_at(architecture, place) * factor)}
            if place in _WITH:
                values[_WITH[place].split(".")[1]] = ceil(value_at(architecture, _WITH[place]) * factor)
            built = built.model_copy(update={section: getattr(built, section).model_copy(update=values)})
        return built


PUBLISHED = Periphery()


def value_at(architecture: Architecture, place: str) -> int:
    """Return the number in a field such as bus.wires."""
    section, name = place.split(".")
    value: int = getattr(getattr(architecture, section), name)
    return value


def _more(c: Component, factor: Fraction) -> Component:
    """Return so many times the instances of a component."""
    def times(value: int | None) -> int | None:
        return None if value is None else ceil(value * factor)

    changed: dict[str, Any] = {key: times(getattr(c, key)) for key in ("area", "power", "leakage", "actions")}
    return c.model_copy(update={**changed, "count": str(Fraction(c.count) * factor)})
