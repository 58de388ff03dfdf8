"""The fast engine against SimPy: every time, count and pool of every token, compiled and plain, stuck runs too."""


import numpy as np
import pytest
from simoracles import alone, graphs, shared

import xbarch
from xbarch.errors import InputError, StuckError
from xbarch.sim import core, engine, fast
from xbarch.sim.engines import SMALL, simulate
from xbarch.sim.graph import Edge, Flow, Server, Stage, StageGraph


def outcome(run, graph, **how):
    """What a run says, comparable: its trace, or why it is stuck."""
    try:
        t = run(graph, **how)
    except StuckError as error:
        return str(error)
    return ([d.tolist() for d in t.done], [i.tolist() for i in t.issued], t.busy.tolist(), t.served.tolist(),
            t.waited.tolist(), t.executed, t.makespan, t.taken, t.given, t.peak, t.held.tolist(), t.waits.tolist())


@pytest.mark.quick(3)
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize(("make", "options"), [(alone, {}), (shared, {}), (shared, {"most": 3})],
                         ids=["alone", "shared", "pools"])
def test_random_graphs(make, options, compiled):
    """Forks and joins, several copies, tight buffers, shared servers, zero times, ties, finite queues: 1,500 graphs."""
    for graph in graphs(make, 500, 20_000, deals=True, **options):
        assert outcome(fast.run, graph, compiled=compiled) == outcome(engine.run, graph)


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize(("make", "options"), [(alone, {}), (shared, {}), (shared, {"most": 3})],
                         ids=["alone", "shared", "pools"])
def test_every_visit_of_random_graphs(make, options, compiled, monkeypatch):
    """Asked, granted, over and out at every stage; handed on a few at a time."""
    monkeypatch.setattr(fast, "_ROWS", 40)
    monkeypatch.setattr(core, "ROWS", 30)
    for graph in graphs(make, 150, 40_000, deals=True, **options):
        found = []
        for run, how in ((fast.run, {"compiled": compiled}), (engine.run, {})):
            rows = []
            says = outcome(run, graph, sink=lambda some, rows=rows: rows.extend(some.tolist()), **how)
            found.append(says if isinstance(says, str) else (says, sorted(rows), len(rows)))
        assert found[0] == found[1]
        assert isinstance(found[0], str) or found[0][2] == sum(sum(map(sum, flow)) for flow in found[0][0][5])


@pytest.mark.parametrize("make", [alone, shared])
def test_stuck_runs_say_the_same(make):
    """Of the first thousand graphs those that stop."""
    options = {"most": 3} if make is shared else {}
    found = [(outcome(engine.run, g), g) for g in graphs(make, 1_000, 30_000, deals=True, **options)]
    stuck = [(says, g) for says, g in found if isinstance(says, str)]
    assert len(stuck) > 2 and all(outcome(fast.run, g) == says for says, g in stuck)


def granted_ahead(graph, ahead):
    """`AHEAD` by its rule, from each copy's last stage to its first; by ports."""
    every = [s for f in graph.flows for stages in f.copies for s in stages]
    users, found = [s.server for s in every], []
    for stages in [stages for f in graph.flows for stages in f.copies]:
        mine, quiet = {}, {}
        for at in reversed(range(len(stages))):
            stage, followers = stages[at], [i for i, s in enumerate(stages) if at in s.after]
            ends = stage.gate or any(stages[a].room for a in stage.after)
            later = np.min(stage.latency) > 0 or (followers and all(mine[f] and quiet[f] for f in followers))
            quiet[at] = bool(later and (not ends or np.min(stage.occupancy) > 0))
            mine[at] = stage.server < 0 or bool(
                quiet[at] and ahead and users.count(stage.server) == 1 and not stage.room)
            quiet[at] = quiet[at] and mine[at]
        found += [mine[at] for at in range(len(stages))]
    return found


@pytest.mark.parametrize(("make", "options"), [(alone, {}), (shared, {"most": 2})], ids=["alone", "pools"])
def test_who_is_granted_ahead(make, options):
    seen = []
    for graph in graphs(make, 1_000, 10_000, **options):
        for ahead in (True, False):
            made = fast.tables(graph, ahead)
            assert made["AHEAD"].tolist() == granted_ahead(graph, ahead)
            seen += [(ahead, server >= 0, mine) for server, mine in zip(made["SERVER"], made["AHEAD"], strict=True)]
    assert {(True, True, True), (True, True, False), (False, False, True), (False, True, False)} <= set(seen)


