"""Units of the machine that are processes of plugins: whatever one does wrong is said by its name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xbarch import watch
from xbarch.plugins import asking, own
from xbarch.processes.base import UnitProcess
from xbarch.sim.graph import StageGraph, Trace
from xbarch.spec.text import brief

if TYPE_CHECKING:
    from simpy import Environment
    from simpy.events import Event

    from xbarch.sim.unit import Process, Queue

Progress = Callable[[int, int], None]


def serving(unit: UnitProcess) -> Process:
    """The unit as the engine runs it."""
    def serve(env: Environment, queue: Queue) -> Generator[Event, Any, None]:
        with asking(unit, "serve", limited=False):
            yield from unit.serve(env, queue)
    return serve


@contextmanager
def attended(units: Collection[UnitProcess], progress: Progress | None) -> Iterator[Progress | None]:
    """A run of a machine with these units; gives how its progress is to be told. What is raised by what they start
    beside `serve`, and a run without progress, is theirs too.

    Raises:
        InputError: a unit raised something, or nothing was finished for `xbarch.watch.limit` seconds.
    """
    if not units:
        yield progress
        return
    foreign = [unit for unit in units if not own(unit)]
    with asking((foreign or list(units))[0], "serve", limited=False), watch.limited() as again:
        def told(done: int, total: int) -> None:
            again()
            if progress is not None:
                progress(done, total)

        yield told


def paid(units: Mapping[str, UnitProcess], graph: StageGraph, trace: Trace, prices: Collection[str]) -> None:
    """Refuse actions that a unit counted and no component pays for.

    Raises:
        InputError: which unit, which action.
    """
    for server, _, action in trace.acted:
        if action not in prices:
            with asking(units[graph.servers[server].kind], "serve", limited=False) as wrong:
                raise wrong(f"counted the action {brief(action)!r}, allowed those that a component pays for: "
                            f"{', '.join(prices)}")
