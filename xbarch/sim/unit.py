"""A server written as a SimPy process (a unit process): what it sees of a run, and how it takes part in it.

    def serve(env, queue):                          # serves one token at a time, as the stage graph says
        while True:
            visit = yield queue.get()
            visit.deliver(visit.latency)
            yield env.timeout(visit.occupancy)
            visit.over()
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Protocol
from weakref import WeakSet

import simpy
from simpy.events import Event

from xbarch.sim.token import Request, Token


class Host(Protocol):
    """The engine's side of a unit process: what its queue and its visits call."""

    @property
    def now(self) -> int: ...
    def get(self) -> Event: ...
    def over(self, visit: Visit, token: Token, stage: int) -> None: ...
    def deliver(self, visit: Visit, token: Token, stage: int) -> None: ...


class UnitError(Exception):
    """A unit process raised an exception, the cause of this one. server: its number."""

    def __init__(self, server: int) -> None:
        super().__init__(f"server {server}")
        self.server = server


class Environment(simpy.Environment):  # type: ignore[misc]
    """An environment that records which unit process made each process and event. first: the unit to which everything
    else is attributed."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first
        self._loops: WeakSet[Any] = WeakSet()

    def process(self, generator: Any) -> Any:
        made = self._marked(super().process(generator))
        self._loops.add(generator)
        return made

    def close(self) -> None:
        """End all processes. Exceptions that they raise now are ignored."""
        for loop in list(self._loops):
            with suppress(Exception):
                loop.close()

    def event(self) -> Any:
        return self._marked(super().event())

    def _marked(self, made: Any) -> Any:
        made.unit = self.unit(self.active_process)
        return made

    @staticmethod
    def unit(event: Any) -> int | None:
        """The unit that made this event or process; None: unknown."""
        return getattr(event, "unit", None)

    def step(self) -> None:
        """Process the next event.

        Raises:
            EmptySchedule: there is none.
            UnitError: a unit's code raised an exception.
        """
        event: Any = self._queue[0][3] if self._queue else None
        try:
            super().step()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # anything that a unit raises
            if event is not None and not event.ok:  # an event failed, or a process ended with it; SimPy raises a copy
                unit = self.unit(event)
                raise UnitError(self.first if unit is None else unit) from event.value
            if (unit := self.unit(self.active_process)) is not None:
                raise UnitError(unit) from error
            raise


class Visit:
    """A token at a unit, from its grant on. All times in ps.

    layer, stage: names of the flow and of the stage. window: the token's number in the whole run. asked, granted: when
    it was requested and granted. occupancy, latency: the times that the stage graph gives from the grant until the unit
    is free, and until the result is out; the unit decides the real times. until, out: when the visit was over, and when
    its result is out; -1: not yet. acted: actions counted so far.
    """

    def __init__(self, unit: Host, request: Request) -> None:
        _, _, _, stage, asked, token = request
        self.window = token.window
        drawn = token.copy.stages[stage]
        self.layer, self.stage, self.asked, self.granted = token.flow.name, drawn.name, asked, unit.now
        self.occupancy, self.latency = (token.copy.time(times, self.window) for times in (
            token.copy.occupancy[stage], token.copy.latency[stage]))
        self.until, self.out = -1, -1
        self.acted: dict[str, int] = {}
        self._unit, self._at = unit, (token, stage)

    def over(self) -> None:
        """The token leaves the unit now: the room that it takes, and the inputs from which it was computed, are given
        back.

        Raises:
            ValueError: it has left already, or a timeout of the unit was not a whole number of ps.
        """
        self._open("over()")
        self.until = self._unit.now
        self._unit.over(self, *self._at)

    def deliver(self, after: int = 0) -> None:
        """The token's result is out `after` ps from now.

        Raises:
            ValueError: it was delivered already, or a time is not a whole number of ps of at least 0.
        """
        if self.out >= 0:
            raise ValueError(f"deliver(): {self} is delivered already")
        self.out = self._unit.now + whole(after, "deliver()", "ps")
        self._unit.deliver(self, *self._at)

    def act(self, action: str, count: int = 1) -> None:
        """Count an action in addition to those of the stage graph, for the token's layer; a component of the
        architecture must price it.

        Raises:
            ValueError: the visit is over, or the count is not a whole number of at least 0.
        """
        self._open("act()")
        self.acted[action] = self.acted.get(action, 0) + whole(count, "act()", "actions")

    def _open(self, what: str) -> None:
        if self.until >= 0:
            raise ValueError(f"{what}: {self} is over already")

    def __str__(self) -> str:
        return f"window {self.window} of {self.stage}"


class Queue:
    """The requests at a unit, in the order of (image, window in the image, port). name: the unit's, such as
    "edram@tile3"."""

    def __init__(self, unit: Host, name: str) -> None:
        self.name, self._unit = name, unit

    def get(self) -> Event:
        """An event whose value is the next visit: the first request for which there is room, once all requests of its
        instant are in. The event receives a visit even if no process waits for it any longer."""
        return self._unit.get()


def whole(value: Any, what: str, unit: str) -> int:
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        found = -1
    if isinstance(value, bool) or found < 0 or found != value:
        raise ValueError(f"{what}: must be a whole number of {unit} of at least 0, not {str(value)[:40]}")
    return found