@pytest.mark.parametrize("last", [0, 1])
def test_what_follows_at_once_counts_down_the_whole_chain(last):
    chain = tuple(Stage("s", i, 1, last if i == 4 else 0, (i - 1,) * (i > 0)) for i in range(5))
    graph = StageGraph(tuple(Server(f"s{i}") for i in range(5)), (Flow("f", 3, (chain,)),))
    assert fast.tables(graph)["AHEAD"].tolist() == granted_ahead(graph, True) == [last == 1] * 5


def test_a_queue_for_each_list_of_pools():
    for graph in graphs(shared, 300, 15_000, most=3):
        made, every = fast.tables(graph), [s for f in graph.flows for stages in f.copies for s in stages]
        key = {}
        for stage, queue in zip(every, made["QUEUE"].tolist(), strict=True):
            assert (queue < 0) == (stage.server < 0)
            if queue >= 0:
                assert made["QUEUE_AT"][stage.server] <= queue < made["QUEUE_AT"][stage.server + 1]
                assert key.setdefault(queue, [p for p, _ in stage.room]) == [p for p, _ in stage.room]
        assert len(key) == made["QUEUE_AT"][-1] == len({(s.server, *(p for p, _ in s.room)) for s in every
                                                        if s.server >= 0})


def test_large_graphs_outgrow_their_tables():
    """More tokens, visits and events than the memory starts with, and many requests of one instant at one server."""
    rng = np.random.default_rng(1)
    servers = tuple(Server(f"s{i}") for i in range(3))
    copies = tuple(tuple(Stage("x", int(rng.integers(-1, 3)), rng.integers(0, 3, 400), rng.integers(0, 900, 400),
                               () if i < 6 else (i - 6, i - 5), gate=i == 7) for i in range(8)) for _ in range(5))
    ramp = np.arange(1, 401)
    first = Flow("a", 400, copies, ahead=300)
    last = Flow("b", 400, (copies[0],), (Edge(0, ramp, ramp, 350),), 200)
    graph = StageGraph(servers, (first, last), 3)
    assert outcome(fast.run, graph, compiled=True) == outcome(engine.run, graph)
    assert outcome(fast.run, graph, compiled=False) == outcome(engine.run, graph)


@pytest.mark.quick(2)
@pytest.mark.parametrize(("arch", "load", "more"), [
    ("isaac_like", "vgg7_pruned", {"policy": "crossbars:4"}), ("isaac_like", "vgg7_pruned", {"mode": "layer_by_layer"}),
    ("isaac_like", "vgg7_pruned", {"mode": "batch", "overrides": ["buffer.size=1 MB"]}),
    ("prime_like", "vgg7_pruned", {}),
    ("sre_like", "digit_pairs/vgg7_sre_4x", {}), ("puma_like", "vgg7_pruned", {"placement": "snake"}),
    ("isaac_like", "vgg7_pruned", {"overrides": ["network={topology: htree, link_bits: 32, clock: 1 GHz, "
                                                 "router_latency: 1 ns, queue: 64, source: assumed}"]}),
])
def test_results_are_equal_but_for_the_engines_name(arch, load, more):
    texts = [xbarch.simulate(arch, load, images=3, engine=name, **more).to_json() for name in ("simpy", "fast")]
    assert texts[0] != texts[1]
    assert texts[0].replace('"engine": "simpy"', '"engine": "fast"') == texts[1]


def test_who_runs():
    """Small graphs on SimPy; large ones on the compiled loop."""
    chain = (Stage("s", 0, 1, 1, gate=True),)
    small, large = (StageGraph((Server("s"),), (Flow("a", SMALL - more, (chain,)),)) for more in (1, 0))
    assert simulate(small)[1:] == ("simpy", "auto: 19,999 visits of stages are fewer than 20,000")
    assert simulate(large)[1:] == ("fast", "auto: 20,000 visits of stages")
    assert simulate(small, "fast")[1:] == ("fast", "asked for")
    with pytest.raises(InputError, match="engine: unknown engine 'quick'; choose auto, simpy or fast"):
        xbarch.simulate("isaac_like", "vgg7_pruned", engine="quick")


def test_progress_is_told():
    alone = Stage("s", 0, 1, 1, gate=True)
    for chain in ((alone,), (alone, Stage("t", 0, 1, 1, (0,)))):
        told = []
        fast.run(StageGraph((Server("s"),), (Flow("a", 600_000, (chain,)),)), compiled=True,
                 progress=lambda done, total, told=told: told.append((done, total)))
        assert told and all(0 < done <= total == 600_000 for done, total in told) and told == sorted(told)
