"""Pydantic's errors in the words of the person who wrote the file: what was found, what is allowed."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from xbarch.specs.text import Trail, brief

if TYPE_CHECKING:  # pydantic is loaded by who asks for a model
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

# error type of pydantic -> what is allowed, with the names of its context
_ALLOWED = {
    "int_type": "a whole number", "int_from_float": "a whole number", "int_parsing": "a whole number",
    "float_type": "a number", "float_parsing": "a number", "finite_number": "a finite number",
    "bool_type": "true or false", "bool_parsing": "true or false",
    "string_type": "text (in quotes if it looks like a number)",
    "model_type": "a mapping (key: value lines)", "model_attributes_type": "a mapping (key: value lines)",
    "dict_type": "a mapping (key: value lines)", "list_type": "a list", "tuple_type": "a list",
    "none_required": "nothing",
    "greater_than_equal": "at least {ge}", "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}", "less_than": "less than {lt}", "multiple_of": "multiples of {multiple_of}",
    "literal_error": "{expected}", "enum": "{expected}", "union_tag_invalid": "{expected_tags}",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_too_short": "at least {min_length}", "string_too_long": "at most {max_length}",
    "too_short": "at least {min_length}", "too_long": "at most {max_length}",
}
_COUNTED = {"string_too_short": "characters", "string_too_long": "characters", "too_short": "items",
            "too_long": "items"}
_FIELD = re.compile(r"([a-z_][\w.]*): ")


def explain(error: ValidationError, data: Any, model: type[BaseModel]) -> tuple[str, Trail]:
    """One sentence on the first error, and where it is in `data`."""
    errors = error.errors(include_input=False, include_url=False)
    first = errors[0]
    if first["type"] == "missing":  # a misspelt key is both unknown and missing: say the former
        unknown = (e for e in errors if e["type"] == "extra_forbidden" and e["loc"][:-1] == first["loc"][:-1])
        first = next(unknown, first)
    trail = _trail(first["loc"], data)
    if first["type"] == "extra_forbidden":
        names = keys(model, trail[:-1])
        return f"unknown key {shown(trail[-1])}, allowed {', '.join(names) or 'none'}{guess(trail[-1], names)}", trail
    if first["type"] == "union_tag_invalid":  # the key that tells the kinds apart is at fault
        trail = (*trail, first["ctx"]["discriminator"].strip("'"))
    if first["type"] in ("value_error", "assertion_error"):
        return _own(brief(first["ctx"]["error"], 1000), trail, data)
    return _sentence(first, trail, data), trail


def _sentence(error: ErrorDetails, trail: Trail, data: Any) -> str:
    from xbarch.units import alike

    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"found no key {shown(trail[-1])}, which is required"
    value = trail[-1] if error["loc"][-1:] == ("[key]",) else _value(data, trail)
    if kind not in _ALLOWED:
        return f"found {shown(value)}: {brief(error['msg'], 200)}"
    if kind in _COUNTED and isinstance(value, str | list | dict):
        count, what = len(value), _COUNTED[kind]
        return f"found {count:,} {what if count != 1 else what[:-1]}, allowed {_ALLOWED[kind].format(**context)}"
    if isinstance(value, str):  # a quantity is bounded in units of its own
        context = {name: alike(value, limit) or limit if isinstance(limit, int) else limit
                   for name, limit in context.items()}
    allowed = brief(_ALLOWED[kind].format(**context), 300)
    options = re.findall(r"'([^']*)'", allowed) if kind in ("literal_error", "enum", "union_tag_invalid") else []
    return f"found {shown(value)}, allowed {allowed}{guess(value, options)}"


def _own(message: str, trail: Trail, data: Any) -> tuple[str, Trail]:
    """A model's own sentence. One that opens with the path of a field ("mesh.width: found ...") is about that."""
    if opening := _FIELD.match(message):
        inner = _trail((*trail, *opening[1].split(".")), data)
        if len(inner) == len(trail) + opening[1].count(".") + 1 and _value(data, inner) is not None:
            return message[opening.end():], inner
    return message, trail


