"""Conservation notices every number that is changed, and bounds hold and are met."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from simoracles import alone, at, before, entry, graphs, shared

from xbarch.errors import ConservationError, StuckError
from xbarch.sim.bounds import _needed, _stream_edge, conserve, lower, upper
from xbarch.sim.check import check
from xbarch.sim.engine import run
from xbarch.sim.graph import Edge, Flow, Pool, Server, Stage, StageGraph, Trace


def ramp(windows):
    return np.arange(1, windows + 1)


def pipeline():
    """Two flows of two copies; the second's windows take different times on one shared server."""
    def copy(name, server, held):
        return (Stage(f"{name}/read", 2, 3, 4), Stage(f"{name}/compute", server, held, held, (0,), gate=True))
    one = Flow("one", 6, (copy("one", 0, 7), copy("one", 0, 7)))
    two = Flow("two", 6, (copy("two", 1, np.arange(5, 11)), copy("two", 1, np.arange(5, 11))),
               (Edge(0, ramp(6), ramp(6), 2),), 1)
    graph = StageGraph((Server("first"), Server("second"), Server("port")), (one, two), 3)
    return graph, run(graph)


@pytest.mark.quick(1)
@pytest.mark.parametrize("make", [alone, shared])
def test_random_runs_keep_the_laws_and_the_bounds(make):
    kept = 0
    for graph in graphs(make, 1_000, start=50_000, deals=True):
        try:
            trace = run(graph)
        except StuckError:
            continue
        assert conserve(graph, trace) == (lower(graph), upper(graph))
        assert lower(graph) <= trace.makespan <= upper(graph)
        kept += 1
    assert kept > 700


def spelled(graph, rng, share):
    """The graph with some of the times that all windows have alike written out for each of them."""
    def out(stage, windows):
        return replace(stage, **{name: np.full(windows, getattr(stage, name)) for name in ("occupancy", "latency")
                                 if isinstance(getattr(stage, name), int) and rng.random() < share})
    return replace(graph, flows=tuple(
        replace(f, copies=tuple(tuple(out(s, f.windows) for s in c) for c in f.copies)) for f in graph.flows))


@pytest.mark.full
@pytest.mark.parametrize("make", [alone, shared])
@pytest.mark.parametrize("share", [0.1, 1])
def test_one_time_for_all_windows_is_that_time_for_each(make, share):
    rng, options = Random(1), {"most": 2} if make is shared else {}
    for graph in graphs(make, 500, start=70_000, **options):
        plain = replace(graph, flows=tuple(replace(f, copies=tuple(
            tuple(replace(s, occupancy=rng.randint(0, 4), latency=rng.randint(0, 4)) if rng.random() < 0.8 else s
                  for s in c) for c in f.copies)) for f in graph.flows))
        other = spelled(plain, rng, share)
        assert (lower(plain), upper(plain)) == (lower(other), upper(other))
        try:
            trace = run(plain)
        except StuckError:
            continue
        assert conserve(plain, trace) == conserve(other, trace)


def test_what_a_window_needs_and_whose_leaving_frees_a_slot():
    """Of random edges, counted out: when needs are done, and the first window by which so many are released."""
    tried = 0
    for graph in graphs(shared, 300, start=80_000):
        for number, flow in enumerate(graph.flows):
            for edge in flow.inputs:
                producer = graph.flows[edge.producer]
                ready, left = (np.arange(graph.images * f.windows) * 3 + 5 for f in (producer, flow))
                counts = [i * producer.windows + int(n) for i in range(graph.images) for n in edge.need]
                assert _needed(ready, graph, edge).tolist() == [ready[n - 1] if n else 0 for n in counts]
                released = [i * producer.windows + int(n) for i in range(graph.images) for n in edge.release]
                free = [left[next(r for r, n in enumerate(released) if n > j - edge.capacity)]
                        if j >= edge.capacity else 0 for j in range(len(ready))]
                issued = [np.full(graph.images * f.windows, 10**6) for f in graph.flows]
                issued[edge.producer] = np.array(free)
                trace = Trace(done=[], issued=issued, busy=None, served=None, waited=None, held=None, waits=None,
                              executed=None, makespan=None)
                _stream_edge(graph, trace, ready, left, number, edge)
                for j in range(edge.capacity, len(ready)):
                    issued[edge.producer][j] -= 1
                    with pytest.raises(ConservationError, match=f"free slot .* flow {producer.name} window {j} at "):
                        _stream_edge(graph, trace, ready, left, number, edge)
                    issued[edge.producer][j] += 1
                    tried += 1
    assert tried > 200


