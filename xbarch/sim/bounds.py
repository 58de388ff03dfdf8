"""What every run must obey: bounds on its length, and laws of conservation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import ConservationError
from xbarch.sim.graph import Edge, Flow, Stage, StageGraph, Trace

Times = NDArray[np.int64]


@dataclass
class _Load:
    """What a graph asks for, counted without simulating.

    processes: servers that are processes, whose stages may take any time: nothing here is of them but visits, taken.
    work, visits: ps and tokens for every server. taken: from every pool. serial: ps of all visits one after the other.
    Per flow, int64 [images * windows], for a window that waits for nobody: span, from issue until done; gate, until
    its gate stages are over; tail, the longest a stage is still held after its result is out.
    """

    processes: frozenset[int]
    work: list[int]
    visits: list[int]
    taken: list[int]
    serial: int
    span: list[Times]
    gate: list[Times]
    tail: list[Times]


def lower(graph: StageGraph) -> int:
    """Least makespan (ps): the busiest server's work, or the longest path of dependences if nobody ever waits.

    A server serves one token at a time, so no run is shorter than its work; removing every wait at servers and
    buffers makes no window later, so no run is shorter than what is left (`_path`).
    """
    return _lower(graph, _survey(graph))


def upper(graph: StageGraph) -> int:
    """Greatest makespan (ps) of a run that does not get stuck: all visits of stages one after the other.

    If at some instant no stage is held or about to deliver, no event is left and the run is over. So visits cover
    the run without a gap, and it is no longer than their sum. Visits to processes are left out: how long they take,
    from their requests on, only a run shows (`Trace.attended`).
    """
    return _survey(graph).serial


def _survey(graph: StageGraph) -> _Load:
    servers = len(graph.servers)
    load = _Load(frozenset(graph.processes), [0] * servers, [0] * servers, [0] * len(graph.pools), 0, [], [], [])
    for flow in graph.flows:
        total = graph.images * flow.windows
        for marks in (load.span, load.gate, load.tail):
            marks.append(np.zeros(total, np.int64))
        for number, stages in enumerate(flow.copies):
            windows = np.arange(number, total, len(flow.copies))
            if len(windows):
                mine = slice(number, None, len(flow.copies))
                load.span[-1][mine], load.gate[-1][mine], load.tail[-1][mine] = _pass(stages, windows, load)
    return load


def _pass(stages: tuple[Stage, ...], windows: Times, load: _Load) -> tuple[int | Times, int | Times, int | Times]:
    """(span, gate, tail) of the given windows of the run in one copy; counts the copy's work on the way."""
    out: list[int | Times] = []
    gate: int | Times = 0
    tail: int | Times = 0
    keeping = {before for before, stage in enumerate(stages) if stage.room}
    for stage in stages:
        held, delay = (0, 0) if stage.server in load.processes else (
            _at(stage.occupancy, windows), _at(stage.latency, windows))
        ready: int | Times = 0
        for before in stage.after:
            ready = _later(ready, out[before])
        out.append(ready + delay)
        if stage.gate:
            gate = _later(gate, ready + held)
        visit = delay
        if stage.gate or stage.server >= 0:
            visit = _later(held, delay)
            tail = _later(tail, visit - delay)
        elif not keeping.isdisjoint(stage.after):  # room is held until it is over
            visit = _later(held, delay)
        load.serial += _sum(visit, len(windows))
        for pool, amount in stage.room:
            load.taken[pool] += amount * len(windows)
        if stage.server >= 0:
            load.work[stage.server] += _sum(held, len(windows))
            load.visits[stage.server] += len(windows)
    span = out[0]
    for end in out[1:]:
        span = _later(span, end)
    return span, gate, tail


def _at(value: int | Times, windows: Times) -> int | Times:
    return value[windows % len(value)] if isinstance(value, np.ndarray) else value


def _later(a: int | Times, b: int | Times) -> int | Times:
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    return np.maximum(a, b)


def _sum(value: int | Times, count: int) -> int:
    return int(value.sum()) if isinstance(value, np.ndarray) else value * count


