"""Jobs of a Slurm cluster, by submitit: one job for some minutes of work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from xbarch.errors import InputError
from xbarch.support.executors.crew import Asked, Crew
from xbarch.support.extras import needs

JOBS = 16
FOLDER = "slurm"  # for what jobs read and write, where the command is run: a folder that all machines share
_MINUTES = 60
_SHARE = 0.25  # of a job's time that is used, so that the last run ends within it
_MOST = 10**4  # items in a job
_LOOK = 1.0  # s between two looks at the jobs


def opened(asked: Asked) -> Crew:
    """Prepare for jobs with the parameters in a YAML file (`--scheduler FILE`): those of submitit, such as `partition`,
    `account`, `timeout_min`, `cpus_per_task` and `mem_gb`; `cluster: local` runs jobs on this machine instead.

    Raises:
        InputError: there is no such file, it is not of that form, or there is no Slurm here.
    """
    with needs("cluster", "--executor slurm"):
        import submitit

    given, place = _read(asked.scheduler), asked.scheduler
    cluster, folder = given.pop("cluster", "slurm"), given.pop("folder", FOLDER)
    given = {"timeout_min": _MINUTES, "cpus_per_task": 1, **given}
    try:
        found = submitit.AutoExecutor(folder=folder, cluster=cluster)
        found.update_parameters(**given)
        minutes = float(given["timeout_min"])
    except (RuntimeError, ValueError, TypeError, NameError, OSError) as error:
        raise InputError(f"Slurm cannot be used: {str(error).strip().splitlines()[0][:200]}", file=place,
                         field="scheduler") from None
    jobs = Jobs(found)
    count = JOBS if asked.processes is None else asked.processes
    return Crew(jobs, lambda: count, lambda: jobs.shutdown(cancel_futures=True), seconds=60 * minutes * _SHARE,
                batch=_MOST, first=_MOST)


def _read(place: str | None) -> dict[str, Any]:
    if place is None:
        return {}
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        said = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"cannot be read: {said}", file=place, field="scheduler") from None
    if not isinstance(found, dict):
        raise InputError("must hold parameters of submitit, as in `partition: normal`", file=place, field="scheduler")
    return {str(name): value for name, value in found.items()}


class Jobs(Executor):
    """submitit's jobs as futures: a thread looks which are done."""

    def __init__(self, submitit: Any) -> None:
        self._submitit, self._open = submitit, True
        self._jobs: dict[Future[Any], Any] = {}
        self._lock = threading.Lock()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Submit a job for the call."""
        future: Future[Any] = Future()
        with self._lock:
            self._jobs[future] = self._submitit.submit(fn, *args, **named)
        return future

    def _look(self) -> None:
        while self._open:
            time.sleep(_LOOK)
            with self._lock:
                done = [(future, job) for future, job in self._jobs.items() if job.done()]
                for future, _ in done:
                    del self._jobs[future]
            for future, job in done:
                try:
                    future.set_result(job.result())
                except Exception as error:
                    future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Look no longer; cancel the jobs that are not done, if asked to."""
        self._open = False
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs if cancel_futures else ():
            job.cancel()
