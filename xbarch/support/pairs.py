"""Text of the form name=value, as options are given on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from xbarch.errors import InputError


def read_pairs(texts: Iterable[str], field: str = "option") -> dict[str, Any]:
    """Read name=value pairs; a value that is JSON is read as JSON, any other is text."""
    read: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"must be name=value, not {text[:40]!r}", field=field)
        try:
            read[name] = json.loads(value)
        except (ValueError, RecursionError):
            read[name] = value
    return read


def with_options(name: str, options: Mapping[str, Any]) -> str:
    """Return a data path's name with options, as `--datapath` takes it: meng:group_ch=8."""
    return ":".join([name, *(f"{key}={value if isinstance(value, str) else json.dumps(value, default=str)}"
                             for key, value in options.items())])
