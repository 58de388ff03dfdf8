"""The stage graph: plain data that says what a run does. Knows no hardware; engines interpret it.

A *flow* is the stream of one layer's tokens (output windows), `windows` per image, which its R copies take: in turn,
so that window j of the whole run goes to copy j mod R, or as a `Deal` says. A token passes the stages of its copy: a
stage starts when all stages in `after` have delivered, queues at its server, holds it for `occupancy` and delivers
`latency` after its grant. A token is done when all its stages have delivered.

Window j of a flow is issued, in order, when
  * every input edge has delivered its first need[j] windows (counted in order, per image),
  * every consumer's buffer has a free slot: for the edge to consumer c, j < released_c + capacity,
  * the window that its copy took `ahead` windows before it has left its gate stages (their occupancy is over).
A consumer's window r, once its gate stages are over (in order), releases the producer's first release[r]
windows of that image.

A stage is *over* `occupancy` after its grant. A stage with `room` takes the given amount from each of its pools at its
grant, and is granted only when all of them have that much. Everything is given back when the stage itself and all
stages directly after it (those with it in `after`) are over. A server grants the first of its requests, in their order,
for which there is room, passing over those that would take from a pool for which an earlier request of that server
waits. So large and small requests for one pool stay in order, and one full pool does not stop requests for another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.sim.columns import Columns, Ints, columns

# A server as a SimPy process: returns a generator of events, given (simpy.Environment, xbarch.sim.unit.Queue).
Process = Callable[[Any, Any], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a token. Times are in ps: one value, or one per window of one or more images (repeated in turn).

    server: index into `StageGraph.servers`, or -1 for a pure delay. after: indices of earlier stages of the
    same copy (join of all); () starts at issue. actions: (action key, count per window: one int, or one per window).
    room: (index into `StageGraph.pools`, amount) for each pool that it takes from; only where there is a server.
    """

    name: str
    server: int
    occupancy: int | NDArray[np.int64]
    latency: int | NDArray[np.int64]
    after: tuple[int, ...] = ()
    _: KW_ONLY
    gate: bool = False
    actions: tuple[tuple[str, int | NDArray[np.int64]], ...] = ()
    room: tuple[tuple[int, int], ...] = ()


def _as_int64(values: NDArray[Any]) -> NDArray[Any]:
    """Integers of another width, or unsigned, as int64, whose differences are right; anything else unchanged."""
    return values.astype(np.int64) if values.dtype.kind in "iu" and values.dtype != np.int64 else values


@dataclass(frozen=True)
class Edge:
    """Input of a flow from flow `producer` through a buffer of `capacity` producer windows.

    need, release: int64 [windows of the consumer per image], both non-decreasing, at most the producer's
    windows; release ends with all of them. Other integers are converted.
    """

    producer: int
    need: NDArray[np.int64]
    release: NDArray[np.int64]
    capacity: int

    def __post_init__(self) -> None:
        for name in ("need", "release"):
            object.__setattr__(self, name, _as_int64(getattr(self, name)))


@dataclass(frozen=True)
class Deal:
    """Which copies take the windows of an image, where they do not take them in turn.

    entry: int64 [windows], the entry of `Flow.copies` that takes each window; each takes one at least. copy: int64
    [entries], the copy to which each entry belongs: a copy whose windows go different ways has an entry for each way,
    with the same servers.
    """

    entry: Ints
    copy: Ints


@dataclass(frozen=True)
class Flow:
    """A layer's stream of tokens. copies[c] lists the stages of copy c (topologically ordered). part_of: the flow with
    which it is counted, where it does a share of that flow's work. deal: None where copies take windows in turn."""

    name: str
    windows: int
    copies: tuple[tuple[Stage, ...], ...]
    inputs: tuple[Edge, ...] = ()
    ahead: int = 2
    part_of: str = ""
    deal: Deal | None = None

    @property
    def turns(self) -> Ints:
        """Entries of `copies` in the order in which they take windows, over and over."""
        return np.arange(len(self.copies)) if self.deal is None else self.deal.entry

    @cached_property
    def back(self) -> Ints:
        """How many windows before each window lies the one that its copy took `ahead` windows before, over and over."""
        if self.deal is None:
            return np.array([self.ahead * len(self.copies)], np.int64)
        takers = np.tile(self.deal.copy[self.deal.entry], self.ahead + 1)  # every copy takes one or more per image
        order = np.argsort(takers, kind="stable")
        found = np.zeros(len(takers), np.int64)
        found[order[self.ahead:]] = order[self.ahead:] - order[:-self.ahead]
        return found[-self.windows:]

    def counts(self, images: int) -> Ints:
        """How many windows of a run each entry of `copies` takes."""
        turns, size = self.turns, len(self.copies)
        whole, rest = divmod(images * self.windows, len(turns))
        return whole * np.bincount(turns, minlength=size) + np.bincount(turns[:rest], minlength=size)

    def taken(self, entry: int, count: int) -> Ints:
        """The first `count` windows that an entry of `copies` takes."""
        places = np.flatnonzero(self.turns == entry)
        turn, place = np.divmod(np.arange(count, dtype=np.int64), len(places))
        return turn * len(self.turns) + places[place]


