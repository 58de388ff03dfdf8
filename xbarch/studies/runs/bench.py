"""The bench: runs requests, each once, in parallel, and stores every answer as soon as it is there.

Requests that the store knows are not run again, so an interrupted comparison, sweep or report resumes where it stopped.
An answer is identified by a digest of everything it depends on (`Request.digest`). There is no other state that a kill
could damage, and a file whose content changed leads to a new digest. Requests may run anywhere
(`xbarch.support.executors`); this process alone writes the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from copy import copy
from itertools import chain, islice
from pathlib import Path

from xbarch.errors import XbarchError
from xbarch.request import Contents, Request, digest_of
from xbarch.studies.runs.answer import LOST, Answer, Names
from xbarch.studies.runs.batch import Named, Worker
from xbarch.studies.runs.bounds import BOUNDED
from xbarch.studies.runs.store import Store
from xbarch.support import cache, files
from xbarch.support.executors.crew import Asked, Crew, inline
from xbarch.support.executors.deal import Lost, deal
from xbarch.support.executors.named import DEFAULT, Staying, opener
from xbarch.support.executors.processes import cpus
from xbarch.support.pairs import with_options
from xbarch.support.progress import Progress

STORE = "runs.sqlite"
Noted = tuple[str, int]
_FEW = 4  # requests that one process finishes before another has started
AHEAD = 500  # requests whose names are looked up together


class Bench:
    """Runs requests and remembers their answers. Architectures and workloads are read once for all requests."""

    def __init__(self, store: Path | None = None, processes: int | None = None, *, executor: str | Executor = DEFAULT,
                 scheduler: str | None = None, wanted: Names | None = None) -> None:
        """Args:
            store: file for the answers; None: answers are kept in memory only.
            processes: worker processes; None: one per CPU, or none for a few requests.
            executor: runs the requests: `processes`, another name of `xbarch.executors`, or one of the program's own.
            scheduler: address or file that the executor needs.
            wanted: figures that are kept in place of whole records.

        Raises:
            InputError: the number of processes is out of range, or there is no such executor.
        """
        self.contents = Contents()
        self._store, self._executor, self._wanted = store, executor, wanted
        self._asked = Asked(processes, scheduler)
        self._opened = opener(executor, self._asked)
        self._staying: tuple[Staying, Worker] | None = None
        self._bounds = False
        self._names: dict[Request, str] = {}
        self.answers: dict[str, Answer] = {}
        """Answers of `run`, by the digest of their request."""

    def name(self, request: Request) -> str:
        """Return the digest of a request.

        Raises:
            InputError: something it names does not exist or is refused.
        """
        if request not in self._names:
            self._names[request] = self.digest(request)
        return self._names[request]

    def digest(self, request: Request) -> str:
        """Return `name` without remembering it."""
        return request.digest(self.contents)

    def noted(self, sweep: str) -> tuple[bytearray, list[int]]:
        """Return the names that the store noted of a sweep, one behind the other, and the numbers of those without a
        final answer."""
        if self._store is None:
            return bytearray(), []
        with Store(self._store) as store:
            return (names := store.noted(sweep)), store.lacking(names, self._wanted)

    def bounding(self) -> Bench:
        """Return a bench of the same store and executor that bounds requests in place of running them, by the names of
        their bounds (`xbarch.studies.runs.bounds`)."""
        other = copy(self)
        other._bounds, other._wanted, other.answers = True, BOUNDED, {}
        return other

    def run(self, requests: Iterable[Request], progress: Progress | None = None) -> Mapping[str, Answer]:
        """Run the requests that have no answer yet and return the answers of all, by digest.

        Raises:
            InputError: a request names something that does not exist, or the store cannot be used.
            XbarchError: the process of a request died. All other answers are kept; the next call tries it again.
        """
        named = {self.name(request): request for request in requests}
        if self._store is not None:
            with Store(self._store) as store:
                self.answers |= {name: found for name, found in store.answers(named).items() if found.error != LOST}
        lost = []
        for name, request, answer in self.stream(named.items(), len(named), progress):
            if answer.error == LOST:
                lost.append(request)
            else:
                self.answers[name] = answer
        refuse_lost(len(lost), len(named), lost[0] if lost else None)
        return {name: self.answers[name] for name in named}

    @contextmanager
    def staying(self, most: int) -> Iterator[None]:
        """Keep the executor open from call to call in the body, each of at most `most` requests."""
        opened, worker = self._crew(None, most)
        self._staying = Staying(opened), worker
        try:
            yield
        finally:
            self._staying[0].close()
            self._staying = None

    def answer(self, request: Request) -> Answer:
        """Return the answer to one request, running it if need be.

        Raises:
            InputError, XbarchError: as in `run`.
        """
        name = self.name(request)
        return self.answers[name] if name in self.answers else self.run([request])[name]

    def stream(self, named: Iterable[Named], total: int | None = None, progress: Progress | None = None,
               ahead: int = AHEAD, note: Noted | None = None) -> Iterator[tuple[str, Request, Answer]]:
        """Run requests that have no answer yet and yield each with its answer, which is then stored.

        Args:
            named: requests with their digests, taken as there is room to run more: there may be any number, and which
                come next may depend on the answers.
            total: how many there are at most.
            ahead: how many may be taken before there is room.
            note: under which the store keeps the names in the order in which they are taken, and the number of the
                first (`Store.note`).

        Raises:
            InputError: the store or the executor cannot be used.
            XbarchError: the processes of the executor end before they answer anything, or run another xbarch.
        """
        with nullcontext() if self._store is None else Store(self._store) as store:
            counted = _Counted(store, self.answers, self._wanted, total, progress, note)
            loaded: list[Named] = []  # they cannot travel to another process
            first = list(islice(todo := _travelling(counted.unknown(named, ahead), loaded), min(ahead, _FEW + 1)))
            if first:
                opened, worker = self._crew(len(first) if ahead > _FEW else None, total) if self._staying is None else (
                    self._staying[0].opener(), self._staying[1])
                yield from counted.kept(deal(chain(first, todo), worker, opened, total, ahead))
            yield from counted.kept(deal(loaded, self._worker(), inline))

    def _worker(self) -> Worker:
        """What a worker in this process is told."""
        return Worker(self._wanted, contents=self.contents, bounds=self._bounds)

    def _crew(self, first: int | None, total: int | None) -> tuple[Callable[[], Crew], Worker]:
        """Return what opens the executor, and what its workers are told. first: how many of the first `_FEW` + 1
        requests there are; None: unknown."""
        here, count = self._worker(), self._asked.processes
        if self._executor != DEFAULT:
            return self._opened, here.away()
        if first is not None and first <= _FEW:
            count = min(first, count or 1)
        elif count is None:
            count = cpus()
        count = min(count, total or count)
        return (inline, here) if count == 1 else (opener(DEFAULT, Asked(count)), here.away())


class _Counted:
    """Which requests have no answer, and how many have one."""

    def __init__(self, store: Store | None, answers: Mapping[str, Answer], wanted: Names | None, total: int | None,
                 progress: Progress | None, note: Noted | None = None) -> None:
        self.store, self.answers, self.wanted, self.done = store, answers, wanted, 0
        self.under_way: set[str] = set()
        self.total, self.progress, self.note = total, progress, note

    def tell(self, text: str) -> None:
        if self.progress is not None:
            self.progress(self.done, self.done + len(self.under_way) if self.total is None else self.total, text)

    def unknown(self, named: Iterable[Named], ahead: int) -> Iterator[Named]:
        """Yield the requests that have no answer and are not under way."""
        every = iter(named)
        while some := list(islice(every, ahead)):
            known: Collection[str] = self.answers
            if self.store is not None:
                known = self.store.final([name for name, _ in some], self.wanted)
                if self.note is not None:
                    self.store.note(*self.note, [name for name, _ in some])
                    self.note = self.note[0], self.note[1] + len(some)
            new = {name: request for name, request in some if name not in known and name not in self.under_way}
            self.done += len(some) - len(new)
            self.under_way.update(new)
            self.tell("known")
            yield from new.items()

    def kept(self, dealt: Iterator[list[tuple[Named, Answer | Lost]]]) -> Iterator[tuple[str, Request, Answer]]:
        """Store the answers of each call together and yield them."""
        for some in dealt:
            found = [(name, request, Answer.lost(result.why) if isinstance(result, Lost) else result)
                     for (name, request), result in some]
            if self.store is not None:
                self.store.add((name, answer) for name, _, answer in found)
            for name, request, answer in found:
                self.under_way.discard(name)
                self.done += answer.error != LOST
                self.tell(describe(request) if self.progress is not None else "")
                yield name, request, answer


def _travelling(named: Iterable[Named], loaded: list[Named]) -> Iterator[Named]:
    """Yield the requests that another process can read; put the others into `loaded`."""
    for name, request in named:
        if request.plain:
            yield name, request
        else:
            loaded.append((name, request))


def refuse_lost(lost: int, total: int, first: Request | None) -> None:
    """Raise an error if processes died.

    Raises:
        XbarchError: they did; it names the first of their requests.
    """
    if first is not None:
        raise XbarchError(f"the process of {lost:,} of {total:,} runs died, for example that of {describe(first)}; all "
                          "other answers are kept, and the same command tries these again")


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
