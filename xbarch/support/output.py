"""Standard output for a command's document alone: whatever else is printed meanwhile goes to standard error."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import TextIO

_own: ContextVar[Callable[[str], object] | None] = ContextVar("xbarch_output", default=None)


@contextmanager
def reserved() -> Iterator[None]:
    """Keep standard output for `write` in the body.

    What plugins print there, from other threads, from C or by `os.write(1, ...)` goes to standard error, and their
    `sys.stdout.close()` has no effect.
    """
    before, descriptor = sys.stdout, _descriptor(sys.stdout)
    before.flush()
    if descriptor is None:  # a program that uses the command line has a stream of its own for it
        token = _own.set(before.write)
    else:
        copy = os.dup(descriptor)
        token = _own.set(partial(_write_all, copy, before.encoding, before.errors or "strict"))
        os.dup2(2, descriptor)
    sys.stdout = _Aside()
    try:
        yield
    finally:
        _own.reset(token)
        sys.stdout = before
        if descriptor is not None:
            os.dup2(copy, descriptor)
            os.close(copy)


def write(text: str) -> None:
    """Write `text` to standard output, the reserved one if there is one."""
    (_own.get() or sys.stdout.write)(text)


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


def _write_all(descriptor: int, encoding: str, errors: str, text: str) -> None:
    data = memoryview(text.encode(encoding, errors))
    while data:
        data = data[os.write(descriptor, data):]


def _descriptor(stream: TextIO) -> int | None:
    """The file descriptor behind a stream; None where there is none, or no standard error to send others to."""
    with suppress(OSError, ValueError, AttributeError):
        os.fstat(2)
        return stream.fileno()
    return None