def _lower(graph: StageGraph, load: _Load) -> int:
    return max([_path(graph, load), *load.work])


def _path(graph: StageGraph, load: _Load) -> int:
    """End of the run if servers and buffers never made a token wait (ps): a recurrence over the flows in order."""
    end, ready = 0, list[Times]()
    for flow, span, gate in zip(graph.flows, load.span, load.gate, strict=True):
        issue = np.zeros(len(span), np.int64)
        for edge in flow.inputs:
            issue = np.maximum(issue, _needed(ready[edge.producer], graph, edge))
        issue = np.maximum.accumulate(_gated(issue, gate, flow.ahead * len(flow.copies)))
        done = issue + span
        ready.append(_prefix(done))
        end = max(end, int(done.max()), int((issue + gate).max()))
    return end


def _prefix(done: Times) -> Times:
    """[n + 1]: when the first k windows, counted in order, are all done."""
    return np.concatenate(([0], np.maximum.accumulate(done)))


def _across(graph: StageGraph, marks: Times, windows: int) -> Times:
    """Counts of a producer's windows within an image as counts within the run, [images * consumer's windows]."""
    images: Times = np.arange(graph.images, dtype=np.int64)[:, None] * windows
    return (images + marks).ravel()


def _needed(ready: Times, graph: StageGraph, edge: Edge) -> Times:
    """When the producer's windows that each window needs are done."""
    return ready[_across(graph, edge.need, graph.flows[edge.producer].windows)]


