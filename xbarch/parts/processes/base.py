"""What a unit that is a process tells the simulation: how it serves the tokens that ask for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, ClassVar

from xbarch.datapaths.base import Options

if TYPE_CHECKING:  # naming the processes there are takes no SimPy
    from simpy import Environment
    from simpy.events import Event

    from xbarch.sim.unit import Queue


class UnitProcess(ABC):
    """A kind of unit of the machine (`xbarch.specs.architecture.Unit`) as a process, where the time that a token
    holds it depends on its state. Registered by name, used from any architecture's YAML; only the SimPy engine runs it.

    One object serves all units of a kind: what belongs to one of them is local to its `serve`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    provenance: ClassVar[str]
    Options: ClassVar[type[Options]] = Options

    def __init__(self, options: Any = None) -> None:
        self.options: Any = self.Options.model_validate(options or {})

    @abstractmethod
    def serve(self, env: Environment, queue: Queue) -> Generator[Event, Any, None]:
        """A generator of SimPy events that goes on for ever, one for each unit; `env.now` is in ps.

        `visit = yield queue.get()` waits for the next token in the order of their requests, as many as are wanted at a
        time. Every `xbarch.sim.unit.Visit` is to be `deliver`ed and `over` once each, at any time from then on; its
        `occupancy` and `latency` are what a plain unit would take. More processes may be started (`env.process`).
        Timeouts are whole numbers of ps. The run ends with its last token; what never gets that far is refused with
        the names of who waits for what.
        """
