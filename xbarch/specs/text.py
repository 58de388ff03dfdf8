"""YAML 1.2 text into plain data, strictly, with the line of every key.

Works on the parser's event stream, so that nothing is built before it is counted: aliases, anchors, tags, merge
keys, duplicate keys, keys that are not text, deep nesting and large files are refused as soon as they are seen.
Plain scalars resolve by the YAML 1.2 core schema: `yes`, `1_000`, `12:30` and dates are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from xbarch.errors import InputError
from xbarch.support.printable import UNPRINTABLE, unprintable

Trail = tuple[str | int, ...]  # keys and list positions from the top of the file to a value

# Ten times the largest architecture one would write by hand; any text within them is read in about 0.2 s of CPU.
BYTES = 2**17
NODES = 6_000
DEPTH = 32
DIGITS = 100

_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None,
          "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def brief(text: object, most: int = 60) -> str:
    """`text` on one line of at most `most` characters, with nothing a terminal would obey."""
    line = "".join(c if c.isprintable() else "?" for c in str(text)[:most + 1])
    return line if len(line) <= most else line[:most - 3] + "..."


def decode(data: bytes, file: object, numbered: bool = True) -> str:
    """The text of a UTF-8 file, with or without byte order mark. Errors name the line if `numbered`.

    Raises:
        InputError: too large, not UTF-8, or characters YAML does not allow.
    """
    if len(data) > BYTES:
        raise InputError(f"must be at most {BYTES:,} bytes long, not {len(data):,}", file=file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before, says = data[:error.start], f"must be UTF-8 text; the byte 0x{data[error.start]:02x} is not"
    else:
        bad = UNPRINTABLE.search(text)
        if bad is None:
            return text
        before = text[:bad.start()].encode()
        says = f"must be printable text; the control character U+{ord(bad[0]):04X} is not"
    raise InputError(says, file=file, line=before.count(b"\n") + 1 if numbered else None)


def parse(text: str, file: object, numbered: bool = True) -> tuple[Any, dict[Trail, int]]:
    """The one document in `text` as dicts, lists, text, numbers, booleans and None, and the 1-based line of every
    key and list item. Errors name the line if `numbered`.

    Raises:
        InputError: not YAML, or YAML outside the subset above.
    """
    reader = _Reader(text, file, numbered)
    value = reader.document()
    return value, reader.lines


class _Reader:
    """Takes events one by one; recursion is bounded by DEPTH."""

    def __init__(self, text: str, file: object, numbered: bool) -> None:
        self.file, self.numbered = file, numbered
        self.lines: dict[Trail, int] = {}
        self.nodes = 0
        self.line = 1
        self.events = self._events(text)

    def _events(self, text: str) -> Iterator[Any]:
        """The parser's events, made as they are asked for. Damaged text makes it raise more than its own errors
        (ValueError and AttributeError among them); each of them means that the text is not YAML."""
        try:
            for event in YAML(typ="safe", pure=True).parse(text):
                self.line = event.start_mark.line + 1
                yield event
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.line = mark.line + 1 if mark else self.line
            raise self.refuse(f"not YAML: {brief(error.problem or error.context, 120)}") from None
        except Exception as error:
            raise self.refuse(f"not YAML: {brief(error, 120)}") from None

    def refuse(self, message: str, trail: Trail = ()) -> InputError:
        return InputError(message, file=self.file, line=self.line if self.numbered else None, field=dotted(trail))

    def document(self) -> Any:
        self.expect(StreamStartEvent, "")
        self.expect(DocumentStartEvent, "is empty; keys and values are needed")
        value = self.node(next(self.events), ())
        self.expect(DocumentEndEvent, "")
        self.expect(StreamEndEvent, "has a second document; one per file is read")
        return value

    def expect(self, kind: type, otherwise: str) -> None:
        event = next(self.events)
        if not isinstance(event, kind):
            raise self.refuse(otherwise or f"not YAML: unexpected {type(event).__name__}")

    def node(self, event: Any, trail: Trail) -> Any:
        self.check(event, trail)
        if isinstance(event, ScalarEvent):
            return self.scalar(event, trail)
        if len(trail) >= DEPTH:
            raise self.refuse(f"is nested deeper than {DEPTH} levels", trail[:3])
        return self.sequence(trail) if isinstance(event, SequenceStartEvent) else self.mapping(trail)

    def check(self, event: Any, trail: Trail) -> None:
        self.nodes += 1
        if self.nodes > NODES:
            raise self.refuse(f"has more than {NODES:,} values, the most that are read")
        if isinstance(event, AliasEvent):
            raise self.refuse(f"aliases are not read; write the value of *{brief(event.anchor)} out", trail)
        if not isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent):
            raise self.refuse(f"not YAML: unexpected {type(event).__name__}", trail)
        if event.anchor is not None:
            raise self.refuse(f"anchors are not read; remove &{brief(event.anchor)} and write values out", trail)
        if event.tag is not None:
            raise self.refuse(f"tags are not read; remove {brief(event.tag)}", trail)

    def sequence(self, trail: Trail) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            below = (*trail, len(items))
            self.lines[below] = self.line
            items.append(self.node(event, below))
        return items

    def mapping(self, trail: Trail) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            self.check(event, trail)
            key = self.scalar(event, trail) if isinstance(event, ScalarEvent) else event
            if not isinstance(key, str):
                shown = repr(brief(event.value)) if isinstance(event, ScalarEvent) else "a list or mapping"
                raise self.refuse(f"a key must be text, not {shown}", trail)
            if key == "<<":
                raise self.refuse("merge keys (<<) are not read; write the keys out", trail)
            below = (*trail, key)
            if key in found:
                raise self.refuse(f"the key {brief(key)!r} is given twice, first in line {self.lines[below]}", below)
            self.lines[below] = self.line
            found[key] = self.node(next(self.events), below)
        return found

    def scalar(self, event: Any, trail: Trail) -> str | int | float | bool | None:
        value: str = event.value
        if bad := unprintable(value):  # "\\x1b" in double quotes: the file is printable, its value is not
            raise self.refuse(f"must be printable text; the control character {bad} is not", trail)
        if event.style:  # quoted or block: text whatever it looks like
            return value
        if value in _WORDS:
            return _WORDS[value]
        if _WHOLE.fullmatch(value) or _REAL.fullmatch(value):
            if len(value) > DIGITS:
                raise self.refuse(f"a number must have at most {DIGITS} characters, not {len(value)}", trail)
            base = {"0o": 8, "0x": 16}.get(value[:2], 10)
            return int(value, base) if _WHOLE.fullmatch(value) else float(value)
        if _NOT_FINITE.fullmatch(value):
            return float(value.replace(".", ""))
        return value


def dotted(trail: Trail) -> str:
    """`a.b.0.c` for messages; keys come from the file and are cut short."""
    return ".".join(brief(step) for step in trail)
