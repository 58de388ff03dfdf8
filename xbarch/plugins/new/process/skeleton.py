"""skeleton: a unit of xbarch as a SimPy process. It works as it stands; change it into the unit that you mean."""

from collections.abc import Generator
from typing import Any, ClassVar

from pydantic import Field
from simpy import Environment
from simpy.events import Event

from xbarch.parts.processes.base import UnitProcess
from xbarch.sim.unit import Queue
from xbarch.specs.model import Options


class SkeletonOptions(Options):
    """What `processes.<unit>.options` may set; other names and values are refused by name."""

    idle: int = Field(100_000, ge=0, le=10**12, description="ps without a token after which the unit sleeps")
    wake: int = Field(10_000, ge=0, le=10**12, description="ps it takes to wake up")


class SkeletonProcess(UnitProcess[SkeletonOptions]):
    """A unit that falls asleep when nobody asks for it, and keeps the next token waiting while it wakes up.

    State here what is published and where, and what is your own reading.
    """

    name: ClassVar[str] = "skeleton"
    summary: ClassVar[str] = "a unit that sleeps when it is idle"
    provenance: ClassVar[str] = "made by `xbarch new`; cite your paper here"
    Options: ClassVar[type[Options]] = SkeletonOptions

    def serve(self, env: Environment, queue: Queue) -> Generator[Event, Any, None]:
        """One unit's life. Local variables are its state."""
        free = 0
        while True:
            visit = yield queue.get()  # the next token, when it is its turn
            if env.now - free > self.options.idle:
                yield env.timeout(self.options.wake)
            visit.deliver(visit.latency)  # its result is out so long from now
            yield env.timeout(visit.occupancy)
            visit.over()  # the unit is free
            free = env.now
