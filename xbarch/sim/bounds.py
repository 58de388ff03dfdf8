"""What every run must obey: bounds on its length, and laws of conservation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import ConservationError
from xbarch.sim.columns import Columns, starts
from xbarch.sim.graph import Edge, Flow, Stage, StageGraph, Trace

Times = NDArray[np.int64]


@dataclass
class Load:
    """What a graph asks for, counted without simulating.

    processes: servers that are processes. Their stages may take any time, so only `visits` and `taken` include them.
    work, visits: ps and tokens for every server. taken: from every pool. serial: ps of all visits one after another.
    Per flow, one value for all windows or int64 [images * windows], for a window that never waits: span, from issue
    until done; gate, until its gate stages are over; tail, the longest that a stage is held after its result is out.
    """

    processes: frozenset[int]
    work: list[int]
    visits: list[int]
    taken: list[int]
    serial: int
    span: list[int | Times]
    gate: list[int | Times]
    tail: list[int | Times]


def lower(graph: StageGraph) -> int:
    """Least makespan (ps): the busiest server's work, or the longest path of dependences without any waiting.

    A server serves one token at a time, so no run is shorter than its work. Removing every wait at servers and buffers
    makes no window later, so no run is shorter than what is left (`_path`).
    """
    return _lower(graph, survey(graph))


def upper(graph: StageGraph) -> int:
    """Greatest makespan (ps) of a run that does not get stuck: all visits of stages one after another.

    If at some instant no stage is held or about to deliver, no event is left and the run is over. So visits cover
    the run without a gap, and it is no longer than their sum. Visits to processes are left out, since only a run shows
    how long they take from their requests on (`Trace.visit_time`).
    """
    return survey(graph).serial


def survey(graph: StageGraph) -> Load:
    """What a graph asks for, counted once for its stages and images."""
    if graph.images not in graph.known.surveys:
        graph.known.surveys[graph.images] = _survey(graph)
    found: Load = graph.known.surveys[graph.images]
    return found


def _survey(graph: StageGraph) -> Load:
    """Copies whose times are the same for all windows together, the others one by one."""
    c = graph.columns
    number = np.arange(len(c.flow)) - np.searchsorted(c.flow, c.flow)  # of each copy in its flow
    windows = np.concatenate([flow.counts(graph.images) for flow in graph.flows])
    array = np.array([isinstance(value, np.ndarray) for value in c.times], bool)
    varying = np.bincount(c.copy[array[c.occupancy] | array[c.latency]], minlength=len(c.flow)) > 0
    load = _constant(graph, c, np.where(varying, 0, windows))
    for at in np.flatnonzero(varying & (windows > 0)).tolist():
        number_of, flow = int(c.flow[at]), graph.flows[int(c.flow[at])]
        mine = flow.taken(int(number[at]), int(windows[at]))
        found = _pass(flow.copies[number[at]], mine, load)
        for marks, times in zip((load.span, load.gate, load.tail), found, strict=True):
            known = marks[number_of]
            marks[number_of] = each = np.full(graph.images * flow.windows, known) if isinstance(known, int) else known
            each[mine] = times
    return load


def _constant(graph: StageGraph, c: Columns, windows: Times) -> Load:
    """What copies ask for whose times are plain numbers, so many windows each; where there are arrays, spans are no
    more than a place to write to."""
    number = np.array([0 if isinstance(value, np.ndarray) else value for value in c.times], np.int64)
    known = ~np.isin(c.server, graph.processes)
    held, delay, count = number[c.occupancy] * known, number[c.latency] * known, windows[c.copy]
    ready, holds = _ready(c, delay), c.gate | (c.server >= 0)
    keeps = np.zeros(len(count), bool)
    keeps[c.later[np.isin(c.after, c.taker)]] = True  # room is held until it is over
    visit = np.where(holds | keeps, np.maximum(held, delay), delay)
    servers = len(graph.servers) + 1  # the last is none
    return Load(frozenset(graph.processes),
                 _totals(c.server, held * count, servers)[:-1], _totals(c.server, count, servers)[:-1],
                 _totals(c.pool, c.amount * count[c.taker], len(graph.pools)), int((visit * count).sum()),
                 _dealt(graph, c, ready + delay), _dealt(graph, c, np.where(c.gate, ready + held, 0)),
                 _dealt(graph, c, np.where(holds, visit - delay, 0)))


def _ready(c: Columns, delay: Times) -> Times:
    """When all stages before each stage have delivered. Computed stage by stage, since a path may be as long as its
    copy."""
    ready, delays = [0] * len(delay), delay.tolist()
    for before, stage in zip(c.after.tolist(), c.later.tolist(), strict=True):
        out = ready[before] + delays[before]
        if out > ready[stage]:
            ready[stage] = out
    return np.array(ready, np.int64)


def _totals(index: Times, amounts: Times, size: int) -> list[int]:
    """Sum of the amounts for each index."""
    found = np.zeros(size, np.int64)
    np.add.at(found, index, amounts)
    totals: list[int] = found.tolist()
    return totals


def _dealt(graph: StageGraph, c: Columns, times: Times) -> list[int | Times]:
    """For every flow, the greatest time in the copy that takes each window; one number where all copies agree."""
    most, found = np.maximum.reduceat(times, c.first[:-1]), list[int | Times]()
    for at, flow in enumerate(graph.flows):
        copies = most[c.flow == at]
        alike = bool((copies == copies[0]).all())
        found.append(int(copies[0]) if alike else np.resize(copies[flow.turns], graph.images * flow.windows))
    return found


def _pass(stages: tuple[Stage, ...], windows: Times, load: Load) -> tuple[int | Times, int | Times, int | Times]:
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
    return value[windows % len(value)].astype(np.int64, copy=False) if isinstance(value, np.ndarray) else value


def _later(a: int | Times, b: int | Times) -> int | Times:
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    return np.maximum(a, b)


def _sum(value: int | Times, count: int) -> int:
    return int(value.sum()) if isinstance(value, np.ndarray) else value * count


def _lower(graph: StageGraph, load: Load) -> int:
    return max([_path(graph, load), *load.work])


def _path(graph: StageGraph, load: Load) -> int:
    """End of the run if servers and buffers never made a token wait (ps)."""
    return max((max(end, left) for end, left in _ends(graph, load)), default=0)


def finishes(graph: StageGraph, load: Load) -> list[int]:
    """For each flow, when its last window is done if servers and buffers never make a token wait (ps). load: what
    `survey` found."""
    return [end for end, _ in _ends(graph, load)]


def _ends(graph: StageGraph, load: Load) -> list[tuple[int, int]]:
    """`_found_ends`, once for its stages, needs and images."""
    if graph.images not in graph.known.ends:
        graph.known.ends[graph.images] = _found_ends(graph, load)
    return graph.known.ends[graph.images]


def _found_ends(graph: StageGraph, load: Load) -> list[tuple[int, int]]:
    """For each flow, when its windows are all done and when all have left their gates if nothing makes them wait: a
    recurrence over the flows in order, which is the same whatever buffers hold."""
    ready, ends = list[Times](), list[tuple[int, int]]()
    for flow, span, gate in zip(graph.flows, load.span, load.gate, strict=True):
        issue = np.zeros(graph.images * flow.windows, np.int64)
        for edge in flow.inputs:
            issue = np.maximum(issue, _needed(ready[edge.producer], graph, edge))
        issue = _rising(_gated(issue, gate, flow))
        ready.append(_rising(issue + span))
        ends.append((int(ready[-1][-1]), _latest(issue, gate)))
    return ends


def _rising(times: Times) -> Times:
    """Running maximum of the times; the times themselves where they are in order."""
    return times if (times[1:] >= times[:-1]).all() else np.maximum.accumulate(times)


def _latest(times: Times, more: int | Times) -> int:
    return int(times.max()) + more if isinstance(more, int) else int((times + more).max())


def _needed(ready: Times, graph: StageGraph, edge: Edge) -> Times:
    """When the producer's windows that each window needs are done. ready: when each producer window and all before it
    are done."""
    images = ready.reshape(graph.images, -1)
    needed: Times = images[:, np.maximum(edge.need, 1) - 1]
    none = np.searchsorted(edge.need, 1)  # windows that need nothing of their own image, only all earlier images
    needed[0, :none], needed[1:, :none] = 0, images[:-1, -1:]
    return needed.ravel()


def _gated(issue: Times, gate: int | Times, flow: Flow) -> Times:
    """Issue times by x[j] = max(issue[j], x[i] + gate[i]), with i the window that must have left its gates, for all
    chains of such windows at once.

    With G the gates before a window in its chain, x - G is a running maximum of issue - G.
    """
    late, before = _behind(flow, len(issue))
    if (issue[late] >= (issue + gate)[before]).all():
        return issue
    place = _chains(flow, len(issue))
    x, g = np.zeros((2, *(int(each.max()) + 1 for each in place)), np.int64)
    x[place], g[place] = issue, gate
    gates = np.zeros_like(g)
    np.cumsum(g[:-1], axis=0, out=gates[1:])
    found: Times = (gates + np.maximum.accumulate(x - gates, axis=0))[place]
    return found


def _behind(flow: Flow, total: int) -> tuple[Times | slice, Times | slice]:
    """The windows that wait for one to leave its gates, and those that they wait for."""
    if len(flow.back) == 1:
        return slice(int(flow.back[0]), None), slice(0, max(total - int(flow.back[0]), 0))
    before = np.arange(total) - np.resize(flow.back, total)
    late = np.flatnonzero(before >= 0)
    return late, before[late]


def _chains(flow: Flow, total: int) -> tuple[Times, Times]:
    """(place, chain) of every window: each waits for the one at the place before in its chain."""
    if flow.deal is None:
        return np.divmod(np.arange(total), int(flow.back[0]))
    takers = np.resize(flow.deal.copy[flow.deal.entry], total)
    order, counts = np.argsort(takers, kind="stable"), np.bincount(takers)
    number = np.zeros(total, np.int64)  # of a window among those of its copy
    number[order] = np.arange(total) - np.repeat(starts(counts)[:-1], counts)
    place, rest = np.divmod(number, flow.ahead)
    return place, takers * flow.ahead + rest


# -- conservation ---------------------------------------------------------------------------------------------------

def conserve(graph: StageGraph, trace: Trace) -> tuple[int, int]:
    """Check a finished run against the laws of `xbarch.sim.graph`; returns its bounds, (`lower`, `upper`).

    Every stage ran exactly the windows of its copy. Every server granted those and was held for the sum of their
    occupancies. Every pool gave what those stages take, never more at once than it holds, and got it back. Windows were
    issued in order, after their inputs, into buffers with room, and after the windows ahead of them left their gates.
    None was done sooner than its stages take. The run ended with its last token, within its bounds.

    Raises:
        ConservationError: says which law broke, where, and with what numbers.
    """
    load = survey(graph)
    _counts(graph, trace, load)
    read = {edge.producer for flow in graph.flows for edge in flow.inputs}
    ready = {number: _rising(done) for number, done in enumerate(trace.done) if number in read}
    for number, flow in enumerate(graph.flows):
        left = _stream(graph, trace, load, number, flow)
        for edge in flow.inputs:
            _stream_edge(graph, trace, ready[edge.producer], left, number, edge)
    return _makespan(graph, trace, load)


def _law(holds: bool, message: str) -> None:
    if not holds:
        raise ConservationError(f"a run broke a law of conservation: {message}")


def _each(flow: Flow, law: str, found: Times, least: Times, start: int = 0) -> None:
    """Require found >= least for the windows of a flow from `start` on; the first window that breaks it is named."""
    holds = found[start:] >= least
    if not holds.all():
        at = int(holds.argmin())
        _law(False, f"{law}: flow {flow.name} window {start + at} at {int(found[start + at])}, "
             f"must be at least {int(least[at])}")


def _counts(graph: StageGraph, trace: Trace, load: Load) -> None:
    for number, flow in enumerate(graph.flows):
        total, taken = graph.images * flow.windows, flow.counts(graph.images).tolist()
        for label, marks in (("issued", trace.issued[number]), ("done", trace.done[number])):
            _law(marks.shape == (total,), f"{label}: flow {flow.name} must have ({total},) windows, not {marks.shape}")
        for copy, counts in enumerate(trace.executed[number]):
            if counts != [taken[copy]] * len(flow.copies[copy]):
                _stages(flow, copy, counts, taken[copy])
    work = [int(trace.busy[server]) if server in load.processes else held for server, held in enumerate(load.work)]
    for label, found, right in (("served", trace.served, load.visits), ("busy", trace.busy, work)):
        wrong = np.flatnonzero(found != np.array(right, np.int64))
        if len(wrong):
            at = int(wrong[0])
            _law(False, f"{label}: server {graph.servers[at].name} must have {right[at]}, not {int(found[at])}")
    for label, amounts in (("taken", trace.taken), ("given back", trace.given)):
        _law(amounts == load.taken, f"{label}: pools {[p.name for p in graph.pools]} must have "
             f"{load.taken}, not {amounts}")
    for pool, peak in zip(graph.pools, trace.peak, strict=True):
        _law(peak <= pool.capacity, f"room: {peak} taken at once from pool {pool.name}, which holds {pool.capacity}")


def _stages(flow: Flow, copy: int, counts: list[int], windows: int) -> None:
    """Say which stage of a copy ran too often or too seldom."""
    for stage, count in zip(flow.copies[copy], counts, strict=True):
        _law(count == windows, f"executed: flow {flow.name} copy {copy} stage {stage.name} must run {windows} windows, "
             f"not {count}")


def _stream(graph: StageGraph, trace: Trace, load: Load, number: int, flow: Flow) -> Times:
    """Windows issued in order and behind those ahead of them, and done no sooner than can be; when each, and all before
    it, can have left its gates."""
    issued, done = trace.issued[number], trace.done[number]
    _law(int(issued[0]) >= 0, f"issued: flow {flow.name} must start at 0 or later, not {int(issued[0])}")
    _each(flow, "issued in order", issued, issued[:-1], 1)
    _each(flow, "done no sooner than its stages take", done, issued + load.span[number])
    left = issued + load.gate[number]
    late, before = _behind(flow, len(issued))
    least = np.zeros_like(issued)
    least[late] = left[before]
    _each(flow, f"issued after the window that its copy took {flow.ahead} before it left its gates", issued, least)
    return _rising(left)


def _stream_edge(graph: StageGraph, trace: Trace, ready: Times, left: Times, number: int, edge: Edge) -> None:
    """Check that windows were issued after their inputs were done, and inputs only into a free slot of the buffer.
    ready: when each producer window and all before it were done. left: as `_stream` returns it."""
    flow, producer = graph.flows[number], graph.flows[edge.producer]
    issued, inputs = trace.issued[number], trace.issued[edge.producer]
    needed = _needed(ready, graph, edge)
    _each(flow, f"issued after the windows of {producer.name} that it needs", issued, needed)
    # Window j of the producer waits for the first window here that has released j - capacity + 1 of them.
    freeing = np.cumsum(np.bincount(edge.release))[:-1]
    room = left.reshape(graph.images, -1)[:, freeing].ravel()[:max(len(inputs) - edge.capacity, 0)]
    _each(producer, f"issued into a free slot of the buffer of {flow.name}", inputs, room, edge.capacity)


def _makespan(graph: StageGraph, trace: Trace, load: Load) -> tuple[int, int]:
    last = max(int(done.max()) for done in trace.done)
    visits = sum(load.visits[server] for server in load.processes)
    _law(0 <= trace.visit_time <= visits * trace.makespan, f"visit_time: {visits} visits to processes took "
         f"{trace.visit_time} ps of a run of {trace.makespan} ps")
    least, most = _lower(graph, load), load.serial + trace.visit_time
    held = max(trace.parted, *map(_latest, trace.done, load.tail))
    _law(last <= trace.makespan <= held,
         f"makespan: must be {last} (last token done) to {held} (last server free), not {trace.makespan}")
    for at in np.flatnonzero(trace.busy > trace.makespan).tolist():
        _law(False, f"busy: server {graph.servers[at].name} was held {trace.busy[at]} of {trace.makespan} ps")
    _law(least <= trace.makespan <= most, f"bounds: makespan must be {least} to {most}, not {trace.makespan}")
    return least, most
