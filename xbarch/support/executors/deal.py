"""Deal items to the processes of an executor, and yield them with their results as soon as these are there.

The executor schedules; what is done here is what no executor does: items are taken when there is room for them, so
there may be any number; a call takes as many as fit into a time, and what it leaves is dealt again; and whatever
happens to a process or a scheduler, no item is lost and none has two results.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from xbarch.errors import XbarchError
from xbarch.support.executors import remote
from xbarch.support.executors.crew import Crew

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[list[T], float], list[R] | remote.Refused]
_TRIES = 2
_CRASHES = 3  # failures in a row, without any result, after which the fault is not the items'


@dataclass(frozen=True)
class Lost:
    """Why an item has no result: its process ended, each time."""

    why: str


@dataclass(frozen=True)
class _Batch(Generic[T]):
    items: list[T]
    tries: int = 0
    """How often its process has ended while nothing else could be at fault."""
    alone: bool = False
    """Whether nothing else may be under way with it."""


def deal(items: Iterable[T], work: Work[T, R], opened: Callable[[], Crew],
         total: int | None = None, most: int | None = None) -> Iterator[list[tuple[T, R | Lost]]]:
    """Yield every item with its result, those of one call together, in the order in which they come.

    Args:
        items: taken one by one, when there is room for more.
        work: called with items and seconds; returns the results of the first items, at least one, until so many
            seconds are over. Where another process runs it, it and the items are pickled.
        opened: opens the executor; called again where that has ended.
        total: how many items there are at most, to divide few of them among all processes.
        most: items in one call; None: as many as the executor takes.

    Raises:
        XbarchError: processes end, or the executor fails, before there is any result; or a process runs another
            version of xbarch.
    """
    table = _Table(iter(items), work, opened, total, most)
    try:
        yield from table.deal()
    finally:
        table.crew.close()


class _Table(Generic[T, R]):
    """What is under way."""

    def __init__(self, items: Iterator[T], work: Work[T, R], opened: Callable[[], Crew],
                 total: int | None, most: int | None) -> None:
        self.items, self.work, self.opened, self.left = items, work, opened, total
        self.crew = opened()
        self.back: deque[_Batch[T]] = deque()
        self.flying: dict[Future[Any], _Batch[T]] = {}
        self.crashes, self.most = 0, min(self.crew.first, most or self.crew.batch)
        self.cap = most

    def deal(self) -> Iterator[list[tuple[T, R | Lost]]]:
        while True:
            gone = self._submit()
            if not self.flying and gone is None:
                return
            done = wait(self.flying, return_when=FIRST_COMPLETED).done if gone is None else set()
            for future in done:
                try:
                    found = future.result()
                except self.crew.gone as error:
                    gone = error  # its batch is dealt again with all others under way
                except Exception as error:
                    yield self._failed(self.flying.pop(future), error)
                else:
                    yield self._answered(self.flying.pop(future), found)
            if gone is not None:
                yield from self._reopened(gone)

    def _submit(self) -> BaseException | None:
        """Put items under way while there is room; return the error by which the executor turns out to have ended."""
        while len(self.flying) < max(1, self.crew.under_way()) and not any(b.alone for b in self.flying.values()):
            if (batch := self._next()) is None or (batch.alone and self.flying):
                if batch is not None:
                    self.back.appendleft(batch)
                break
            call = (self.work, batch.items, self.crew.seconds) if self.crew.here else (
                remote.call, *remote.pack(self.work, batch.items, self.crew.seconds))
            try:
                self.flying[self.crew.executor.submit(*call)] = batch
            except self.crew.gone as error:
                self.back.appendleft(batch)
                failed = any(not future.cancelled() for future in self.flying)  # those are counted one by one
                self.crashes += not self.crew.isolates and not failed
                return error
        return None

    def _next(self) -> _Batch[T] | None:
        if self.back:
            return self.back.popleft()
        most = min(self.most, self.crew.batch)
        if self.left is not None:
            most = max(1, min(most, -(-self.left // max(1, self.crew.under_way()))))
        if not (items := list(islice(self.items, most))):
            return None
        self.left = None if self.left is None else self.left - len(items)
        return _Batch(items)

    def _answered(self, batch: _Batch[T], found: Any) -> list[tuple[T, R | Lost]]:
        if isinstance(found, remote.Refused):
            raise XbarchError(found.why)
        self.crashes = 0
        rest = batch.items[len(found):]
        if rest or len(found) >= self.most:
            self.most = len(found) if rest else min(2 * len(found), self.crew.batch, self.cap or self.crew.batch)
        if rest:
            self.back.appendleft(_Batch(rest, alone=batch.alone))
        return list(zip(batch.items, found, strict=False))

    def _failed(self, batch: _Batch[T], error: BaseException) -> list[tuple[T, R | Lost]]:
        """Deal a batch again whose process ended, item by item; give up one that was by itself, twice."""
        if isinstance(error, ImportError | AttributeError):
            raise XbarchError(f"a worker cannot load what it is to run ({_said(error)}); install this version of xbarch"
                              " and its plugins on every machine") from None
        single = len(batch.items) == 1 and (self.crew.isolates or batch.alone)
        if single and batch.tries + 1 >= _TRIES:
            self.crashes += 1
            if self.crashes >= _CRASHES:
                raise XbarchError(f"worker processes end before they answer: {_said(error)}") from None
            return [(batch.items[0], Lost(_said(error)))]
        self.back.extendleft(_Batch([item], batch.tries + single, not self.crew.isolates)
                             for item in reversed(batch.items))
        return []

    def _reopened(self, error: BaseException) -> Iterator[list[tuple[T, R | Lost]]]:
        """Open the executor again. What ran there is dealt again: one by one, if that is to show which is at fault."""
        flying, self.flying = dict(self.flying), {}
        for future, batch in reversed(flying.items()):
            if future.done() and not future.cancelled() and future.exception() is None:
                yield self._answered(batch, future.result())
            elif self.crew.isolates or future.cancelled():
                self.back.appendleft(batch)
            else:
                yield self._failed(batch, error)
        self.crashes += self.crew.isolates
        if self.crashes >= _CRASHES:
            raise XbarchError(f"the executor ends before anything is answered: {_said(error)}") from None
        with suppress(Exception):  # it has failed already
            self.crew.close()
        self.crew = self.opened()


def _said(error: BaseException) -> str:
    """Return an error in one line."""
    text = f"{type(error).__name__}: {error}".strip().splitlines()[0].rstrip(" :")
    return "".join(c if c.isprintable() else "?" for c in text[:300])