def longest(graph):
    """The longest path of dependences, window by window: no wait at servers and buffers."""
    end, done = 0, []
    for flow in graph.flows:
        issue, gates, spans = [], [], []
        for j in range(flow.windows * graph.images):
            image, phase = divmod(j, flow.windows)
            ready, over = [], 0
            for stage in flow.copies[entry(flow, j)]:
                start = max([0, *(ready[a] for a in stage.after)])
                ready.append(start + at(stage.latency, phase))
                over = max(over, (start + at(stage.occupancy, phase)) * stage.gate)
            needs = [t for e in flow.inputs for t in done[e.producer][
                :image * graph.flows[e.producer].windows + int(e.need[phase])]]
            gone = before(flow, j, flow.ahead)
            issue.append(max([0, *needs, issue[gone] + gates[gone] if gone >= 0 else 0]))
            gates.append(over)
            spans.append(max(ready))
        issue = [max(issue[:j + 1]) for j in range(len(issue))]
        done.append([start + took for start, took in zip(issue, spans, strict=True)])
        end = max(end, *done[-1], *(start + over for start, over in zip(issue, gates, strict=True)))
    return end


@pytest.mark.parametrize("make", [alone, shared])
def test_the_path_bound_counted_out(make):
    found = 0
    for graph in graphs(make, 500, start=75_000, deals=True):
        work = [0] * len(graph.servers)
        for flow in graph.flows:
            for j in range(flow.windows * graph.images):
                for stage in flow.copies[entry(flow, j)]:
                    if stage.server >= 0:
                        work[stage.server] += at(stage.occupancy, j % flow.windows)
        assert lower(graph) == max([longest(graph), *work])
        found += longest(graph) > max([0, *work])
    assert found > 100


def test_bounds_are_met():
    """One token: lower = upper = its path. One busy server and nothing else: both its work."""
    one = (Stage("a", 0, 5, 5), Stage("b", 1, 7, 7, (0,)), Stage("c", -1, 0, 2, (1,)))
    graph = StageGraph((Server("x"), Server("y")), (Flow("f", 1, (one,)),))
    assert lower(graph) == upper(graph) == run(graph).makespan == 14
    times = np.array([3, 1, 4, 1, 5])
    graph = StageGraph((Server("x"),), (Flow("f", 5, ((Stage("a", 0, times, times),),)),), 2)
    assert lower(graph) == upper(graph) == run(graph).makespan == 28


def test_the_path_bound_goes_through_gates_and_flows():
    """Gates let one window in every 10; the next flow needs all 4 and takes 6: 46, with no server at all."""
    first = Flow("a", 4, ((Stage("a", -1, 10, 10, gate=True),),), ahead=1)
    last = Flow("b", 1, ((Stage("b", -1, 6, 6, gate=True),),), (Edge(0, np.array([4]), np.array([4]), 4),))
    graph = StageGraph((), (first, last))
    assert lower(graph) == run(graph).makespan == 46


def test_a_bound_from_one_path_of_many_windows():
    """The gate recurrence, for every `ahead`, against the loop it stands for."""
    for seed in range(200):
        rng = Random(seed)
        n, images, ahead, copies = rng.randint(1, 9), rng.randint(1, 3), rng.randint(1, 3), rng.randint(1, 3)
        held = np.array([rng.randint(0, 9) for _ in range(n)])
        stage = (Stage("a", -1, held, held, gate=True),)
        issue, left = [], []
        for j in range(n * images):
            back = j - ahead * copies
            issue.append(max([0, *issue[-1:], left[back] if back >= 0 else 0]))
            left.append(issue[-1] + int(held[j % n]))
        graph = StageGraph((), (Flow("a", n, (stage,) * copies, (), ahead),), images)
        assert run(graph).makespan == max(left)
        assert max(left) >= lower(graph) >= max(held)
        if ahead * copies == 1:
            assert lower(graph) == max(left)