def _gated(issue: Times, gate: Times, ahead: int) -> Times:
    """Issue times after x[j] = max(issue[j], x[j - ahead] + gate[j - ahead]), all residues of `ahead` at once.

    With G the gates before a window in its residue class, x - G is a running maximum of issue - G.
    """
    if ahead >= len(issue):
        return issue
    rows = -(-len(issue) // ahead)
    x, g = np.zeros(rows * ahead, np.int64), np.zeros(rows * ahead, np.int64)
    x[:len(issue)], g[:len(gate)] = issue, gate
    before = np.zeros((rows, ahead), np.int64)
    np.cumsum(g.reshape(rows, ahead)[:-1], axis=0, out=before[1:])
    return (before + np.maximum.accumulate(x.reshape(rows, ahead) - before, axis=0)).ravel()[:len(issue)]


# -- conservation ---------------------------------------------------------------------------------------------------

def conserve(graph: StageGraph, trace: Trace) -> tuple[int, int]:
    """Check a finished run against the laws of `xbarch.sim.graph`; its bounds, (`lower`, `upper`).

    Every stage ran exactly the windows of its copy; every server granted those and was held for the sum of their
    occupancies; every pool gave what those stages take, never more at once than it holds, and got it back; windows were
    issued in order, after their inputs, into buffers with room and behind the windows
    ahead of them; none was done sooner than its stages take; the run ended with its last token, within its bounds.

    Raises:
        ConservationError: says which law broke, where, and with what numbers.
    """
    load = _survey(graph)
    _counts(graph, trace, load)
    read = {edge.producer for flow in graph.flows for edge in flow.inputs}
    ready = {number: _prefix(done) for number, done in enumerate(trace.done) if number in read}
    for number, flow in enumerate(graph.flows):
        _stream(graph, trace, load, number, flow)
        left = np.maximum.accumulate(trace.issued[number] + load.gate[number])
        for edge in flow.inputs:
            _stream_edge(graph, trace, ready[edge.producer], left, number, edge)
    return _makespan(graph, trace, load)


def _law(holds: bool, message: str) -> None:
    if not holds:
        raise ConservationError(f"a run broke a law of conservation: {message}")


def _each(flow: Flow, law: str, found: Times, allowed: Times, start: int = 0) -> None:
    """found >= allowed for the windows of a flow from `start` on; the first that breaks it is named."""
    holds = found[start:] >= allowed
    if not holds.all():
        at = int(holds.argmin())
        _law(False, f"{law}: flow {flow.name} window {start + at}, found {int(found[start + at])}, "
             f"allowed {int(allowed[at])} or more")


def _counts(graph: StageGraph, trace: Trace, load: _Load) -> None:
    for number, flow in enumerate(graph.flows):
        total, copies = graph.images * flow.windows, len(flow.copies)
        for label, marks in (("issued", trace.issued[number]), ("done", trace.done[number])):
            _law(marks.shape == (total,), f"{label}: flow {flow.name} has {marks.shape} windows, allowed ({total},)")
        for copy, counts in enumerate(trace.executed[number]):
            mine = len(range(copy, total, copies))
            for stage, count in zip(flow.copies[copy], counts, strict=True):
                _law(count == mine, f"executed: flow {flow.name} copy {copy} stage {stage.name} ran {count} windows, "
                     f"allowed {mine}")
    work = [int(trace.busy[server]) if server in load.processes else held for server, held in enumerate(load.work)]
    for label, found, allowed in (("served", trace.served, load.visits), ("busy", trace.busy, work)):
        wrong = np.flatnonzero(found != np.array(allowed, np.int64))
        if len(wrong):
            at = int(wrong[0])
            _law(False, f"{label}: server {graph.servers[at].name} found {int(found[at])}, allowed {allowed[at]}")
    for label, amounts in (("taken", trace.taken), ("given back", trace.given)):
        _law(amounts == load.taken, f"{label}: pools {[p.name for p in graph.pools]} found {amounts}, allowed "
             f"{load.taken}")
    for pool, peak in zip(graph.pools, trace.peak, strict=True):
        _law(peak <= pool.capacity, f"room: pool {pool.name} found {peak} taken at once, allowed {pool.capacity}")


def _stream(graph: StageGraph, trace: Trace, load: _Load, number: int, flow: Flow) -> None:
    issued, done = trace.issued[number], trace.done[number]
    _law(int(issued[0]) >= 0, f"issued: flow {flow.name} starts at {int(issued[0])}, allowed 0 or more")
    _each(flow, "issued in order", issued, issued[:-1], 1)
    _each(flow, "done no sooner than its stages take", done, issued + load.span[number])
    ahead = flow.ahead * len(flow.copies)
    _each(flow, f"issued after the window {ahead} before it left its gates", issued,
          (issued + load.gate[number])[:-ahead], ahead)


def _stream_edge(graph: StageGraph, trace: Trace, ready: Times, left: Times, number: int, edge: Edge) -> None:
    """Windows issued after their inputs are done, and inputs issued only into a free slot of the buffer. ready: when
    the producer's first windows are done; left: when the windows here, and those before them, have left their gates."""
    flow, producer = graph.flows[number], graph.flows[edge.producer]
    issued, inputs = trace.issued[number], trace.issued[edge.producer]
    needed = _needed(ready, graph, edge)
    _each(flow, f"issued after the windows of {producer.name} that it needs", issued, needed)
    # Window j of the producer waits for the first window here that has released j - capacity + 1 of them.
    freeing = _across(graph, np.searchsorted(edge.release, np.arange(1, producer.windows + 1)), flow.windows)
    room = left[freeing[:max(len(inputs) - edge.capacity, 0)]]
    _each(producer, f"issued into a free slot of the buffer of {flow.name}", inputs, room, edge.capacity)


def _makespan(graph: StageGraph, trace: Trace, load: _Load) -> tuple[int, int]:
    last = max(int(done.max()) for done in trace.done)
    least, most = _lower(graph, load), load.serial + trace.attended
    held = most if load.processes else max(
        int((done + tail).max()) for done, tail in zip(trace.done, load.tail, strict=True))
    _law(last <= trace.makespan <= held,
         f"makespan: found {trace.makespan}, allowed {last} (last token done) to {held} (last server free)")
    for server, busy in zip(graph.servers, trace.busy.tolist(), strict=True):
        _law(busy <= trace.makespan, f"busy: server {server.name} was held {busy} of {trace.makespan} ps")
    _law(least <= trace.makespan <= most, f"bounds: makespan {trace.makespan}, allowed {least} to {most}")
    return least, most
