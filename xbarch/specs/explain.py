"""Pydantic's errors as one sentence for the person who wrote the file: what the value must be, and what it is."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from xbarch.specs.text import Trail, brief

if TYPE_CHECKING:  # pydantic is loaded only where a model is validated
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

# error type of pydantic: what the value must be, with the names of its context
_MUST_BE = {
    "int_type": "a whole number", "int_from_float": "a whole number", "int_parsing": "a whole number",
    "float_type": "a number", "float_parsing": "a number", "finite_number": "a finite number",
    "bool_type": "true or false", "bool_parsing": "true or false",
    "string_type": "text (in quotes if it looks like a number)",
    "model_type": "a mapping (key: value lines)", "model_attributes_type": "a mapping (key: value lines)",
    "dict_type": "a mapping (key: value lines)", "list_type": "a list", "tuple_type": "a list",
    "none_required": "left out",
    "greater_than_equal": "at least {ge}", "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}", "less_than": "less than {lt}", "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "{expected}", "enum": "{expected}", "union_tag_invalid": "{expected_tags}",
    "string_pattern_mismatch": "text of the form {pattern}",
}
_MUST_HAVE = {
    "string_too_short": "at least {min_length:,} characters", "string_too_long": "at most {max_length:,} characters",
    "too_short": "at least {min_length:,} items", "too_long": "at most {max_length:,} items",
}
_CHOICES = ("literal_error", "enum", "union_tag_invalid")
_COMMANDS = {"study": "compare", "sweep": "sweep", "search": "search", "grid": "compress", "trained": "compress"}
_FIELD = re.compile(r"([a-z_][\w.]*): ")


def explain(error: ValidationError, data: Any, model: type[BaseModel]) -> tuple[str, Trail]:
    """One sentence on the first error, and where it is in `data`."""
    errors = error.errors(include_input=False, include_url=False)
    first = errors[0]
    if first["type"] == "missing":  # a misspelt key is both unknown and missing: report the unknown one
        unknown = (e for e in errors if e["type"] == "extra_forbidden" and e["loc"][:-1] == first["loc"][:-1])
        first = next(unknown, first)
    trail = _trail(first["loc"], data)
    if first["type"] == "extra_forbidden":
        return _unknown_key(model, trail), trail
    if first["type"] == "union_tag_invalid":  # the key that tells the kinds apart is at fault
        trail = (*trail, first["ctx"]["discriminator"].strip("'"))
    if first["type"] in ("value_error", "assertion_error"):
        return _own(brief(first["ctx"]["error"], 1000), trail, data)
    return _sentence(first, trail, data), trail


def _sentence(error: ErrorDetails, trail: Trail, data: Any) -> str:
    from xbarch.units import alike

    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"required key {shown(trail[-1])} is missing"
    value = trail[-1] if error["loc"][-1:] == ("[key]",) else _value(data, trail)
    if kind in _MUST_HAVE and isinstance(value, str | list | dict):
        return f"must have {_counted(_MUST_HAVE[kind].format(**context))}, not {len(value):,}"
    if kind not in _MUST_BE:
        return f"{brief(error['msg'], 200)}, not {shown(value)}"
    context = {name: f"{limit:g}" if isinstance(limit, float) else limit for name, limit in context.items()}
    if isinstance(value, str):  # the limits of a quantity, in the value's own unit
        context = {name: alike(value, limit) or limit if isinstance(limit, int) else limit
                   for name, limit in context.items()}
    wanted = brief(_MUST_BE[kind].format(**context), 300)
    options = re.findall(r"'([^']*)'", wanted) if kind in _CHOICES else []
    other = runs(value) if trail == ("kind",) else ""
    return f"must be {listed(options) or wanted}, not {shown(value)}{other or guess(value, options)}"


def runs(kind: Any) -> str:
    """"; `xbarch sweep` runs it" for the kind of a file that has a command of its own, else nothing."""
    return f"; `xbarch {_COMMANDS[kind]}` runs it" if isinstance(kind, str) and kind in _COMMANDS else ""


def _counted(words: str) -> str:
    """"1 item" for "1 items"."""
    return re.sub(r"\b1 (\w+)s$", r"1 \1", words)


def _unknown_key(model: type[BaseModel], trail: Trail) -> str:
    """The sentence for a key that the mapping above it does not have."""
    key, names = trail[-1], keys(model, trail[:-1])
    return f"unknown key {shown(key)}; {_listed_keys(names)}{guess(key, names) or _elsewhere(model, str(key))}"


def _listed_keys(names: Sequence[str]) -> str:
    return f"the keys here are {', '.join(names)}" if names else "no key is allowed here"


def _elsewhere(model: type[BaseModel], key: str) -> str:
    """"; did you mean 'a.b.key'?" where few mappings of the model have that key, else nothing."""
    paths = [".".join(path) for path in _paths(model, ()) if path[-1] == key]
    quoted = [repr(path) for path in paths]
    return f"; did you mean {listed(quoted)}?" if 0 < len(paths) <= 3 else ""


def _paths(hint: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Of every field of a model and of the models in its fields; lists and free mappings are not entered."""
    for name, annotation in _fields(hint):
        yield (*above, name)
        for part in _parts(annotation):
            yield from _paths(part, (*above, name))


def _own(message: str, trail: Trail, data: Any) -> tuple[str, Trail]:
    """A model's own sentence. One that opens with the path of a field ("mesh.width: must be ...") is about that."""
    if opening := _FIELD.match(message):
        inner = _trail((*trail, *opening[1].split(".")), data)
        if len(inner) == len(trail) + opening[1].count(".") + 1 and _value(data, inner) is not None:
            return message[opening.end():], inner
    return message, trail


def shown(value: object) -> str:
    """A value from a file, shortened, without control characters."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(brief(value)) if isinstance(value, str) else brief(value)


def unknown(noun: str, value: object, known: Iterable[str]) -> str:
    """One sentence for a name that does not exist: the names that do, and a guess if one is close.

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
    """Why a model has no field at a dotted path, in words; empty if it has, or if any key is allowed there."""
    steps = path.split(".")
    for number, step in enumerate(steps):
        above = tuple(steps[:number])
        names = keys(model, above)
        if not names or any(getattr(hint, "model_config", {}).get("extra") == "allow" for hint in _hints(model, above)):
            return ""
        if step not in names:
            within = f" in {brief('.'.join(above))}" if above else ""
            near = guess(step, names) or _elsewhere(model, step)
            return f"unknown key {shown(step)}{within}; {_listed_keys(names)}{near}"
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
