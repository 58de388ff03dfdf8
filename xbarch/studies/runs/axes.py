"""Axes: fields of the architecture or of the run with the values they take; every combination is a variant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from xbarch.errors import InputError
from xbarch.specs.study import PARTS, Axes, Value, fields, of_run
from xbarch.workload.find import changed


@dataclass(frozen=True)
class Variant:
    """One combination of values."""

    values: tuple[Value, ...] = ()
    """In the order of the axes' fields."""
    names: tuple[str, ...] = ()
    """Of these fields."""
    overrides: tuple[str, ...] = ()
    """Of the architecture."""
    choices: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the request."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the data path."""
    density: Mapping[str, Any] = field(default_factory=dict)
    """By layer."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the workload's recipe."""

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in zip(self.names, self.values, strict=True))

    def named(self, workload: str) -> str:
        """Return the workload that runs."""
        return changed(workload, self.recipe)

    def apply(self, choices: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the fields of a request: the given choices and options with those of the variant on top."""
        given = {**choices, **self.choices, "overrides": self.overrides, "options": {**(options or {}), **self.options}}
        return {**given, "density": {**given.get("density", {}), **self.density}}


def list_fields(axes: Axes) -> list[str]:
    """Return every field that the axes change, in their order."""
    return [name for axis in axes for name in fields(axis)]


def variants(axes: Axes) -> Iterator[Variant]:
    """Yield every combination, the last axis changing fastest; the fields of one axis change together."""
    return map(joined, product(*pieces(axes)))


def pieces(axes: Axes) -> list[list[Variant]]:
    """Return, for each axis, what each of its values changes."""
    return [[_piece(fields(axis), value) for value in values] for axis, values in axes.items()]


def joined(parts: Sequence[Variant]) -> Variant:
    """Return the combination of variants of different fields."""
    values, names, overrides = list[Value](), list[str](), list[str]()
    choices, options, density, recipe = dict[str, Any](), dict[str, Any](), dict[str, Any](), dict[str, Any]()
    for part in parts:
        values += part.values
        names += part.names
        overrides += part.overrides
        choices.update(part.choices)
        options.update(part.options)
        density.update(part.density)
        recipe.update(part.recipe)
    return Variant(tuple(values), tuple(names), tuple(overrides), choices, options, density, recipe)


def _piece(names: Sequence[str], value: Value | list[Value]) -> Variant:
    values = value if isinstance(value, list) else [value] * len(names)
    pairs = list(zip(names, values, strict=True))
    return Variant(
        tuple(values), tuple(names),
        tuple(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in pairs if not of_run(name)),
        {name: value for name, value in pairs if of_run(name) and "." not in name},
        *({name.partition(".")[2]: value for name, value in pairs if name.partition(".")[0] == part} for part in PARTS))


def merge_overrides(*overrides: Sequence[str]) -> tuple[str, ...]:
    """Concatenate overrides; of two for the same field, only the later one stays."""
    found = {text.partition("=")[0].strip(): text for texts in overrides for text in texts}
    return tuple(found.values())


@contextmanager
def blame_field(place: str, what: str = "") -> Iterator[None]:
    """Attribute input errors of the body to a field of the study or sweep."""
    try:
        yield
    except InputError as error:
        raise InputError(error.message + what, field=place) from None
