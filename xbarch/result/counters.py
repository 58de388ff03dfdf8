"""What waits and what is held over a run, from its visits: requests at units, windows in buffers, room in queues."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xbarch.sim.graph import StageGraph

Ints = NDArray[np.int64]
Counter = tuple[str, str, Ints]


class Levels:
    """Collects visits; `counters` gives levels over time.

    A unit's queue holds a request from when it is made until it is granted. A buffer holds a window's place from when
    the producer issues the window until the consumer releases it (the rule is in `xbarch.sim.graph`), so it never holds
    more than its capacity. A pool's room is taken at a grant and given back when the stage and those directly after it
    are over.
    """

    def __init__(self, graph: StageGraph) -> None:
        self.graph, self.columns = graph, graph.columns
        tokens = [flow.windows * graph.images for flow in graph.flows]
        self.issued = [np.full(number, np.iinfo(np.int64).max) for number in tokens]
        self.left = [np.zeros(number, np.int64) for number in tokens]
        self.flow = self.columns.flow[self.columns.copy]
        self.begins = np.ones(len(self.flow), bool)
        self.begins[self.columns.later] = False
        self.waits: list[Ints] = []
        self.takes: list[Ints] = []
        self.ends: list[Ints] = []
        self.taker = np.unique(self.columns.taker)

    def rows(self, rows: Ints) -> None:
        """Note visits: int64 [n, 6], see `xbarch.sim.graph.Sink`."""
        stage, token, asked, granted, over = rows.T[:5]
        server, flow = self.columns.server[stage], self.flow[stage]
        waited = (server >= 0) & (granted > asked)
        self.waits.append(np.column_stack((server[waited], asked[waited], granted[waited])))
        for number in np.unique(flow).tolist():
            mine = flow == number
            begins, gates = mine & self.begins[stage], mine & self.columns.gate[stage]
            np.minimum.at(self.issued[number], token[begins], asked[begins])
            np.maximum.at(self.left[number], token[gates], over[gates])
        if len(self.taker):
            self._room(stage, token, granted, over)

    def _room(self, stage: Ints, token: Ints, granted: Ints, over: Ints) -> None:
        takes = np.isin(stage, self.taker)
        self.takes.append(np.column_stack((stage, token, granted))[takes])
        self.ends.append(np.column_stack((stage, token, over))[takes])
        keeps = np.isin(self.columns.after, self.taker)
        later, after = self.columns.later[keeps], self.columns.after[keeps]
        order = np.argsort(later, kind="stable")
        later, after = later[order], after[order]
        low, high = np.searchsorted(later, stage), np.searchsorted(later, stage, "right")
        count = high - low
        which = np.repeat(np.arange(len(stage)), count)
        place = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + low[which]
        self.ends.append(np.column_stack((after[place], token[which], over[which])))

    def counters(self) -> Iterator[Counter]:
        """Name, place and levels (int64 [n, 2]: from when on, in ps, and how much) of every counter that moves."""
        yield from self._queues()
        yield from self._buffers()
        yield from self._pools()

    def _queues(self) -> Iterator[Counter]:
        waits = _joined(self.waits, 3)
        for number in np.unique(waits[:, 0]).tolist():
            server, mine = self.graph.servers[number], waits[waits[:, 0] == number]
            yield f"{server.name} waiting", _place(server.name), levels(mine[:, 1], mine[:, 2])

    def _buffers(self) -> Iterator[Counter]:
        for number, flow in enumerate(self.graph.flows):
            left = np.maximum.accumulate(np.maximum(self.left[number], self.issued[number]))
            for edge in flow.inputs:
                producer = self.graph.flows[edge.producer]
                image = np.arange(self.graph.images)[:, None] * producer.windows
                released = (image + edge.release).ravel()
                amounts = np.diff(released, prepend=0)
                issued = self.issued[edge.producer]
                yield (f"{producer.name} to {flow.name}, windows held of {edge.capacity}", "buffers",
                       levels(issued, left, lost=amounts))

    def _pools(self) -> Iterator[Counter]:
        takes, ends = _joined(self.takes, 3), _joined(self.ends, 3)
        if not len(takes):
            return
        takes = takes[np.lexsort((takes[:, 1], takes[:, 0]))]
        ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
        first = np.flatnonzero(np.any(np.diff(ends[:, :2], axis=0, prepend=-1) != 0, axis=1))
        back = np.maximum.reduceat(ends[:, 2], first)
        for number in np.unique(self.columns.pool).tolist():
            pool = self.graph.pools[number]
            mine = self.columns.pool == number
            amount = np.zeros(len(self.flow), np.int64)
            np.add.at(amount, self.columns.taker[mine], self.columns.amount[mine])
            taken = amount[takes[:, 0]]
            some = taken > 0
            yield (f"{pool.name}, held of {pool.capacity}", _place(pool.name),
                   levels(takes[some, 2], back[some], taken[some], taken[some]))


def levels(gained: Ints, lost_at: Ints, got: Ints | None = None, lost: Ints | None = None) -> Ints:
    """From amounts (1 each where None) that come at `gained` and go at `lost_at`: times, each once, and the level from
    then on, int64 [n, 2]. What is given up before it comes (pixels that a stride skips) holds nothing."""
    change = np.concatenate((np.ones(len(gained), np.int64) if got is None else got,
                             -(np.ones(len(lost_at), np.int64) if lost is None else lost)))
    when, place = np.unique(np.concatenate((gained, lost_at)), return_inverse=True)
    total = np.zeros(len(when), np.int64)
    np.add.at(total, place, change)
    level = np.maximum(np.cumsum(total), 0)
    moved: Ints = np.column_stack((when, level))[np.diff(level, prepend=0) != 0]
    return moved


def _place(name: str) -> str:
    return name.split("@", 1)[-1]


def _joined(parts: list[Ints], width: int) -> Ints:
    return np.concatenate(parts) if parts else np.zeros((0, width), np.int64)
