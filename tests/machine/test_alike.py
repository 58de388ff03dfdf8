"""Graphs that share their stages with those of other plans are what compiling them gives."""

import pytest

from xbarch import run
from xbarch.machine import alike, kept
from xbarch.request import Contents, Request
from xbarch.result.ledger import counted
from xbarch.sim import fast

MODELS = [("vgg7_pruned", "crossbars:2"), ("resnet18_pruned", "fit")]
SMALL = ("crossbar.rows=64", "crossbar.columns=64")  # so that there are several routers


@pytest.fixture
def keeping(monkeypatch):
    """Packings, plans and compiled plans are kept."""
    for each, most in ((kept.shapes, 1), (kept.memo, 1), (kept.plans, 64)):
        monkeypatch.setattr(each, "most", most)
    yield
    kept.shapes.clear()
    kept.plans.clear()


def graph(known, workload, policy, *overrides):
    request = Request(arch="isaac_like", workload=workload, policy=policy, images=2, overrides=SMALL + overrides)
    setup = run.prepare(request, known)
    return run._compiled(setup, setup.network, run.pack_network(setup), False, 2)


@pytest.mark.parametrize(("workload", "policy"), [MODELS[0], pytest.param(*MODELS[1], marks=pytest.mark.full)])
def test_buffers_and_queues_are_put_in_anew(keeping, monkeypatch, workload, policy):
    """The first queue is one in which nothing is cut; the last cuts what the others send whole."""
    known, made, compile_sent = Contents(), [], alike.compile_sent
    monkeypatch.setattr(alike, "compile_sent", lambda *given: made.append(1) or compile_sent(*given))
    changes = [(), ("buffer.size=128 KB",), ("network.queue=250",), ("buffer.size=96 KB", "network.queue=200"),
               ("network.queue=1",)]
    shared, counts = [], []
    for change in changes:
        made.clear()
        shared.append(graph(known, workload, policy, *change))
        counts.append(len(made))
    kept.shapes.most = 0
    for change, (plan, found) in zip(changes, shared, strict=True):
        again, plain = graph(known, workload, policy, *change)
        assert (plan.capacity, plan.homes, plan.placement) == (again.capacity, again.homes, again.placement)
        assert found.pools == plain.pools and found.servers == plain.servers
        for flow, other in zip(found.flows, plain.flows, strict=True):
            assert [edge.capacity for edge in flow.inputs] == [edge.capacity for edge in other.inputs]
            assert repr(flow.copies) == repr(other.copies)
        traces = fast.run(found), fast.run(plain)
        assert traces[0].makespan == traces[1].makespan and found.columns.amount.size
        assert counted(found, traces[0]) == counted(plain, traces[1])
    assert counts[0] and counts[4] and not counts[2], counts
