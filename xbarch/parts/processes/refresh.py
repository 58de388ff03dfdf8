"""eDRAM buffers that must be refreshed."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from xbarch.parts.processes.base import UnitProcess
from xbarch.specs.model import Options
from xbarch.units import Time

if TYPE_CHECKING:
    from simpy import Environment
    from simpy.events import Event

    from xbarch.sim.unit import Queue


class RefreshOptions(Options):
    """Options of `refresh`."""

    retention: Annotated[Time, Field(ge=1, description="every row is refreshed once within this time")]
    rows: int = Field(ge=1, le=10**6, description="rows of the buffer, refreshed one by one, evenly over the retention")
    row: Annotated[Time, Field(ge=1, description="time for which the refresh of one row holds the port")]
    accesses: int = Field(1, ge=0, le=10**6, description="edram_access actions that one refresh costs")

    @property
    def every(self) -> int:
        """ps between two refreshes, rounded down."""
        return int(self.retention) // self.rows

    @model_validator(mode="after")
    def _leaves_time(self) -> RefreshOptions:
        if self.every <= self.row:
            raise ValueError(f"row: must be less than retention / rows = {self.every} ps, not {self.row} ps")
        return self


class Refresh(UnitProcess[RefreshOptions]):
    """A refresh is due every retention / rows from the start of the run on. It waits for an access that is under way
    and goes before accesses that wait. It is counted with the next access, so refreshes after a unit's last access are
    not counted."""

    emits: ClassVar[tuple[str, ...]] = ("edram_access",)
    name: ClassVar[str] = "refresh"
    summary: ClassVar[str] = "eDRAM that is refreshed row by row, which accesses wait for"
    provenance: ClassVar[str] = "this project's own: rows refreshed in turn, evenly; retention and times are the user's"
    Options: ClassVar[type[Options]] = RefreshOptions

    def serve(self, env: Environment, queue: Queue) -> Generator[Event, Any, None]:
        asked: RefreshOptions = self.options
        due, free = asked.every, 0  # time of the next refresh; end of the last refresh or access
        while True:
            visit = yield queue.get()
            start = int(env.now)
            while due <= start:  # refreshes while the port was idle are over; the last may still run
                free = max(due, free) + asked.row
                due, start = due + asked.every, max(start, free)
                visit.act("edram_access", asked.accesses)
            yield env.timeout(start - env.now)
            visit.deliver(visit.latency)
            yield env.timeout(visit.occupancy)
            visit.over()
            free = int(env.now)
