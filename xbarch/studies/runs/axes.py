"""Axes: fields of the architecture or of the run, each with the values it takes; every combination is a variant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from xbarch.errors import InputError
from xbarch.specs.study import Axes, Value, fields, of_run


@dataclass(frozen=True)
class Variant:
    """One combination: values in the order of the fields, overrides of the architecture, fields of the request, options
    of the data path."""

    values: tuple[Value, ...] = ()
    overrides: tuple[str, ...] = ()
    choices: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def changed(self, choices: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Fields of a request: these choices and options, changed as the variant says."""
        return {**choices, **self.choices, "overrides": self.overrides, "options": {**(options or {}), **self.options}}


def names(axes: Axes) -> list[str]:
    """Every field that the axes change, in their order."""
    return [name for axis in axes for name in fields(axis)]


def variants(axes: Axes) -> Iterator[Variant]:
    """Every combination, the last axis fastest; several fields of an axis change together."""
    each = [[value if isinstance(value, list) else [value] * len(fields(axis)) for value in values]
            for axis, values in axes.items()]
    order = names(axes)
    for chosen in product(*each):
        pairs = list(zip(order, (value for values in chosen for value in values), strict=True))
        yield Variant(
            tuple(value for _, value in pairs),
            tuple(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in pairs if not of_run(name)),
            {name: value for name, value in pairs if of_run(name) and "." not in name},
            {name.partition(".")[2]: value for name, value in pairs if of_run(name) and "." in name})


def merged(*overrides: Sequence[str]) -> tuple[str, ...]:
    """Overrides one after the other; of two of the same field the later one."""
    found = {text.partition("=")[0].strip(): text for texts in overrides for text in texts}
    return tuple(found.values())


@contextmanager
def at(place: str, what: str = "") -> Iterator[None]:
    """Errors of what a study or sweep gives are about that part of it."""
    try:
        yield
    except InputError as error:
        raise InputError(error.message + what, field=place) from None
