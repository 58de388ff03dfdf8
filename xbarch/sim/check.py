"""Checks a stage graph before it runs.

What cannot go wrong afterwards, and why. *Livelock*: a window passes each stage of its copy once, stages come only
after earlier ones, and a run has finitely many windows. So there are finitely many visits, and an engine makes at most
three events of each (turn, result, gate): a run ends even if every time in the graph is zero. *Deadlock* on one edge,
or of a stage that takes more than a pool holds, is refused here, exactly (`_room`, `_fits`). Deadlock over several
edges (branches that meet again) or pools (a ring of pools, each full of what waits for room in the next) depends on the
whole run; the engine finds it and says who waits for what.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import ConservationError, InputError
from xbarch.sim.columns import Ints, distinct, ints, owners
from xbarch.sim.graph import Edge, Flow, Stage, StageGraph

_LONGEST = 2**62  # ps


def check(graph: StageGraph) -> None:
    """Refuse a stage graph that breaks the rules of `xbarch.sim.graph`.

    Raises:
        ConservationError: a malformed graph, which is xbarch's own mistake.
        InputError: a buffer so small that a window could never be issued.
    """
    _rule(graph.images >= 1, f"images must be at least 1, not {graph.images}")
    _rule(bool(graph.flows), "it has no flow")
    countable(graph)
    before = graph.known.sound
    sound = _sound(graph) if before is None else before
    fits = sound & _roomy(graph)
    for number, flow in enumerate(graph.flows):
        name = f"flow {flow.name}"
        _rule(flow.windows >= 1, f"{name} must have at least 1 window, not {flow.windows}")
        _rule(flow.ahead >= 1, f"{name} must run at least 1 window ahead, not {flow.ahead}")
        _rule(len(flow.copies) >= 1, f"{name} has no copy")
        _deal(flow)
        for edge in flow.inputs:
            _rule(0 <= edge.producer < number, f"{name} must read a flow before {number}, not flow {edge.producer}")
            _rule(edge.capacity >= 1, f"{name} from {graph.flows[edge.producer].name}: the buffer must hold at least 1 "
                  f"window, not {edge.capacity}")
            if before is None:
                _edge(flow, edge, graph.flows[edge.producer])
            _room(flow, edge, graph.flows[edge.producer])
        if not fits[graph.columns.flow == number].all():
            _copies(graph, flow)
    graph.known.sound = sound


def countable(graph: StageGraph) -> None:
    """Refuse a run that could last longer than 64-bit times can count: no run takes longer than all its stages one
    after another."""
    c = graph.columns
    most = np.array([min(_most(value), _LONGEST) for value in c.times], float)
    longest = np.zeros(len(graph.flows))
    np.maximum.at(longest, c.flow, np.bincount(c.copy, most[c.occupancy] + most[c.latency], len(c.flow)))
    windows = np.array([flow.windows for flow in graph.flows], float)
    if graph.images * float(longest @ windows) < _LONGEST / 2:  # a margin that floating point can decide
        return
    worst = sum(graph.images * flow.windows * max(sum(_most(s.occupancy) + _most(s.latency) for s in stages)
                                                  for stages in flow.copies if stages)
                for flow in graph.flows if any(flow.copies))
    if worst >= _LONGEST:
        raise InputError(f"the run could last {worst / 1e12:,.0f} s, more than the {_LONGEST / 1e12:,.0f} s that can "
                         "be counted; check the times in the architecture")


def _most(value: int | NDArray[np.int64]) -> int:
    if not isinstance(value, np.ndarray):
        return value
    return int(value.max(initial=0)) if value.dtype.kind in "iu" else 0  # anything else is refused later


def _rule(holds: bool, message: str) -> None:
    if not holds:
        raise ConservationError(f"malformed stage graph: {message}")


def _sound(graph: StageGraph) -> NDArray[np.bool_]:
    """[copies]: whether nothing is wrong with a copy but that it may take more room than there is; `_copies` examines
    the others closely."""
    c = graph.columns
    windows = ints([max(flow.windows, 1) for flow in graph.flows])[c.flow][c.copy]
    wrong = (c.server < -1) | (c.server >= len(graph.servers))
    wrong[c.later[(c.after < c.first[c.copy[c.later]]) | (c.after >= c.later)]] = True
    wrong[_repeated(c.later, c.after)] = True
    for places in (c.occupancy, c.latency):
        wrong |= _odd(c.times, places, windows)
    actions = [stage.actions for flow in graph.flows for stages in flow.copies for stage in stages]
    doer = owners(actions)
    wrong[doer[_odd(*distinct([count for some in actions for _, count in some]), windows[doer])]] = True
    unknown = (c.pool < 0) | (c.pool >= len(graph.pools))
    wrong[c.taker[(c.server[c.taker] < 0) | (c.amount < 1) | unknown]] = True
    wrong[_repeated(c.taker, c.pool)] = True
    reads = np.array([bool(flow.inputs) for flow in graph.flows])[c.flow]
    stages, gates, faults = (np.bincount(column, minlength=len(c.flow)) for column in (
        c.copy, c.copy[c.gate], c.copy[wrong]))
    found: NDArray[np.bool_] = (stages > 0) & (~reads | (gates > 0)) & (faults == 0)
    return found


def _roomy(graph: StageGraph) -> NDArray[np.bool_]:
    """[copies]: whether every pool holds what a stage of the copy takes from it at once."""
    c, room = graph.columns, ints([pool.capacity for pool in graph.pools])
    there = (c.pool >= 0) & (c.pool < len(room))
    short = c.taker[there][c.amount[there] > room[c.pool[there]]]
    found: NDArray[np.bool_] = np.bincount(c.copy[short], minlength=len(c.flow)) == 0
    return found


def _odd(values: Sequence[int | NDArray[np.int64]], places: Ints, windows: Ints) -> NDArray[np.bool_]:
    """Whether a count or time, given by its index in `values`, is not valid for a flow with that many windows."""
    wrong = np.array([bool(_amount(value, 1)) for value in values], bool)
    sizes = np.array([value.size if isinstance(value, np.ndarray) else 0 for value in values], np.int64)
    found: NDArray[np.bool_] = wrong[places] | (sizes[places] % windows > 0)
    return found


def _repeated(owner: Ints, what: Ints) -> Ints:
    """Owners that have the same entry twice."""
    order = np.lexsort((what, owner))
    owner, what = owner[order], what[order]
    found: Ints = owner[1:][(owner[1:] == owner[:-1]) & (what[1:] == what[:-1])]
    return found


def _copies(graph: StageGraph, flow: Flow) -> None:
    """Say what is wrong with the copies of a flow."""
    for copy, stages in enumerate(flow.copies):
        name = f"flow {flow.name}"
        _rule(bool(stages), f"{name} copy {copy} has no stage")
        _rule(not flow.inputs or any(s.gate for s in stages),
              f"{name} copy {copy} has inputs but no gate stage to release them")
        for index, stage in enumerate(stages):
            if why := _stage(stage, index, flow.windows, len(graph.servers)) or _fits(stage, graph):
                _rule(False, f"{name} copy {copy} stage {stage.name}{why}")


def _stage(stage: Stage, index: int, windows: int, servers: int) -> str:
    """What is wrong with a stage; empty if nothing."""
    if not -1 <= stage.server < servers:
        return f" asks for server {stage.server} of {servers}"
    if stage.after:
        if min(stage.after) < 0 or max(stage.after) >= index:
            return f" at {index} must come after earlier stages, not {stage.after}"
        if len(stage.after) > 1 and len(set(stage.after)) < len(stage.after):
            return f" waits twice for one stage: {stage.after}"
    for name in ("occupancy", "latency"):
        if why := _amount(getattr(stage, name), windows):
            return f": {name} is {why}"
    for key, count in stage.actions:
        if why := _amount(count, windows):
            return f": action {key} is {why}"
    return ""


def _fits(stage: Stage, graph: StageGraph) -> str:
    """What is wrong with the room that a stage takes, which a full pool must be able to give; empty if nothing."""
    if not stage.room:
        return ""
    if stage.server < 0:
        return " takes room without a server, where it cannot wait"
    if len({pool for pool, _ in stage.room}) < len(stage.room):
        return f" takes twice from one pool: {stage.room}"
    for index, amount in stage.room:
        if not 0 <= index < len(graph.pools):
            return f" takes from pool {index} of {len(graph.pools)}"
        if amount < 1:
            return f" must take at least 1 from a pool, not {amount}"
        pool = graph.pools[index]
        if amount > pool.capacity:
            raise InputError(f"{stage.name} could never start: it needs {amount:,} at once in {pool.name}, which holds "
                             f"{pool.capacity:,}")
    return ""


def _amount(value: int | NDArray[np.int64], windows: int) -> str:
    """What is wrong with a count or time: one, or one per window of one or more images; never negative."""
    if not isinstance(value, np.ndarray):
        return f"{value}, must be at least 0" if value < 0 else ""
    if value.ndim != 1 or not len(value) or len(value) % windows or value.dtype.kind not in "iu":
        return (f"{value.dtype}{list(value.shape)}, must be one integer for each of {windows} windows of one or more "
                "images")
    return f"{int(value.min())}, must be at least 0" if value.min() < 0 else ""


def _deal(flow: Flow) -> None:
    """Every window is for one of the copies, and every copy has one."""
    deal, name = flow.deal, f"flow {flow.name}"
    if deal is None:
        return
    for label, numbers, size in (("entry", deal.entry, flow.windows), ("copy", deal.copy, len(flow.copies))):
        _rule(numbers.shape == (size,) and numbers.dtype.kind in "iu" and int(numbers.min()) >= 0,
              f"{name}: deal.{label} must be {size} integers of at least 0, not {numbers.dtype}{list(numbers.shape)}")
    _rule(np.array_equal(np.unique(deal.entry), np.arange(len(flow.copies))),
          f"{name}: each of its {len(flow.copies)} copies must take a window, and no other")


def _edge(flow: Flow, edge: Edge, producer: Flow) -> None:
    name = f"flow {flow.name} from {producer.name}"
    for label, marks in (("need", edge.need), ("release", edge.release)):
        _rule(marks.shape == (flow.windows,) and marks.dtype.kind in "iu",
              f"{name}: {label} must be one integer per window ({flow.windows}), not {marks.dtype}{list(marks.shape)}")
        _rule(bool((marks[1:] >= marks[:-1]).all()), f"{name}: {label} decreases")
        _rule(int(marks[0]) >= 0 and int(marks[-1]) <= producer.windows,
              f"{name}: {label} must lie in 0 to {producer.windows}, not {int(marks[0])} to {int(marks[-1])}")
    _rule(int(edge.release[-1]) == producer.windows,
          f"{name}: all {producer.windows} windows must be released in the end, not {int(edge.release[-1])}")


def _room(flow: Flow, edge: Edge, producer: Flow) -> None:
    """For window r, its first need[r] inputs must fit beside those that the window before it has not released; a
    smaller buffer would block for ever."""
    held = edge.need.astype(np.int64)
    held[1:] -= edge.release[:-1]
    worst = int(held.argmax())
    if held[worst] > edge.capacity:
        raise InputError(
            f"{flow.name} could never start: its window {worst} needs {int(held[worst])} windows of {producer.name} "
            f"at once and its buffer holds {edge.capacity}")
