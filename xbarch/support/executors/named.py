"""Executors by name: entry points of the group `xbarch.executors`, and objects of Python programs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace

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


class Staying:
    """An executor that stays open from one dealing of work to the next."""

    def __init__(self, opened: Callable[[], Crew]) -> None:
        self._opened = opened
        self._crew: Crew | None = None

    def opener(self) -> Callable[[], Crew]:
        """Return what opens it for one dealing; called again there, since it has ended, it opens another."""
        begun = False

        def opened() -> Crew:
            nonlocal begun
            if begun:
                self.close()
            begun = True
            if self._crew is None:
                self._crew = self._opened()
            return replace(self._crew, close=lambda: None)

        return opened

    def close(self) -> None:
        """End it."""
        crew, self._crew = self._crew, None
        if crew is not None:
            with suppress(Exception):  # it may have ended already
                crew.close()


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
