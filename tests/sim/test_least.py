"""What runs cannot do without: no simulation is faster, and what is counted without one is what one counts."""

from dataclasses import replace

import numpy as np
import pytest
from simoracles import alone, graphs, shared

from xbarch.errors import StuckError
from xbarch.sim import fast, least
from xbarch.sim.graph import Edge, Flow, Server, Stage, StageGraph
from xbarch.sim.modes import apply_mode, interval_of
from xbarch.sim.steady import steady


def finished(make, count, start):
    """Random graphs of several images that do not get stuck, with their traces."""
    for number, graph in enumerate(graphs(make, count, start=start, deals=True)):
        several = replace(graph, images=2 + number % 11)
        try:
            yield several, fast.run(several)
        except StuckError:
            continue


@pytest.mark.parametrize("make", [alone, shared])
def test_no_run_is_faster(make):
    kinds = set()
    for graph, trace in finished(make, 400, 80_000):
        found = steady(graph, trace)
        kinds.add(found.kind)
        assert found.interval_ps >= least.interval(graph)
        assert found.first_image_ps >= least.first_image(graph)
    assert {"exact", "mean", "bound"} <= kinds


@pytest.mark.parametrize("mode", ["layer_by_layer", "batch"])
def test_no_run_with_barriers_is_faster(mode):
    for plain in graphs(alone, 200, start=90_000):
        shown = replace(plain, images=3)
        graph = apply_mode(shown, mode)
        try:
            trace = fast.run(graph)
        except StuckError:
            continue
        found = interval_of(graph, shown, trace, mode)
        assert found.interval_ps >= least.interval(graph, 3 if mode == "batch" else None)


@pytest.mark.parametrize("make", [alone, shared])
def test_counts_are_those_of_the_run(make):
    for graph, trace in finished(make, 200, 70_000):
        found = least.counts(graph)
        assert found.busy.tolist() == trace.busy.tolist() and found.served.tolist() == trace.served.tolist()
        assert (found.executed, found.taken) == (trace.executed, trace.taken)


@pytest.mark.parametrize("make", [alone, shared])
def test_the_least_work_of_any_image_counted_out(make):
    """Image by image, window by window: where every image asks the same, exactly that; else no image asks less."""
    alike = uneven = 0
    for graph in graphs(make, 300, start=60_000, deals=True):
        each = [[held_in(graph, server, image) for image in range(12)] for server in range(len(graph.servers))]
        for images, found in zip(each, least.work(graph), strict=True):
            assert found <= min(images)
            same = all(f.windows % len(f.turns) == 0 for f in graph.flows) and len(set(images)) == 1
            assert not same or found == images[0]
            alike, uneven = alike + same, uneven + (len(set(images)) > 1)
    assert alike > 100 and uneven > 100


def held_in(graph, server, image):
    held = 0
    for flow in graph.flows:
        for window in range(image * flow.windows, (image + 1) * flow.windows):
            for stage in flow.copies[flow.turns[window % len(flow.turns)]]:
                if stage.server == server:
                    time = stage.occupancy
                    held += time if isinstance(time, int) else int(time[window % len(time)])
    return held


def test_turns_that_end_within_an_image():
    """Two copies take three windows of 10 ps in turn, so that each does one or two in an image: 10 ps at the least."""
    copies = tuple((Stage("read", server, 10, 10, gate=True),) for server in range(2))
    graph = StageGraph((Server("a"), Server("b")), (Flow("one", 3, copies),))
    assert least.work(graph) == [10, 10]
    assert steady(graph.of(9), fast.run(graph.of(9))).interval_ps == 15


def test_the_first_image_waits_for_no_flow_that_others_read():
    """The last window of the first flow is needed by none: the image is complete without it."""
    one = Flow("one", 3, ((Stage("slow", 0, 100, 100, gate=True),),))
    two = Flow("two", 1, ((Stage("quick", 1, 5, 5, gate=True),),), (Edge(0, np.array([2]), np.array([3]), 3),))
    graph = StageGraph((Server("a"), Server("b")), (one, two))
    assert least.first_image(graph) == 105  # windows that never wait
    assert steady(graph, fast.run(graph)).first_image_ps == 205


def test_bounds_of_a_graph_are_not_made_twice():
    graph = next(graphs(alone, 1, start=3))
    assert least.work(graph) is least.work(graph.of(5))
