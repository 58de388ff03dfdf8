"""Times of stages: nothing that a window does between its issue and its end is lost."""

from dataclasses import replace

import numpy as np
import pytest
from simoracles import graphs, shared

from xbarch.errors import StuckError
from xbarch.sim import engine, fast


def chained(graph):
    """The graph with the stages of each copy one behind the other, so that a window is at one stage at a time."""
    return replace(graph, flows=tuple(replace(flow, copies=tuple(
        tuple(replace(stage, after=(place - 1,) if place else ()) for place, stage in enumerate(stages))
        for stages in flow.copies)) for flow in graph.flows))


def results_after(graph):
    """Of each stage, the ps from grant to result summed over its windows; and the windows of each flow."""
    found = []
    for flow in graph.flows:
        for entry, (stages, count) in enumerate(zip(flow.copies, flow.counts(graph.images).tolist(), strict=True)):
            windows = flow.taken(entry, count)
            found += [int(np.resize(stage.latency, windows.max(initial=0) + 1)[windows].sum()) for stage in stages]
    return found


@pytest.mark.parametrize("most", [0, 3], ids=["servers", "pools"])
@pytest.mark.parametrize("run", [engine.run, fast.run], ids=["simpy", "fast"])
def test_a_window_waits_or_is_served(run, most):
    """From issue to end of all windows of a layer: its waits at servers and the times of its stages, to the ps."""
    whole = 0
    for graph in map(chained, graphs(shared, 150, 70_000, deals=True, most=most)):
        try:
            trace = run(graph)
        except StuckError:
            continue
        of_stage = trace.waits + np.array(results_after(graph), np.int64)
        for number, (issued, done) in enumerate(zip(trace.issued, trace.done, strict=True)):
            mine = graph.columns.flow[graph.columns.copy] == number
            assert int((done - issued).sum()) == int(of_stage[mine].sum())
        whole += 1
        assert graph.by_server(trace.waits).tolist() == trace.waited.tolist()
        assert graph.by_server(trace.held).tolist() == trace.busy.tolist()
    assert whole > 80
