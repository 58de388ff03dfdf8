"""The SimPy engine: a process per server, integer picoseconds, an order of its own for simultaneous requests."""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import Any

import numpy as np
import simpy
from simpy.core import EmptySchedule
from simpy.events import Event

from xbarch.errors import StuckError
from xbarch.sim.graph import Flow, Pool, Sink, Stage, StageGraph, Trace
from xbarch.sim.unit import Attended, Environment

# Within one instant: arrivals, completions and credits first (any order: they only add), then each server's
# turn in the order of its number. A turn that causes work at the same instant is seen before the next turn.
_ARRIVE, _TURN = 1, 2
_ROWS = 2**16  # visits handed on at a time
_IDLE = 10**6  # events without a visit's beginning or end: units that are processes go on, the run does not


class _Copy:
    """The stages of one copy unpacked for speed."""

    def __init__(self, stages: tuple[Stage, ...], port: int) -> None:
        self.server = [s.server for s in stages]
        self.stages = stages
        self.occupancy = [_listed(s.occupancy) for s in stages]
        self.latency = [_listed(s.latency) for s in stages]
        self.gate = [s.gate for s in stages]
        self.before = [len(s.after) for s in stages]
        self.roots = [i for i, s in enumerate(stages) if not s.after]
        self.next: list[list[int]] = [[] for _ in stages]
        for i, s in enumerate(stages):
            for a in s.after:
                self.next[a].append(i)
        self.gates = sum(self.gate)
        self.room = [s.room for s in stages]
        self.after = [len(followers) for followers in self.next]
        # Stages whose room a stage keeps until it is over: its own, and that of those it comes right after.
        self.keeps = [[k for k in (i, *s.after) if stages[k].room] for i, s in enumerate(stages)]
        self.ports = [port + i for i in range(len(stages))]
        self.executed = [0] * len(stages)
        self.queue: list[list[Request]] = []  # where each stage's requests wait

    @staticmethod
    def time(times: Any, window: int) -> int:
        """The window's, of `occupancy` or `latency` of a stage."""
        found: int = times[window % len(times)] if times.__class__ is list else times
        return found


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


class Token:
    __slots__ = ("copy", "flow", "gates", "kept", "left", "waits", "window")

    def __init__(self, flow: _Stream, copy: _Copy, window: int) -> None:
        self.flow, self.copy, self.window = flow, copy, window
        self.waits = copy.before.copy()
        self.left, self.gates = len(copy.before), copy.gates
        self.kept: dict[int, list[int]] = {}  # stage with room: stages whose end is open, latest of the others


class _Prefix:
    """How many windows, counted in order without a gap, have reached a mark."""

    __slots__ = ("ahead", "count")

    def __init__(self) -> None:
        self.count = 0
        self.ahead: set[int] = set()

    def add(self, window: int) -> bool:
        """Mark a window; whether the prefix grew."""
        if window != self.count:
            self.ahead.add(window)
            return False
        self.count += 1
        while self.count in self.ahead:
            self.ahead.remove(self.count)
            self.count += 1
        return True


class _Stream:
    """A flow's progress."""

    def __init__(self, flow: Flow, number: int, images: int, port: int) -> None:
        self.name, self.number, self.windows, self.total = flow.name, number, flow.windows, flow.windows * images
        self.copies = []
        for stages in flow.copies:
            self.copies.append(_Copy(stages, port))
            port += len(stages)
        self.inputs = [(e.producer, e.need.tolist()) for e in flow.inputs]
        self.releases = [e.release.tolist() for e in flow.inputs]
        self.capacity = [e.capacity for e in flow.inputs]
        self.issued = 0
        self.limit = flow.ahead * len(flow.copies)
        self.done, self.gated = _Prefix(), _Prefix()
        self.freed = [0] * len(flow.inputs)
        self.producers: list[_Stream] = []
        self.consumers: list[tuple[_Stream, int]] = []
        self.done_at = [0] * self.total
        self.issued_at = [0] * self.total
        self.open_gates: set[int] = set()


Request = tuple[int, int, int, int, Token]  # when asked, port, window, stage, token


class _Pool:
    """What is left of a pool. Room on its way back is only looked at by who needs it."""

    __slots__ = ("alarm", "back", "capacity", "free", "given", "name", "peak", "taken", "waiting")

    def __init__(self, pool: Pool) -> None:
        self.name, self.capacity, self.free = pool.name, pool.capacity, pool.capacity
        self.back: list[tuple[int, int]] = []  # (when, how much), a heap
        self.waiting: set[int] = set()  # servers that found too little
        self.alarm = -1  # when they will look again, -1: not set
        self.taken, self.given, self.peak = 0, 0, 0

    def has(self, amount: int, now: int) -> bool:
        """Whether so much is left, with all that has come back by now."""
        while self.back and self.back[0][0] <= now:
            back = heappop(self.back)[1]
            self.free += back
            self.given += back
        return self.free >= amount

    def take(self, amount: int) -> None:
        self.free -= amount
        self.taken += amount
        if self.capacity - self.free > self.peak:
            self.peak = self.capacity - self.free


