"""Every rule of a stage graph, broken one at a time."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from simoracles import graphs, shared

from xbarch.cost.price import Price
from xbarch.errors import ConservationError, InputError
from xbarch.result.ledger import ledger
from xbarch.sim import engine, fast
from xbarch.sim.bounds import conserve
from xbarch.sim.check import _copies, check
from xbarch.sim.graph import Deal, Edge, Flow, Pool, Server, Stage, StageGraph

RAMP = np.arange(1, 5)
STAGE = Stage("s", 0, 2, np.array([3, 3, 3, 3]), gate=True,
              actions=(("read", np.array([1, 2, 3, 4])), ("add", 5)))
EDGE = Edge(0, RAMP, RAMP, 1)
FIRST = Flow("a", 4, ((STAGE,),))
SECOND = Flow("b", 4, ((STAGE, replace(STAGE, after=(0,))),), (EDGE,))


def graph(first=FIRST, second=SECOND, **changes):
    return replace(StageGraph((Server("x"),), (first, second)), **changes)


def edge(**changes):
    return graph(second=replace(SECOND, inputs=(replace(EDGE, **changes),)))


def stage(**changes):
    return graph(first=replace(FIRST, copies=((replace(STAGE, **changes),),)))


def dealt(entry, copy):
    return graph(first=replace(FIRST, copies=2 * FIRST.copies, deal=Deal(np.array(entry), np.array(copy))))


def test_good_graphs_pass():
    check(dealt([0, 1, 1, 0], [0, 0]))
    check(graph())
    for one in graphs(shared, 200):
        check(one)


@pytest.mark.parametrize(("bad", "says"), [
    (graph(images=0), "images must be at least 1, not 0"),
    (graph(flows=()), "no flow"),
    (graph(first=replace(FIRST, windows=0)), "flow a must have at least 1 window, not 0"),
    (graph(first=replace(FIRST, ahead=0)), "flow a must run at least 1 window ahead, not 0"),
    (graph(first=replace(FIRST, copies=())), "flow a has no copy"),
    (graph(first=replace(FIRST, copies=((STAGE,), ()))), "flow a copy 1 has no stage"),
    (graph(second=replace(SECOND, copies=((replace(STAGE, gate=False),),))), "flow b copy 0 has inputs but no gate"),
    (edge(producer=1), "flow b must read a flow before 1, not flow 1"),
    (edge(producer=-1), "flow b must read a flow before 1, not flow -1"),
    (edge(capacity=0), "flow b from a: the buffer must hold at least 1 window, not 0"),
    (edge(need=np.array([1, 3, 2, 4])), "flow b from a: need decreases"),
    (edge(need=np.array([-1, 1, 2, 4])), "flow b from a: need must lie in 0 to 4, not -1 to 4"),
    (edge(need=np.array([1, 2, 3, 5])), "flow b from a: need must lie in 0 to 4, not 1 to 5"),
    (edge(need=RAMP[:3]), "flow b from a: need must be one integer per window (4), not int64[3]"),
    (edge(need=RAMP * 1.0), "flow b from a: need must be one integer per window (4), not float64[4]"),
    (edge(release=np.array([2, 1, 3, 4])), "flow b from a: release decreases"),
    (edge(release=np.array([1, 2, 3, 3])), "flow b from a: all 4 windows must be released in the end, not 3"),
    (stage(server=1), "flow a copy 0 stage s asks for server 1 of 1"),
    (stage(server=-2), "asks for server -2"),
    (stage(after=(0,)), "stage s at 0 must come after earlier stages"),
    (stage(after=(-1,)), "stage s at 0 must come after earlier stages"),
    (graph(second=replace(SECOND, copies=((STAGE, replace(STAGE, after=(0, 0))),))), "waits twice"),
    (stage(occupancy=-1), "occupancy is -1"),
    (stage(latency=np.array([1, 2, -3, 4])), "latency is -3"),
    (stage(latency=np.array([1, 2, 3])), "latency is int64"),
    (stage(occupancy=np.ones(4)), "occupancy is float64"),
    (stage(actions=(("read", -1),)), "action read is -1"),
    (dealt([0, 1, 2, 1], [0, 1]), "flow a: each of its 2 copies must take a window, and no other"),
    (dealt([0, 0, 0, 0], [0, 1]), "flow a: each of its 2 copies must take a window"),
    (dealt([0, 1, 0], [0, 1]), "flow a: deal.entry must be 4 integers of at least 0, not int64[3]"),
    (dealt([0, 1, 0, -1], [0, 1]), "flow a: deal.entry must be 4 integers of at least 0"),
    (dealt([0, 1, 0, 1], [0]), "flow a: deal.copy must be 2 integers of at least 0, not int64[1]"),
])
def test_a_malformed_graph_is_xbarchs_own_mistake(bad, says):
    with pytest.raises(ConservationError) as error:
        check(bad)
    assert says in str(error.value)


def test_a_buffer_too_small_for_a_window_says_need_and_capacity():
    with pytest.raises(InputError) as error:
        check(edge(need=np.array([1, 4, 4, 4]), capacity=2))
    assert str(error.value) == "b could never start: its window 1 needs 3 windows of a at once and its buffer holds 2"
    check(edge(need=np.array([1, 4, 4, 4]), capacity=3))


def test_graphs_that_share_what_is_known_are_refused_for_their_own_buffers_and_pools():
    need = np.array([1, 4, 4, 4])
    good = replace(edge(need=need, capacity=3), pools=(Pool("p", 2),),
                   flows=(replace(FIRST, copies=((replace(STAGE, room=((0, 2),)),),)),
                          edge(need=need, capacity=3).flows[1]))
    check(good)
    check(replace(good).share(good))
    with pytest.raises(InputError, match="could never start: it needs 2 at once in p, which holds 1"):
        check(replace(good, pools=(Pool("p", 1),)).share(good))
    for capacity, error in ((2, "its buffer holds 2"), (0, "must hold at least 1 window, not 0")):
        flows = good.flows[0], edge(need=need, capacity=capacity).flows[1]
        with pytest.raises((InputError, ConservationError), match=error):
            check(replace(good, flows=flows).share(good))


@pytest.mark.parametrize(("broken", "error", "says"), [
    (graph(first=replace(FIRST, windows=2**70, copies=())), ConservationError, "flow a has no copy"),
    (replace(stage(room=((0, 1),)), pools=(Pool("p", -2**70),)), InputError, "could never start: it needs 1 at once"),
    (replace(stage(room=((0, 2**70),)), pools=(Pool("p", 1),)), InputError, "could never start: it needs 1,180,591,"),
    (stage(server=2**70), ConservationError, "asks for server 1180591620717411303424 of 1")])
def test_numbers_beyond_any_machine(broken, error, says):
    with pytest.raises(error, match=says):
        check(broken)


@pytest.mark.parametrize("times", [2**62, np.array([1, 2**62]), 2**61])
def test_times_that_would_not_fit_are_refused(times):
    """In Python's integers; 64 bits would wrap around."""
    flow = Flow("f", 2, ((Stage("s", 0, times, 1, gate=True),),))
    with pytest.raises(InputError, match=r"the run could last .* s, more than the 4,611,686 s that can be counted"):
        check(StageGraph((Server("s"),), (flow,), 3))
    check(StageGraph((Server("s"),), (Flow("f", 2, ((Stage("s", 0, 2**58, 1, gate=True),),)),), 3))


