"""What a machine has to make up for errors of its devices, as components with their prices."""

from __future__ import annotations

from xbarch.datapaths.base import Added, Geometry
from xbarch.plugins import checked
from xbarch.plugins.registry import effects
from xbarch.specs.architecture import Architecture
from xbarch.specs.component import Component


def mitigations(a: Architecture) -> dict[str, Component]:
    """Return what the effects of the noise add to an architecture whose prices are final: their own hardware, and spare
    bit lines, which have the area of the array's others. Spare bit lines that hold nothing conduct nothing, so that
    energies stay.

    Raises:
        InputError: an effect is wrong, or returns what it must not.
    """
    if a.noise is None:
        return {}
    geometry, found, spare = Geometry.of(a.crossbar), dict[str, Component](), 0
    for effect in effects(a.noise):
        found |= {added.name: priced(added) for added in checked.added(effect, geometry)}
        spare += effect.spares()
    arrays = [c for c in a.components.values() if "cell_read" in (c.action, *c.covers)]
    if spare and arrays:
        c = arrays[0]
        found["spare_bit_lines"] = Component.model_construct(
            level=c.level, count="1", power=0, constant=True, area=c.area * spare // geometry.columns,
            source=f"{spare} of {geometry.columns} bit lines' share of the array's area: {c.source}")
    return found


def priced(added: Added) -> Component:
    """Return hardware that a plugin adds as a component; its power at full activity is not known."""
    return Component.model_construct(
        level=added.level, count=str(added.count), area=added.area * added.count, power=0, action=added.action,
        energy=added.energy, source=added.source)
