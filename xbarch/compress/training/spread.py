"""The recipes of a grid on any executor: one recipe a call, each stored by the process that trained it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xbarch.compress.recipes import Job, resolve
from xbarch.errors import XbarchError
from xbarch.plugins import registry
from xbarch.support.executors.crew import Asked
from xbarch.support.executors.deal import Lost, deal
from xbarch.support.executors.named import opener
from xbarch.support.progress import Progress

Train = Callable[[Job, bool], object]


@dataclass(frozen=True)
class On:
    """Where recipes are trained."""

    executor: str | Executor
    processes: int | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class _Worker:
    """What every worker is told. The jobs themselves hold open files' lines and stay here."""

    source: str | Path
    out: Path
    cache: Path
    resume: bool
    train: Train
    plugins: tuple[str, ...]
    data: Mapping[str, Any] | None

    def __call__(self, names: list[str], seconds: float) -> list[str]:
        """Train the first of the recipes named, and return why that failed, or nothing."""
        own = registry.Registry()
        with own.active():
            try:
                for file in self.plugins:
                    own.load_file(file)
                job, = resolve(self.source, self.out, self.cache, names[0], self.data)
                with job.document.blamed():
                    self.train(job, self.resume)
            except XbarchError as error:
                return [str(error)]
        return [""]


def train_on(on: On, source: str | Path, jobs: Sequence[Job], total: int, train: Train, *,
             data: Mapping[str, Any] | None, resume: bool, progress: Progress | None) -> None:
    """Train the jobs of a grid, several at a time. One that fails ends no other; one whose process dies is tried once
    more, and goes on from its checkpoint.

    Args:
        jobs: those that are to be trained.
        total: of the grid, for the progress.
        train: trains a job in the process that calls it; a function of a module.
        data: in place of the recipes' own.
        progress: called with (recipes stored, recipes in all, the last one's name).

    Raises:
        InputError: there is no such executor, or it does not answer.
        XbarchError: some failed. What is stored is kept, and the same call tries these again.
    """
    done, failed = total - len(jobs), dict[str, str]()
    out, cache = jobs[0].out.parent.resolve(), jobs[0].cache.resolve()
    plugins = tuple(str(file.resolve()) for file in registry.files())
    work = _Worker(_placed(source), out, cache, resume, train, plugins, data)
    opened = opener(on.executor, Asked(on.processes, on.scheduler))
    for some in deal([job.name for job in jobs], work, opened, len(jobs), most=1):
        for name, why in some:
            if isinstance(why, Lost) or why:
                failed[name] = f"its process died, twice ({why.why})" if isinstance(why, Lost) else why
            done += name not in failed
            if progress is not None:
                progress(done, total, name)
    if failed:
        name, why = next(iter(failed.items()))
        raise XbarchError(f"{len(failed):,} of {total:,} recipes were not trained; the others are stored, and the same "
                          f"command tries these again; the first is {name}: {why}")


def _placed(source: str | Path) -> str | Path:
    """Return the source so that it is found from any folder."""
    return Path(source).resolve() if Path(source).is_file() else source