def test_the_run_as_it_was_is_accepted():
    conserve(*pipeline())


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("server", [0, 1, 2])
@pytest.mark.parametrize("what", ["busy", "served"])
def test_a_changed_server_is_named(what, server, by):
    graph, trace = pipeline()
    right = int(getattr(trace, what)[server])
    getattr(trace, what)[server] += by
    law = f"{what}: server {graph.servers[server].name} must have {right}, not {right + by}$"
    with pytest.raises(ConservationError, match=law):
        conserve(graph, trace)


@pytest.mark.parametrize("by", [-1, 1])
def test_a_changed_count_of_a_stage_is_named(by):
    graph, trace = pipeline()
    trace.executed[1][1][0] += by
    law = f"executed: flow two copy 1 stage two/read must run 9 windows, not {9 + by}$"
    with pytest.raises(ConservationError, match=law):
        conserve(graph, trace)


def test_every_window_done_too_soon_is_named():
    graph, clean = pipeline()
    span = [[11] * 18, [4 + 5 + j % 6 for j in range(18)]]
    for flow, times in enumerate(span):
        for window, took in enumerate(times):
            _, trace = pipeline()
            trace.done[flow][window] = clean.issued[flow][window] + took - 1
            with pytest.raises(ConservationError, match=f"take: flow {graph.flows[flow].name} window {window} at "):
                conserve(graph, trace)


@pytest.mark.parametrize(("flow", "window", "to", "law"), [
    (0, 5, 0, r"in order: flow one window 5 at 0, must be at least"),
    (0, 0, -1, r"issued: flow one must start at 0 or later, not -1$"),
    (1, 0, 0, r"of one that it needs: flow two window 0 at 0, must be at least 11$"),
    (0, 2, "previous", r"free slot of the buffer of two: flow one window 2 at 0, must be at least 20$"),
])
def test_a_changed_issue_is_named(flow, window, to, law):
    graph, trace = pipeline()
    trace.issued[flow][window] = trace.issued[flow][window - 1] if to == "previous" else to
    with pytest.raises(ConservationError, match=law):
        conserve(graph, trace)


def test_an_issue_before_the_window_ahead_left_is_named():
    """Read 4, then the gate 6: a copy is left 10 after an issue."""
    stages = (Stage("read", -1, 1, 4), Stage("compute", -1, 6, 6, (0,), gate=True))
    graph = StageGraph((), (Flow("a", 4, (stages,), ahead=2),))
    trace = run(graph)
    assert trace.issued[0].tolist() == [0, 0, 10, 10]
    trace.issued[0][2] = 9
    law = (r"issued after the window that its copy took 2 before it left its gates: flow a window 2 at 9, "
           r"must be at least 10$")
    with pytest.raises(ConservationError, match=law):
        conserve(graph, trace)


@pytest.mark.parametrize("window", range(3, 6))
def test_an_issue_before_a_slot_is_free_is_named(window):
    """A buffer of 3 in front of a stage of 10: window j goes in when window j - 3 has left."""
    flows = (Flow("a", 6, ((Stage("a", -1, 1, 1, gate=True),),), ahead=9),
             Flow("b", 6, ((Stage("b", -1, 10, 10, gate=True),),), (Edge(0, ramp(6), ramp(6), 3),), 1))
    graph = StageGraph((), flows)
    trace = run(graph)
    assert trace.issued[0].tolist() == [0, 0, 0, 11, 21, 31]
    trace.issued[0][window] -= 1
    at = int(trace.issued[0][window])
    law = f"free slot of the buffer of b: flow a window {window} at {at}, must be at least {at + 1}$"
    with pytest.raises(ConservationError, match=law):
        conserve(graph, trace)


