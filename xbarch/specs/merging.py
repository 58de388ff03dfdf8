"""One plain mapping on top of another, as a file that extends another one lies on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `below`: mappings key by key, everything else whole."""
    found = dict(below)
    for key, value in over.items():
        under = found.get(key)
        found[key] = merged(under if isinstance(under, Mapping) else {}, value) if isinstance(value, Mapping) else value
    return found


def present(data: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping without keys that are null, at any depth."""
    return {k: present(v) if isinstance(v, Mapping) else v for k, v in data.items() if v is not None}
