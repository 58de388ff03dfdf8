"""The fast engine: the same stage graph and the same times to the picosecond, in a fraction of the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.sim.columns import Columns, Ints, distinct, lengths, owners, starts
from xbarch.sim.graph import Sink, StageGraph, Trace
from xbarch.sim.kernel import layout as k
from xbarch.sim.kernel import loop
from xbarch.sim.repeat import FEWEST, Mark, Repetition

Marks = NDArray[np.bool_]
Sections = dict[str, Any]  # the contents of a section, or its length if it is all zeros

PAUSE = 2**18  # events, or windows, between two reports of progress
_ROWS = 2**16  # visits passed to the sink at a time
_GROWING = ("EVENT_", "TOKEN_", "VISIT_")  # first letters of the sections that may become too small


def run(graph: StageGraph, *, progress: Callable[[int, int], None] | None = None, sink: Sink | None = None,
        compiled: bool = True) -> Trace:
    """Simulate the stage graph.

    compiled: run machine code, not plain Python. progress: called with (windows done, windows in all). sink: receives
    every visit; then none is skipped, and all are simulated in the order of their times.

    Raises:
        StuckError: raised by `xbarch.sim.engine.run`, which finds out who waits for what.
    """
    total = sum(f.windows for f in graph.flows) * graph.images
    advance = _compiled() if compiled else loop.run
    for ahead in (True, False) if sink is None else (False,):
        memory: Any = None  # gives back that of the attempt before
        memory = _laid(tables(graph, ahead, sink is not None), plain=not compiled)
        watched = graph.images >= FEWEST and sink is None and not memory[k.FREELY]
        repetition = Repetition(graph, memory) if watched else None
        while (found := advance(memory, PAUSE)) not in (k.OVER, k.DISORDER):
            if found == k.FULL and sink is not None and memory[k.LOGGED]:
                _handed(memory, sink)
            elif found == k.FULL:
                memory = _grown(memory)
            elif found == k.MARKED and repetition is not None:
                memory = repetition.look(memory)
            elif progress is not None:
                progress(int(memory[k.FINISHED]), total)
        if found == k.OVER:
            break
    if sink is not None and memory[k.LOGGED]:
        _handed(memory, sink)
    if memory[k.FINISHED] < total:
        from xbarch.sim import engine

        return engine.run(graph)  # stuck: it says who waits for what
    return _trace(graph, memory)


def find(graph: StageGraph) -> tuple[Mark, Mark] | None:
    """The first two images of a run at whose end its state is the same; None where there are none."""
    for ahead in (True, False):
        memory = _laid(tables(graph, ahead), plain=False)
        memory[k.FREELY] = 0  # recurrences have no state that could be looked at
        repetition = Repetition(graph, memory, skips=False)
        advance = _compiled()
        while (found := advance(memory, PAUSE)) not in (k.OVER, k.DISORDER) and repetition.found is None:
            if found == k.FULL:
                memory = _grown(memory)
            elif found == k.MARKED:
                memory = repetition.look(memory)
        if found != k.DISORDER:
            return repetition.found
    return None


def _compiled() -> Callable[..., int]:
    from xbarch.sim.compiled import load  # LLVM's loader, which short runs never need

    return load()


# -- memory -------------------------------------------------------------------------------------------------------

def _laid(sections: Sections, plain: bool, room: Mapping[str, int] | None = None) -> Any:
    """A memory with these sections, which are taken out of what is given, so that none lies there twice. All flows may
    issue; the other scalars are zero. Zeros are not written, since most of them are room that few runs need. room: how
    long sections are that are longer than what is given of them."""
    size = {name: part if isinstance(part, int) else len(part) for name in k.SECTIONS for part in (sections[name],)}
    size |= room or {}
    at = k.FIRST + starts(np.array(list(size.values()), np.int64))
    memory = _zeros(int(at[-1]))
    memory[k.SCALARS:k.FIRST] = *at[:-1], *size.values()
    memory[k.SPAN] = max(sections["FLOW_WINDOWS"])
    for name, begin in zip(k.SECTIONS, at.tolist(), strict=False):
        part = sections.pop(name)
        if not isinstance(part, int):
            memory[begin:begin + len(part)] = part
    memory[k.SOILED] = size["DIRTY"]
    memory[k.WIDEST] = size["READY"]
    memory[k.FREELY] = size["DONE_BY"] > 0
    return memory.tolist() if plain else memory


def _section(memory: Any, name: str) -> Ints:
    return np.asarray(memory[k.section(memory, name)], np.int64)


def _grown(memory: Any) -> Any:
    """The same memory, with twice the room where too little is left."""
    size = {kind: len(_section(memory, first)) for kind, first in zip(
        _GROWING, ("EVENT_TIME", "TOKEN_COPY", "VISIT_TOKEN"), strict=True)}
    short = {"EVENT_": memory[k.EVENTS] + 2 * memory[k.WIDEST] > size["EVENT_"],
             "TOKEN_": 2 * memory[k.TOKENS] > size["TOKEN_"],
             "VISIT_": 2 * memory[k.VISITS] + memory[k.WIDEST] > size["VISIT_"]}
    sections = {name: _section(memory, name) for name in k.SECTIONS}
    room = {name: 2 * len(part) for name, part in sections.items() if short.get(name[:6])}
    larger = _laid(sections, isinstance(memory, list), room)
    larger[:k.SCALARS] = memory[:k.SCALARS]
    return larger


def _handed(memory: Any, sink: Sink) -> None:
    """Pass the visits so far to the sink."""
    sink(_section(memory, "LOG")[:6 * memory[k.LOGGED]].reshape(-1, 6).copy())
    memory[k.LOGGED] = 0


# -- tables -------------------------------------------------------------------------------------------------------

def tables(graph: StageGraph, ahead: bool = True, log: bool = False) -> Sections:
    """The sections of the kernel's memory before the first event. ahead: whether stages with a server of their own are
    granted ahead of time. log: whether every visit is logged."""
    c = graph.columns
    windows = graph.images * sum(flow.windows for flow in graph.flows)
    taken = np.bincount(c.copy[c.taker], minlength=len(c.flow))
    widest = int((2 * np.diff(c.first) + taken).max()) + 2
    turns, back = [flow.turns for flow in graph.flows], [flow.back for flow in graph.flows]
    at, sizes = (np.split(each, [len(c.times), -len(back)]) for each in _places([*c.times, *turns, *back]))
    made = {**_stages(graph, c, ahead), **_flows(graph), **_pools(graph, c),
            "VALUES": _joined([*c.times, *turns, *back]),
            "HELD": at[0][c.occupancy], "HELD_N": sizes[0][c.occupancy],
            "DELAY": at[0][c.latency], "DELAY_N": sizes[0][c.latency],
            "ENTRY": at[1], "ENTRY_N": sizes[1], "BEHIND": at[2], "BEHIND_N": sizes[2],
            "COPY_FIRST": c.first, "COPY_FLOW": c.flow,
            "COPY_GATES": np.bincount(c.copy[c.gate], minlength=len(c.flow)), "SPARE": _none(len(c.flow))}
    made |= {name: windows for name in ("ISSUED_AT", "DONE_AT", "STATE")}
    freely = ahead and not log and _freely(graph, c)
    made |= {name: windows * freely for name in ("GATED_AT", "DONE_BY", "GATED_BY")}
    made |= {name: len(graph.servers) for name in ("FREE", "CALLED", "SERVED")}
    made |= {name: len(graph.servers) + 1 for name in ("TURN_TIME", "TURN_SERVER")}
    made |= {"READY": widest, "LOG": 6 * (_ROWS + widest) * log}
    tokens, visits = _expected(graph)
    for kind, size in zip(_GROWING, (8 * widest + 4 * tokens + 1024, tokens + 64, visits + 2 * widest), strict=True):
        made |= {name: size for name in k.SECTIONS if name.startswith(kind)}
    return made


def _expected(graph: StageGraph) -> tuple[int, int]:
    """Tokens and visits that are likely to be under way at a time: usually enough, since growing the memory copies all
    of it. A flow counts twice the tokens that may be at its gates; a flow without inputs also those for which its
    readers have room."""
    room = [0] * len(graph.flows)
    for flow in graph.flows:
        for edge in flow.inputs:
            room[edge.producer] = max(room[edge.producer], edge.capacity)
    tokens = visits = 0
    for flow, most in zip(graph.flows, room, strict=True):
        count = 2 * flow.ahead * len(flow.copies) + (0 if flow.inputs else most)
        count = min(count, flow.windows * graph.images)
        tokens += count
        visits += -(-count * sum(map(len, flow.copies)) // len(flow.copies))
    return tokens, visits


def _stages(graph: StageGraph, c: Columns, ahead: bool) -> Sections:
    number, follow = len(c.server), np.argsort(c.after, kind="stable")
    keeps = _among(c.taker, number)[c.after]
    return {
        "SERVER": c.server, **_queues(graph, c), "GATE": c.gate, "BEFORE": np.bincount(c.later, minlength=number),
        "NEXT_AT": _begins(c.after, number), "NEXT": c.later[follow],
        "ROOM_AT": _begins(c.taker, number), "ROOM_POOL": c.pool, "ROOM_AMOUNT": c.amount,
        "KEEPS_AT": _begins(c.later[keeps], number), "KEEPS": c.after[keeps], "EXECUTED": number,
        "BUSY": number, "WAITED": number,
        "AHEAD": _alone(graph, c, keeps, ahead), "ASKED": number, "ASKED_WINDOW": number}


def _alone(graph: StageGraph, c: Columns, keeps: Marks, ahead: bool) -> Marks:
    """Whether each stage is granted as soon as the time of its request is known. That holds for pure delays, and for
    stages with a server of their own that cause nothing, directly or through later stages, at the very instant of their
    grant: such effects would have to keep the order of that instant's turns."""
    number, served = len(c.server), c.server >= 0
    held, delay = (np.array([np.min(value) for value in c.times])[places] for places in (c.occupancy, c.latency))
    free = ~served | (ahead & (_users(graph, c)[c.server] == 1) & ~_among(c.taker, number))
    ends = c.gate | _among(c.later[keeps], number)
    quiet = free & (~ends | (held > 0)) & ((delay > 0) | _among(c.after, number))
    at_once, found = delay[c.after] == 0, quiet.tolist()
    for before, stage in zip(c.after[at_once][::-1].tolist(), c.later[at_once][::-1].tolist(), strict=True):
        found[before] &= found[stage]  # later stages have larger numbers, so they are decided first
    alone: Marks = free & (~served | np.array(found, bool))
    return alone


