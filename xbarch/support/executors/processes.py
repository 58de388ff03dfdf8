"""Processes of this machine, by loky: fresh interpreters, which need no guard in the caller's main module. Where loky
is not installed the standard library's do, which import that module again."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import warnings

from xbarch.support.executors.crew import Asked, Crew

_LOOK = 0.5  # s between two looks at the parent


def cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def opened(asked: Asked) -> Crew:
    """Open as many processes as are asked for, by default one per CPU. They end with this process."""
    count = cpus() if asked.processes is None else asked.processes
    try:
        from loky.process_executor import ProcessPoolExecutor
    except ModuleNotFoundError:
        return _spawned(count)
    # What a worker keeps in memory grows with what it has read; a new one reads it again, and loky says so each time.
    warnings.filterwarnings("ignore", message="A worker (stopped|was restarted) while some jobs", category=UserWarning)
    executor = ProcessPoolExecutor(count, env={"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
                                   initializer=settle, initargs=(os.getpid(),))
    return Crew(executor, lambda: 2 * count, lambda: executor.shutdown(kill_workers=True), isolates=False)


def _spawned(count: int) -> Crew:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    executor = ProcessPoolExecutor(count, get_context("spawn"), settle, (os.getpid(),))
    return Crew(executor, lambda: 2 * count, lambda: executor.shutdown(cancel_futures=True), isolates=False)


def settle(parent: int) -> None:
    """Prepare a worker: what plugins print goes to standard error, the parent alone is interrupted, and its end is the
    worker's."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(200_000)  # as `xbarch.__main__`

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
