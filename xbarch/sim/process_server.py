"""A server that is a unit process: the engine's side of `xbarch.sim.unit`."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from heapq import heappop

from simpy.events import Event

from xbarch.sim.core import Core
from xbarch.sim.graph import Process
from xbarch.sim.token import Token
from xbarch.sim.unit import Queue, UnitError, Visit, whole


class ProcessServer:
    """Gives the process its visits, and carries out what it decides about them."""

    def __init__(self, engine: Core, number: int, process: Process) -> None:
        self.engine, self.number, self.env = engine, number, engine.env
        self.takers: deque[Event] = deque()
        self.visits: dict[Visit, None] = {}  # not over or not delivered
        self.inside, self.most, self.since = 0, 0, 0  # visits not over, the most so far, since when
        try:
            self.env.process(process(self.env, Queue(self, engine.graph.servers[number].name))).unit = number
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise UnitError(number) from error

    @property
    def now(self) -> int:
        return whole(self.env.now, "time", "ps")

    def get(self) -> Event:
        taker = Event(self.env)
        self.takers.append(taker)
        self.engine.call(self.number)
        return taker

    def serve(self) -> Generator[Event, None, None]:
        """On each turn, hand the first request that has room to a waiting `get()`, if there is any."""
        while True:
            yield self.engine.turns[self.number]
            now = self.engine.turned(self.number)
            queue = self.engine.first(self.number, now) if self.takers else None
            if queue is None:
                continue
            request = heappop(queue)
            _, _, _, stage, asked, token = request
            self.engine.take(token, stage, self.number, now - asked)
            visit = Visit(self, request)
            self.visits[visit] = None
            if not self.inside:
                self.since = visit.granted
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.takers.popleft().succeed(visit)
            if self.takers:
                self.engine.call(self.number)

    def over(self, visit: Visit, token: Token, stage: int) -> None:
        engine, self.inside = self.engine, self.inside - 1
        if not self.inside:
            engine.busy[self.number] += visit.until - self.since
        engine.free[self.number] = engine.parted = visit.until
        token.copy.held[stage] += visit.until - visit.granted
        for action, count in visit.acted.items():
            key = self.number, token.flow.number, action
            engine.acted[key] = engine.acted.get(key, 0) + count
        if token.copy.keeps[stage]:
            engine.keep(token, stage, visit.until)
        self.end(visit, token, stage)
        if token.copy.gate[stage]:
            engine.left(token)

    def deliver(self, visit: Visit, token: Token, stage: int) -> None:
        self.end(visit, token, stage)
        self.engine.after(visit.out - self.now, lambda _: self.engine.deliver(token, stage))

    def end(self, visit: Visit, token: Token, stage: int) -> None:
        engine, port = self.engine, token.copy.ports[stage]
        engine.idle = 0
        if visit.until >= 0 and visit.out >= 0:
            del self.visits[visit]
            engine.visit_time += max(visit.until, visit.out) - visit.asked
            if engine.sink is not None:
                engine.rows.append((port, visit.window, visit.asked, visit.granted, visit.until, visit.out))
