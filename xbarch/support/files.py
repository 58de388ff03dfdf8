"""Files written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from xbarch.errors import InputError
from xbarch.support.printable import unprintable

_DIGITS = 100  # of a whole number in JSON


def read(path: Path, most: int) -> bytes:
    """A file of at most `most` bytes.

    Raises:
        InputError: there is none, it is a folder or device, it is larger, or it may not be read.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InputError("must be a file, not a folder or device", file=path)
        if found.st_size > most:
            raise InputError(f"must be at most {most:,} bytes long, not {found.st_size:,}", file=path)
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"cannot be read: {reason}", file=path) from None


def read_json(path: Path, most: int) -> Any:
    """The JSON document in a file of at most `most` bytes. NaN, infinities, keys given twice and text with control
    characters are refused.

    Raises:
        InputError: as `read`, or not such a document.
    """
    try:
        found = json.loads(read(path, most).decode(), parse_constant=_refused, parse_int=_whole,
                           object_pairs_hook=_once)
        if bad := unprintable(found):
            raise ValueError(f"must hold printable text; the control character {bad} is not")
        return found
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg.lower().removesuffix(' at')} at column {error.colno}", file=path,
                         line=error.lineno) from None
    except UnicodeDecodeError as error:
        raise InputError(f"must be UTF-8 text; the byte 0x{error.object[error.start]:02x} is not", file=path) from None
    except RecursionError:
        raise InputError("is not JSON: nested too deeply", file=path) from None
    except ValueError as error:
        raise InputError(str(error)[:150], file=path) from None


def _refused(name: str) -> float:
    raise ValueError(f"numbers must be finite, not {name}")


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number must have at most {_DIGITS} characters, not {len(digits):,}")
    return int(digits)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} is given twice")
        found[key] = value
    return found


def digest(path: str | Path) -> str:
    """SHA-256 of a file."""
    with Path(path).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def is_file(place: str | Path) -> bool:
    """Whether a file is there; False for a name that no file can have."""
    try:
        return Path(place).is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False


def is_folder(place: str | Path) -> bool:
    """Whether a folder is there; False for a name that no folder can have."""
    try:
        return Path(place).is_dir()
    except (OSError, ValueError):  # as in `is_file`
        return False


def cache() -> Path:
    """The folder for what need not be computed twice: $XBARCH_CACHE or ~/.cache/xbarch.

    Raises:
        InputError: neither is there.
    """
    given = os.environ.get("XBARCH_CACHE")
    try:
        return Path(given) if given else Path.home() / ".cache" / "xbarch"
    except RuntimeError:
        raise InputError("there is no home folder for the cache: set XBARCH_CACHE to a folder") from None


def writable(folder: Path, *names: str) -> None:
    """Refuse, before a long run, files `names` that could not be written in `folder`; any file if none is named.

    Asks the file system itself: a temporary file is made in the nearest folder there is, and removed.

    Raises:
        InputError: as `write`.
    """
    for path in [folder / name for name in names or ("probe",)]:
        try:
            target = _target(path)
            probe = _beside(_nearest(target.parent) / target.name)
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            probe.unlink()
        except (OSError, ValueError) as error:
            raise _unwritable(path, error) from None


@contextmanager
def stream(path: Path) -> Iterator[TextIO]:
    """A text file to write piece by piece, whole at the end or not there at all; compressed where its name ends in .gz.

    Raises:
        InputError: as `write_all`.
    """
    with stream_bytes(path) as file, TextIOWrapper(file, encoding="utf-8", newline="\n") as text:
        yield text


@contextmanager
def stream_bytes(path: Path) -> Iterator[BinaryIO]:
    """As `stream`, for bytes."""
    from gzip import GzipFile

    try:
        target = _target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(target)
        try:
            with temporary.open("wb") as raw:
                if path.suffix == ".gz":
                    with GzipFile("", "wb", 6, raw, 0) as packed:  # no name, no clock
                        yield cast(BinaryIO, packed)
                else:
                    yield raw
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def write(path: Path, content: str | bytes) -> Path:
    """`write_all` for one file."""
    write_all({path: content})
    return path


def write_all(contents: Mapping[Path, str | bytes]) -> None:
    """Write files together, whole or not at all: temporary files beside them first, then renames in the order given.
    Text is stored as UTF-8. A symbolic link stays one; what it points to is written.

    Raises:
        InputError: a folder cannot be made or written; there is something else than a file in a file's place.
    """
    staged: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in contents.items():
            target = _target(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            staged[target] = _beside(target)
            staged[target].write_bytes(content.encode() if isinstance(content, str) else content)
        for target, temporary in staged.items():
            os.replace(temporary, target)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    finally:  # an interrupt too leaves nothing behind
        for temporary in staged.values():
            if temporary.parent.is_dir():
                temporary.unlink(missing_ok=True)


def _target(path: Path) -> Path:
    """The file that `path` means, symbolic links followed; it is not there yet, or is a file."""
    target = Path(os.path.realpath(path))
    if os.path.lexists(target) and not target.is_file():
        raise InputError("cannot be written: it is a folder, device or pipe", file=path)
    return target


def _nearest(folder: Path) -> Path:
    """The folder, or the first above it that is there."""
    try:
        os.lstat(folder)
    except FileNotFoundError:
        return _nearest(folder.parent)
    return folder


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


def _unwritable(path: Path, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) else error  # ValueError: a NUL in the name
    return InputError(f"cannot be written: {reason}", file=path)
