"""Specs from YAML: read a file, apply `a.b.c=value` overrides, validate with a pydantic model.

Everything that is refused is one `InputError` with file, line and field; a value that came from an override is
placed at that override instead of a line.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xbarch.errors import InputError
from xbarch.specs.anchors import anchored, sourced
from xbarch.specs.explain import explain, guess, shown
from xbarch.specs.merging import merged, present
from xbarch.specs.text import BYTES, Trail, brief, decode, dotted, parse
from xbarch.support import bundled, files
from xbarch.support.latest import Latest

if TYPE_CHECKING:
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")
_DIGITS, _LETTERS = 16, 100  # of a whole number and of a quoted text that JSON and YAML read alike


@dataclass(frozen=True)
class Document:
    """A YAML file as plain data.

    lines: 1-based line of every key and list item. overridden: text of the override a value came from. written: the
    data before any override (empty: there is none). below: the files that it extends, the nearest first.
    """

    file: str
    data: dict[str, Any]
    lines: Mapping[Trail, int] = field(default_factory=dict)
    overridden: Mapping[Trail, str] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)
    below: tuple[str, ...] = ()

    @property
    def priced(self) -> dict[str, Any]:
        """The data, with what each price of an architecture is written for where overrides changed the machine, and
        changed figures without the source of those before."""
        if "components" not in self.written:
            return self.data
        return sourced(self.written, anchored(self.written, self.data), self.stated)

    @property
    def stated(self) -> set[str]:
        """The components for which overrides bring a source of their own."""
        return {str(at[1]) for at in self.overridden
                if len(at) > 1 and at[0] == "components" and at[2:] in ((), ("source",))}

    def error(self, message: str, *trail: str | int) -> InputError:
        """An error at the value `trail`: at the override that made it or changed a part of it, else at its line
        or its parent's."""
        n, name = len(trail), dotted(trail)
        own = any(trail[:end] in self.overridden for end in range(1, n + 1))
        for part, text in self.overridden.items():  # a sentence about one field may blame "a.b", another
            named = len(part) > 1 and re.search(rf"(?<![\w.]){re.escape(dotted(part))}(?![\w.])", message)
            if named and not own:
                return InputError(message, file=_place(text), field=name)
        for end in range(n, 0, -1):
            if (at := trail[:end]) in self.overridden:
                return InputError(message, file=_place(self.overridden[at]), field=name if end < n else "")
            if at in self.lines:
                break
        else:
            at = ()
        for part, text in reversed(list(self.overridden.items())):
            if trail and part[:n] == trail:
                return InputError(message, file=_place(text), field=name)
        return InputError(message, file=self.file, line=self.lines.get(at, 1) if self.lines else None, field=name)


    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Errors about a field that name no file become this document's."""
        try:
            yield
        except InputError as error:
            if error.file is not None or not error.field:
                raise
            raise self.error(error.message, *error.field.split(".")) from None


def load(source: str | Path, model: type[M], overrides: Sequence[str] = (), *, kind: str = "architectures",
         check: Callable[[M], object] | None = None) -> M:
    """The spec in the YAML file `source`, a path or the name of a bundled one (a path wins).

    Args:
        source: path or bundled name.
        model: pydantic model to validate with.
        overrides: changes "a.b.c=value" made before validation, the later ones last.
        kind: folder of bundled files, "architectures" or "workloads".
        check: as for `validate`.

    Raises:
        InputError: no such file, not the YAML accepted, or refused by the model.
    """
    return validate(document(source, kind=kind), model, overrides, check)


def document(source: str | Path, *, kind: str = "architectures") -> Document:
    """The YAML file `source` (path or bundled name), read but not validated; its top is a mapping.

    `extends: NAME` (a bundled name, or a path from the file's own folder) puts it over that one, key by key; null takes
    an inherited key away. Inherited prices follow what the file changes; `prices: restated` takes them for the new
    machine as they stand. A figure that it changes has the source that it states beside it, never the inherited one.
    """
    return _extended(_find(source, kind), kind, ())


