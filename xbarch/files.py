"""Files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from xbarch.errors import InputError


def writable(folder: Path) -> None:
    """Refuse a folder that cannot be written, before a long run; makes nothing.

    Raises:
        InputError: the folder, or the nearest parent there is, is no folder one may write to.
    """
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError("cannot be written, allowed a folder you may write to", file=folder)


def write(path: Path, text: str | bytes) -> Path:
    """Write a file whole or not at all (a temporary file beside it, then a rename).

    Raises:
        InputError: the folder cannot be made or written.
    """
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
