"""What a price is written for, and by whom: a file that changes another one keeps in mind the geometry of the prices
that it inherits, and does not attribute to their source what it changes."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

_SECTIONS = ("crossbar", "hierarchy", "precision", "buffer", "global_buffer", "bus", "network", "off_chip", "pipeline",
             "node", "technology")
_PRICE = ("area", "power", "energy", "actions", "per", "leakage", "count", "bits", "action", "of")
_FIGURES = tuple(key for key in _PRICE if key != "of")
_CHANGED = "changed here, from: "
_LONGEST = 600  # letters of a source
_WORDS = {"source", "note", "ideal", "programming", "read_rows", "stages", "ahead"}  # nothing a price depends on


def anchored(below: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """`whole`, the plain data of an architecture that changes another one, `below`, with what each inherited price is
    written for in the `of` of its component, and the array that an inherited read time is for in `crossbar.read_rows`.

    A component of which `whole` changes a figure is the author's of `whole`, and written for `whole`.
    """
    old, new = _mapping(below.get("components")), _mapping(whole.get("components"))
    changed = {place: value for place, value, now in _differences(below, whole) if value != now}
    if not changed:
        return dict(whole)
    found, components = dict(whole), dict(new)  # what is not copied here is shared: data never change
    for name, component in new.items():
        before = old.get(name)
        if not isinstance(before, Mapping) or not isinstance(component, Mapping):
            continue
        if all(before.get(key) == component.get(key) for key in _PRICE):
            components[name] = {**component, "of": {**changed, **_mapping(component.get("of"))}}
    if components:
        found["components"] = components
    x, y = _mapping(below.get("crossbar")), _mapping(found.get("crossbar"))
    if "crossbar.rows" in changed and x.get("read") == y.get("read") and y.get("read_rows") is None \
            and "read" in x and "rows" in x:
        found["crossbar"] = {**y, "read_rows": x.get("read_rows", x["rows"])}
    return found


def sourced(below: Mapping[str, Any], whole: Mapping[str, Any], stated: Container[str]) -> dict[str, Any]:
    """`whole`, the plain data of an architecture that changes another one, `below`, in which no changed figure is
    attributed to the source of the figure before it: that component's source says so.

    stated: the components for which the change brings a source of its own.
    """
    old, found = _mapping(below.get("components")), dict(whole)
    components = dict(_mapping(whole.get("components")))
    for name, component in components.items():
        before = old.get(name)
        if name in stated or not isinstance(before, Mapping) or not isinstance(component, Mapping):
            continue
        source = component.get("source")
        if isinstance(source, str) and any(before.get(key) != component.get(key) for key in _FIGURES):
            components[name] = {**component, "source": (_CHANGED + source.removeprefix(_CHANGED))[:_LONGEST]}
    return {**found, "components": components} if components else found


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _differences(below: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(dotted place, value below, value in the whole) of everything that a price may depend on."""
    for section in _SECTIONS:
        yield from _leaves(section, below.get(section), whole.get(section))


def _leaves(place: str, before: object, now: object) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in {**before, **now}:
            if key not in _WORDS:
                yield from _leaves(f"{place}.{key}", before.get(key), now.get(key))
    else:
        yield place, before, now
