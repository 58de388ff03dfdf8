"""Executors by name: entry points of the group `xbarch.executors`, and objects of Python programs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from xbarch.errors import InputError, XbarchError
from xbarch.support import packages
from xbarch.support.executors.crew import Asked, Crew
from xbarch.support.executors.processes import cpus

GROUP = "xbarch.executors"
DEFAULT = "processes"
Opener = Callable[[Asked], Crew]


def opener(executor: str | Executor, asked: Asked) -> Callable[[], Crew]:
    """Return what opens an executor: one of that name, or for an object that one itself, once.

    Raises:
        InputError: there is no executor of that name.
    """
    if isinstance(executor, Executor):
        return _own(executor, asked)
    known = packages.points(GROUP, "executor")
    if executor not in known:
        raise InputError(f"unknown executor {executor!r}; there are {', '.join(sorted(known))}", field="executor")
    if executor == DEFAULT and asked.scheduler is not None:
        raise InputError(f"--executor {DEFAULT} has no scheduler; leave it out, or choose another executor",
                         field="scheduler")
    point = known[executor]

    def opened() -> Crew:
        found: Opener = point.load()
        return found(asked)

    return opened


def _own(executor: Executor, asked: Asked) -> Callable[[], Crew]:
    used = False
    count = asked.processes or getattr(executor, "_max_workers", None) or cpus()

    def opened() -> Crew:
        nonlocal used
        if used:
            raise XbarchError("the executor that was given has ended; what was answered is kept, and the same call "
                              "with another executor does the rest")
        used = True
        return Crew(executor, lambda: 2 * count, lambda: None)

    return opened
