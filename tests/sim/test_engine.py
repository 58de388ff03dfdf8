"""The SimPy engine against interpreters of its contract that share no code with it."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from simoracles import Cycle, Step, alone, at, graphs, recur, shared

from xbarch.cost.price import Price
from xbarch.errors import ConservationError, InputError, StuckError
from xbarch.result.ledger import ledger
from xbarch.sim.bounds import conserve, lower, upper
from xbarch.sim.check import check
from xbarch.sim.engine import Engine, run
from xbarch.sim.graph import Edge, Flow, Pool, Server, Stage, StageGraph


def result(graph, simulate=run):
    """Everything a run measured, as plain lists; None where it is stuck."""
    try:
        trace = simulate(graph)
    except StuckError:
        return None
    if not graph.processes:
        assert graph.by_server(trace.held).tolist() == trace.busy.tolist()
    assert graph.by_server(trace.waits).tolist() == trace.waited.tolist()
    return {"issued": [x.tolist() for x in trace.issued], "done": [x.tolist() for x in trace.done],
            "busy": trace.busy.tolist(), "served": trace.served.tolist(), "waited": trace.waited.tolist(),
            "executed": trace.executed, "makespan": trace.makespan}


@pytest.mark.full
def test_pipelines_equal_the_recurrence():
    """Finite buffers, copies, windows ahead, joins of stages and flows, per-window times: every time equal."""
    stuck = 0
    for graph in graphs(alone, 10_000, deals=True):
        try:
            expected = recur(graph)
        except Cycle:
            expected = None
            stuck += 1
        found = result(graph)
        assert (found and [found["issued"], found["done"]]) == expected, graph
    assert 200 < stuck < 3000


@pytest.mark.full
def test_a_buffer_that_is_too_small_alone_is_refused_exactly_where_a_chain_gets_stuck():
    refused = 0
    for graph in graphs(alone, 2_000, branches=False, slack=(-1, 0, 1)):
        try:
            check(graph)
        except InputError:
            refused += 1
            assert result(graph) is None
        else:
            assert result(graph) is not None
    assert 200 < refused < 1800


@pytest.mark.full
@pytest.mark.parametrize("pools", [0, 3])
def test_shared_servers_equal_the_time_steps(pools):
    """Contention, ties, forks and joins, zero times, room, deadlock: every number of the run equal, and within
    bounds."""
    stuck = 0
    for graph in graphs(shared, 1_500, deals=True, most=pools):
        check(graph)
        step, found = Step(graph).run(), result(graph)
        if step.stuck:
            stuck += 1
            assert found is None
            with pytest.raises(StuckError) as error:
                run(graph)
            named = {part.split()[0] for part in str(error.value).removeprefix("the simulation is stuck: ").split("; ")}
            assert named == set(step.stuck)
            continue
        assert found == {"issued": step.issued, "done": step.done, "busy": step.busy, "served": step.served,
                         "waited": step.waited, "executed": step.executed, "makespan": step.makespan}, graph
        trace = run(graph)
        conserve(graph, trace)
        assert lower(graph) <= found["makespan"] <= upper(graph)
        for pool, peak in zip(graph.pools, trace.peak, strict=True):
            assert peak <= pool.capacity
    assert 20 < stuck < 1_000


@pytest.mark.full
def test_the_order_of_simultaneous_events_does_not_matter():
    """SimPy breaks ties by the order of insertion; shuffle it, and nothing changes."""
    def shuffled(graph):
        engine = Engine(graph)
        rng = Random(7)
        engine.env._eid = iter(lambda: rng.random(), None)
        return engine.run()

    for pools in (0, 3):
        for graph in graphs(shared, 500, most=pools):
            assert result(graph, shuffled) == result(graph)


def test_a_run_repeats_itself_and_recording_changes_nothing():
    for graph in graphs(shared, 100):
        first = result(graph)
        assert result(graph) == first
        assert result(graph, lambda g: run(g, sink=lambda rows: None, progress=lambda done, of: None)) == first


def test_numbers_of_servers_and_order_of_inputs_do_not_matter():
    """With no zero times, nothing a server does is seen by another at the same instant."""
    for seed, graph in enumerate(graphs(shared, 300, least=1)):
        rng = Random(seed)
        number = list(range(len(graph.servers)))
        rng.shuffle(number)
        flows = tuple(replace(f, inputs=f.inputs[::-1], copies=tuple(
            tuple(replace(s, server=number[s.server] if s.server >= 0 else -1, after=s.after[::-1]) for s in c)
            for c in f.copies)) for f in graph.flows)
        first, other = result(graph), result(replace(graph, flows=flows))
        if first is None:
            assert other is None
            continue
        for key in ("issued", "done", "executed", "makespan"):
            assert other[key] == first[key]
        for key in ("busy", "served"):
            assert [other[key][n] for n in number] == first[key]


def test_records_show_every_server_busy_with_one_token_at_a_time():
    for graph in graphs(shared, 200):
        try:
            trace, rows = visited(graph)
        except StuckError:
            continue
        assert len(rows) == trace.visits
        stages = [(flow, stage) for flow in graph.flows for stages in flow.copies for stage in stages]
        free = [0] * len(graph.servers)
        for port, window, asked, granted, over, out in rows:
            flow, stage = stages[port]
            assert asked <= granted == over - at(stage.occupancy, window % flow.windows)
            assert out == granted + at(stage.latency, window % flow.windows)
            if stage.server >= 0:
                assert granted >= free[stage.server]
                free[stage.server] = over


def visited(graph):
    """(trace, rows of `xbarch.sim.graph.Sink`)."""
    rows = []
    trace = run(graph, sink=lambda found: rows.extend(found.tolist()))
    return trace, rows


def ramp(windows):
    return np.arange(1, windows + 1)


def chain(*layers, capacity=2, images=1):
    """Flows one behind the other, window for window: (server, occupancy, latency) each."""
    flows = []
    windows = 6
    for i, (server, held, delay) in enumerate(layers):
        inputs = (Edge(i - 1, ramp(windows), ramp(windows), capacity),) if i else ()
        flows.append(Flow(f"f{i}", windows, ((Stage("s", server, held, delay, gate=True),),), inputs))
    return StageGraph(tuple(Server(f"s{i}") for i in range(len(layers))), tuple(flows), images)


def test_a_deadlock_names_who_waits_for_what():
    """A fork and a join: the short branch's buffer (1) fills before the long one (needs 4) can deliver anything."""
    n = 4
    stage = (Stage("s", -1, 1, 1, gate=True),)
    source = Flow("source", n, (stage,))
    long = Flow("long", 1, (stage,), (Edge(0, np.array([n]), np.array([n]), n),))
    whole = Edge(1, np.ones(n, int), np.array([0, 0, 0, 1]), 1)
    join = Flow("join", n, (stage,), (Edge(0, ramp(n), ramp(n), 1), whole))
    graph = StageGraph((), (source, long, join))
    check(graph)  # each buffer alone is large enough
    with pytest.raises(StuckError) as error:
        run(graph)
    text = str(error.value)
    assert "source window 1 waits for room in the buffer of join (1 windows)" in text
    assert "long window 0 waits for window 3 of source" in text
    assert "join window 0 waits for window 0 of long" in text
    wide = replace(join, inputs=(replace(join.inputs[0], capacity=n), join.inputs[1]))
    assert result(replace(graph, flows=(source, long, wide))) is not None


