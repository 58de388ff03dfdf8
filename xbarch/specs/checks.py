"""Checks of single fields of a model whose messages read "must be ..., not ...", for values given in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator

from xbarch.specs.explain import shown, unknown


def instance(kind: Any, allowed: str) -> BeforeValidator:
    """Accept instances of `kind` only; `allowed` completes "must be ..."."""
    def check(value: object) -> object:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"must be {allowed}, not {shown(value)}")
        return value
    return BeforeValidator(check)


def whole(most: int, least: int = 1, none: bool = False) -> BeforeValidator:
    """Accept whole numbers from `least` to `most` only, and None if `none`."""
    def check(value: object) -> object:
        if not (none and value is None) and (not isinstance(value, int) or isinstance(value, bool)
                                             or not least <= value <= most):
            more = " or None" if none else ""
            raise ValueError(f"must be a whole number from {least} to {most:,}{more}, not {shown(value)}")
        return value
    return BeforeValidator(check)


def choice(noun: str, known: Mapping[str, object]) -> BeforeValidator:
    """Accept a known name only, with - read as _."""
    def check(value: object) -> object:
        if not isinstance(value, str) or value.replace("-", "_") not in known:
            raise ValueError(unknown(noun, value, known))
        return value.replace("-", "_")
    return BeforeValidator(check)


def texts(example: str) -> BeforeValidator:
    """Accept a list or tuple of strings, kept as a tuple; the message shows an example."""
    def check(value: object) -> object:
        if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
            raise ValueError(f"must be a list of texts such as '{example}', not {shown(value)}")
        return tuple(value)
    return BeforeValidator(check)


def shares() -> BeforeValidator:
    """Accept a dict of shares above 0 to 1 with names as keys, copied."""
    def check(value: object) -> object:
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a dict of names and shares, not {shown(value)}")
        for name, share in value.items():
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
                raise ValueError(f"must be a share above 0, up to 1, not {shown(share)} for {shown(name)}")
        return {str(name): float(share) for name, share in value.items()}
    return BeforeValidator(check)


def named_values() -> BeforeValidator:
    """Accept a dict with names as keys, copied; None is an empty one."""
    def check(value: object) -> object:
        if value is not None and not (isinstance(value, Mapping) and all(isinstance(name, str) for name in value)):
            raise ValueError(f"must be a dict of names and values, not {shown(value)}")
        return dict(value or {})
    return BeforeValidator(check)
