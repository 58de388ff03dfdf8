"""The bench: runs requests, each once, in parallel, and keeps every answer as it comes.

What a store holds is not run again, so a comparison, a sweep or a report that was interrupted goes on where it was. An
answer is named by a digest of all that it depends on (`Request.digest`): nothing else is remembered, so there is no
state that a kill could damage, and a name that changed its meaning is another name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from xbarch.errors import InputError, XbarchError
from xbarch.request import Contents, Request, digest_of
from xbarch.studies.runs.answer import Answer
from xbarch.studies.runs.store import Store
from xbarch.studies.runs.workers import answers
from xbarch.support import cache, files

STORE = "runs.sqlite"
PROCESSES = 1024
_FEW = 4  # requests that one process is through with before another has started
Progress = Callable[[int, int, str], None]


class Bench:
    """Answers to requests. What several requests name is read once."""

    def __init__(self, store: Path | None = None, processes: int | None = None) -> None:
        """store: file that answers are kept in and read from; None: they are kept in memory.
        processes: worker processes; None: one per CPU, or this one where there is little to do.

        Raises:
            InputError: the number of processes is out of range.
        """
        if processes is not None and not 1 <= processes <= PROCESSES:
            raise InputError(f"must be 1 to {PROCESSES:,}, not {processes}", field="processes")
        self.contents = Contents()
        self._store, self._processes = store, processes
        self._names: dict[Request, str] = {}
        self.answers: dict[str, Answer] = {}  # by name

    def name(self, request: Request) -> str:
        """The digest of a request.

        Raises:
            InputError: something it names is not there or refused.
        """
        if request not in self._names:
            self._names[request] = request.digest(self.contents)
        return self._names[request]

    def run(self, requests: Iterable[Request], progress: Progress | None = None) -> Mapping[str, Answer]:
        """Run what is not known yet; the answers of all, by name.

        progress: called with (requests answered, requests in all, what was run).

        Raises:
            InputError: a request names what is not there, or the store cannot be used.
            XbarchError: the process of a request died; all others are kept, and the next call tries it again.
        """
        named = {self.name(request): request for request in requests}
        if self._store is None:
            lost = self._fill(named, None, progress)
        else:
            with Store(self._store) as store:
                self.answers |= store.answers(named)
                lost = self._fill(named, store, progress)
        if lost:
            raise XbarchError(f"the process of {len(lost)} of {len(named):,} points died, as of {said(lost[0])}; the "
                              "others are kept, and the same command tries these again")
        return {name: self.answers[name] for name in named}

    def answer(self, request: Request) -> Answer:
        """The answer to one request, which is run if need be.

        Raises:
            InputError, XbarchError: as `run`.
        """
        name = self.name(request)
        return self.answers[name] if name in self.answers else self.run([request])[name]

    def known(self, request: Request) -> Answer | None:
        """The answer to a request that was run."""
        return self.answers.get(self.name(request))

    def _fill(self, named: Mapping[str, Request], store: Store | None, progress: Progress | None) -> list[Request]:
        """Run the requests that have no answer; those whose process died."""
        todo = [(name, request) for name, request in named.items() if name not in self.answers]
        done, lost = len(named) - len(todo), []
        if progress is not None:
            progress(done, len(named), "known")
        for name, request, answer in answers(todo, self._team(len(todo)), self.contents):
            if answer is None:
                lost.append(request)
                continue
            if store is not None:
                store.add(name, request, answer)
            self.answers[name] = answer
            done += 1
            if progress is not None:
                progress(done, len(named), said(request))
        return lost

    def _team(self, todo: int) -> int:
        if self._processes is not None:
            return min(self._processes, max(1, todo))
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cpus, todo) if todo > _FEW else 1


@contextmanager
def resumable(out: Path | None, content: object) -> Iterator[Path | None]:
    """Where answers are kept until all is done: a file in the folder `out`, or without one a file of the cache that is
    named by `content`; None where there is neither. It stays where the body fails or is interrupted.

    Raises:
        InputError: the cache's settings are wrong.
    """
    if out is not None:
        path = out / STORE
    elif cache.limit():
        path = files.cache() / "runs" / f"{digest_of(content)[:32]}.sqlite"
    else:
        yield None
        return
    yield path
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def said(request: Request) -> str:
    """A request in a line, for progress."""
    workload, arch = (str(getattr(source, "name", source)) for source in (request.workload, request.arch))
    return ", ".join(filter(None, [workload, request.datapath or "", arch, *request.overrides, request.policy]))
