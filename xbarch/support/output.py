"""Standard output for a command's document alone: whatever else is printed meanwhile goes to standard error."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TextIO

_own: ContextVar[TextIO | None] = ContextVar("xbarch_output", default=None)


@contextmanager
def reserved() -> Iterator[None]:
    """Keep standard output for `write` in the body.

    What plugins print there, from other threads, from C or by `os.write(1, ...)` goes to standard error, and their
    `sys.stdout.close()` has no effect.
    """
    before = sys.stdout
    before.flush()
    descriptor = _descriptor(before)
    copy = os.dup(descriptor) if descriptor is not None else None
    own = before if copy is None else open(copy, "w", encoding=before.encoding, errors=before.errors, closefd=False)
    token = _own.set(own)
    sys.stdout = _Aside()
    try:
        if descriptor is not None:
            os.dup2(2, descriptor)
        yield
    finally:
        _own.reset(token)
        sys.stdout = before
        if copy is not None and descriptor is not None:
            with suppress(ValueError):
                own.flush()
            os.dup2(copy, descriptor)
            os.close(copy)


def write(text: str) -> None:
    """Print `text` to standard output, the reserved one if there is one."""
    print(text, file=_own.get(), flush=True)


class _Aside(io.TextIOBase):
    """Writes to standard error, and cannot be closed."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        self.flush()


def _descriptor(stream: TextIO) -> int | None:
    """The file descriptor behind a stream, where the process really has standard output and error."""
    with suppress(OSError, ValueError, AttributeError):
        os.fstat(2)
        return stream.fileno()
    return None
