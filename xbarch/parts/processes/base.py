"""The contract of a unit process: a part of the machine whose state decides how long it serves a token."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, ClassVar

from xbarch.specs.model import OptionsT, Plugin

if TYPE_CHECKING:  # listing the processes needs no SimPy
    from simpy import Environment
    from simpy.events import Event

    from xbarch.sim.unit import Queue


class UnitProcess(Plugin[OptionsT]):
    """One of the machine's units (`xbarch.specs.architecture.Unit`) as a process, because the time for which a token
    holds it depends on its state. Registered by name, used from any architecture's YAML; only the SimPy engine runs it.

    One object serves all units of a kind; the state of a single unit is local to its `serve`.
    """

    emits: ClassVar[tuple[str, ...]] = ()
    """Actions that its visits may count (`Visit.act`), so that an architecture may have components for them."""

    @abstractmethod
    def serve(self, env: Environment, queue: Queue) -> Generator[Event, Any, None]:
        """A generator of SimPy events that never ends; one runs for each unit of the kind. `env.now` is in ps.

        `visit = yield queue.get()` waits for the next token, in the order of arrival; several tokens may be held at a
        time. Call `deliver` and `over` of every `xbarch.sim.unit.Visit` exactly once, at any later time; its
        `occupancy` and `latency` (ps) are the times of a plain unit. The process may start others (`env.process`).
        Timeouts are whole numbers of ps. The run ends with its last token.

        Raises:
            StuckError: raised by the run, with the names of the units and tokens that wait, if the last token never
                finishes.
        """
