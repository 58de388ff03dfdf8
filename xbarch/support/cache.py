"""What need not be computed twice, by content: a folder of small files that several processes share.

A file's name is the digest of all that its content depends on, source text included, so nothing grows stale; its
content follows its own digest, so what is damaged, cut off or foreign is as good as absent. Files are written beside
and renamed, and those used longest ago go first. Where there is no such folder, nothing is kept, and nothing else
differs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from xbarch.errors import InputError
from xbarch.support import files
from xbarch.support.about import __version__

VARIABLE = "XBARCH_CACHE_MB"  # what is kept at most; 0: nothing is read or written
_MB, _MOST = "1000", 10**9
_SHARE = 8  # a single file takes at most this part of it
_LEFT = 0.8  # of what is kept at most, where some has to go
_ABANDONED = 3600  # s after which a file that nobody finished goes
_DIGEST = 32  # bytes
_FOLDERS = ("datapaths", "functional", "mapping", "parts/sensing", "workload")
_PACKAGE = Path(__file__).parents[1]
_BEGUN = time.time()


def key(*parts: object) -> str:
    """The name of what depends on `parts` (their texts) and on how this version of xbarch makes such things; empty
    where that cannot be known."""
    code = _code()
    return code and sha256("\n".join([code, *map(str, parts)]).encode()).hexdigest()


def source(path: Path) -> bytes:
    """A file of source text, as it was when this process began; empty where it is younger and something else may run.

    Raises:
        OSError: it cannot be read.
    """
    return path.read_bytes() if _older(path.stat()) else b""


def get(name: str) -> bytes | None:
    """What was kept under a name that `key` made, if it still is and is whole."""
    if (path := _path(name)) is None:
        return None
    try:
        found = path.read_bytes()
        if found[:_DIGEST] != _seal(name, found[_DIGEST:]):
            return None
    except OSError:
        return None
    with suppress(OSError):  # a folder of somebody else's
        os.utime(path)  # when it was last used
    return found[_DIGEST:]


def put(name: str, content: bytes) -> None:
    """Keep `content` under a name that `key` made, where there is room."""
    if (path := _path(name)) is None or len(content) + _DIGEST > limit() // _SHARE:
        return
    with suppress(InputError, OSError):
        files.write(path, _seal(name, content) + content)
        _bounded(path.parent, limit())


def limit() -> int:
    """Bytes that are kept at most, as the environment says; 0: nothing.

    Raises:
        InputError: it says something else than a number of MB.
    """
    given = os.environ.get(VARIABLE) or _MB
    try:
        found = float(given)
    except ValueError:
        found = -1.0
    if not 0 <= found <= _MOST:
        raise InputError(f"must be a number of MB from 0 (nothing is kept) to {_MOST:,}, not {given[:40]!r}",
                         field=VARIABLE)
    return int(found * 1e6)


def _path(name: str) -> Path | None:
    if not name or not limit():
        return None
    with suppress(InputError):
        return files.cache() / "kept" / name
    return None


def _seal(name: str, content: bytes) -> bytes:
    return sha256(name.encode() + content).digest()


def _bounded(folder: Path, most: int) -> None:
    """Those used longest ago go, until there is some room again."""
    found, now = sorted(_listed(folder)), time.time()
    left = sum(size for _, size, _ in found)
    room = most if left <= most else int(most * _LEFT)
    for used, size, path in found:
        if left > room or (path.endswith(".tmp") and used < now - _ABANDONED):
            with suppress(OSError):  # another process was quicker
                os.unlink(path)
            left -= size


def _listed(folder: Path) -> Iterator[tuple[float, int, str]]:
    """(last used, bytes, path) of its files."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if entry.is_file(follow_symlinks=False):
                    yield found.st_mtime, found.st_size, entry.path


def stamp(path: str) -> str:
    """A file's path, size and times of writing and of change; empty where it is younger than this process.

    Raises:
        OSError: there is no such file.
    """
    found = os.stat(path)
    return f"{path} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}" if _older(found) else ""


def _older(file: os.stat_result) -> bool:
    """Whether a file was there, with this content and at this place, when the process began."""
    return max(file.st_mtime, file.st_ctime) < _BEGUN


@lru_cache(maxsize=1)
def _code() -> str:
    """The digest of the source text that decides what packings are and what their bit lines sum to; empty where it is
    not what runs."""
    found = sha256(__version__.encode())
    with suppress(OSError):
        for folder in _FOLDERS:
            for path in sorted((_PACKAGE / folder).rglob("*.py")):
                if not (text := source(path)) and path.stat().st_size:
                    return ""
                found.update(text)
        return found.hexdigest()
    return ""