def shown(value: object) -> str:
    """A value from a file, short and harmless."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(brief(value)) if isinstance(value, str) else brief(value)


def unknown(noun: str, value: object, known: Iterable[str]) -> str:
    """One sentence: `value` names no `noun`; which names there are, and a guess if one is close.

    >>> unknown("mode", "pipe", ["pipelined", "batch"])
    "unknown mode 'pipe'; choose pipelined or batch; did you mean 'pipelined'?"
    """
    names = list(known)
    return f"unknown {noun} {shown(value)}; choose {listed(names) or 'none: is xbarch installed?'}{guess(value, names)}"


def listed(names: Sequence[str], last: str = "or") -> str:
    """Names as a sentence lists them: "a, b or c"."""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def guess(word: object, options: Sequence[str]) -> str:
    """"; did you mean 'x'?" if an option is close, else nothing."""
    close = get_close_matches(str(word)[:64], options, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def keys(model: type[BaseModel], trail: Trail) -> list[str]:
    """Keys the model allows in the mapping at `trail`, in its order."""
    return list(dict.fromkeys(name for hint in _hints(model, trail) for name, _ in _fields(hint)))


def lacking(model: type[BaseModel], path: str) -> str:
    """Why a dotted path is none of the model's, in words; empty if it is one, or leads where other keys are allowed."""
    steps = path.split(".")
    for number, step in enumerate(steps):
        above = tuple(steps[:number])
        names = keys(model, above)
        if not names or any(getattr(hint, "model_config", {}).get("extra") == "allow" for hint in _hints(model, above)):
            return ""
        if step not in names:
            within = f" in {brief('.'.join(above))}" if above else ""
            return f"unknown key {shown(step)}{within}, allowed {', '.join(names)}{guess(step, names)}"
    return ""


def _hints(model: type[BaseModel], trail: Trail) -> list[Any]:
    """The types that what is at `trail` may have."""
    hints: list[Any] = [model]
    for step in trail:
        hints = [part for hint in hints for part in _below(hint, step)]
    return hints


def _fields(hint: Any) -> Iterator[tuple[str, Any]]:
    from pydantic import BaseModel

    if isinstance(hint, type) and get_origin(hint) is None and issubclass(hint, BaseModel):
        for name, info in hint.model_fields.items():
            yield info.alias or name, info.annotation


def _below(hint: Any, step: str | int) -> Iterator[Any]:
    """The types that a value of type `hint` may have at `step`."""
    origin = get_origin(hint)
    if isinstance(origin, type) and get_args(hint):
        yield from _parts(get_args(hint)[1 if issubclass(origin, Mapping) else 0])
    for name, annotation in _fields(hint):
        if name == step:
            yield from _parts(annotation)


def _parts(hint: Any) -> Iterator[Any]:
    """The members of a union, without `Annotated`."""
    origin = get_origin(hint)
    if origin is Annotated:
        yield from _parts(get_args(hint)[0])
    elif origin in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _parts(part)
    else:
        yield hint


def _trail(loc: Sequence[str | int], data: Any) -> Trail:
    """Pydantic's location without what is not in the file: names of union members and "[key]" marks."""
    trail: list[str | int] = []
    for number, step in enumerate(loc):
        if isinstance(data, list):
            step = int(step) if isinstance(step, str) and step.isdecimal() and len(step) < 10 else step
            inside = isinstance(step, int) and step < len(data)
        else:
            inside = isinstance(data, dict) and step in data
        last = number == len(loc) - 1 and step != "[key]" and isinstance(data, dict)
        if inside or last:
            trail.append(step)
            data = data[step] if inside else None
    return tuple(trail)


def _value(data: Any, trail: Trail) -> Any:
    """What is in the file at `trail`, None if nothing is."""
    for step in trail:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data
