"""How the texts of options are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from xbarch.errors import InputError
from xbarch.support.pairs import read_pairs


def whole(field: str) -> Callable[[str], int]:
    """Return the parser of a whole number; errors name `field`."""
    def read(text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise InputError(f"must be a whole number, not {text[:40]!r}", field=field) from None
    return read


def place(field: str = "out") -> Callable[[str], Path]:
    """Return the parser of a path that is to be written; errors name `field`."""
    def read(text: str) -> Path:
        if not text:
            raise InputError("must be a path, not ''", field=field)
        return Path(text)
    return read


def operation_unit(text: str) -> dict[str, int]:
    """Read an operation unit, ROWSxCOLUMNS."""
    rows, _, columns = text.partition("x")
    if not (rows.isdecimal() and columns.isdecimal()):
        raise InputError(f"must be word lines x bit lines, such as 16x16, not {text[:40]!r}", field="operation_unit")
    return {"rows": int(rows), "columns": int(columns)}


def options(texts: list[str]) -> dict[str, Any]:
    """Read options of a data path, name=value."""
    try:
        read = read_pairs(texts)
    except InputError as error:  # elsewhere -o is the output folder
        raise InputError(f"{error.message}; the output folder is given with --out", field="option") from None
    if paths := [name for name in read if "." in name]:
        raise InputError(f"{paths[0][:40]!r} is no option of a data path; fields of the architecture are given with "
                         "--set", field="option")
    return read


def axes(texts: list[str]) -> dict[str, list[Any]]:
    """Read axes, name=value,value: a value that is JSON is read as JSON, any other is text."""
    read: dict[str, list[Any]] = {}
    for name, _, value in (text.partition("=") for text in texts):
        if not (name and value):
            raise InputError(f"must be name=value,value, not {name[:40]!r}", field="axis")
        read[name] = [read_pairs([f"value={each}"])["value"] for each in value.split(",")]
    return read


def given(**choices: Any) -> dict[str, Any]:
    """Keep the choices that were made; the others have the defaults of a request."""
    return {name: value for name, value in choices.items() if value not in (None, False, [], {})}


def words(texts: list[str]) -> list[str]:
    """Split a repeated option at its commas."""
    return [word for text in texts for word in text.split(",") if word]


def load_plugins(files: list[Path]) -> None:
    """Register the plugins that the files define."""
    if files:
        from xbarch.plugins import registry

        for file in files:
            registry.load_file(file)