def _users(graph: StageGraph, c: Columns) -> Ints:
    """Number of stages of each server, and of stages without a server."""
    return np.bincount(c.server % (len(graph.servers) + 1), minlength=len(graph.servers) + 1)


def _freely(graph: StageGraph, c: Columns) -> bool:
    """Whether no two stages share a server and none takes room."""
    return bool((_users(graph, c)[:-1] <= 1).all()) and not len(c.taker)


def _flows(graph: StageGraph) -> Sections:
    flows, edges = graph.flows, [edge for flow in graph.flows for edge in flow.inputs]
    producer = np.array([edge.producer for edge in edges], np.int64)
    marks, place = distinct([edge.need for edge in edges] + [edge.release for edge in edges])
    at, _ = _places(marks)
    totals = np.array([f.windows * graph.images for f in flows], np.int64)
    return {
        "FLOW_WINDOWS": [f.windows for f in flows], "FLOW_TOTAL": totals,
        "FLOW_COPY": starts(lengths([f.copies for f in flows])), "FLOW_AT": starts(totals),
        "IN_AT": starts(lengths([f.inputs for f in flows])),
        "OUT_AT": _begins(producer, len(flows)), "OUT": np.argsort(producer, kind="stable"),
        **{name: len(flows) for name in ("ISSUED", "DONE", "GATED")},
        "DIRTY": range(len(flows)), "IS_DIRTY": [1] * len(flows),
        "PRODUCER": producer, "CONSUMER": owners([f.inputs for f in flows]),
        "CAPACITY": [e.capacity for e in edges], "FREED": len(edges),
        "NEED": at[place[:len(edges)]], "RELEASE": at[place[len(edges):]], "MARKS": _joined(marks)}


