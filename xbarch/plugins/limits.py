"""A limit of time and memory on one call of a plugin: an endless loop ends, and whoever called can name it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

try:
    import resource
except ImportError:  # no such limits on this system
    resource = None  # type: ignore[assignment]

SECONDS = 300.0
VARIABLE = "XBARCH_PLUGIN_SECONDS"
_TICK = 0.5  # s between two looks
_SHARE = 0.5  # of the machine's memory
_inside = False


class OverrunError(BaseException):
    """A call took too long or too much. Not an `Exception`, so that the plugin itself does not catch it by mistake."""


def limit() -> float:
    """Seconds a call may take; 0: no limit. What the environment says, if it is a number of at least 0."""
    try:
        found = float(os.environ.get(VARIABLE, SECONDS))
    except ValueError:
        return SECONDS
    return found if found >= 0 else SECONDS


@contextmanager
def limited() -> Iterator[Callable[[], None]]:
    """Ends its body with `OverrunError` when that takes longer than `limit()`, or grows by half of the machine's
    memory; the time begins anew when what it gives is called. Of nested ones the outermost counts. It looks twice a
    second, between two instructions of Python; without alarms (other systems than Unix, other threads than the main
    one) nothing is limited."""
    global _inside
    seconds = limit()
    if _inside or not seconds or resource is None or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    start, held, most = time.monotonic(), _peak(), _memory() * _SHARE

    def again() -> None:
        nonlocal start
        start = time.monotonic()

    def look(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - start > seconds:
            raise OverrunError(f"did not end within {seconds:g} s ({VARIABLE} sets another limit)")
        if _peak() - held > most:
            raise OverrunError(f"did not end before it took {most / 2**30:.1f} GB of memory")

    tick = min(_TICK, seconds)
    before, _inside = signal.signal(signal.SIGALRM, look), True
    signal.setitimer(signal.ITIMER_REAL, tick, tick)
    try:
        yield again
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        _inside = False


def _peak() -> int:
    """Bytes this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if os.uname().sysname == "Darwin" else 1024)


def _memory() -> int:
    """Bytes of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
