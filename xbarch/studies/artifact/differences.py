"""What two records say differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """A field that two records have different values of; None: the record has no such field."""

    field: str
    before: Any
    now: Any


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Every value that differs between two documents of `result.json`, without what made them (`provenance`)."""
    old, new = (dict(_leaves({k: v for k, v in each.items() if k != "provenance"})) for each in (before, now))
    return [Difference(name, old.get(name), new.get(name)) for name in dict.fromkeys([*old, *new])
            if name not in old or name not in new or not _same(old[name], new[name])]


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal to the bit; JSON has one kind of zero and no NaN."""
    return type(one) is type(other) and bool(one == other)


def _leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Each value below, by its dotted path; empty parts are values too."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _leaves(below, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list | tuple) and value:
        for number, below in enumerate(value):
            yield from _leaves(below, f"{at}[{number}]")
    else:
        yield at, value
