"""Run a graph whose units are unit processes of plugins, and attribute whatever goes wrong to the process at fault."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from xbarch.errors import StuckError, XbarchError
from xbarch.parts.processes.base import UnitProcess
from xbarch.plugins import limits
from xbarch.plugins.guard import asking, described, is_builtin, watched
from xbarch.plugins.kinds import PROCESSES
from xbarch.plugins.registry import origin
from xbarch.sim.graph import StageGraph, Trace
from xbarch.sim.unit import UnitError
from xbarch.specs.text import brief


@contextmanager
def supervise(units: Mapping[str, UnitProcess], graph: StageGraph) -> Iterator[Callable[[], None] | None]:
    """Supervise the run of a graph with these unit processes, by kind; yields a function to call before every event,
    or None if there are no unit processes.

    Raises:
        InputError: a unit process raised an error, or took longer than `xbarch.plugins.limits.limit` for an event.
        StuckError: the run deadlocked; the message names the unit processes.
    """
    if not units:
        yield None
        return
    try:
        with watched(*units.values()) as again:
            yield again
    except UnitError as error:
        _blame(units[graph.servers[error.server].kind], error.__cause__ or error)
    except limits.OverrunError as error:
        _blame(next((unit for unit in units.values() if not is_builtin(unit)), next(iter(units.values()))), error)
    except StuckError as error:
        names = ", ".join(f"{kind} {unit.name} ({origin(PROCESSES, unit.name)})" for kind, unit in units.items())
        raise StuckError(f"{error}; unit processes: {names}") from None


def _blame(unit: UnitProcess, error: BaseException) -> NoReturn:
    with asking(unit, "serve", limited=False) as wrong:
        if isinstance(error, Exception | limits.OverrunError) and not isinstance(error, XbarchError):
            raise error
        raise wrong(f"raised {described(error)}") from error


def check_priced(units: Mapping[str, UnitProcess], graph: StageGraph, trace: Trace, prices: Collection[str]) -> None:
    """Refuse actions that a unit process counted and no component prices.

    Raises:
        InputError: which unit process, which action.
    """
    for server, _, action in trace.acted:
        if action not in prices:
            with asking(units[graph.servers[server].kind], "serve", limited=False) as wrong:
                raise wrong(f"counted the action {brief(action)!r}, which no component prices; the priced ones are "
                            f"{', '.join(prices)}")
