"""What a worker does: run requests one after another, until its time is over."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256

from xbarch.errors import XbarchError
from xbarch.plugins import registry
from xbarch.request import Contents, Request
from xbarch.studies.runs.answer import Answer, answer
from xbarch.studies.runs.bounds import bounds, bounds_name
from xbarch.support import files
from xbarch.support.executors.remote import Refused

_MOST = 2**26  # bytes of a plugin file

Named = tuple[str, Request]


@dataclass(frozen=True)
class Worker:
    """What every worker of a bench is told."""

    wanted: tuple[str, ...] | None = None
    """Figures to keep in place of whole records."""
    plugins: tuple[tuple[str, str], ...] = ()
    """Plugin files and digests, for another process to load first."""
    contents: Contents | None = None
    """What was read before, in this process."""
    bounds: bool = False
    """Whether requests are bounded and not run; the names are then those of their bounds."""

    def away(self) -> Worker:
        """Return what a worker in another process is told."""
        return replace(self, contents=None, plugins=tuple(
            (str(file.resolve()), sha256(files.read(file, _MOST)).hexdigest()) for file in registry.files()))

    def __call__(self, named: list[Named], seconds: float) -> list[Answer] | Refused:
        """Answer the requests in turn until so many seconds are over, at least the first."""
        if self.contents is not None:
            return self._answers(named, seconds, self.contents)
        try:
            plugins, known = _loaded(self.plugins)
        except XbarchError as error:
            return Refused(f"a worker cannot load the plugins of the runs: {error}")
        with plugins.active():
            return self._answers(named, seconds, known, check=True)

    def _answers(self, named: list[Named], seconds: float, known: Contents,
                 check: bool = False) -> list[Answer] | Refused:
        end, found = time.monotonic() + seconds, list[Answer]()
        for name, request in named:
            if check and (other := self._differs(request, name, known)):
                return Refused(other)
            found.append(bounds(request, known) if self.bounds else answer(request, known, self.wanted))
            if time.monotonic() >= end:
                break
        return found

    def name(self, request: Request, known: Contents) -> str:
        """Return the name of what is answered to a request."""
        name = request.digest(known)
        return bounds_name(name) if self.bounds else name

    def _differs(self, request: Request, name: str, known: Contents) -> str:
        """Say what is wrong where this process reads other content under the names of a request; empty if nothing
        is."""
        try:
            if self.name(request, known) == name:
                return ""
            return (f"a worker on {os.uname().nodename} reads other content than this process for {request.workload} "
                    f"on {request.arch}: files, plugins and installed packages must be the same on every machine")
        except XbarchError as error:
            return f"a worker cannot read what a run names: {error}"


@lru_cache(maxsize=1)
def _loaded(plugins: tuple[tuple[str, str], ...]) -> tuple[registry.Registry, Contents]:
    """Load plugin files into a registry of their own, once in a process while they stay as they are, and return it with
    what is read from now on."""
    own = registry.Registry()
    with own.active():
        for file, _ in plugins:
            own.load_file(file)
        return own, Contents()