def broken(graph, rng):
    """The graph with something about one of its stages changed, mostly for the worse."""
    number = rng.randrange(len(graph.flows))
    flow = graph.flows[number]
    copy = rng.randrange(len(flow.copies))
    stages = list(flow.copies[copy])
    at, windows = rng.randrange(len(stages)), flow.windows
    some = [-1, 0, 3, np.arange(windows), np.arange(windows) - 1, np.ones(windows + 1, int), np.ones(windows),
            np.ones(2 * windows, np.uint8)]
    stages[at] = replace(stages[at], **rng.choice([
        {"server": rng.randint(-2, len(graph.servers))}, {"occupancy": rng.choice(some)}, {"latency": rng.choice(some)},
        {"after": tuple(rng.randint(-1, at) for _ in range(rng.randint(0, 3)))},
        {"actions": (("a", 1), ("b", rng.choice(some)))}, {"gate": False},
        {"room": tuple((rng.randint(-1, len(graph.pools)), rng.randint(0, 5)) for _ in range(rng.randint(1, 2)))}]))
    copies = (*flow.copies[:copy], tuple(stages), *flow.copies[copy + 1:])
    return replace(graph, flows=(*graph.flows[:number], replace(flow, copies=copies), *graph.flows[number + 1:]))


def says(look):
    try:
        look()
    except (ConservationError, InputError) as error:
        return str(error)
    return ""


@pytest.mark.full
def test_nothing_is_passed_over():
    """What a look at every stage finds, and its words."""
    rng, found = Random(3), []
    for graph in graphs(shared, 2_000, 60_000, most=2):
        bad = broken(graph, rng)
        found.append(says(lambda bad=bad: check(bad)))
        assert found[-1] == says(lambda bad=bad: [_copies(bad, flow) for flow in bad.flows])
    words = ("server", "earlier", "twice for one", "twice from one", "occupancy", "latency", "action b", "no gate",
             "from pool", "pool, not 0", "without a server", "could never start")
    assert all(any(word in why for why in found) for word in words) and found.count("") > 200


KINDS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", ["need", "release", "occupancy", "latency", "actions"])
def test_integers_of_any_kind_are_what_they_say(field, kind):
    """Checked, run by both engines and bounded as the same numbers of 64 bits are."""
    times = np.array([3, 0, 120, 7])
    stage = replace(STAGE, occupancy=times, latency=times, actions=(("read", times),))

    def made(kind):
        if field in ("need", "release"):
            edge = replace(EDGE, capacity=4, **{field: RAMP.astype(kind)})
            return graph(first=replace(FIRST, copies=((stage,),)), second=replace(SECOND, inputs=(edge,)), images=3)
        value = (("read", times.astype(kind)),) if field == "actions" else times.astype(kind)
        edge = replace(EDGE, capacity=4)
        return graph(first=replace(FIRST, copies=((replace(stage, **{field: value}),),)),
                     second=replace(SECOND, inputs=(edge,)), images=3)

    plain, other = made(np.int64), made(kind)
    check(other)
    prices = {"read": [Price("cells", 2)], "add": [Price("adder", 3)]}
    for run in (engine.run, fast.run):
        right, found = run(plain), run(other)
        assert [d.tolist() for d in found.done] == [d.tolist() for d in right.done]
        assert (found.busy.tolist(), found.makespan) == (right.busy.tolist(), right.makespan)
        assert conserve(other, found) == conserve(plain, right)
        assert ledger(other, found, prices) == ledger(plain, right, prices)


@pytest.mark.parametrize("kind", [bool, np.float32, np.float64, np.complex128, "M8[s]", "U1", object])
@pytest.mark.parametrize("field", ["need", "release", "occupancy", "latency", "actions"])
def test_what_is_no_integer_is_refused(field, kind):
    values = RAMP.astype(kind)
    value = (("read", values),) if field == "actions" else values
    bad = edge(**{field: value}) if field in ("need", "release") else stage(**{field: value})
    with pytest.raises(ConservationError, match="must be one integer"):
        check(bad)