def _pools(graph: StageGraph, c: Columns) -> Sections:
    pool, server = np.divmod(np.unique(c.pool * len(graph.servers) + c.server[c.taker]), max(len(graph.servers), 1))
    return {"TAKER_AT": _begins(pool, len(graph.pools)), "TAKER": server, "LACKS": len(server),
            "ROOM": [pool.capacity for pool in graph.pools],
            **{name: len(graph.pools) for name in ("TAKEN", "GIVEN", "PEAK")}}


def _queues(graph: StageGraph, c: Columns) -> Sections:
    """A queue for each list of pools from which a server's requests take; -1 where there is no server."""
    number = len(c.server)
    first, count = _begins(c.taker, number), np.bincount(c.taker, minlength=number)
    kind = c.server  # stages with the same server and pools so far, in the order of servers
    for turn in range(int(count.max())):
        pool = np.zeros(number, np.int64)
        pool[count > turn] = c.pool[first[:-1][count > turn] + turn] + 1
        kind = np.unique(kind * (len(graph.pools) + 1) + pool, return_inverse=True)[1]
    served = c.server >= 0
    _, one, queue = np.unique(kind[served], return_index=True, return_inverse=True)
    found = _none(number)
    found[served] = queue
    return {"QUEUE": found, "QUEUE_AT": _begins(c.server[served][one], len(graph.servers)),
            "HEAD": _none(len(one))}


