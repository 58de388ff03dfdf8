"""The SimPy engine: a process per server, integer picoseconds, an order of its own for simultaneous requests."""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import Any

import numpy as np
import simpy
from simpy.events import Event

from xbarch.errors import StuckError
from xbarch.sim.graph import Flow, Stage, StageGraph, Trace

# Within one instant: arrivals, completions and credits first (any order: they only add), then each server's
# turn in the order of its number. A turn that causes work at the same instant is seen before the next turn.
_ARRIVE, _TURN = 1, 2


class _Copy:
    """The stages of one copy unpacked for speed."""

    def __init__(self, stages: tuple[Stage, ...], port: int) -> None:
        self.server = [s.server for s in stages]
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
        self.ports = [port + i for i in range(len(stages))]
        self.executed = [0] * len(stages)


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


class _Token:
    __slots__ = ("copy", "flow", "gates", "left", "waits", "window")

    def __init__(self, flow: _Stream, copy: _Copy, window: int) -> None:
        self.flow, self.copy, self.window = flow, copy, window
        self.waits = copy.before.copy()
        self.left, self.gates = len(copy.before), copy.gates


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


class _Engine:
    def __init__(self, graph: StageGraph, record: bool, progress: Callable[[int, int], None] | None) -> None:
        self.env = simpy.Environment(initial_time=0)
        self.graph, self.record, self.progress = graph, record, progress
        port, self.streams = 0, list[_Stream]()
        for number, flow in enumerate(graph.flows):
            self.streams.append(_Stream(flow, number, graph.images, port))
            port += sum(len(stages) for stages in flow.copies)
        for stream, flow in zip(self.streams, graph.flows, strict=True):
            for index, edge in enumerate(flow.inputs):
                stream.producers.append(self.streams[edge.producer])
                self.streams[edge.producer].consumers.append((stream, index))
        self.queues: list[list[tuple[int, int, int, int, _Token]]] = [[] for _ in graph.servers]
        self.free = [0] * len(graph.servers)
        self.called = [False] * len(graph.servers)
        self.turns = [Event(self.env) for _ in graph.servers]
        self.busy, self.served = [0] * len(graph.servers), [0] * len(graph.servers)
        self.finished, self.events = 0, 0
        self.rows: list[tuple[int, int, int, int, int, int, int, int]] = []
        for number in range(len(graph.servers)):
            self.env.process(self.serve(number))

    # -- servers ----------------------------------------------------------------------------------------

    def serve(self, number: int) -> Generator[Event, None, None]:
        """A server: each turn grants the first of the waiting requests and holds it for its occupancy."""
        queue = self.queues[number]
        while True:
            yield self.turns[number]
            self.turns[number] = Event(self.env)
            self.called[number] = False
            self.events += 1
            now = int(self.env.now)
            asked, _, window, stage, token = heappop(queue)
            held = token.copy.occupancy[stage]
            if held.__class__ is list:
                held = held[window % len(held)]
            self.busy[number] += held
            self.served[number] += 1
            self.free[number] = now + held
            if queue:
                self.call(number)
            self.granted(token, stage, held, number, asked)

    def call(self, number: int) -> None:
        """Give the server a turn as soon as it is free."""
        if not self.called[number]:
            self.called[number] = True
            turn = self.turns[number]
            turn._ok, turn._value = True, None
            now = int(self.env.now)
            self.env.schedule(turn, _TURN + number, max(0, self.free[number] - now))

    def granted(self, token: _Token, stage: int, held: int, number: int, asked: int) -> None:
        copy = token.copy
        copy.executed[stage] += 1
        delay = copy.latency[stage]
        if delay.__class__ is list:
            delay = delay[token.window % len(delay)]
        if self.record:
            now = int(self.env.now)
            self.rows.append((number, token.flow.number, token.flow.copies.index(copy), stage, token.window, asked,
                              now, now + delay))
        if copy.gate[stage]:
            self.after(held, lambda _: self.left(token))
        self.after(delay, lambda _: self.deliver(token, stage))

    def after(self, delay: int, do: Callable[[Any], None]) -> None:
        # An event even when nothing is to wait for: calling would nest as deep as zero-time tokens follow each other.
        event = Event(self.env)
        event._ok, event._value = True, None
        event.callbacks.append(do)
        self.env.schedule(event, _ARRIVE, delay)
        self.events += 1

    # -- tokens -----------------------------------------------------------------------------------------

    def arrive(self, token: _Token, stage: int) -> None:
        """A token asks for a stage: at its server, or right away where there is none."""
        copy = token.copy
        server = copy.server[stage]
        now = int(self.env.now)
        if server < 0:
            held = copy.occupancy[stage]
            self.granted(token, stage, held[token.window % len(held)] if held.__class__ is list else held, -1, now)
            return
        heappush(self.queues[server], (now, copy.ports[stage], token.window, stage, token))
        self.call(server)

    def deliver(self, token: _Token, stage: int) -> None:
        """A stage's result is ready: start what joins on it, or finish the token."""
        for follower in token.copy.next[stage]:
            token.waits[follower] -= 1
            if not token.waits[follower]:
                self.arrive(token, follower)
        token.left -= 1
        if not token.left:
            self.done(token)

    def left(self, token: _Token) -> None:
        """One gate stage of the token is over; with the last one its inputs are released."""
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

    def done(self, token: _Token) -> None:
        stream = token.flow
        stream.done_at[token.window] = int(self.env.now)
        self.finished += 1
        if self.progress is not None and self.finished % 1024 == 0:
            self.progress(self.finished, sum(s.total for s in self.streams))
        if stream.done.add(token.window):
            for consumer, _ in stream.consumers:
                self.issue(consumer)

    def issue(self, stream: _Stream) -> None:
        """Admit windows while inputs, buffers and gates allow. Counts only grow, so the order of calls is free."""
        while stream.issued < stream.total and not self.blocked(stream):
            window = stream.issued
            stream.issued += 1
            stream.issued_at[window] = int(self.env.now)
            token = _Token(stream, stream.copies[window % len(stream.copies)], window)
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
        self.env.run()
        waiting = [f"{s.name} window {s.issued} waits for {self.blocked(s)}" for s in self.streams
                   if s.issued < s.total]
        if self.finished < sum(s.total for s in self.streams):
            raise StuckError("the simulation is stuck: " + "; ".join(waiting))
        return Trace(
            [np.array(s.done_at, np.int64) for s in self.streams],
            [np.array(s.issued_at, np.int64) for s in self.streams],
            np.array(self.busy, np.int64), np.array(self.served, np.int64),
            [[c.executed for c in s.copies] for s in self.streams], max(int(self.env.now), *self.free, 0), self.events,
            self.rows)


def run(graph: StageGraph, *, record: bool = False, progress: Callable[[int, int], None] | None = None) -> Trace:
    """Simulate the stage graph."""
    return _Engine(graph, record, progress).run()