def _extended(path: Path, kind: str, before: tuple[Path, ...]) -> Document:
    data, lines = read(path)
    if not isinstance(data, dict):
        raise InputError("must hold key: value lines at the top", file=str(path), line=1)
    here = Document(str(path), data, lines)
    if "extends" not in data:
        return here
    name = data.pop("extends")
    if not isinstance(name, str):
        raise here.error(f"must be a bundled name or a path, not {shown(name)}", "extends")
    beside = path.parent / name
    try:
        below = _find(beside if beside.is_file() else name, kind).resolve()
    except InputError as error:
        raise here.error(f"{brief(name, 200)}: {error.message}", "extends") from None
    if below in (*before, path.resolve()):
        raise here.error(f"extends itself by way of {brief(name)!r}", "extends")
    under = _extended(below, kind, (*before, path.resolve()))
    inherited = under.data
    prices = data.pop("prices", "scaled")
    if prices not in ("scaled", "restated"):
        raise here.error(f"must be scaled or restated, not {shown(prices)}", "prices")
    whole = merged(inherited, data)
    kept = whole.get("kinds")  # what a null takes away below it is the kind's own affair
    whole = present(whole)
    if isinstance(kept, Mapping):
        whole["kinds"] = {name: kind for name, kind in kept.items() if kind is not None}
    own = data.get("components")
    stated = {name for name, c in own.items() if isinstance(c, dict) and "source" in c} if isinstance(own, dict) else ()
    whole = sourced(inherited, whole if prices == "restated" else anchored(inherited, whole), stated)
    return Document(str(path), whole, lines, below=(under.file, *under.below))


def read(path: str | Path) -> tuple[Any, dict[Trail, int]]:
    """Plain data of the YAML file `path`, and the line of every key and list item."""
    place = str(path)
    return parse(decode(files.read(Path(path), BYTES), place), place)


def validate(document: Document, model: type[M], overrides: Sequence[str] = (),
             check: Callable[[M], object] | None = None) -> M:
    """The model of a document, after the overrides.

    check: what else may refuse it, by an error with a field; it is placed in the document.
    """
    from pydantic import ValidationError  # slower to load than most files are read

    document = _anchored(overridden(document, overrides), model)
    try:
        found = model.model_validate(document.data)
    except ValidationError as error:
        message, trail = explain(error, document.data, model)
        raise document.error(message + _misspelt(document, trail), *trail) from None
    if check is not None:
        with document.blamed():
            check(found)
    return found


def _anchored(document: Document, model: type[BaseModel]) -> Document:
    """The document with what prices are written for, unless its overrides mend a machine that was none."""
    if "components" not in document.written:
        return document
    sound = _sound.get((document.written, model), (), lambda: _is(document.written, model))
    return replace(document, data=document.priced) if sound else document


_sound: Latest[bool] = Latest(8)  # of the files whose variants are read


def _is(data: Mapping[str, Any], model: type[BaseModel]) -> bool:
    """Whether data are a model's."""
    from pydantic import ValidationError
    try:
        model.model_validate(data)
    except ValidationError:
        return False
    return True


def overridden(document: Document, overrides: Sequence[str]) -> Document:
    """The document with all of the overrides, the later ones last.

    Raises:
        InputError: one has not the form a.b.c=value, or two change the same value.
    """
    places: dict[str, str] = {}
    for text in overrides:
        place = text.partition("=")[0].strip()
        if place in places:
            raise InputError(f"{brief(place)} is set twice, by {brief(places[place])!r} and {brief(text)!r}; set it "
                             "once", field="--set")
        places[place] = text
        document = override(document, text)
    return document


