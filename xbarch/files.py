"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from xbarch.errors import InputError


def read(path: Path, most: int) -> bytes:
    """A file of at most `most` bytes.

    Raises:
        InputError: there is none, it is a folder or device, it is larger, or it may not be read.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InputError("found a folder or device, allowed a file", file=path)
        if found.st_size > most:
            raise InputError(f"found {found.st_size:,} bytes, allowed at most {most:,}", file=path)
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"cannot be read: {reason}", file=path) from None


def read_json(path: Path, most: int) -> Any:
    """The JSON document in a file of at most `most` bytes; NaN, infinities and keys given twice are refused.

    Raises:
        InputError: as `read`, or not such a document.
    """
    try:
        return json.loads(read(path, most).decode(), parse_constant=_refused, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg.lower()} at column {error.colno}", file=path,
                         line=error.lineno) from None
    except UnicodeDecodeError as error:
        raise InputError(f"found the byte 0x{error.object[error.start]:02x}, allowed UTF-8 text", file=path) from None
    except RecursionError:
        raise InputError("is not JSON: nested too deeply", file=path) from None
    except ValueError as error:
        raise InputError(f"found {str(error)[:100]}", file=path) from None


def _refused(name: str) -> float:
    raise ValueError(f"{name}, allowed finite numbers")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} twice, allowed once")
        found[key] = value
    return found


def writable(folder: Path, *names: str) -> None:
    """Refuse a folder that cannot be written, before a long run; makes nothing.

    Args:
        names: files that are to be written in it.

    Raises:
        InputError: the folder, or the nearest parent there is, is no folder one may write to; a name is a folder.
    """
    try:
        there = folder.absolute()
        while not there.exists() and there != there.parent:
            there = there.parent
        good = there.is_dir() and os.access(there, os.W_OK)
        taken = next((name for name in names if (folder / name).is_dir()), None)
    except (OSError, ValueError):  # a name too long, or with a NUL
        good, taken = False, None
    if not good:
        raise InputError("cannot be written, allowed a folder you may write to", file=folder)
    if taken is not None:
        raise InputError("found a folder, allowed a file to write", file=folder / taken)


def write(path: Path, text: str | bytes) -> Path:
    """Write a file whole or not at all (a temporary file beside it, then a rename).

    Raises:
        InputError: the folder cannot be made or written.
    """
    if not path.name:
        raise InputError("found a folder, allowed a file to write", file=path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            temporary.write_bytes(text)
        else:
            temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)
        raise InputError(f"cannot be written ({error.strerror}), allowed a folder you may write to",
                         file=path) from None
    return path