def packets(name, first, second, windows=2):
    """A flow that takes all of pool `first`, then of pool `second` while it still holds the first."""
    stages = (Stage("in", first, 2, 2, room=((first, 4),)), Stage("on", second, 2, 2, (0,), room=((second, 4),)))
    return Flow(name, windows, (stages,))


def test_pools_in_a_ring_deadlock_by_name():
    """Each flow fills one pool and waits for the other's; in one direction alone both go through."""
    servers, pools = (Server("s0"), Server("s1")), (Pool("north", 4), Pool("south", 4))
    with pytest.raises(StuckError) as error:
        run(StageGraph(servers, (packets("up", 0, 1), packets("down", 1, 0)), 1, pools))
    text = str(error.value)
    assert "up window 1 at s0 waits for 4 in north (0 of 4 free)" in text or "up window 0 at s1 waits for 4 in" in text
    assert "down window" in text and "(0 of 4 free)" in text
    trace = run(StageGraph(servers, (packets("up", 0, 1), packets("too", 0, 1)), 1, pools))
    assert trace.taken == trace.given == [16, 16] and trace.peak == [4, 4]


def test_room_by_hand():
    """A link of 5 ps a packet and heads after 1; the queue behind it holds two packets, which leave 20 ps each. The
    third packet is granted when the first has left (1 + 20), the fourth 20 later; a packet never overtakes."""
    link, leave = Stage("link", 0, 5, 1, room=((0, 3),)), Stage("leave", 1, 20, 20, (0,))
    graph = StageGraph((Server("link"), Server("out")), (Flow("f", 5, ((link, leave),)),), 1, (Pool("queue", 6),))
    trace, rows = visited(graph)
    conserve(graph, trace)
    assert [granted for port, _, _, granted, _, _ in rows if port == 0] == [0, 5, 21, 41, 61]
    assert trace.done[0].tolist() == [21, 41, 61, 81, 101] and trace.peak == [6]


def test_a_full_pool_does_not_stop_others_and_keeps_its_order():
    """One medium, two receivers: a large packet waits for the slow one, a small one for it waits behind, those for the
    other pass."""
    def to(pool, amount, slow):
        return (Stage("send", 0, 1, 1, room=((pool, amount),)), Stage("eat", 1 + pool, slow, slow, (0,)))

    flows = (Flow("a", 1, (to(0, 3, 50),)), Flow("large", 1, (to(0, 4, 1),)), Flow("small", 1, (to(0, 1, 1),)),
             Flow("other", 1, (to(1, 4, 1),)))
    trace = run(StageGraph((Server("bus"), Server("x"), Server("y")), flows, 1, (Pool("x", 4), Pool("y", 4))))
    assert [int(d[0]) for d in trace.done] == [51, 53, 55, 3]


