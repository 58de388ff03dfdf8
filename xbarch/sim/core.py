"""The rules of the stage graph on SimPy: servers grant their requests in order, tokens pass their stages, and windows
are issued."""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import Any

import numpy as np
import simpy
from simpy.events import Event

from xbarch.sim.graph import Sink, StageGraph
from xbarch.sim.token import Request, Room, Stream, Token
from xbarch.sim.unit import Environment

# Within one instant: arrivals, completions and credits first (in any order: they only add), then the servers' turns
# in the order of their numbers. What a turn causes at the same instant takes effect before the next turn.
_ARRIVE, _TURN = 1, 2
ROWS = 2**16  # visits passed to the sink at a time


class Core:
    """The state of a run (every flow's progress, every server's queues) and the rules that change it."""

    def __init__(self, graph: StageGraph, progress: Callable[[int, int], None] | None, sink: Sink | None) -> None:
        self.env = Environment(graph.processes[0]) if graph.processes else simpy.Environment()
        self.graph, self.progress, self.sink = graph, progress, sink
        port, self.streams = 0, list[Stream]()
        for number, flow in enumerate(graph.flows):
            self.streams.append(Stream(flow, number, graph.images, port))
            port += sum(len(stages) for stages in flow.copies)
        for stream, flow in zip(self.streams, graph.flows, strict=True):
            for index, edge in enumerate(flow.inputs):
                stream.producers.append(self.streams[edge.producer])
                self.streams[edge.producer].consumers.append((stream, index))
        self.pools = [Room(pool) for pool in graph.pools]
        # A server's requests, by the pools that they take from: only the first of each queue can be granted.
        self.queues: list[dict[tuple[int, ...], list[Request]]] = [{} for _ in graph.servers]
        self.free = [0] * len(graph.servers)
        self.called = [False] * len(graph.servers)
        self.turns = [Event(self.env) for _ in graph.servers]
        self.busy, self.served, self.waited = ([0] * len(graph.servers) for _ in range(3))
        self.finished, self.last = 0, 0
        self.rows: list[tuple[int, int, int, int, int, int]] = []
        for stream in self.streams:
            for copy in stream.copies:
                copy.queue = [self.queues[server].setdefault(tuple(pool for pool, _ in room), []) if server >= 0 else []
                              for server, room in zip(copy.server, copy.room, strict=True)]
        self.total = sum(stream.total for stream in self.streams)
        self.visit_time, self.parted, self.idle = 0, 0, 0
        self.acted: dict[tuple[int, int, str], int] = {}

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
            _, _, _, stage, asked, token = heappop(queue)
            held = token.copy.occupancy[stage]
            if held.__class__ is list:
                held = held[token.window % len(held)]
            self.busy[number] += held
            token.copy.held[stage] += held
            self.free[number] = now + held
            if queue or (many and any(queues)):
                self.call(number)
            self.take(token, stage, number, now - asked)
            self.granted(token, stage, held, asked)

    def turned(self, number: int) -> int:
        """Note that a server's turn has come; returns the time."""
        self.turns[number] = Event(self.env)
        self.called[number] = False
        return int(self.env.now)

    def take(self, token: Token, stage: int, number: int, waited: int) -> None:
        """Take the room that a granted token needs. waited: ps that it waited for the server."""
        copy = token.copy
        self.served[number] += 1
        self.waited[number] += waited
        copy.waited[stage] += waited
        if copy.room[stage]:
            for pool, amount in copy.room[stage]:
                self.pools[pool].take(amount)
            token.kept[stage] = [copy.after[stage] + 1, 0]
        copy.executed[stage] += 1

    def fits(self, request: Request, now: int) -> bool:
        """Whether there is room for a request."""
        stage, token = request[3], request[5]
        for index, amount in token.copy.room[stage]:  # noqa: SIM110 (a generator takes longer)
            if not self.pools[index].has(amount, now):
                return False
        return True

    def first(self, number: int, now: int) -> list[Request] | None:
        """The queue whose first request is granted; None where all wait for room. Returned room then calls the
        server."""
        claimed = set[int]()
        queues = [queue for queue in self.queues[number].values() if queue]
        for queue in sorted(queues, key=lambda q: q[0][:3]) if len(queues) > 1 else queues:
            stage, token = queue[0][3], queue[0][5]
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

    def alarm(self, pool: Room, when: int) -> None:
        """Have the servers that found too little room in the pool look again at that time, if not sooner."""
        now = int(self.env.now)
        if now <= pool.alarm <= when:
            return
        pool.alarm = when
        self.after(when - now, lambda _: self.wake(pool))

    def wake(self, pool: Room) -> None:
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
            if len(self.rows) >= ROWS:
                self.flush()
        if copy.keeps[stage]:
            self.keep(token, stage, now + held)
        if copy.gate[stage]:
            self.after(held, lambda _: self.left(token))
        self.after(delay, lambda _: self.deliver(token, stage))

    def flush(self) -> None:
        """Pass the visits so far to the sink."""
        if self.sink is not None and self.rows:
            self.sink(np.array(self.rows, np.int64))
            self.rows.clear()

    def keep(self, token: Token, stage: int, end: int) -> None:
        """Keep room taken until this stage is over, at `end`, and all other stages that keep it are over."""
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
        # An event even for a delay of zero: direct calls would nest as deep as the chain of zero-time tokens is long.
        event = Event(self.env)
        event._ok, event._value = True, None
        event.callbacks.append(do)
        self.env.schedule(event, _ARRIVE, delay)

    # -- tokens -----------------------------------------------------------------------------------------

    def arrive(self, token: Token, stage: int) -> None:
        """A token requests a stage: at its server, or at once where there is none."""
        copy = token.copy
        server = copy.server[stage]
        now = int(self.env.now)
        if server < 0:
            copy.executed[stage] += 1
            self.granted(token, stage, copy.time(copy.occupancy[stage], token.window), now)
            return
        queue, request = copy.queue[stage], (*token.age, copy.ports[stage], stage, now, token)
        heappush(queue, request)
        if queue[0] is request:  # otherwise the server was called already, or the queue's first request waits for room
            self.call(server)

    def deliver(self, token: Token, stage: int) -> None:
        """A stage's result is ready: start the stages that waited only for it, or finish the token."""
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

    def issue(self, stream: Stream) -> None:
        """Issue windows while inputs, buffers and gates allow. Counts only grow, so the order of calls does not
        matter."""
        while stream.issued < stream.total and not self.blocked(stream):
            window = stream.issued
            stream.issued += 1
            stream.issued_at[window] = int(self.env.now)
            token = Token(stream, stream.copies[stream.turns[window % len(stream.turns)]], window)
            if token.gates:
                stream.open_gates.add(window)
            for stage in token.copy.roots:
                self.arrive(token, stage)

    def blocked(self, stream: Stream) -> str:
        """What the next window of a flow waits for; empty if nothing."""
        window = stream.issued
        before = window - stream.back[window % len(stream.back)]
        if before in stream.open_gates:
            return f"window {before} to leave its copy"
        image, phase = divmod(window, stream.windows)
        for producer, need in zip(stream.producers, stream.inputs, strict=True):
            wanted = image * producer.windows + need[1][phase]
            if producer.done.count < wanted:
                return f"window {wanted - 1} of {producer.name}"
        for consumer, index in stream.consumers:
            if window >= consumer.freed[index] + consumer.capacity[index]:
                return f"room in the buffer of {consumer.name} ({consumer.capacity[index]} windows)"
        return ""
