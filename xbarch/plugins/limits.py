"""A limit of time and memory on one call of an outside plugin: an endless loop ends, and the caller can name it.

The limit is the process's real-time alarm (SIGALRM). A program that uses xbarch may have an alarm of its own: it still
strikes on time while a plugin runs, and is set again, with the time that is left, when the call is over. A plugin that
itself sets alarms, calls `os._exit` or never returns from C code escapes the limit.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

try:
    import resource
except ImportError:  # no such limits on this system
    resource = None  # type: ignore[assignment]

SECONDS = 300.0
VARIABLE = "XBARCH_PLUGIN_SECONDS"
_TICK = 0.5  # s between two checks
_SHARE = 0.5  # of the machine's memory
_SOON = 1e-6  # s: the shortest alarm


class OverrunError(BaseException):
    """A call took too much time or memory. Not an `Exception`, so that the plugin does not catch it by mistake."""


def limit() -> float:
    """Seconds a call may take; 0: no limit. The environment may set it to any number of at least 0."""
    try:
        found = float(os.environ.get(VARIABLE, SECONDS))
    except ValueError:
        return SECONDS
    return found if found >= 0 else SECONDS


@contextmanager
def limited() -> Iterator[Callable[[], None]]:
    """End the body with `OverrunError` when it takes longer than `limit()`, or grows by half of the machine's memory.

    Yields a function that starts the time anew. Of nested limits the outermost counts. The check runs twice a second,
    between two instructions of Python. Nothing is limited where there are no alarms: on other systems than Unix, in
    other threads than the main one, and under an alarm that was not set from Python.
    """
    seconds = limit()
    if not seconds or resource is None or threading.current_thread() is not threading.main_thread() or isinstance(
            signal.getsignal(signal.SIGALRM), _Watch | None):
        yield lambda: None
        return
    watch = _Watch(seconds)
    try:
        yield watch.restart
    finally:
        watch.end()


class _Watch:
    """The handler of SIGALRM during a limited call, and the alarm that it stands in for."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.tick = seconds, min(_TICK, seconds)
        self.most = _memory() * _SHARE
        self.start, self.held = time.monotonic(), _peak()
        left, self.every = signal.getitimer(signal.ITIMER_REAL)
        self.due = self.start + left if left else None  # of the program's own alarm
        self.handler: Any = signal.getsignal(signal.SIGALRM)
        signal.signal(signal.SIGALRM, self)
        self._next()

    def restart(self) -> None:
        self.start = time.monotonic()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.due is not None and now >= self.due:
            self.due = self.due + self.every if self.every else None
            self._strike(number)
        self._next()  # again, should the plugin catch what is raised here
        if now - self.start > self.seconds:
            raise OverrunError(f"did not end within {self.seconds:g} s ({VARIABLE} sets another limit)")
        if _peak() - self.held > self.most:
            raise OverrunError(f"did not end before it took {self.most / 2**30:.1f} GB of memory")

    def _strike(self, number: int) -> None:
        """Let the program's own alarm do what it does, which may be to raise, or to end the process."""
        signal.signal(number, self.handler)
        try:
            signal.raise_signal(number)
        finally:
            signal.signal(number, self)

    def _next(self) -> None:
        wait = self.tick if self.due is None else min(self.tick, max(self.due - time.monotonic(), _SOON))
        signal.setitimer(signal.ITIMER_REAL, wait)

    def end(self) -> None:
        """Leave the alarm as it would be without xbarch."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.handler)
        if self.due is not None:
            signal.setitimer(signal.ITIMER_REAL, max(self.due - time.monotonic(), _SOON), self.every)


def _peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if os.uname().sysname == "Darwin" else 1024)


def _memory() -> int:
    """Memory of the machine in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