def test_the_oldest_image_goes_first():
    """A port that two layers share. The second layer's window of image 0 comes last and passes all that waits of image
    1; of one image the lower window goes first, then the first layer. What is served is not interrupted."""
    ramp = np.array([1])
    first = Flow("first", 2, ((Stage("a", 0, 10, 10, gate=True),),), ahead=9)
    late = Flow("late", 1, ((Stage("wait", -1, 0, 5), Stage("b", 0, 10, 10, (0,), gate=True)),), (
        Edge(0, ramp, np.array([2]), 4),))
    graph = StageGraph((Server("port"),), (first, late), 2)
    _, rows = visited(graph)
    order = [(port, window, asked, granted) for port, window, asked, granted, *_ in rows if port != 1]
    # late's window 0 asks at 10 + 5 and is granted at 20, before first's windows of image 1, which asked at 0.
    assert order == [(0, 0, 0, 0), (0, 1, 0, 10), (2, 0, 15, 20), (0, 2, 0, 30), (0, 3, 0, 40), (2, 1, 45, 50)]


def test_a_packet_larger_than_its_queue_is_refused():
    stage = Stage("f/link", 0, 1, 1, room=((0, 9),))
    graph = StageGraph((Server("s"),), (Flow("f", 1, ((stage,),)),), 1, (Pool("queue", 8),))
    with pytest.raises(InputError, match="f/link could never start: it needs 9 at once in queue, which holds 8"):
        check(graph)
    for room, server in ((((1, 1),), 0), (((0, 0),), 0), (((0, 1), (0, 1)), 0), (((0, 1),), -1)):
        broken = replace(stage, room=room, server=server)
        with pytest.raises(ConservationError, match="malformed"):
            check(replace(graph, flows=(Flow("f", 1, ((broken,),)),)))


def test_laws_of_pools_catch_a_broken_run():
    graph = StageGraph((Server("s"),), (Flow("f", 3, ((Stage("x", 0, 1, 1, room=((0, 2),)),),)),), 1, (Pool("q", 2),))
    trace = run(graph)
    conserve(graph, trace)
    for broken in ({"taken": [5]}, {"given": [4]}, {"peak": [3]}):
        with pytest.raises(ConservationError):
            conserve(graph, replace(trace, **broken))


def test_time_that_stands_still_ends():
    """No livelock: a window visits a stage once, so all-zero times mean finitely many events, all at 0."""
    n = 20_000
    zero = (Stage("s", -1, 0, 0, gate=True), Stage("t", 0, 0, 0, (0,)), Stage("u", 0, 0, 0, (0, 1), gate=True))
    flows = (Flow("a", n, (zero,)), Flow("b", n, (zero, zero), (Edge(0, ramp(n), ramp(n), 1),)))
    trace = run(StageGraph((Server("s"),), flows))
    assert trace.makespan == 0 and trace.visits == 6 * n


def test_a_server_held_after_its_last_result_counts():
    """Cut through: the result is out after 1, the server free after 10."""
    graph = StageGraph((Server("s"),), (Flow("a", 3, ((Stage("s", 0, 10, 1),),)),))
    trace = run(graph)
    assert trace.done[0].tolist() == [1, 11, 21] and trace.makespan == 30 == trace.busy[0]
    conserve(graph, trace)


def test_a_chain_by_hand():
    trace = run(chain((0, 5, 5), (1, 11, 13), (2, 7, 7)))
    assert trace.done[2].tolist() == [5 + 13 + 7 + 11 * j for j in range(6)]
    assert trace.busy.tolist() == [30, 66, 42]


def test_times_of_several_images_are_taken_in_turn():
    """Two windows per image, times of two images: three images take the first image's again at the end."""
    held = np.array([5, 7, 11, 13], np.int64)
    stage = Stage("s", 0, held, held + 1, gate=True, actions=(("a", held),))
    graph = StageGraph((Server("x"),), (Flow("f", 2, ((stage,),)),), 3)
    check(graph)
    trace = run(graph)
    conserve(graph, trace)
    assert trace.busy.tolist() == [5 + 7 + 11 + 13 + 5 + 7] and lower(graph) >= 48
    ends = np.cumsum([5, 7, 11, 13, 5, 7]) + 1
    assert trace.done[0].tolist() == ends.tolist()
    booked = ledger(graph, trace, {"a": [Price("part", 2)]})
    assert booked.actions == {("f", "a"): 48 // 3} and booked.energy == {("f", "part"): 96 // 3}
    odd = replace(stage, occupancy=np.array([5, 7, 11], np.int64))
    with pytest.raises(ConservationError, match="one integer for each of 2 windows of one or more images"):
        check(replace(graph, flows=(replace(graph.flows[0], copies=((odd,),)),)))
