"""The contract of a unit process: a unit of the machine whose state decides how long it serves a token."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from xbarch.specs.model import OptionsT, Plugin

if TYPE_CHECKING:  # naming the processes there are takes no SimPy
    from simpy import Environment
    from simpy.events import Event

    from xbarch.sim.unit import Queue


class UnitProcess(Plugin[OptionsT]):
    """One of the machine's units (`xbarch.specs.architecture.Unit`) as a process, where the time that a token holds it
    depends on its state. Registered by name, used from any architecture's YAML; only the SimPy engine runs it.

    One object serves all units of a kind: the state of a single one is local to its `serve`.
    """

    @abstractmethod
    def serve(self, env: Environment, queue: Queue) -> Generator[Event, Any, None]:
        """A generator of SimPy events that never ends; one runs for each unit of the kind. `env.now` is in ps.

        `visit = yield queue.get()` waits for the next token, in the order in which they arrive; several may be held at
        a time. Call `deliver` and `over` of every `xbarch.sim.unit.Visit` exactly once, at any later time; its
        `occupancy` and `latency` (ps) are what a plain unit would take. The process may start others (`env.process`).
        Timeouts are whole numbers of ps. The run ends with its last token.

        Raises:
            StuckError: raised by the run, with the names of the units and tokens that wait, where the last token never
                gets through.
        """
