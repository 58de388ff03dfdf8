"""What a run cannot do without: bounds of the time between images and of the first image, and what its stages and
servers do in any case. Nothing is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from xbarch.sim.bounds import finishes, lower, survey
from xbarch.sim.graph import Flow, Stage, StageGraph, Trace

Ints = NDArray[np.int64]


def interval(graph: StageGraph, images: int | None = None) -> Fraction:
    """Least mean time (ps) between images: what the busiest server does for an image at least, since it serves one
    token at a time. images: of a batch, whose windows the graph has as those of one image; its interval is the run's
    time over its images.
    """
    return Fraction(max(work(graph), default=0)) if images is None else Fraction(lower(graph), images)


def first_image(graph: StageGraph) -> int:
    """Least time (ps) until the first image is complete: the longest path of dependences to a flow that no other
    reads, without any waiting at servers and buffers (`xbarch.sim.bounds.lower`)."""
    one = graph.of(1)
    read = {edge.producer for flow in one.flows for edge in flow.inputs}
    return max(end for number, end in enumerate(finishes(one, survey(one))) if number not in read)


def work(graph: StageGraph) -> list[int]:
    """For each server, the ps that it is held for any image at least. Where copies take windows in turns that do not
    end with an image, one copy's share of an image differs by a turn; the least share counts."""
    if graph.known.work is None:
        graph.known.work = survey(graph.of(1)).work if all(map(_repeats, graph.flows)) else _least(graph)
    return graph.known.work


def _repeats(flow: Flow) -> bool:
    """Whether every image asks the same of every stage of a flow."""
    return flow.windows % len(flow.turns) == 0 and all(
        isinstance(stage.occupancy, int) or flow.windows % len(stage.occupancy) == 0
        for copy in flow.copies for stage in copy)


def _least(graph: StageGraph) -> list[int]:
    found, processes = [0] * len(graph.servers), set(graph.processes)
    for flow in graph.flows:
        for server, held in _held(flow):
            if server >= 0 and server not in processes:
                found[server] += held
    return found


def _held(flow: Flow) -> Iterator[tuple[int, int]]:
    """For each stage, its server and the ps that it holds it for an image at least."""
    repeats, size = _repeats(flow), len(flow.copies)
    turns = flow.windows // len(flow.turns)  # whole ones in any image
    counts = flow.counts(1) if repeats else turns * np.bincount(flow.turns, minlength=size)
    for copy, (stages, count) in enumerate(zip(flow.copies, counts.tolist(), strict=True)):
        mine = flow.taken(copy, count) if repeats else None
        for stage in stages:
            yield stage.server, _occupied(stage, count, mine)


def _occupied(stage: Stage, count: int, mine: Ints | None) -> int:
    """ps that so many windows hold a stage's server, those of `mine` or any."""
    held = stage.occupancy
    if isinstance(held, int):
        return held * count
    return int(held.min()) * count if mine is None else int(held[mine % len(held)].astype(np.int64).sum())


def counts(graph: StageGraph) -> Trace:
    """A trace without times: what follows from the graph alone, as `xbarch.sim.bounds.conserve` asks of every run. No
    server may be a process."""
    load = survey(graph)
    taken = [flow.counts(graph.images).tolist() for flow in graph.flows]
    nothing = np.zeros(0, np.int64)
    return Trace(
        done=[], issued=[], busy=np.array(load.work, np.int64), served=np.array(load.visits, np.int64),
        waited=nothing, held=nothing, waits=nothing, makespan=0, taken=load.taken, given=load.taken,
        executed=[[[windows] * len(stages) for windows, stages in zip(each, flow.copies, strict=True)]
                  for each, flow in zip(taken, graph.flows, strict=True)])
