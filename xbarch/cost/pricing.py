"""An architecture with every component's price for what is built."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite

from xbarch.cost.nameplate import full
from xbarch.errors import InputError
from xbarch.parts.scaling.base import Built, Price
from xbarch.plugins import checked, guard, registry
from xbarch.specs.architecture import Architecture, Component

_MOST = 10**21  # of every figure, as of an energy in a spec


def reprice(architecture: Architecture) -> Architecture:
    """`architecture` with the prices of its ADC bits, buffers and nodes; a component without a model is as written.
    Prices are final then: no component of it names a model.

    Raises:
        InputError: no such model, an option it does not take, or what is built is beyond it.
    """
    priced = {name: c if c.scaling is None else _reprice(architecture, name, c)
              for name, c in architecture.components.items()}
    return architecture.model_copy(update={"components": priced})


def _unlike(a: Architecture, component: Component, kind: str) -> str:
    """Why a scaling model of this kind cannot apply to the component: what it applies to; empty if it can."""
    if kind == "adc":
        done = {"conversion", *checked.actions(registry.sensed(a.crossbar, a.pipeline.slot), full(a, 1))}
        of = component.bits is not None and bool(done & {component.action, *component.covers})
        return "" if of else f"a component with `bits` and an action of the sensing unit: {', '.join(sorted(done))}"
    memory = component.constant or any(str(x).endswith("_access") for x in (component.action, *component.covers))
    return "a component without `bits` that is a memory: its action is an access (..._access), or its power constant" \
        if kind == "buffer" and (component.bits is not None or not memory) else ""


def _reprice(a: Architecture, name: str, component: Component) -> Component:
    """One component at what is built; every figure rounded once."""
    assert component.scaling is not None
    field = f"components.{name}.scaling"
    model = registry.scaled(component.scaling, field)
    if unlike := _unlike(a, component, model.kind):
        raise InputError(f"{component.scaling.model!r} is a model of kind {model.kind}, which applies only to {unlike}",
                         field=field)
    built = Built(of=component.bits, adc_bits=a.crossbar.adc_bits, buffer=a.buffer.size,
                  access=a.buffer.access_bits)
    written = Price(energy=component.energy_aj, area=component.area, power=component.power, leakage=component.leakage,
                    per=component.per or 0, count=Fraction(component.count))
    try:
        with guard.asking(model, "scale") as wrong:
            price = model.scale(written, built)
            if not isinstance(price, Price):
                raise wrong(f"returned {type(price).__name__}, must return a Price")
            figures = {key: getattr(price, key) for key in ("energy", "area", "power", "leakage", "per")}
            for key, value in figures.items():
                if not isinstance(value, int | float | Fraction) or not isfinite(value) or not 0 <= value <= _MOST:
                    raise wrong(f"returned {key} {value!r:.40}, must return a number from 0 to 10^21")
    except InputError as error:  # of the model itself, which knows no field
        raise error if error.field else InputError(error.message, field=field) from None
    at = {key: round(value) for key, value in figures.items()}
    return component.model_copy(update={
        "area": at["area"], "power": at["power"], "leakage": at["leakage"], "scaling": None,
        "bits": component.bits and built.adc_bits, "energy": None if component.constant else at["energy"],
        "per": None if component.per is None else max(1, at["per"])})
