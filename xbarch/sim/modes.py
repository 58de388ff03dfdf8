"""Execution modes, as changes of the stage graph: what may run while something else runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from xbarch.sim.graph import Edge, Flow, Stage, StageGraph, Trace
from xbarch.sim.steady import Kind, Steady, steady

Ints = NDArray[np.int64]

MODES: Mapping[str, str] = {
    "pipelined": "a window starts as soon as the windows it needs are there; layers and images overlap",
    "layer_by_layer": "one layer at a time: it starts an image when the layer before has finished it, the next image "
                      "comes in when the last layer has; the weights of all layers stay where they are",
    "batch": "one layer at a time: it starts when the layer before has finished all images of the run",
}
END = "image"  # the flow that closes an image, not a layer


def apply_mode(graph: StageGraph, mode: str) -> StageGraph:
    """The graph as it runs in `mode`; where there is a barrier, buffers hold whole feature maps.

    In mode batch, all images are one image with the windows of all of them.
    """
    if mode == "layer_by_layer":
        return _serial(replace(graph, flows=_barriers(graph)))
    if mode == "batch":
        return replace(graph, images=1, flows=_barriers(_joined(graph)))
    return graph


def interval_of(graph: StageGraph, shown: StageGraph, trace: Trace, mode: str) -> Steady:
    """The interval between images. shown: the graph before `apply_mode`. For a batch it is the mean, the run's time
    over its images."""
    if mode != "batch":
        return steady(graph, trace)
    done = np.concatenate([d.reshape(shown.images, -1) for d in trace.done], axis=1).max(axis=1)
    kind: Kind = "mean" if shown.images > 1 else "single"
    return Steady(Fraction(max(trace.makespan, 1), shown.images), kind, int(done[0]))


def _barriers(graph: StageGraph) -> tuple[Flow, ...]:
    """Every window needs all windows of each producer and of the previous flow."""
    flows = []
    for number, flow in enumerate(graph.flows):
        edges = [replace(edge, need=np.full_like(edge.need, graph.flows[edge.producer].windows),
                         capacity=max(edge.capacity, graph.flows[edge.producer].windows)) for edge in flow.inputs]
        if number and number - 1 not in {edge.producer for edge in edges}:
            edges.append(_after(graph.flows[number - 1], number - 1, flow.windows))
        flows.append(replace(flow, inputs=tuple(edges)))
    return tuple(flows)


def _after(flow: Flow, number: int, windows: int) -> Edge:
    """An edge that orders without carrying data: each window of the consumer waits for all windows of a flow."""
    need: Ints = np.full(windows, flow.windows, np.int64)
    return Edge(number, need, need, flow.windows)


def _serial(graph: StageGraph) -> StageGraph:
    """One image at a time: an extra flow with one window per image waits for the last flow, and only then gives back
    the room into which the next image comes."""
    last = len(graph.flows) - 1
    inputs = tuple(_after(graph.flows[number], number, 1) for number in sorted({last, *(
        n for n, flow in enumerate(graph.flows) if not flow.inputs)}))
    end = Flow(END, 1, ((Stage(f"{END}/end", -1, 0, 0, gate=True),),), inputs, 1)
    return replace(graph, flows=(*graph.flows, end))


def _joined(graph: StageGraph) -> StageGraph:
    """All images as one."""
    return replace(graph, flows=tuple(_repeated(flow, graph) for flow in graph.flows))


def _repeated(flow: Flow, graph: StageGraph) -> Flow:
    images = graph.images

    def tiled(value: int | Ints) -> int | Ints:  # one per window of one or more images, repeated for all images
        return np.resize(value, images * flow.windows) if isinstance(value, np.ndarray) else value

    def after(edge: Edge) -> Edge:
        windows = graph.flows[edge.producer].windows
        shift: Ints = np.arange(images, dtype=np.int64)[:, None] * windows
        return replace(edge, need=(shift + edge.need).ravel(), release=(shift + edge.release).ravel())

    deal = None if flow.deal is None else replace(flow.deal, entry=np.tile(flow.deal.entry, images))
    copies = tuple(tuple(replace(s, occupancy=tiled(s.occupancy), latency=tiled(s.latency),
                                 actions=tuple((name, tiled(count)) for name, count in s.actions))
                         for s in stages) for stages in flow.copies)
    return replace(flow, windows=images * flow.windows, copies=copies, inputs=tuple(map(after, flow.inputs)), deal=deal)
