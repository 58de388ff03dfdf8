"""Requests run by several processes of this machine.

Each worker is a fresh interpreter at the other end of two pipes, not a fork: a fork would copy the threads of a
progress bar or of a numerical library in the middle of what they do, and the pipes of its siblings, so that it would
outlive a parent that is killed. It is a command of its own rather than `multiprocessing`'s spawn, which runs the main
module of the caller once more and asks every script for a guard against that. It costs a start of about a second.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby

from xbarch.errors import XbarchError
from xbarch.plugins import registry
from xbarch.request import Contents, Request
from xbarch.studies.runs.answer import Answer, answer
from xbarch.studies.runs.worker import decoded

Named = tuple[str, Request]
Found = tuple[str, Request, Answer | None]  # None: its process died of it, twice
_TRIES = 2
_CRASHES = 3  # requests in a row; then it is not the requests


def answers(todo: Sequence[Named], processes: int, contents: Contents | None = None) -> Iterator[Found]:
    """The requests with their answers, as they come.

    processes: 1 runs them in this one, as are those with a loaded architecture or workload. contents: what this process
    read already.

    Raises:
        XbarchError: processes end before they answer anything.
    """
    far = [each for each in todo if each[1].plain] if processes > 1 and len(todo) > 1 else []
    yield from ((name, request, answer(request, contents)) for name, request in todo if not far or not request.plain)
    if far:
        yield from _shared(far, processes)


def _shared(todo: Sequence[Named], processes: int) -> Iterator[Found]:
    chunks = deque(deque(chunk) for _, chunk in groupby(todo, lambda each: _packing(each[1])))
    team = [_Worker() for _ in range(min(processes, len(todo)))]
    crashes = 0
    try:
        with selectors.DefaultSelector() as ready:
            for worker in team:
                worker.take(chunks, ready)
            while ready.get_map():
                for key, _ in ready.select():
                    worker = key.data
                    ready.unregister(key.fileobj)
                    if (found := worker.answer()) is not None:
                        crashes = 0
                        yield *worker.chunk.popleft(), found
                    elif worker.died():
                        if (crashes := crashes + 1) == _CRASHES:
                            raise XbarchError(f"processes that run points end before they answer: {worker.last}")
                        yield *worker.chunk.popleft(), None
                    worker.take(chunks, ready)
    finally:
        for worker in team:
            worker.end()


def _packing(request: Request) -> tuple[object, ...]:
    """What requests that share a packing share."""
    return str(request.arch), request.overrides, str(request.workload), request.datapath, request.bits


class _Worker:
    """A process and the requests it is to run next; the first of them is the one it runs."""

    def __init__(self) -> None:
        self.tries, self.last = 0, ""
        self.chunk: deque[Named] = deque()
        self._start()

    def _start(self) -> None:
        path = os.pathsep.join(place or os.getcwd() for place in sys.path)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xbarch.studies.runs.worker", *map(str, registry.files())], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True,  # an interrupt is the parent's to handle
            env={"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path})

    def take(self, chunks: deque[deque[Named]], ready: selectors.BaseSelector) -> None:
        """Go on with the next request, if there is one: of its own chunk, whose packing it has, or of a new one."""
        if not self.chunk and chunks:
            self.chunk = chunks.popleft()
        if not self.chunk:
            return
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(BrokenPipeError):  # it has died: its output ends, which `answer` sees
            print(self.chunk[0][1].to_json(), file=self.process.stdin, flush=True)
        ready.register(self.process.stdout, selectors.EVENT_READ, self)

    def answer(self) -> Answer | None:
        """What it says of its request; None if it has died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            return None
        self.tries = 0
        return decoded(line)

    def died(self) -> bool:
        """Start another process; whether the request has had its tries."""
        code = self.process.wait()
        self.last = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.end()
        self._start()
        self.tries = (self.tries + 1) % _TRIES
        return self.tries == 0

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
