"""The command line that runs a request again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from xbarch.request import Request


def command(request: Request, plugins: Sequence[str] = ()) -> str:
    """Return `xbarch simulate ...` for a plain request, without options that have their default; a POSIX shell reads it
    as it stands. plugins: files to load first."""
    words = ["xbarch", "simulate"]
    for name, value in request.model_dump(exclude_defaults=True).items():
        if name == "options":
            words += [word for key, given in value.items() for word in ("--option", f"{key}={_text(given)}")]
        elif name == "overrides":
            words += [word for given in value for word in ("--set", given)]
        elif value is True:
            words.append(f"--{name}")
        else:
            words += [f"--{name}", str(value)]
    words += [word for file in plugins for word in ("--plugin", file)]
    return shlex.join(words)


def _text(value: Any) -> str:
    """Return a value as `--option` reads it: text that would be read as JSON in quotation marks."""
    if not isinstance(value, str):
        return json.dumps(value, default=str)
    try:
        json.loads(value)
    except ValueError:
        return value
    return json.dumps(value)
