"""Columns against the stages they are made from, whatever these say."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from simoracles import alone, graphs, shared

from xbarch.errors import ConservationError, InputError
from xbarch.sim.check import check
from xbarch.sim.columns import columns
from xbarch.sim.graph import Flow, Pool, Server, Stage, StageGraph


def rows(graph):
    """Of every stage in the order of ports: flow, copy, and all that its columns say."""
    c = graph.columns
    for port in range(len(c.server)):
        copy = int(c.copy[port])
        assert c.first[copy] <= port < c.first[copy + 1]
        yield (int(c.flow[copy]), copy, int(c.server[port]), bool(c.gate[port]), c.times[c.occupancy[port]],
               c.times[c.latency[port]], tuple((c.after[c.later == port] - c.first[copy]).tolist()),
               tuple(zip(c.pool[c.taker == port].tolist(), c.amount[c.taker == port].tolist(), strict=True)))


@pytest.mark.parametrize(("make", "options"), [(alone, {}), (shared, {"most": 3})], ids=["alone", "pools"])
def test_they_say_what_the_stages_say(make, options):
    for graph in graphs(make, 200, 90_000, **options):
        copies = [(number, stages) for number, flow in enumerate(graph.flows) for stages in flow.copies]
        said = [(number, copy, s.server, s.gate, s.occupancy, s.latency, s.after, s.room)
                for copy, (number, stages) in enumerate(copies) for s in stages]
        found = list(rows(graph))
        assert len(found) == len(said) == graph.columns.first[-1]
        for one, other in zip(found, said, strict=True):
            assert one[:4] + one[6:] == other[:4] + other[6:]
            for a, b in zip(one[4:6], other[4:6], strict=True):
                assert a is b if isinstance(b, np.ndarray) else a == b


def test_times_are_kept_once():
    """Numbers that are equal, arrays that are one and the same."""
    one, two = np.array([1, 2]), np.array([1, 2])
    stages = tuple(Stage("s", -1, *times) for times in ((10**6, one), (one, int("1000000")), (two, id(one))))
    found = columns([[stages]])
    assert len(found.times) == 4 and found.times[0] == 10**6 and found.times[-1] == id(one)
    assert {id(times) for times in found.times} >= {id(one), id(two)}


def test_a_changed_graph_has_its_own():
    graph = next(graphs(shared, 1, 7, most=2))
    assert graph.columns is graph.columns
    longer = replace(graph, flows=(*graph.flows, Flow("more", 1, ((Stage("s", -1, 1, 1),),))))
    assert len(longer.columns.server) == len(graph.columns.server) + 1
    again = pickle.loads(pickle.dumps(longer))
    assert again.columns.server.tolist() == longer.columns.server.tolist()
    assert repr(again) == repr(longer)


HUGE = 2**80
FLOW = Flow("f", 2, ((Stage("s", 0, 1, 1, gate=True),),))


@pytest.mark.parametrize(("changes", "error", "says"), [
    ({"server": HUGE}, ConservationError, f"asks for server {HUGE} of 1"),
    ({"server": -HUGE}, ConservationError, f"asks for server {-HUGE} of 1"),
    ({"after": (HUGE,)}, ConservationError, f"at 0 must come after earlier stages, not ({HUGE},)"),
    ({"room": ((HUGE, 1),)}, ConservationError, f"takes from pool {HUGE} of 1"),
    ({"room": ((0, HUGE),)}, InputError, f"it needs {HUGE:,} at once in p, which holds 5"),
    ({"occupancy": HUGE}, InputError, "the run could last"),
    ({"latency": -HUGE}, ConservationError, f"latency is {-HUGE}"),
    ({"occupancy": np.ones((2, 2), int)}, ConservationError, "occupancy is int64[2, 2]"),
    ({"latency": np.array(3)}, ConservationError, "latency is int64[]"),
    ({"latency": np.zeros(0, int)}, ConservationError, "latency is int64[0]"),
])
def test_malformed_graphs_have_columns(changes, error, says):
    stage = replace(FLOW.copies[0][0], **changes)
    graph = StageGraph((Server("x"),), (replace(FLOW, copies=((stage,),)),), 1, (Pool("p", 5),))
    assert len(graph.columns.server) == 1
    with pytest.raises(error) as found:
        check(graph)
    assert says in str(found.value)


@pytest.mark.parametrize("flows", [(), (replace(FLOW, copies=()),), (replace(FLOW, copies=((), ())),),
                                   (replace(FLOW, copies=((), *FLOW.copies)),)])
def test_flows_copies_and_stages_may_be_missing(flows):
    found = columns([flow.copies for flow in flows])
    assert len(found.flow) == sum(len(flow.copies) for flow in flows)
    assert len(found.server) == found.first[-1] == sum(len(stages) for flow in flows for stages in flow.copies)
    with pytest.raises(ConservationError, match=r"no flow|no copy|no stage"):
        check(StageGraph((Server("x"),), flows))


def test_pools_without_limit_hold_everything():
    stage = Stage("s", 0, 1, 1, gate=True, room=((0, 2**40),))
    check(StageGraph((Server("x"),), (Flow("f", 2, ((stage,),)),), 1, (Pool("p", HUGE),)))
