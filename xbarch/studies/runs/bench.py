"""The bench: runs requests, each once, in parallel, and stores every answer as soon as it is there.

Requests that the store knows are not run again, so an interrupted comparison, sweep or report resumes where it stopped.
An answer is identified by a digest of everything it depends on (`Request.digest`). There is no other state that a kill
could damage, and a file whose content changed leads to a new digest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from xbarch.errors import InputError, XbarchError
from xbarch.request import Contents, Request, digest_of
from xbarch.studies.runs.answer import Answer
from xbarch.studies.runs.store import Store
from xbarch.studies.runs.workers import run_all
from xbarch.support import cache, files
from xbarch.support.pairs import with_options
from xbarch.support.progress import Progress

STORE = "runs.sqlite"
PROCESSES = 1024
_FEW = 4  # requests that one process finishes before another has started


class Bench:
    """Runs requests and remembers their answers. Architectures and workloads are read once for all requests."""

    def __init__(self, store: Path | None = None, processes: int | None = None) -> None:
        """Args:
            store: file for the answers; None: answers are kept in memory only.
            processes: worker processes; None: one per CPU, or none for a few requests.

        Raises:
            InputError: the number of processes is out of range.
        """
        if processes is not None and not 1 <= processes <= PROCESSES:
            raise InputError(f"must be 1 to {PROCESSES:,}, not {processes}", field="processes")
        self.contents = Contents()
        self._store, self._processes = store, processes
        self._names: dict[Request, str] = {}
        self.answers: dict[str, Answer] = {}
        """Answers by the digest of their request."""

    def name(self, request: Request) -> str:
        """Return the digest of a request.

        Raises:
            InputError: something it names does not exist or is refused.
        """
        if request not in self._names:
            self._names[request] = request.digest(self.contents)
        return self._names[request]

    def run(self, requests: Iterable[Request], progress: Progress | None = None) -> Mapping[str, Answer]:
        """Run the requests that have no answer yet and return the answers of all, by digest.

        Raises:
            InputError: a request names something that does not exist, or the store cannot be used.
            XbarchError: the process of a request died. All other answers are kept; the next call tries it again.
        """
        named = {self.name(request): request for request in requests}
        if self._store is None:
            lost = self._fill(named, None, progress)
        else:
            with Store(self._store) as store:
                self.answers |= store.answers(named)
                lost = self._fill(named, store, progress)
        if lost:
            raise XbarchError(f"the process of {len(lost)} of {len(named):,} runs died, for example that of "
                              f"{describe(lost[0])}; all other answers are kept, and the same command tries these "
                              "again")
        return {name: self.answers[name] for name in named}

    def answer(self, request: Request) -> Answer:
        """Return the answer to one request, running it if need be.

        Raises:
            InputError, XbarchError: as in `run`.
        """
        name = self.name(request)
        return self.answers[name] if name in self.answers else self.run([request])[name]

    def _fill(self, named: Mapping[str, Request], store: Store | None, progress: Progress | None) -> list[Request]:
        """Run the requests that have no answer, and return those whose process died."""
        todo = [(name, request) for name, request in named.items() if name not in self.answers]
        done, lost = len(named) - len(todo), []
        if progress is not None:
            progress(done, len(named), "known")
        for name, request, answer in run_all(todo, self._team(len(todo)), self.contents):
            if answer is None:
                lost.append(request)
                continue
            if store is not None:
                store.add(name, request, answer)
            self.answers[name] = answer
            done += 1
            if progress is not None:
                progress(done, len(named), describe(request))
        return lost

    def _team(self, todo: int) -> int:
        """Return how many processes to use for so many requests."""
        if self._processes is not None:
            return min(self._processes, max(1, todo))
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cpus, todo) if todo > _FEW else 1


@contextmanager
def resumable_store(out: Path | None, content: object) -> Iterator[Path | None]:
    """Provide a file that keeps answers until the body is done: runs.sqlite in the folder `out`, or, without a folder,
    a file of the cache named after `content`; None if the cache is switched off. The file is removed at the end, but
    stays if the body fails or is interrupted.

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


def describe(request: Request) -> str:
    """Return a request in one line, for progress and messages."""
    workload, arch = (str(getattr(source, "name", source)) for source in (request.workload, request.arch))
    path = with_options(request.datapath or "", request.options)
    return ", ".join(filter(None, [workload, path, arch, *request.overrides, request.policy]))
