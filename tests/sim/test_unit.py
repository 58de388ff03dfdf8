"""Units that are SimPy processes: those that do what a server does change nothing, others what they say."""

import re
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from simoracles import graphs, shared

from xbarch.errors import ConservationError, InputError, StuckError
from xbarch.sim.bounds import conserve
from xbarch.sim.check import check
from xbarch.sim.engine import run
from xbarch.sim.engines import simulate
from xbarch.sim.graph import Edge, Flow, Pool, Server, Stage, StageGraph
from xbarch.sim.steady import steady
from xbarch.sim.unit import UnitError


def plain(env, queue):
    """A unit that does what a server does."""
    while True:
        visit = yield queue.get()
        visit.deliver(visit.latency)
        yield env.timeout(visit.occupancy)
        visit.over()


def attended(graph, process, which=lambda number: True):
    """The graph with a process in place of servers."""
    return replace(graph, servers=tuple(replace(server, process=process) if which(number) else server
                                        for number, server in enumerate(graph.servers)))


def outcome(graph):
    """Everything an engine says of a run, visit by visit, in the order of grants."""
    rows = []
    try:
        trace = run(graph, sink=lambda some: rows.extend(map(tuple, some.tolist())))
    except StuckError:
        return "stuck"
    return (sorted(rows), trace.makespan, [d.tolist() for d in trace.done], [i.tolist() for i in trace.issued],
            trace.busy.tolist(), trace.served.tolist(), trace.waited.tolist(), trace.executed,
            trace.taken, trace.given, trace.peak)


@pytest.mark.full
@pytest.mark.parametrize("options", [{}, {"least": 1}, {"most": 2}, {"least": 1, "most": 3}])
def test_a_process_that_does_what_a_server_does_changes_nothing(options):
    """Times of every visit on random graphs: zero times, ties, rooms, with processes for some or all servers."""
    found = []
    for seed, graph in enumerate(graphs(shared, 150, **options)):
        expected = outcome(graph)
        found.append(expected == "stuck")
        for chosen in (lambda number: True, lambda number, seed=seed: (seed >> number) & 1):
            changed = attended(graph, plain, chosen)
            assert outcome(changed) == expected, seed
            if expected != "stuck":
                conserve(changed, run(changed))
    assert not all(found) and (any(found) or "most" not in options)


def tokens(windows, times=(0, 0), process=None, **more):
    """Windows that all ask at once for one unit."""
    stage = Stage("work", 0, *times, gate=True, **more)
    return StageGraph((Server("unit", process=process),), (Flow("layer", windows, ((stage,),), ahead=windows),))