class Engine:
    def __init__(self, graph: StageGraph, progress: Callable[[int, int], None] | None = None, sink: Sink | None = None,
                 beat: Callable[[], None] | None = None) -> None:
        self.env = Environment(graph.processes[0]) if graph.processes else simpy.Environment()
        self.graph, self.progress, self.sink, self.beat = graph, progress, sink, beat
        port, self.streams = 0, list[_Stream]()
        for number, flow in enumerate(graph.flows):
            self.streams.append(_Stream(flow, number, graph.images, port))
            port += sum(len(stages) for stages in flow.copies)
        for stream, flow in zip(self.streams, graph.flows, strict=True):
            for index, edge in enumerate(flow.inputs):
                stream.producers.append(self.streams[edge.producer])
                self.streams[edge.producer].consumers.append((stream, index))
        self.pools = [_Pool(pool) for pool in graph.pools]
        # A server's requests by the pools they take from: only the first of each can be granted.
        self.queues: list[dict[tuple[int, ...], list[Request]]] = [{} for _ in graph.servers]
        self.free = [0] * len(graph.servers)
        self.called = [False] * len(graph.servers)
        self.turns = [Event(self.env) for _ in graph.servers]
        self.busy, self.served = [0] * len(graph.servers), [0] * len(graph.servers)
        self.finished, self.last = 0, 0
        self.rows: list[tuple[int, int, int, int, int, int]] = []
        for stream in self.streams:
            for copy in stream.copies:
                copy.queue = [self.queues[server].setdefault(tuple(pool for pool, _ in room), []) if server >= 0 else []
                              for server, room in zip(copy.server, copy.room, strict=True)]
        self.total = sum(stream.total for stream in self.streams)
        self.attended, self.parted, self.idle = 0, 0, 0
        self.acted: dict[tuple[int, int, str], int] = {}
        self.units = {number: Attended(self, number, server.process) for number, server in enumerate(graph.servers)
                      if server.process is not None}
        self.loops = [self.units[number].serve() if number in self.units else self.serve(number)
                      for number in range(len(graph.servers))]
        for loop in self.loops:
            self.env.process(loop)

    # -- servers ----------------------------------------------------------------------------------------

    def serve(self, number: int) -> Generator[Event, None, None]:
        """A server: each turn grants the first of the waiting requests that has room, for its occupancy."""
        queues = list(self.queues[number].values())
        roomy, many = any(self.queues[number]), len(queues) > 1
        while True:
            yield self.turns[number]
            now = self.turned(number)
            queue = queues[0]
            if roomy and (many or not self.fits(queue[0], now)):
                found = self.first(number, now)
                if found is None:
                    continue
                queue = found
            asked, _, window, stage, token = heappop(queue)
            held = token.copy.occupancy[stage]
            if held.__class__ is list:
                held = held[window % len(held)]
            self.busy[number] += held
            self.free[number] = now + held
            if queue or (many and any(queues)):
                self.call(number)
            self.take(token, stage, number)
            self.granted(token, stage, held, asked)

    def turned(self, number: int) -> int:
        """A server's turn has come; when."""
        self.turns[number] = Event(self.env)
        self.called[number] = False
        return int(self.env.now)

    def take(self, token: Token, stage: int, number: int) -> None:
        """A server grants a token the room it needs."""
        copy = token.copy
        self.served[number] += 1
        if copy.room[stage]:
            for pool, amount in copy.room[stage]:
                self.pools[pool].take(amount)
            token.kept[stage] = [copy.after[stage] + 1, 0]
        copy.executed[stage] += 1

    def fits(self, request: Request, now: int) -> bool:
        """Whether there is room for a request."""
        _, _, _, stage, token = request
        for index, amount in token.copy.room[stage]:  # noqa: SIM110 (a generator takes longer)
            if not self.pools[index].has(amount, now):
                return False
        return True

    def first(self, number: int, now: int) -> list[Request] | None:
        """The queue whose first request is granted; None where all wait for room, whose return calls the server."""
        claimed = set[int]()
        queues = [queue for queue in self.queues[number].values() if queue]
        for queue in sorted(queues, key=lambda q: q[0][:3]) if len(queues) > 1 else queues:
            _, _, _, stage, token = queue[0]
            wanted = token.copy.room[stage]
            lacking = [pool for index, amount in wanted if not (pool := self.pools[index]).has(amount, now)]
            if not lacking and not (claimed and claimed.intersection(index for index, _ in wanted)):
                return queue
            claimed.update(index for index, _ in wanted)
            for pool in lacking:
                pool.waiting.add(number)
                if pool.back:
                    self.alarm(pool, pool.back[0][0])
        return None

    def alarm(self, pool: _Pool, when: int) -> None:
        """Whoever found too little in the pool looks again at that time, if not sooner."""
        now = int(self.env.now)
        if now <= pool.alarm <= when:
            return
        pool.alarm = when
        self.after(when - now, lambda _: self.wake(pool))

    def wake(self, pool: _Pool) -> None:
        pool.alarm = -1
        for number in pool.waiting:
            self.call(number)
        pool.waiting.clear()

    def call(self, number: int) -> None:
        """Give the server a turn as soon as it is free."""
        if not self.called[number]:
            self.called[number] = True
            turn = self.turns[number]
            turn._ok, turn._value = True, None
            now = int(self.env.now)
            self.env.schedule(turn, _TURN + number, max(0, self.free[number] - now))

    def granted(self, token: Token, stage: int, held: int, asked: int) -> None:
        copy, now, self.idle = token.copy, int(self.env.now), 0
        delay = copy.latency[stage]
        if delay.__class__ is list:
            delay = delay[token.window % len(delay)]
        if self.sink is not None:
            self.rows.append((copy.ports[stage], token.window, asked, now, now + held, now + delay))
            if len(self.rows) >= _ROWS:
                self.flush()
        if copy.keeps[stage]:
            self.keep(token, stage, now + held)
        if copy.gate[stage]:
            self.after(held, lambda _: self.left(token))
        self.after(delay, lambda _: self.deliver(token, stage))

    def flush(self) -> None:
        """Hand the visits so far to who asked for them."""
        if self.sink is not None and self.rows:
            self.sink(np.array(self.rows, np.int64))
            self.rows.clear()

    def keep(self, token: Token, stage: int, end: int) -> None:
        """Room stays taken until this stage is over, at `end`, and all others that keep it are."""
        copy, kept = token.copy, token.kept
        for holder in copy.keeps[stage]:
            over = kept[holder]
            over[0] -= 1
            if end > over[1]:
                over[1] = end
            if over[0]:
                continue
            for index, amount in copy.room[holder]:
                pool = self.pools[index]
                heappush(pool.back, (over[1], amount))
                if pool.waiting:
                    self.alarm(pool, over[1])

    def after(self, delay: int, do: Callable[[Any], None]) -> None:
        # An event even when nothing is to wait for: calling would nest as deep as zero-time tokens follow each other.
        event = Event(self.env)
        event._ok, event._value = True, None
        event.callbacks.append(do)
        self.env.schedule(event, _ARRIVE, delay)

    # -- tokens -----------------------------------------------------------------------------------------

    def arrive(self, token: Token, stage: int) -> None:
        """A token asks for a stage: at its server, or right away where there is none."""
        copy = token.copy
        server = copy.server[stage]
        now = int(self.env.now)
        if server < 0:
            copy.executed[stage] += 1
            self.granted(token, stage, copy.time(copy.occupancy[stage], token.window), now)
            return
        queue, request = copy.queue[stage], (now, copy.ports[stage], token.window, stage, token)
        heappush(queue, request)
        if queue[0] is request:  # otherwise the server has been called, or the first of the queue waits for room
            self.call(server)

    def deliver(self, token: Token, stage: int) -> None:
        """A stage's result is ready: start what joins on it, or finish the token."""
        for follower in token.copy.next[stage]:
            token.waits[follower] -= 1
            if not token.waits[follower]:
                self.arrive(token, follower)
        token.left -= 1
        if not token.left:
            self.done(token)

    def left(self, token: Token) -> None:
        """One gate stage of the token is over; with the last one its inputs are released."""
        self.last = int(self.env.now)
        token.gates -= 1
        if token.gates:
            return
        stream = token.flow
        stream.open_gates.discard(token.window)
        if stream.gated.add(token.window):
            image, phase = divmod(stream.gated.count - 1, stream.windows)
            for index, producer in enumerate(stream.producers):
                stream.freed[index] = image * producer.windows + stream.releases[index][phase]
                self.issue(producer)
        self.issue(stream)

    def done(self, token: Token) -> None:
        stream = token.flow
        stream.done_at[token.window] = self.last = int(self.env.now)
        self.finished += 1
        if self.progress is not None and self.finished % 1024 == 0:
            self.progress(self.finished, self.total)
        if stream.done.add(token.window):
            for consumer, _ in stream.consumers:
                self.issue(consumer)

    def issue(self, stream: _Stream) -> None:
        """Admit windows while inputs, buffers and gates allow. Counts only grow, so the order of calls is free."""
        while stream.issued < stream.total and not self.blocked(stream):
            window = stream.issued
            stream.issued += 1
            stream.issued_at[window] = int(self.env.now)
            token = Token(stream, stream.copies[window % len(stream.copies)], window)
            if token.gates:
                stream.open_gates.add(window)
            for stage in token.copy.roots:
                self.arrive(token, stage)

    def blocked(self, stream: _Stream) -> str:
        """What the next window of a flow waits for, empty if nothing."""
        window = stream.issued
        if window - stream.limit in stream.open_gates:
            return f"window {window - stream.limit} to leave its copy"
        image, phase = divmod(window, stream.windows)
        for producer, need in zip(stream.producers, stream.inputs, strict=True):
            wanted = image * producer.windows + need[1][phase]
            if producer.done.count < wanted:
                return f"window {wanted - 1} of {producer.name}"
        for consumer, index in stream.consumers:
            if window >= consumer.freed[index] + consumer.capacity[index]:
                return f"room in the buffer of {consumer.name} ({consumer.capacity[index]} windows)"
        return ""

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
            [np.array(s.done_at, np.int64) for s in self.streams],
            [np.array(s.issued_at, np.int64) for s in self.streams],
            np.array(self.busy, np.int64), np.array(self.served, np.int64),
            [[c.executed for c in s.copies] for s in self.streams], max(self.last, *self.free, 0),
            [pool.taken for pool in self.pools], [pool.given for pool in self.pools],
            [pool.peak for pool in self.pools], self.attended, self.parted, self.acted,
            {number: unit.most for number, unit in self.units.items()})

    def close(self) -> None:
        """End what goes on for ever here and now, not wherever its memory happens to be taken back."""
        for loop in self.loops:
            loop.close()
        if isinstance(self.env, Environment):
            self.env.close()

    def step(self) -> None:
        """Event by event until the run is complete: units that are processes may go on for ever."""
        while not self.complete() and self.idle < _IDLE:
            if self.beat is not None:
                self.beat()
            try:
                self.env.step()
            except EmptySchedule:
                break
            self.idle += 1
            if len(self.rows) >= _ROWS:
                self.flush()

    def complete(self) -> bool:
        """Whether every token is done, has left its gates and every unit."""
        return self.finished == self.total and not any(s.open_gates for s in self.streams) and not any(
            unit.visits for unit in self.units.values())

    def waiting(self) -> list[str]:
        """Who waits for what when nothing moves: of each flow the next window, and the first that waits for room."""
        found = [f"{s.name} window {s.issued} waits for {self.blocked(s)}" for s in self.streams if s.issued < s.total]
        first: dict[int, Request] = {}
        for request in sorted(r for queues in self.queues for queue in queues.values() for r in queue):
            first.setdefault(request[4].flow.number, request)
        for _, _, window, stage, token in first.values():
            room = " and ".join(f"{amount} in {pool.name} ({pool.free} of {pool.capacity} free)" for pool, amount in (
                (self.pools[index], amount) for index, amount in token.copy.room[stage]))
            server = self.graph.servers[token.copy.server[stage]].name
            what = room or ("its process to ask for it" if token.copy.server[stage] in self.units else "its turn")
            found.append(f"{token.flow.name} window {window} at {server} waits for {what}")
        if self.idle >= _IDLE:
            found.append(f"units go on by themselves, {_IDLE:,} events without a token's beginning or end")
        for number, unit in self.units.items():
            found += [f"{visit.layer} window {visit.window} at {self.graph.servers[number].name} waits for its process "
                      f"to {'deliver it' if visit.out < 0 else 'be done with it'}" for visit in unit.visits]
        return found


def run(graph: StageGraph, *, progress: Callable[[int, int], None] | None = None, sink: Sink | None = None,
        beat: Callable[[], None] | None = None) -> Trace:
    """Simulate the stage graph. progress: called with (windows done, windows in all). sink: takes every visit. beat:
    called before every event where units are processes.

    Raises:
        StuckError: it cannot go on; says who waits for what.
        UnitError: what a unit that is a process did raised something.
    """
    engine = Engine(graph, progress, sink, beat)
    try:
        return engine.run()
    finally:
        engine.close()
