"""Making an object of a plugin's class: its options are checked, and whatever its constructor does wrong is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from xbarch.errors import InputError
from xbarch.plugins.guard import asking
from xbarch.plugins.kinds import SCALING, Kind, P
from xbarch.specs.explain import explain
from xbarch.specs.model import Options
from xbarch.specs.text import dotted


def make(kind: Kind[P], found: type[P], before: Sequence[Any], options: Mapping[str, Any], *, named: str,
         field: str) -> P:
    """An object of the class `found`, whose constructor takes the arguments `before` and the options.

    named, field: where a user names the plugin and states its options, for messages.

    Raises:
        InputError: an option that it does not take, or the constructor failed.
    """
    given = dict(options)
    with asking(found, "__init__") as wrong:
        try:
            constructor: Callable[..., P] = found  # the kinds' take different arguments before the options
            made = constructor(*before, given)
        except ValidationError as error:
            message, trail = explain(error, given, found.Options)
            inherited = f"; drop inherited options with `options: null` in a file or --set {field}={{}}" if (
                "unknown key" in message and field.endswith(".options")) else ""
            at = f"{field}.model" if kind is SCALING else named  # a scaling's name and options share a mapping
            raise InputError(f"{message} ({at} is {found.name}{inherited})", field=dotted((field, *trail))) from None
        if not isinstance(getattr(made, "options", None), Options):
            raise wrong(f"must set self.options, as {kind.base.__name__}.__init__ does")
    return made
