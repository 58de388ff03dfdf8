"""Where the time of each layer's windows goes: what they hold, and what they wait for."""

from __future__ import annotations

import numpy as np

from xbarch.result.schema import LayerTime, Record
from xbarch.sim.graph import StageGraph, Trace


def layer_times(graph: StageGraph, trace: Trace) -> list[LayerTime]:
    """The time of each layer by kind of server, per image: of all stages of a layer at servers of that kind what a run
    counted, so that over all layers it is what servers were held and waited for."""
    layers = list(dict.fromkeys(flow.part_of or flow.name for flow in graph.flows))
    kinds = list(dict.fromkeys(server.kind for server in graph.servers))
    layer = np.array([layers.index(flow.part_of or flow.name) for flow in graph.flows], np.int64)
    kind = np.array([kinds.index(server.kind) for server in graph.servers], np.int64)
    c = graph.columns
    served = c.server >= 0
    place = layer[c.flow[c.copy]][served], kind[c.server[served]]
    held, waited = (np.zeros((len(layers), max(1, len(kinds))), np.int64) for _ in range(2))
    np.add.at(held, place, trace.held[served])
    np.add.at(waited, place, trace.waits[served])
    used = np.zeros(held.shape, bool)
    used[place] = True
    inputs = np.zeros(len(layers), np.int64)
    for number, flow in enumerate(graph.flows):
        inputs[layers.index(flow.part_of or flow.name)] += _input_wait(graph, trace, number)
    return [LayerTime(name=name, inputs_ps=int(inputs[number]), **{
        what: {kinds[at]: int(amounts[number, at]) // graph.images for at in np.flatnonzero(used[number]).tolist()}
        for what, amounts in (("held_ps", held), ("waited_ps", waited))}) for number, name in enumerate(layers)]


def _input_wait(graph: StageGraph, trace: Trace, number: int) -> int:
    """For how long per image the copies of a flow have fewer windows under way than they may, because inputs are
    missing: of each window, from when the one that its copy took `ahead` windows before is done until its inputs are
    there. The mean over the images whose times the trace has."""
    flow, done = graph.flows[number], trace.done[number]
    images = len(done) // flow.windows
    needed = np.zeros(len(done), np.int64)
    for edge in flow.inputs:
        ready = np.maximum.accumulate(trace.done[edge.producer])
        offset = np.arange(images)[:, None] * graph.flows[edge.producer].windows
        last = (offset + edge.need - 1).ravel()  # of the producer's windows that are needed; -1: none
        needed = np.maximum(needed, np.where(last < 0, 0, ready[np.maximum(last, 0)]))
    before = np.arange(len(done)) - np.resize(flow.back, len(done))
    free = np.where(before < 0, 0, done[np.maximum(before, 0)])
    return int(np.maximum(needed - free, 0).sum()) // max(images, 1)


CROSSBAR = "crossbar"  # the kind of server


def of_layer(record: Record, layer: str) -> LayerTime | None:
    """The time of a layer; None in records of before, and of runs that keep no such detail."""
    return next((found for found in record.layer_time if found.name == layer), None)


def time_shares(record: Record, layer: str) -> tuple[float, float, float]:
    """Of the time of a layer's windows at servers, in %: crossbars held, other units held, waiting; zeros where it is
    not known or there is none."""
    found = of_layer(record, layer)
    held, waited = (0, 0) if found is None else (sum(found.held_ps.values()), sum(found.waited_ps.values()))
    if found is None or not held + waited:
        return 0.0, 0.0, 0.0
    crossbar = found.held_ps.get(CROSSBAR, 0)
    whole = (held + waited) / 100
    return crossbar / whole, (held - crossbar) / whole, waited / whole


def longest_wait(record: Record, layer: str) -> str:
    """The kind of server for which a layer's windows wait longest; empty if they wait for none."""
    found = of_layer(record, layer)
    ranked = sorted(found.waited_ps.items(), key=lambda item: (-item[1], item[0])) if found else []
    return ranked[0][0] if ranked and ranked[0][1] else ""
