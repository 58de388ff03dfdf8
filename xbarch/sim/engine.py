"""The SimPy engine: one process per server, integer picoseconds, a defined order for simultaneous requests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from simpy.core import EmptySchedule

from xbarch.errors import StuckError
from xbarch.sim import core
from xbarch.sim.graph import Sink, StageGraph, Trace
from xbarch.sim.process_server import ProcessServer
from xbarch.sim.token import Request
from xbarch.sim.unit import Environment

_IDLE = 10**6  # events without the start or end of a visit: unit processes go on, but the run does not


class Engine(core.Core):
    """A run of a stage graph from its first event to its last."""

    def __init__(self, graph: StageGraph, progress: Callable[[int, int], None] | None = None, sink: Sink | None = None,
                 beat: Callable[[], None] | None = None) -> None:
        super().__init__(graph, progress, sink)
        self.beat = beat
        self.units = {number: ProcessServer(self, number, server.process) for number, server in enumerate(graph.servers)
                      if server.process is not None}
        self.loops = [self.units[number].serve() if number in self.units else self.serve(number)
                      for number in range(len(graph.servers))]
        for loop in self.loops:
            self.env.process(loop)

    def run(self) -> Trace:
        for stream in self.streams:
            self.issue(stream)
        if self.units:
            self.step()
        else:
            self.env.run()
        self.flush()
        if not self.complete():
            raise StuckError("the simulation is stuck: " + "; ".join(self.waiting()))
        for pool in self.pools:
            pool.has(0, max((when for when, _ in pool.back), default=0))
        return Trace(
            done=[np.array(s.done_at, np.int64) for s in self.streams],
            issued=[np.array(s.issued_at, np.int64) for s in self.streams],
            busy=np.array(self.busy, np.int64), served=np.array(self.served, np.int64),
            waited=np.array(self.waited, np.int64),
            executed=[[c.executed for c in s.copies] for s in self.streams],
            held=np.array([ps for s in self.streams for c in s.copies for ps in c.held], np.int64),
            waits=np.array([ps for s in self.streams for c in s.copies for ps in c.waited], np.int64),
            makespan=max(self.last, *self.free, 0),
            taken=[pool.taken for pool in self.pools], given=[pool.given for pool in self.pools],
            peak=[pool.peak for pool in self.pools], visit_time=self.visit_time, parted=self.parted,
            acted=self.acted, inside={number: unit.most for number, unit in self.units.items()})

    def close(self) -> None:
        """End endless processes here and now, not wherever garbage collection happens to reach them."""
        for loop in self.loops:
            loop.close()
        if isinstance(self.env, Environment):
            self.env.close()

    def step(self) -> None:
        """Step event by event until the run is complete, since unit processes may go on for ever."""
        while not self.complete() and self.idle < _IDLE:
            if self.beat is not None:
                self.beat()
            try:
                self.env.step()
            except EmptySchedule:
                break
            self.idle += 1
            if len(self.rows) >= core.ROWS:
                self.flush()

    def complete(self) -> bool:
        """Whether every token is done and has left its gates and all unit processes."""
        return self.finished == self.total and not any(s.open_gates for s in self.streams) and not any(
            unit.visits for unit in self.units.values())

    def waiting(self) -> list[str]:
        """Who waits for what when nothing moves: for each flow, its next window and its first request that waits."""
        found = [f"{s.name} window {s.issued} waits for {self.blocked(s)}" for s in self.streams if s.issued < s.total]
        first: dict[int, Request] = {}
        for request in sorted(r for queues in self.queues for queue in queues.values() for r in queue):
            first.setdefault(request[5].flow.number, request)
        for _, _, _, stage, _, token in first.values():
            room = " and ".join(f"{amount} in {pool.name} ({pool.free} of {pool.capacity} free)" for pool, amount in (
                (self.pools[index], amount) for index, amount in token.copy.room[stage]))
            server = self.graph.servers[token.copy.server[stage]].name
            what = room or ("its process to ask for it" if token.copy.server[stage] in self.units else "its turn")
            found.append(f"{token.flow.name} window {token.window} at {server} waits for {what}")
        if self.idle >= _IDLE:
            found.append(f"units go on by themselves, {_IDLE:,} events without a token's beginning or end")
        for number, unit in self.units.items():
            found += [f"{visit.layer} window {visit.window} at {self.graph.servers[number].name} waits for its process "
                      f"to {'deliver it' if visit.out < 0 else 'be done with it'}" for visit in unit.visits]
        return found


def run(graph: StageGraph, *, progress: Callable[[int, int], None] | None = None, sink: Sink | None = None,
        beat: Callable[[], None] | None = None) -> Trace:
    """Simulate the stage graph. progress: called with (windows done, windows in all). sink: receives every visit. beat:
    called before every event where servers are processes.

    Raises:
        StuckError: the run cannot go on; says who waits for what.
        UnitError: a unit process raised an exception.
    """
    engine = Engine(graph, progress, sink, beat)
    try:
        return engine.run()
    finally:
        engine.close()