@pytest.mark.parametrize("by", [-1, 1])
def test_a_changed_makespan_is_named(by):
    graph, trace = pipeline()
    trace.makespan += by
    with pytest.raises(ConservationError, match="makespan"):
        conserve(graph, trace)


def test_a_window_too_few_is_named():
    graph, trace = pipeline()
    trace.done[1] = trace.done[1][:-1]
    with pytest.raises(ConservationError, match="done: flow two"):
        conserve(graph, trace)


def test_a_run_of_another_graph_is_refused():
    graph, trace = pipeline()
    one, two = graph.flows
    slower = replace(one.copies[0][1], occupancy=8, latency=8)
    with pytest.raises(ConservationError):
        conserve(replace(graph, flows=(replace(one, copies=((one.copies[0][0], slower), one.copies[1])), two)), trace)


def copies_apart(latency, gate):
    """Two copies of one flow, the first of which takes longer, and what it gives the one behind it."""
    return tuple((Stage("s", -1, gate if c == 0 else 1, latency if c == 0 else 1, gate=True),) for c in range(2))


def test_windows_that_are_done_out_of_order_count_in_order():
    """The second is done at 1, but the first at 10, and both are needed."""
    flows = (Flow("a", 2, copies_apart(10, 1)),
             Flow("b", 1, ((Stage("b", -1, 1, 1, gate=True),),), (Edge(0, np.array([2]), np.array([2]), 2),)))
    graph = StageGraph((), flows)
    trace = run(graph)
    assert trace.done[0].tolist() == [10, 1] and trace.issued[1].tolist() == [10]
    trace.issued[1][0] = 9
    with pytest.raises(ConservationError, match=r"of a that it needs: flow b window 0 at 9, must be at least 10$"):
        conserve(graph, trace)


def test_windows_that_leave_out_of_order_count_in_order():
    """The second leaves at 1, but the first at 10, and both release what they used."""
    flows = (Flow("a", 3, ((Stage("a", -1, 0, 0, gate=True),),), ahead=9),
             Flow("b", 3, copies_apart(1, 10), (Edge(0, np.array([2, 2, 3]), np.array([0, 2, 3]), 2),)))
    graph = StageGraph((), flows)
    trace = run(graph)
    assert trace.issued[0].tolist() == [0, 0, 10]
    trace.issued[0][2] = 9
    with pytest.raises(ConservationError, match=r"slot of the buffer of b: flow a window 2 at 9, must be at least 10$"):
        conserve(graph, trace)


def test_a_delay_holds_nothing_after_its_result():
    """Only gates and servers are held; room that it keeps comes back when it is over, but nobody waits for that."""
    stages = (Stage("a", 0, 1, 1, room=((0, 1),)), Stage("b", -1, 100, 1, (0,)))
    graph = StageGraph((Server("x"),), (Flow("a", 1, (stages,)),), 1, (Pool("p", 1),))
    trace = run(graph)
    conserve(graph, trace)
    assert trace.makespan == 2 and upper(graph) == 101
    trace.makespan = 3
    law = r"makespan: must be 2 \(last token done\) to 2 \(last server free\), not 3$"
    with pytest.raises(ConservationError, match=law):
        conserve(graph, trace)


def test_a_server_held_longer_than_the_run_is_named():
    graph = StageGraph((Server("x"),), (Flow("a", 2, ((Stage("a", 0, 10, 10),),)),))
    trace = run(graph)
    trace.done[0][:], trace.makespan = 10, 10
    with pytest.raises(ConservationError, match="busy: server x was held 20 of 10 ps"):
        conserve(graph, trace)


def test_times_in_a_byte_each():
    """250 ps a window over 3 images: sums are beyond a byte."""
    held = np.full(4, 250, np.uint8)
    graph = StageGraph((Server("x"),), (Flow("f", 4, ((Stage("s", 0, held, held, gate=True),),)),), 3)
    check(graph)
    trace = run(graph)
    assert conserve(graph, trace) == (3000, 3000) and trace.makespan == 3000