@pytest.mark.parametrize(("servers", "windows"), [(1, 7), (3, 7), (8, 7)])
def test_several_visits_at_a_time(servers, windows):
    """A unit of k servers is through with n equal visits after ceil(n / k) times of one."""
    def serve(env, queue):
        def one():
            while True:
                visit = yield queue.get()
                yield env.timeout(10)
                visit.deliver(5)
                visit.over()

        for _ in range(servers):
            env.process(one())
        yield env.timeout(0)

    graph = tokens(windows, process=serve)
    trace = run(graph)
    assert trace.done[0].tolist() == [10 * (1 + window // servers) + 5 for window in range(windows)]
    rounds = -(-windows // servers)
    assert (trace.makespan, trace.busy.tolist(), trace.served.tolist()) == (10 * rounds + 5, [10 * rounds], [windows])
    assert trace.visit_time == sum(10 * (1 + window // servers) + 5 for window in range(windows))
    conserve(graph, trace)


def test_a_batch_is_collected():
    """A unit may take visits before it begins: pairs of windows that arrive 10 apart leave together."""
    def serve(env, queue):
        while True:
            pair = [(yield queue.get()), (yield queue.get())]
            yield env.timeout(3)
            for visit in pair:
                visit.act("pair")
                visit.deliver()
                visit.over()

    clock = Stage("clock", 0, 10, 10, gate=True)
    work = Stage("work", 1, 0, 0, (0,))
    graph = StageGraph((Server("clock"), Server("unit", process=serve)), (Flow("layer", 6, ((clock, work),), ahead=6),))
    trace = run(graph)
    assert trace.done[0].tolist() == [23, 23, 43, 43, 63, 63]
    assert trace.acted == {(1, 0, "pair"): 6} and trace.busy.tolist() == [60, 3 * (10 + 3)]
    conserve(graph, trace)


def test_what_goes_on_for_ever_does_not_keep_the_run():
    """A process beside the unit's own, whose state decides: every other visit takes long."""
    ticks = []

    def serve(env, queue):
        def tick():
            while True:
                ticks.append(env.now)
                yield env.timeout(4)

        env.process(tick())
        while True:
            visit = yield queue.get()
            yield env.timeout(9 if len(ticks) % 2 else 1)
            visit.deliver()
            visit.over()

    # Ticks at 0, 4, 8, ...: 0-9 with one tick, 9-18 with three (0, 4, 8), then five: 18-27.
    trace = run(tokens(3, process=serve))
    assert trace.done[0].tolist() == [9, 18, 27] and trace.makespan == 27 and max(ticks) <= 28


def test_room_is_held_until_the_unit_is_done_with_it():
    """Four packets of one flit, a queue of two behind the unit: it takes two visits, the others wait for room."""
    def serve(env, queue):
        def one():
            while True:
                visit = yield queue.get()
                visit.deliver(1)
                yield env.timeout(7)
                visit.over()

        for _ in range(4):
            env.process(one())
        yield env.timeout(0)

    graph = replace(tokens(4, process=serve, room=((0, 1),)), pools=(Pool("queue", 2),))
    trace = run(graph)
    assert trace.done[0].tolist() == [1, 1, 8, 8] and (trace.taken, trace.given, trace.peak) == ([4], [4], [2])
    conserve(graph, trace)


def test_inputs_are_given_back_when_the_unit_is_done():
    """A consumer's unit that holds a window for 5 after its result is out keeps the producer's buffer slot so long."""
    def serve(env, queue):
        while True:
            visit = yield queue.get()
            visit.deliver(1)
            yield env.timeout(6)
            visit.over()

    marks = np.arange(1, 4)
    source = Flow("source", 3, ((Stage("make", 0, 1, 1, gate=True),),))
    reader = Flow("reader", 3, ((Stage("use", 1, 0, 0, gate=True),),), (Edge(0, marks, marks, 1),), 1)
    graph = StageGraph((Server("maker"), Server("unit", process=serve)), (source, reader))
    trace = run(graph)
    assert trace.issued[0].tolist() == [0, 7, 14] and trace.done[1].tolist() == [2, 9, 16]
    conserve(graph, trace)


def test_a_long_way_to_the_first_visit_is_no_standstill(monkeypatch):
    """Windows elsewhere are progress too."""
    monkeypatch.setattr("xbarch.sim.engine._IDLE", 20)
    source = Flow("source", 200, ((Stage("make", 0, 1, 1, gate=True),),))
    whole = Edge(0, np.array([200]), np.array([200]), 200)
    reader = Flow("reader", 1, ((Stage("use", 1, 3, 3, gate=True),),), (whole,))
    graph = StageGraph((Server("maker"), Server("unit", process=plain)), (source, reader))
    assert run(graph).done[1].tolist() == [203]


def held(env, queue):
    """Any number of tokens, a microsecond each."""
    def one(visit):
        yield env.timeout(1000)
        visit.deliver()
        visit.over()

    while True:
        env.process(one((yield queue.get())))


def test_the_interval_is_not_limited_by_a_unit_that_has_many_tokens_at_once():
    """Four windows per image, one every 10 ps: 40 ps per image, though the unit keeps each for 1000."""
    clock, work = Stage("clock", 0, 10, 10, gate=True), Stage("work", 1, 0, 0, (0,))
    graph = StageGraph((Server("clock"), Server("unit", process=held)),
                       (Flow("layer", 4, ((clock, work),), ahead=100),), 20)
    trace = run(graph)
    assert trace.inside == {1: 80} and trace.busy[1] > 40 * 20
    assert steady(graph, trace).interval_ps == 40
    one = replace(graph, servers=(Server("clock"), Server("unit", process=plain)))
    assert run(one).inside == {1: 1}


def crash(env, queue):
    def inner():
        yield env.timeout(7)
        raise KeyError("inside")

    env.process(inner())
    while True:
        visit = yield queue.get()
        visit.deliver()
        visit.over()


def test_whose_process_failed_is_known():
    """Also of processes that the unit's started."""
    first, second = Stage("a", 0, 5, 5), Stage("b", 1, 5, 5, (0,), gate=True)
    for bad in (0, 1):
        servers = tuple(Server(f"s{n}", process=crash if n == bad else plain) for n in range(2))
        with pytest.raises(UnitError) as caught:
            run(StageGraph(servers, (Flow("f", 9, ((first, second),)),)))
        assert caught.value.server == bad and repr(caught.value.__cause__) == "KeyError('inside')"


def test_what_others_raise_is_not_the_units():
    def progress(done, total):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        run(tokens(2000, (1, 1), process=plain), progress=progress)


@pytest.mark.parametrize(("damage", "says"), [
    ({"makespan": 40 + 1}, "makespan"), ({"makespan": 40 - 1}, "makespan"), ({"visit_time": 10**9}, "visit_time"),
    ({"visit_time": -1}, "visit_time"), ({"served": np.array([5])}, "served"), ({"busy": np.array([41])}, "busy")])
def test_laws_hold_for_processes_too(damage, says):
    graph = tokens(4, (10, 10), process=plain)
    trace = run(graph)
    conserve(graph, trace)
    with pytest.raises(ConservationError, match=says):
        conserve(graph, replace(trace, **damage))


def never(env, queue):
    yield queue.get()


def ends(env, queue):
    visit = yield queue.get()
    visit.deliver()
    visit.over()


def ticks(env, queue):
    yield queue.get()
    while True:
        yield env.timeout(1)


def undelivered(env, queue):
    while True:
        (yield queue.get()).over()


def keeps(env, queue):
    while True:
        (yield queue.get()).deliver()


@pytest.mark.parametrize(("process", "says"), [
    (never, "layer window 1 at unit waits for its process to ask for it.*layer window 0 at unit .* to deliver it"),
    (ends, "layer window 1 at unit waits for its process to ask for it"),
    (ticks, "layer window 0 at unit waits for its process to deliver it"),
    (undelivered, "layer window 0 at unit waits for its process to deliver it"),
    (keeps, "layer window 1 at unit waits for its process to be done with it")])
def test_who_waits_is_said(process, says, monkeypatch):
    monkeypatch.setattr("xbarch.sim.engine._IDLE", 1000)
    with pytest.raises(StuckError, match=says):
        run(tokens(2, process=process))


def twice(env, queue):
    visit = yield queue.get()
    visit.over()
    visit.over()


def late(env, queue):
    visit = yield queue.get()
    visit.over()
    visit.act("x")


def again(env, queue):
    visit = yield queue.get()
    visit.deliver()
    visit.deliver(3)


def halves(env, queue):
    visit = yield queue.get()
    yield env.timeout(0.5)
    visit.over()


def backward(env, queue):
    visit = yield queue.get()
    visit.deliver(-1)


def less(env, queue):
    visit = yield queue.get()
    visit.act("x", -1)


@pytest.mark.parametrize(("process", "says"), [
    (twice, r"over\(\): window 0 of work is over already"), (late, r"act\(\): window 0 of work is over already"),
    (again, r"deliver\(\): window 0 of work is delivered already"),
    (halves, "time: must be a whole number of ps of at least 0, not 0.5"),
    (backward, r"deliver\(\): must be a whole number of ps of at least 0, not -1"),
    (less, r"act\(\): must be a whole number of actions of at least 0, not -1")])
def test_what_a_unit_may_not_do(process, says):
    with pytest.raises(UnitError) as caught:
        run(tokens(1, process=process))
    assert caught.value.server == 0 and re.fullmatch(says, str(caught.value.__cause__))


def test_processes_end_with_the_run():
    """Those of units too, and those they started, whether the run ended well or not."""
    ended = []

    def inner(env, name):
        try:
            while True:
                yield env.timeout(3)
        finally:
            ended.append(name)

    def serve(env, queue):
        env.process(inner(env, "inner"))
        try:
            yield from plain(env, queue)
        finally:
            ended.append("serve")

    run(tokens(3, (1, 1), process=serve))
    assert sorted(ended) == ["inner", "serve"]
    with pytest.raises(ZeroDivisionError):
        run(tokens(2000, (1, 1), process=serve), progress=lambda done, total: 1 // 0)
    assert sorted(ended) == ["inner", "inner", "serve", "serve"]


def test_only_simpy_runs_it():
    large = tokens(30_000, (1, 1), process=plain)
    check(large)
    assert simulate(large)[1:] == ("simpy", "auto: unit is a SimPy process")
    with pytest.raises(InputError, match="engine: must be simpy or auto, not fast: unit is a SimPy process"):
        simulate(large, "fast")


def test_visits_are_told_when_they_end():
    rows = []
    run(attended(tokens(3, (2, 5)), plain), sink=lambda some: rows.extend(some.tolist()))
    assert rows == [[0, w, 0, 2 * w, 2 * w + 2, 2 * w + 5] for w in range(3)]


def test_a_run_with_processes_repeats():
    graph = attended(shared(Random(3), least=1), plain)
    assert outcome(graph) == outcome(graph)