@dataclass(frozen=True)
class Server:
    """Serves one token at a time. Of the requests that wait, the first by (image, window in the image, port) is
    granted: the oldest image first, whenever its requests arrive; a token that is served is not interrupted.

    A stage's port is its position in the graph: flows in order, then copies, then stages. Every request of an instant
    is there before that instant's first grant. At one instant, servers that are free and have a request with room grant
    in the order of their numbers, one token at a time; what a grant causes at that same instant (zero times, room given
    back) takes effect before the next grant.

    process: a server with behaviour of its own. It takes its requests in this order, any number at a time and for any
    length of time, and says when their results are out; the times of its stages are only a proposal. Only the SimPy
    engine runs it.
    """

    name: str
    kind: str = ""
    process: Process | None = None


@dataclass(frozen=True)
class Pool:
    """Room that stages take and give back, such as the flits that a queue holds."""

    name: str
    capacity: int


@dataclass
class Known:
    """What was found of a graph's stages and of what its windows need, which graphs that differ in nothing but images,
    pools' capacities and the sizes of buffers share."""

    surveys: dict[int, Any] = field(default_factory=dict)
    """What `xbarch.sim.bounds.survey` found, by images."""
    tallies: dict[int, Any] = field(default_factory=dict)
    """How often a run does what, by images, where somebody counted it: it follows from the stages."""
    work: list[int] | None = None
    """What `xbarch.sim.least.work` found."""
    ends: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """When flows end if nothing makes them wait, by images (`xbarch.sim.bounds`)."""
    sound: NDArray[np.bool_] | None = None
    """Which copies have no fault, once a graph passed `xbarch.sim.check`."""
    actions: frozenset[str] | None = None
    """What `StageGraph.actions` found."""


@dataclass(frozen=True)
class StageGraph:
    servers: tuple[Server, ...]
    flows: tuple[Flow, ...]
    images: int = 1
    pools: tuple[Pool, ...] = ()

    @property
    def processes(self) -> list[int]:
        """Servers that are processes."""
        return [number for number, server in enumerate(self.servers) if server.process is not None]

    def by_server(self, amounts: Ints) -> Ints:
        """Sum, for each server, over its stages. amounts: one for each stage, in the order of the graph."""
        found = np.zeros(len(self.servers) + 1, np.int64)  # the last is none
        np.add.at(found, self.columns.server, amounts)
        return found[:-1]

    @cached_property
    def columns(self) -> Columns:
        """All stages as columns: made at first use and kept, since a graph does not change."""
        return columns([flow.copies for flow in self.flows])

    @cached_property
    def known(self) -> Known:
        """What was found of the stages: made at first use and kept."""
        return Known()

    @property
    def actions(self) -> frozenset[str]:
        """Names of all that its stages do."""
        if self.known.actions is None:
            stages = (stage for flow in self.flows for copy in flow.copies for stage in copy)
            self.known.actions = frozenset(action for stage in stages for action, _ in stage.actions)
        return self.known.actions

    def of(self, images: int) -> StageGraph:
        """The same graph for so many images."""
        return replace(self, images=images).share(self)

    def share(self, other: StageGraph) -> StageGraph:
        """Take over what is known of another graph, which has the same stages and needs (see `Known`), and return this
        graph."""
        self.__dict__.update(columns=other.columns, known=other.known)
        return self


# Receives every visit of a token to a stage, in batches: int64 [n, 6], the stage's position in the graph (its port),
# the window's number in the run, and when the visit was requested, granted and over and its result out (ps).
Sink = Callable[[NDArray[np.int64]], None]


@dataclass(kw_only=True)
class Trace:
    """What an engine measured.

    done: for each flow, the time in ps when each window of the run was done, int64 [images * windows]; of the first
        images alone where a long run was put together from periods (`xbarch.sim.periodic`).
    issued: for each flow, the time in ps when each window was issued, as many.
    busy: for each server, the ps it was held; for a process, the ps during which it had visits in hand.
    served: for each server, the tokens it granted.
    waited: for each server, the ps from request to grant, summed over the tokens it granted.
    executed: the tokens that ran through each stage, by flow, copy and stage.
    held: for each stage, in the order of the graph, the ps that its tokens held its server; from grant to end where
        that is a process.
    waits: for each stage, in the order of the graph, the ps that its tokens waited for its server.
    makespan: ps from 0 until every token is done, has left its gates, and every server is free.
    taken: for each pool, all that was taken from it.
    given: for each pool, all that was given back to it.
    peak: for each pool, the most that was taken and not yet given back.
    visit_time: ps from request to end (over and delivered), summed over all visits to processes.
    parted: ps when the last visit to a process was over; 0 if there was none.
    acted: actions that processes counted in addition to those of the graph, by (server, flow, action).
    inside: for each process, the most visits it had in hand at once.
    """

    done: list[NDArray[np.int64]]
    issued: list[NDArray[np.int64]]
    busy: NDArray[np.int64]
    served: NDArray[np.int64]
    waited: NDArray[np.int64]
    executed: list[list[list[int]]]
    held: NDArray[np.int64]
    waits: NDArray[np.int64]
    makespan: int
    taken: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    visit_time: int = 0
    parted: int = 0
    acted: dict[tuple[int, int, str], int] = field(default_factory=dict)
    inside: dict[int, int] = field(default_factory=dict)

    @property
    def visits(self) -> int:
        """Visits of tokens to stages."""
        return sum(count for flow in self.executed for copy in flow for count in copy)
