"""Run requests in several processes of this machine.

Each worker is a fresh interpreter at the other end of two pipes, not a fork: a fork would copy the threads of a
progress bar or of a numerical library in the middle of their work, and the pipes of the other workers, so that it would
outlive a killed parent. It is a separate command and not a spawn of `multiprocessing`, which runs the caller's main
module again and so needs a guard in every script. The price is about a second to start a worker.
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
from xbarch.studies.runs.worker import decode

Named = tuple[str, Request]
Found = tuple[str, Request, Answer | None]  # None: its process died, twice
_TRIES = 2
_CRASHES = 3  # lost requests in a row after which the fault is not the requests'


def run_all(todo: Sequence[Named], processes: int, contents: Contents | None = None) -> Iterator[Found]:
    """Run requests and yield each with its answer as soon as it is there.

    Args:
        processes: worker processes; 1 runs everything in this process. Requests with a loaded architecture or workload
            always run in this process.
        contents: what this process has read before.

    Raises:
        XbarchError: the workers end before they answer anything.
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
                    elif worker.restart():
                        if (crashes := crashes + 1) == _CRASHES:
                            raise XbarchError(f"worker processes end before they answer: {worker.last}")
                        yield *worker.chunk.popleft(), None
                    worker.take(chunks, ready)
    finally:
        for worker in team:
            worker.end()


def _packing(request: Request) -> tuple[object, ...]:
    """Return what two requests must have in common to share a packing."""
    return str(request.arch), request.overrides, str(request.workload), request.datapath, request.bits


class _Worker:
    """A process and its next requests; it is running the first of them."""

    def __init__(self) -> None:
        self.tries, self.last = 0, ""
        self.chunk: deque[Named] = deque()
        self._start()

    def _start(self) -> None:
        path = os.pathsep.join(place or os.getcwd() for place in sys.path)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xbarch.studies.runs.worker", *map(str, registry.files())], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True,  # the parent handles interrupts
            env={"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path})

    def take(self, chunks: deque[deque[Named]], ready: selectors.BaseSelector) -> None:
        """Start the next request, if there is one: from the current chunk, whose packing is in memory, or a new one."""
        if not self.chunk and chunks:
            self.chunk = chunks.popleft()
        if not self.chunk:
            return
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(BrokenPipeError):  # the process has died: `answer` sees that its output ends
            print(self.chunk[0][1].to_json(), file=self.process.stdin, flush=True)
        ready.register(self.process.stdout, selectors.EVENT_READ, self)

    def answer(self) -> Answer | None:
        """Read the answer to the current request; None if the process has died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            return None
        self.tries = 0
        return decode(line)

    def restart(self) -> bool:
        """Start a new process after a death; return whether the request has used up its tries."""
        code = self.process.wait()
        self.last = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.end()
        self._start()
        self.tries = (self.tries + 1) % _TRIES
        return self.tries == 0

    def end(self) -> None:
        """Kill the process and close its pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
