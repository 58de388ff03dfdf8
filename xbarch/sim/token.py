"""What moves in a SimPy run: tokens, the progress of their flows, and the room they take."""

from __future__ import annotations

from heapq import heappop
from typing import Any

import numpy as np

from xbarch.sim.graph import Flow, Pool, Stage


class Copy:
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
        self.executed, self.held, self.waited = ([0] * len(stages) for _ in range(3))
        self.queue: list[list[Request]] = []  # where each stage's requests wait

    @staticmethod
    def time(times: Any, window: int) -> int:
        """The time for a window, given the `occupancy` or `latency` of a stage."""
        found: int = times[window % len(times)] if times.__class__ is list else times
        return found


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


class Token:
    __slots__ = ("age", "copy", "flow", "gates", "kept", "left", "waits", "window")

    def __init__(self, flow: Stream, copy: Copy, window: int) -> None:
        self.flow, self.copy, self.window = flow, copy, window
        self.age = divmod(window, flow.windows)  # image, and window in the image
        self.waits = copy.before.copy()
        self.left, self.gates = len(copy.before), copy.gates
        self.kept: dict[int, list[int]] = {}  # by stage with room: stages without a known end, latest end of others


Request = tuple[int, int, int, int, int, Token]  # image, window in the image, port, stage, when asked, token


class Prefix:
    """How many windows have reached a mark, counted in order up to the first that has not."""

    __slots__ = ("ahead", "count")

    def __init__(self) -> None:
        self.count = 0
        self.ahead: set[int] = set()

    def add(self, window: int) -> bool:
        """Mark a window; returns whether the count grew."""
        if window != self.count:
            self.ahead.add(window)
            return False
        self.count += 1
        while self.count in self.ahead:
            self.ahead.remove(self.count)
            self.count += 1
        return True


class Stream:
    """A flow's progress."""

    def __init__(self, flow: Flow, number: int, images: int, port: int) -> None:
        self.name, self.number, self.windows, self.total = flow.name, number, flow.windows, flow.windows * images
        self.copies = []
        for stages in flow.copies:
            self.copies.append(Copy(stages, port))
            port += len(stages)
        self.inputs = [(e.producer, e.need.tolist()) for e in flow.inputs]
        self.releases = [e.release.tolist() for e in flow.inputs]
        self.capacity = [e.capacity for e in flow.inputs]
        self.issued = 0
        self.turns, self.back = flow.turns.tolist(), flow.back.tolist()
        self.done, self.gated = Prefix(), Prefix()
        self.freed = [0] * len(flow.inputs)
        self.producers: list[Stream] = []
        self.consumers: list[tuple[Stream, int]] = []
        self.done_at = [0] * self.total
        self.issued_at = [0] * self.total
        self.open_gates: set[int] = set()


class Room:
    """What is left of a pool. Room that is given back later is looked at only when it is needed."""

    __slots__ = ("alarm", "back", "capacity", "free", "given", "name", "peak", "taken", "waiting")

    def __init__(self, pool: Pool) -> None:
        self.name, self.capacity, self.free = pool.name, pool.capacity, pool.capacity
        self.back: list[tuple[int, int]] = []  # (when, how much), a heap
        self.waiting: set[int] = set()  # servers that found too little
        self.alarm = -1  # when they will look again, -1: not set
        self.taken, self.given, self.peak = 0, 0, 0

    def has(self, amount: int, now: int) -> bool:
        """Whether that much is left, including everything that has come back by now."""
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
