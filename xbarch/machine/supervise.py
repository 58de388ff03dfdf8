"""Units of the machine that are processes of plugins: whatever one does wrong is said by its name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from xbarch.errors import StuckError, XbarchError
from xbarch.parts.processes.base import UnitProcess
from xbarch.plugins import limits
from xbarch.plugins.guard import asking, is_builtin, watched
from xbarch.plugins.kinds import PROCESSES
from xbarch.plugins.registry import origin
from xbarch.sim.graph import StageGraph, Trace
from xbarch.sim.unit import UnitError
from xbarch.specs.text import brief


@contextmanager
def supervised(units: Mapping[str, UnitProcess], graph: StageGraph) -> Iterator[Callable[[], None] | None]:
    """A run of a graph with these units, by kind; gives what is to be called before every event.

    Raises:
        InputError: a unit raised something, or took longer than `xbarch.plugins.limits.limit` for an event.
        StuckError: the run's own, with whose the units are.
    """
    if not units:
        yield None
        return
    try:
        with watched(*units.values()) as again:
            yield again
    except UnitError as error:
        _blame(units[graph.servers[error.server].kind], error.__cause__)
    except limits.OverrunError as error:
        _blame(next((unit for unit in units.values() if not is_builtin(unit)), next(iter(units.values()))), error)
    except StuckError as error:
        whose = ", ".join(f"{kind} {unit.name} ({origin(PROCESSES, unit.name)})" for kind, unit in units.items())
        raise StuckError(f"{error}; units that are processes: {whose}") from None


def _blame(unit: UnitProcess, error: BaseException | None) -> NoReturn:
    with asking(unit, "serve", limited=False) as wrong:
        if isinstance(error, Exception | limits.OverrunError) and not isinstance(error, XbarchError):
            raise error
        raise wrong(f"raised {type(error).__name__}: {brief(error, 300)}, allowed no error") from error


def check_priced(units: Mapping[str, UnitProcess], graph: StageGraph, trace: Trace, prices: Collection[str]) -> None:
    """Refuse actions that a unit counted and no component pays for.

    Raises:
        InputError: which unit, which action.
    """
    for server, _, action in trace.acted:
        if action not in prices:
            with asking(units[graph.servers[server].kind], "serve", limited=False) as wrong:
                raise wrong(f"counted the action {brief(action)!r}, allowed those that a component pays for: "
                            f"{', '.join(prices)}")