def override(document: Document, text: str) -> Document:
    """The document with one value changed. `text` is "a.b.c=value", the value YAML; list positions are numbers."""
    path, equals, value = text.partition("=")
    steps = path.strip().split(".")
    if not (equals and value.strip() and all(steps)) or len(steps) > 32:
        raise InputError(f"must be a.b.c=value, not {brief(text)!r}", field="--set")
    place = _place(text)
    parsed = _parsed(value, place)
    data = dict(document.data)  # what is not copied here is shared with the document before: data never change
    at: Any = data
    trail: Trail = ()
    overridden, before = dict(document.overridden), None
    for number, step in enumerate(steps):
        key = _step(at, step, place, trail)
        trail = (*trail, key)
        if number == len(steps) - 1:
            before = at.get(key) if isinstance(at, dict) else at[key]
            at[key] = parsed
        elif isinstance(at, dict) and at.get(step) is None:
            at[key] = {}
            overridden[trail] = text
        else:
            at[key] = copy.copy(at[key])
        at = at[key]
    n = len(trail)
    overridden = {t: o for t, o in overridden.items() if t[:n] != trail} | {trail: text}
    lines = document.lines
    if trail in lines and isinstance(before, dict | list):  # with all that lies in it
        lines = {t: line for t, line in lines.items() if t[:n] != trail}
    elif trail in lines:
        lines = dict(lines)
        del lines[trail]
    return Document(document.file, data, lines, overridden, document.written or document.data, document.below)


@lru_cache(maxsize=1024)
def _scalar(value: str) -> tuple[bool, Any]:
    """Whether the text of an override's value is a number, a truth value or a plain text as JSON writes it, and
    which."""
    try:
        found = json.loads(value) if len(value) <= _LETTERS else None
    except ValueError:
        return False, None
    if isinstance(found, str):
        return found.isascii() and found.isprintable() and value == f'"{found}"' and "\\" not in found, found
    return isinstance(found, bool | int) and len(value) <= _DIGITS, found


def _parsed(value: str, place: str) -> Any:
    """The value of an override; YAML's parser takes a thousand times as long as a sweep has for it."""
    plain, found = _scalar(value)
    return found if plain else parse(decode(value.encode(errors="replace"), place, False), place, False)[0]


def _place(text: str) -> str:
    """Where an override stands, for messages: an option of its own, or one of those of --set."""
    return brief(text, 120) if text.startswith("--") else f"--set {brief(text, 120)}"


def _step(at: Any, step: str, place: str, trail: Trail) -> str | int:
    """The key or list position `step` of `at`."""
    if isinstance(at, dict):
        return step
    if isinstance(at, list):
        if step.isdecimal() and len(step) < 10 and int(step) < len(at):
            return int(step)
        raise InputError(f"a position in this list must be 0 to {len(at) - 1}, not {brief(step)!r}", file=place,
                         field=dotted(trail))
    raise InputError(f"is a single value and has no key {brief(step)!r}", file=place, field=dotted(trail))


def _misspelt(document: Document, trail: Trail) -> str:
    """A hint where an override made the mapping at fault: the user may have meant one that was there."""
    for end in range(len(trail) - 1, 0, -1):
        if (at := trail[:end]) in document.overridden:
            level: Any = document.data
            for step in at[:-1]:
                level = level[step]
            if isinstance(level, dict):
                others = [key for key in level if (*at[:-1], key) not in document.overridden]
                return guess(at[-1], others)
    return ""


def _find(source: str | Path, kind: str) -> Path:
    """The file a path or bundled name means."""
    if not isinstance(source, str | Path):
        raise InputError(f"must be a path or a bundled name, not {shown(source)}", field=kind)
    try:
        path = bundled.find(str(source), kind, (".yaml",))
    except (OSError, ValueError):  # a name too long, or with a NUL
        path = None
    if path is None:
        names, what = list(bundled.known(kind)), "noise presets" if kind == "noise" else kind
        raise InputError(f"no such file; the bundled {what} are {', '.join(names)}"
                         f"{guess(Path(source).stem, names)}", file=brief(source, 200))
    return path
