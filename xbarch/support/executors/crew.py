"""What deals work: an executor with what has to be known to keep it busy."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass, field
from typing import Any

from xbarch.errors import InputError

PROCESSES = 1024
BATCH = 256  # most items in one call: their results are lost together if its process dies


@dataclass(frozen=True)
class Asked:
    """What a user says about an executor."""

    processes: int | None = None
    """Processes, or jobs, at once; None: as the executor likes."""
    scheduler: str | None = None
    """Address of a scheduler, or a file about it."""

    def __post_init__(self) -> None:
        """Refuse a number of processes that is out of range.

        Raises:
            InputError: it is.
        """
        if self.processes is not None and not 1 <= self.processes <= PROCESSES:
            raise InputError(f"must be 1 to {PROCESSES:,}, not {self.processes}", field="processes")


@dataclass(frozen=True)
class Crew:
    """An open executor."""

    executor: Executor
    under_way: Callable[[], int]
    """How many calls keep it busy now: those that run and some that wait."""
    close: Callable[[], None]
    """Ends it, with what still runs there."""
    seconds: float = 1.0
    """How long one call should take: results come so often, and so much is lost if a process dies."""
    batch: int = BATCH
    """Most items in one call."""
    first: int = 4
    """Items of the first call, before it shows how many a call has time for."""
    here: bool = False
    """Whether calls run in this process."""
    isolates: bool = True
    """Whether it outlives the death of a process and reports only the calls that ran there. Else every call under way
    fails, and which one is at fault shows only when they run one by one."""
    gone: tuple[type[BaseException], ...] = field(default=(BrokenExecutor, CancelledError))
    """Errors of a call by which the executor itself has ended, so that another must be opened."""


class Inline(Executor):
    """Runs every call at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Run the call and return its finished future. Interrupts are not held back."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **named))
        except Exception as error:
            future.set_exception(error)
        return future


def inline() -> Crew:
    """Return a crew that runs one item after another in this process. A call is over at once but for items that take
    almost no time, so that an interrupt loses hardly any."""
    return Crew(Inline(), lambda: 1, lambda: None, seconds=0.02, first=1, here=True)