def _places(values: Sequence[int | Ints]) -> tuple[Ints, Ints]:
    """(start, count) of the entries of each of these values in `_joined`."""
    sizes = np.array([np.size(value) for value in values], np.int64)
    return starts(sizes)[:-1], sizes


def _joined(values: Sequence[int | Ints]) -> Ints:
    return np.concatenate([_zeros(0), *(np.asarray(value, np.int64).reshape(-1) for value in values)])


def _begins(owner: Ints, number: int) -> Ints:
    """Where the entries of each of `number` owners begin, and the end of the last."""
    return starts(np.bincount(owner, minlength=number))


def _among(some: Ints, number: int) -> Marks:
    """Whether each number below `number` is in `some`."""
    found = np.zeros(number, bool)
    found[some] = True
    return found


def _zeros(size: int) -> Ints:
    return np.zeros(size, np.int64)


def _none(size: int) -> Ints:
    return np.full(size, -1, np.int64)


def _trace(graph: StageGraph, memory: Any) -> Trace:
    """The trace that the memory holds after the last event."""
    found = {name: _section(memory, name) for name in (
        "DONE_AT", "ISSUED_AT", "BUSY", "SERVED", "WAITED", "EXECUTED", "FREE")}
    bounds = list(pairwise(accumulate((f.windows * graph.images for f in graph.flows), initial=0)))
    counts = found["EXECUTED"].tolist()
    copies = iter([counts[a:b] for a, b in pairwise(graph.columns.first.tolist())])
    executed = [list(islice(copies, len(flow.copies))) for flow in graph.flows]
    makespan = max(int(memory[k.LAST]), int(found["FREE"].max(initial=0)))
    return Trace(
        done=[found["DONE_AT"][a:b].copy() for a, b in bounds],
        issued=[found["ISSUED_AT"][a:b].copy() for a, b in bounds],
        busy=graph.by_server(found["BUSY"]), served=found["SERVED"].copy(), waited=graph.by_server(found["WAITED"]),
        executed=executed, held=found["BUSY"].copy(), waits=found["WAITED"].copy(), makespan=makespan,
        **{name.lower(): _section(memory, name).tolist() for name in ("TAKEN", "GIVEN", "PEAK")})
