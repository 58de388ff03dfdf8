"""The fast engine: the same stage graph, the same times to the picosecond, a fraction of the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.sim import engine, kernel
from xbarch.sim.graph import Sink, Stage, StageGraph, Trace
from xbarch.sim.kernel import (
    DISORDER,
    EVENTS,
    FINISHED,
    FIRST,
    FREELY,
    FULL,
    LOGGED,
    MARKED,
    OVER,
    SCALARS,
    SECTIONS,
    SOILED,
    WIDEST,
)
from xbarch.sim.repeat import FEWEST, Watch

Ints = NDArray[np.int64]
Sections = dict[str, Any]

PAUSE = 2**18  # events, or windows, between two looks at the clock
_ROWS = 2**16  # visits handed on at a time
_GROWING = ("EVENT_", "TOKEN_", "VISIT_")  # what the names of sections begin with that may become too small


def run(graph: StageGraph, *, progress: Callable[[int, int], None] | None = None, sink: Sink | None = None,
        compiled: bool | None = None) -> Trace:
    """Simulate the stage graph.

    compiled: whether by Numba; None: where it is installed. progress: called with (windows done, windows in all).
    sink: takes every visit; then all of them are simulated, in the order of their time.

    Raises:
        StuckError: as `xbarch.sim.engine.run` raises it, which is asked who waits for what.
        ImportError: compiled is true and Numba is not installed.
    """
    total = sum(f.windows for f in graph.flows) * graph.images
    advance = _advance(compiled)
    for ahead in (True, False) if sink is None else (False,):
        memory = _laid(tables(graph, ahead, sink is not None), advance is kernel.run)
        watch = Watch(graph, memory) if graph.images >= FEWEST and sink is None and not memory[FREELY] else None
        while (found := advance(memory, PAUSE)) not in (OVER, DISORDER):
            if found == FULL and sink is not None and memory[LOGGED]:
                _handed(memory, sink)
            elif found == FULL:
                memory = _grown(memory)
            elif found == MARKED and watch is not None:
                memory = watch.look(memory)
            elif progress is not None:
                progress(int(memory[FINISHED]), total)
        if found == OVER:
            break
    if sink is not None and memory[LOGGED]:
        _handed(memory, sink)
    if memory[FINISHED] < total:
        return engine.run(graph)  # stuck: it says who waits for what
    return _trace(graph, memory)


def _advance(compiled: bool | None) -> Callable[..., int]:
    if compiled is False:
        return kernel.run
    try:
        from xbarch.sim.compiled import load

        return load()
    except ImportError:
        if compiled:
            raise
        return kernel.run


# -- memory -------------------------------------------------------------------------------------------------------

def _laid(sections: Sections, plain: bool) -> Any:
    """A memory of these sections; all flows may issue, the other scalars are zero."""
    parts = [np.asarray(sections[name], np.int64) for name in SECTIONS]
    sizes = list(map(len, parts))
    starts = [FIRST + at for at in _starts(sizes)[:-1]]
    memory = np.concatenate((np.array([0] * SCALARS + starts + sizes, np.int64), *parts))
    memory[SOILED] = len(sections["DIRTY"])
    memory[WIDEST] = len(sections["READY"])
    memory[FREELY] = len(sections["DONE_BY"]) > 0
    return memory.tolist() if plain else memory


def _section(memory: Any, name: str) -> Ints:
    return np.asarray(memory[kernel.section(memory, name)], np.int64)


def _grown(memory: Any) -> Any:
    """The same with twice the room where too little is left."""
    size = {kind: len(_section(memory, first)) for kind, first in zip(
        _GROWING, ("EVENT_TIME", "TOKEN_COPY", "VISIT_TOKEN"), strict=True)}
    short = {"EVENT_": memory[EVENTS] + 2 * memory[WIDEST] > size["EVENT_"],
             "TOKEN_": 2 * memory[kernel.TOKENS] > size["TOKEN_"],
             "VISIT_": 2 * memory[kernel.VISITS] + memory[WIDEST] > size["VISIT_"]}
    sections = {}
    for name in SECTIONS:
        values = _section(memory, name)
        sections[name] = np.concatenate((values, values)) if short.get(name[:6]) else values
    larger = _laid(sections, isinstance(memory, list))
    larger[:SCALARS] = memory[:SCALARS]
    return larger


def _handed(memory: Any, sink: Sink) -> None:
    """Hand the visits so far to who asked for them."""
    sink(_section(memory, "LOG")[:6 * memory[LOGGED]].reshape(-1, 6).copy())
    memory[LOGGED] = 0


# -- tables -------------------------------------------------------------------------------------------------------

def tables(graph: StageGraph, ahead: bool = True, log: bool = False) -> Sections:
    """The sections of the kernel's memory before the first event. ahead: whether stages with a server of their own are
    granted ahead of time. log: whether every visit is asked for."""
    copies = [stages for flow in graph.flows for stages in flow.copies]
    stages = [stage for copy in copies for stage in copy]
    windows = [flow.windows * graph.images for flow in graph.flows]
    widest = max(sum(2 + len(stage.room) for stage in copy) for copy in copies) + 2
    made = {**_stages(graph, copies, stages, ahead), **_flows(graph), **_pools(graph, stages),
            "COPY_FIRST": _starts(map(len, copies)),
            "COPY_FLOW": [n for n, flow in enumerate(graph.flows) for _ in flow.copies],
            "COPY_GATES": [sum(s.gate for s in copy) for copy in copies], "SPARE": _none(len(copies))}
    made |= {name: _zeros(sum(windows)) for name in ("ISSUED_AT", "DONE_AT", "STATE")}
    freely = ahead and not log and _freely(graph, stages)
    made |= {name: _zeros(sum(windows) * freely) for name in ("GATED_AT", "DONE_BY", "GATED_BY")}
    made |= {name: _zeros(len(graph.servers)) for name in ("FREE", "CALLED", "BUSY", "SERVED")}
    made |= {name: _zeros(len(graph.servers) + 1) for name in ("TURN_TIME", "TURN_SERVER")}
    made |= {"READY": _zeros(widest), "LOG": _zeros(6 * (_ROWS + widest) if log else 0)}
    tokens, visits = _expected(graph)
    for kind, size in zip(_GROWING, (8 * widest + 1024, tokens + 64, visits + 2 * widest), strict=True):
        made |= {name: _zeros(size) for name in SECTIONS if name.startswith(kind)}
    return made


def _expected(graph: StageGraph) -> tuple[int, int]:
    """Tokens and visits that are likely to be under way at a time: enough mostly, for growing copies everything. A flow
    has those that may be at its gates twice; one that waits for no other, as much as its readers have room for."""
    room = [0] * len(graph.flows)
    for flow in graph.flows:
        for edge in flow.inputs:
            room[edge.producer] = max(room[edge.producer], edge.capacity)
    tokens = visits = 0
    for flow, most in zip(graph.flows, room, strict=True):
        count = 2 * flow.ahead * len(flow.copies) + (0 if flow.inputs else most)
        count = min(count, flow.windows * graph.images)
        tokens += count
        visits += count * len(flow.copies[0])
    return tokens, visits


def _stages(graph: StageGraph, copies: Sequence[Sequence[Stage]], stages: Sequence[Stage], ahead: bool) -> Sections:
    first = [start for start, copy in zip(_starts(map(len, copies)), copies, strict=False) for _ in copy]
    after = [[start + a for a in stage.after] for start, stage in zip(first, stages, strict=True)]
    following: list[list[int]] = [[] for _ in stages]
    for number, before in enumerate(after):
        for a in before:
            following[a].append(number)
    values = _Values()
    held, delay = ([values.add(getattr(s, name)) for s in stages] for name in ("occupancy", "latency"))
    queues, queue_at = _queues(graph, stages)
    keeps = [[a for a in before if stages[a].room] for before in after]
    return {
        "SERVER": [s.server for s in stages], "QUEUE": queues, "QUEUE_AT": queue_at,
        "HEAD": _none(queue_at[-1]), "TAIL": _none(queue_at[-1]),
        "HELD": [at for at, _ in held], "HELD_N": [n for _, n in held],
        "DELAY": [at for at, _ in delay], "DELAY_N": [n for _, n in delay], "VALUES": values.joined(),
        "GATE": [int(s.gate) for s in stages], "BEFORE": list(map(len, after)), **_ragged("NEXT", following),
        "ROOM_AT": _starts(len(s.room) for s in stages), "ROOM_POOL": [p for s in stages for p, _ in s.room],
        "ROOM_AMOUNT": [a for s in stages for _, a in s.room],
        **_ragged("KEEPS", keeps), "EXECUTED": _zeros(len(stages)),
        "AHEAD": _alone(stages, following, keeps, ahead),
        "ASKED": _zeros(len(stages)), "ASKED_WINDOW": _zeros(len(stages))}


def _alone(stages: Sequence[Stage], following: Sequence[Sequence[int]], keeps: Sequence[Sequence[int]],
           ahead: bool) -> list[bool]:
    """Whether each stage is granted as soon as its request's time is known: pure delays, and those that share their
    server with none and cause nothing, themselves or by what follows them, at the very instant of their grant. Turns of
    an instant have an order, in which that would have to come."""
    users = Counter([stage.server for stage in stages])
    found, quiet = [False] * len(stages), [False] * len(stages)
    for number in range(len(stages) - 1, -1, -1):  # what follows a stage comes after it
        stage = stages[number]
        if stage.server >= 0 and (not ahead or users[stage.server] > 1 or stage.room):
            continue
        later = _least(stage.latency) > 0 or (bool(following[number]) and all(
            found[f] and quiet[f] for f in following[number]))
        quiet[number] = later and (not (stage.gate or keeps[number]) or _least(stage.occupancy) > 0)
        found[number] = stage.server < 0 or quiet[number]
    return found


def _freely(graph: StageGraph, stages: Sequence[Stage]) -> bool:
    """Whether no two stages share a server and none takes room."""
    held = [stage.server for stage in stages if stage.server >= 0]
    return len(held) == len(set(held)) and not any(stage.room for stage in stages)


def _least(value: int | Ints) -> int:
    return int(value.min()) if isinstance(value, np.ndarray) else value


def _flows(graph: StageGraph) -> Sections:
    flows, marks = graph.flows, _Values()
    edges = [(number, edge) for number, flow in enumerate(flows) for edge in flow.inputs]
    reads = [[i for i, (_, edge) in enumerate(edges) if edge.producer == number] for number in range(len(flows))]
    return {
        "FLOW_WINDOWS": [f.windows for f in flows], "FLOW_TOTAL": [f.windows * graph.images for f in flows],
        "FLOW_COPIES": [len(f.copies) for f in flows], "FLOW_COPY": _starts(len(f.copies) for f in flows),
        "FLOW_LIMIT": [f.ahead * len(f.copies) for f in flows],
        "FLOW_AT": _starts(f.windows * graph.images for f in flows),
        "IN_AT": _starts(len(f.inputs) for f in flows), **_ragged("OUT", reads),
        **{name: _zeros(len(flows)) for name in ("ISSUED", "DONE", "GATED")},
        "DIRTY": range(len(flows)), "IS_DIRTY": [1] * len(flows),
        "PRODUCER": [e.producer for _, e in edges], "CONSUMER": [number for number, _ in edges],
        "CAPACITY": [e.capacity for _, e in edges], "FREED": _zeros(len(edges)),
        "NEED": [marks.add(e.need)[0] for _, e in edges], "RELEASE": [marks.add(e.release)[0] for _, e in edges],
        "MARKS": marks.joined()}


def _pools(graph: StageGraph, stages: Sequence[Stage]) -> Sections:
    takers: list[set[int]] = [set() for _ in graph.pools]
    for stage in stages:
        for pool, _ in stage.room:
            takers[pool].add(stage.server)
    return {**_ragged("TAKER", list(map(sorted, takers))), "LACKS": _zeros(sum(map(len, takers))),
            "ROOM": [pool.capacity for pool in graph.pools],
            **{name: _zeros(len(graph.pools)) for name in ("TAKEN", "GIVEN", "PEAK")}}


class _Values:
    """Numbers side by side, each array once."""

    def __init__(self) -> None:
        self.parts: list[Ints] = []
        self.known: dict[int, tuple[int, int]] = {}
        self.size = 0

    def add(self, value: int | Ints) -> tuple[int, int]:
        """(place, how many)."""
        key = id(value) if isinstance(value, np.ndarray) else -1 - value
        found = self.known.get(key)
        if found is None:
            part = np.asarray(value, np.int64).reshape(-1)
            found = self.known[key] = self.size, len(part)
            self.parts.append(part)
            self.size += len(part)
        return found

    def joined(self) -> Ints:
        return np.concatenate(self.parts) if self.parts else np.zeros(0, np.int64)


def _starts(sizes: Iterable[int]) -> list[int]:
    """[n + 1]: where each of n parts begins, and the end of the last."""
    return list(accumulate(sizes, initial=0))


def _ragged(name: str, lists: Sequence[Sequence[int]]) -> Sections:
    return {f"{name}_AT": _starts(map(len, lists)), name: list(chain.from_iterable(lists))}


def _zeros(size: int) -> Ints:
    return np.zeros(size, np.int64)


def _none(size: int) -> Ints:
    return np.full(size, -1, np.int64)


def _queues(graph: StageGraph, stages: Sequence[Stage]) -> tuple[list[int], list[int]]:
    """(queue of each stage, first queue of each server): one for each set of pools that a server's requests take from;
    -1 where there is no server."""
    sets: list[dict[tuple[int, ...], int]] = [{} for _ in graph.servers]
    pools = [tuple([pool for pool, _ in stage.room]) if stage.room else () for stage in stages]
    place = [sets[s.server].setdefault(needs, len(sets[s.server])) if s.server >= 0 else -1
             for s, needs in zip(stages, pools, strict=True)]
    starts = _starts(map(len, sets))
    return [starts[s.server] + at if at >= 0 else -1 for s, at in zip(stages, place, strict=True)], starts


def _trace(graph: StageGraph, memory: Any) -> Trace:
    """What the memory holds after the last event."""
    found = {name: _section(memory, name) for name in ("DONE_AT", "ISSUED_AT", "BUSY", "SERVED", "EXECUTED", "FREE")}
    bounds = list(pairwise(_starts(f.windows * graph.images for f in graph.flows)))
    counts, executed = iter(found["EXECUTED"].tolist()), []
    for flow in graph.flows:
        executed.append([[next(counts) for _ in stages] for stages in flow.copies])
    makespan = max(int(memory[kernel.LAST]), int(found["FREE"].max(initial=0)))
    return Trace(
        [found["DONE_AT"][a:b].copy() for a, b in bounds], [found["ISSUED_AT"][a:b].copy() for a, b in bounds],
        found["BUSY"].copy(), found["SERVED"].copy(), executed, makespan,
        *(_section(memory, name).tolist() for name in ("TAKEN", "GIVEN", "PEAK")))
