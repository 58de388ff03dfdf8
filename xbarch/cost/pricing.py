"""An architecture with every component's price for what is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import ceil, isfinite
from typing import Any

from pydantic import ValidationError

from xbarch.cost.defaults import expected_count, matters, model_of
from xbarch.cost.nameplate import full, window
from xbarch.errors import InputError
from xbarch.parts.scaling.base import OutOfRangeError, Point, Price, Scaling
from xbarch.parts.scaling.point import PATHS, differing
from xbarch.plugins import checked, guard, registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.component import Component, Scaled
from xbarch.specs.explain import explain
from xbarch.specs.pipeline import SPLIT
from xbarch.specs.text import brief, dotted

_MOST = 10**21  # of every figure, as of an energy in a spec


def reprice(architecture: Architecture, written: Architecture | None = None) -> Architecture:
    """`architecture` with every price for its geometry, widths and rates. Prices are final then: no component of it
    names a model, and `of` holds only what no model takes account of.

    A component follows its own scaling model, or the default of its action (`xbarch.cost.defaults`); one of kind
    "node" is applied beside that default. Where what is built is what the price is written for, it is the written one
    to the last digit.

    Args:
        architecture: what is built.
        written: the machine that prices are written for where a component's `of` says nothing else; None:
            `architecture` itself.

    Raises:
        InputError: no such model, an option it does not take, what is built is beyond a converter model that the
            component names, or a component's count contradicts the hierarchy.
    """
    _refuse_node_model(architecture)
    a, base = _settled(architecture), architecture if written is None else written
    at = point(a)
    known = {"": at if written is None else point(_settled(base))}
    priced = {}
    for name, c in a.components.items():
        key = repr(sorted(c.of.items())) if c.of else ""
        if key not in known:
            known[key] = point(_settled(_written(base, c.of, f"components.{name}.of")))
        of = known[key] if c.bits is None else replace(known[key], adc_bits=c.bits)
        if c.action != "row_drive" or a.own_drivers:
            _refuse_count(name, c, of)
        priced[name] = _reprice(a, name, c, of, at)
    return a.model_copy(update={"components": priced})


def point(a: Architecture) -> Point:
    """What the prices of an architecture's components can depend on."""
    x, h, options = a.crossbar, a.hierarchy, a.network.options
    b, s, tiles = a.buffer, a.global_buffer, options.get("concentration", 1)
    phases = -(-a.precision.input_bits // x.dac_bits)
    return Point(
        rows=x.rows, columns=x.columns, arrays=2 if x.subtraction == "analog" else 1, cell_bits=x.cell_bits,
        dac_bits=x.dac_bits, adc_bits=x.adc_bits, adcs=Fraction(x.adcs_per_crossbar), conversion=x.conversion,
        cadence=Fraction(window(a, a.precision.weight_bits, a.precision.input_bits), phases),
        crossbars=h.crossbars_per_ima, imas=h.imas_per_tile, weight_bits=a.precision.weight_bits,
        input_bits=a.precision.input_bits, buffer=b.size if b else a.registers, access_bits=a.word,
        access=b.access if b else 1, ports=b.ports if b else 1, wires=a.bus.wires,
        shared=(s.size, s.access_bits, s.access, s.ports) if s else (0, 0, 0, 0), planes=a.network.planes,
        bandwidth=a.bus.bandwidth, link_bits=a.network.link_bits, clock=a.network.clock,
        queue=a.network.queue or 0, off_chip=a.off_chip.bandwidth,
        concentration=tiles if isinstance(tiles, int) and tiles > 0 else 1, node=a.built_node)


def _settled(a: Architecture) -> Architecture:
    """The architecture with the read time of its crossbars' word lines.

    A bit line's capacitance is that of its cells, so it settles in a time in proportion to the word lines at a given
    cell current. None of the sources divides its read time into parts, so all of it is taken to grow; an array with
    fewer word lines than `read` is written for is not read sooner. Where reads took whole slots, the slot is stretched
    so that they still do: a pipeline in lock step has the cycle of its array.
    """
    x, slot = a.crossbar, a.pipeline.slot
    if x.read_rows is None:
        return a
    longer = max(Fraction(1), Fraction(x.rows, x.read_rows))
    unit, read = x.operation_unit, ceil(x.read * longer)
    if slot and x.read % slot == 0:
        slot = ceil(Fraction(read, read // slot))
        read = ceil(Fraction(read, slot)) * slot
    return a.model_copy(update={
        "pipeline": a.pipeline.model_copy(update={"slot": slot}),
        "crossbar": x.model_copy(update={
            "read": read, "read_rows": None,
            "operation_unit": unit and unit.model_copy(update={"read": ceil(unit.read * longer)})})})


def _written(a: Architecture, of: Mapping[str, Any], field: str) -> Architecture:
    """The architecture with the fields `of` (dotted names) in place of its own.

    Raises:
        InputError: there is no such field, or it cannot have that value.
    """
    data = a.model_dump(mode="json", by_alias=True, exclude={"kinds"})
    for place, value in of.items():
        at: Any = data
        *above, last = place.split(".")
        for step in above:
            at = at.get(step) if isinstance(at, dict) else None
        if not isinstance(at, dict) or above[:1] == ["components"]:
            raise InputError(f"must be fields of the machine, such as crossbar.rows, not {brief(place)!r}", field=field)
        if value is None:  # the machine that the price is written for does not state it
            at.pop(last, None)
        else:
            at[last] = value
    try:
        return Architecture.model_validate(data)
    except ValidationError as error:
        message, trail = explain(error, data, Architecture)
        raise InputError(f"{dotted(trail)}: {message}", field=field) from None


def _refuse_count(name: str, c: Component, of: Point) -> None:
    """Refuse a count that contradicts the hierarchy that it is written for. A lump of all may count 1, or as many as
    there are crossbars."""
    wanted = expected_count(c.action or "", of) if c.level == "ima" else None
    if wanted is not None and Fraction(c.count) not in (1, wanted, of.crossbars * of.arrays):
        raise InputError(f"must be {wanted}, as the hierarchy has it ({of.crossbars} crossbars of {of.rows} x "
                         f"{of.columns} with {of.adcs} converters each), or 1 for a lump, not {c.count}; a price that "
                         "is written for another machine says so with `of`", field=f"components.{name}.count")


def _unlike(a: Architecture, component: Component, kind: str) -> str:
    """Why a scaling model of this kind cannot apply to the component: what it applies to; empty if it can."""
    if kind == "adc":
        done = {"conversion", *checked.actions(registry.sensed(a), full(a, 1))}
        of = bool(done & {component.action, *component.covers})
        return "" if of else f"a component with an action of the sensing unit: {', '.join(sorted(done))}"
    memory = component.constant or any(
        str(x).endswith("_access") or x in SPLIT.values() for x in (component.action, *component.covers))
    return "a component that is a memory: its action is an access (..._access), or its power constant" \
        if kind == "buffer" and not memory else ""


def _reprice(a: Architecture, name: str, c: Component, of: Point, at: Point) -> Component:
    """One component at what is built; every figure rounded once."""
    field, differs = f"components.{name}.scaling", differing(of, at)
    left = differs & (matters(c) | {"node"}) if differs else differs
    if c.scaling is None and not left:
        return c.model_copy(update={"of": {}}) if c.of else c
    models = _models(a, c, field, "node" in differs)
    price = Price(energy=c.energy_aj, area=c.area, power=c.power or 0, leakage=c.leakage, per=c.per or 0,
                  count=Fraction(c.count))
    for model, own in models:
        try:
            price = _scaled(model, price, of, at)
            left -= model.follows
        except InputError as error:
            if not isinstance(error, OutOfRangeError) or (own and model.kind == "adc"):
                raise error if error.field else InputError(error.message, field=field) from None
            # Else the price stays as it is written, and is marked.
    figures = {key: round(getattr(price, key)) for key in ("energy", "area", "power", "leakage", "per")}
    return c.model_copy(update={
        "area": figures["area"], "power": c.power and figures["power"], "leakage": figures["leakage"], "scaling": None,
        "count": str(Fraction(price.count)), "energy": None if c.constant else figures["energy"],
        "bits": c.bits and at.adc_bits, "per": None if c.per is None else max(1, figures["per"]),
        "of": {PATHS[each]: (f"{of.node} nm" if of.node else "not stated") if each == "node" else
               c.of.get(PATHS[each], _shown(getattr(of, each))) for each in sorted(left & PATHS.keys())}})


def _models(a: Architecture, c: Component, field: str, elsewhere: bool) -> list[tuple[Scaling[Any], bool]]:
    """The models that a component follows, and whether it names them itself. elsewhere: its price is of another
    node."""
    found = []
    if c.scaling is not None:
        model = registry.scaled(c.scaling, field)
        if unlike := _unlike(a, c, model.kind):
            raise InputError(f"{c.scaling.model!r} is a model of kind {model.kind}, which applies only to {unlike}",
                             field=field)
        found.append((model, True))
    if not found or found[0][0].kind == "node":
        found.append((registry.scaled(Scaled(model=model_of(c)), field), False))
    if elsewhere and a.node_model is not None and not any("node" in model.follows for model, _ in found):
        found.append((registry.scaled(a.node_model, "node_model"), False))
    return found


def _refuse_node_model(a: Architecture) -> None:
    """Refuse a machine's node model that is none."""
    if a.node_model is not None and (kind := registry.scaled(a.node_model, "node_model").kind) != "node":
        raise InputError(f"must be a scaling model of kind node, not {a.node_model.model} of kind {kind}",
                         field="node_model")


def _scaled(model: Scaling[Any], written: Price, of: Point, at: Point) -> Price:
    """What a model makes of a price, checked.

    Raises:
        InputError: the model does not reach that far, or breaks its contract.
    """
    with guard.asking(model, "scale") as wrong:
        price = model.scale(written, of, at)
        if not isinstance(price, Price):
            raise wrong(f"returned {type(price).__name__}, must return a Price")
        for key in ("energy", "area", "power", "leakage", "per", "count"):
            value = getattr(price, key)
            if not isinstance(value, int | float | Fraction) or not isfinite(value) or not 0 <= value <= _MOST:
                raise wrong(f"returned {key} {value!r:.40}, must return a number from 0 to 10^21")
        return price


def _shown(value: object) -> object:
    """A value of a point as a YAML file would have it."""
    return str(value) if isinstance(value, Fraction) else value
