"""What binds a run, by the rule in the reference on servers of known busy times."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import xbarch
from xbarch.render.compared import comparison
from xbarch.result.bound import bound
from xbarch.run import execute


@pytest.fixture(scope="module")
def run():
    return execute("isaac_like", "vgg7_pruned", images=4, policy="crossbars:2")


def held(run, **shares):
    """The run in which one server of each kind is held for a share of the interval (in tenths), the others never."""
    busy, left = np.zeros(len(run.graph.servers), np.int64), dict(shares)
    interval = Fraction(1_000_000)
    for number, server in enumerate(run.graph.servers):
        if server.kind in left:
            busy[number] = int(left.pop(server.kind) * run.graph.images * interval) // 10
    assert not left
    return replace(run, trace=replace(run.trace, busy=busy), steady=replace(run.steady, interval_ps=interval))


@pytest.mark.parametrize(("shares", "by"), [
    ({"crossbar": 9, "activation": 10}, "crossbars"),  # at least 90 %
    ({"crossbar": 8, "activation": 9}, "activation"), ({"crossbar": 8, "activation": 10}, "activation"),
    ({"crossbar": 8, "activation": 7}, "crossbars"),  # the busiest, at least 80 %
    ({"crossbar": 7, "activation": 6}, "waiting"), ({"crossbar": 1, "edram": 7}, "waiting"),
    ({"crossbar": 1, "bus": 8}, "bus")])
def test_rule(run, shares, by):
    found = bound(held(run, **shares))
    most = max(shares, key=shares.get)
    assert found.by == by and found.server.startswith(f"{most}@")
    assert found.share == shares[most] / 10 and found.crossbars == shares["crossbar"] / 10


def test_shares_of_a_real_run(run):
    """Of the pipeline interval, as the trace has them."""
    found = bound(run)
    server = next(i for i, s in enumerate(run.graph.servers) if s.name == found.server)
    assert found.share == pytest.approx(float(run.trace.busy[server] / (4 * run.steady.interval_ps)))
    assert max(run.trace.busy) == run.trace.busy[server]


def test_a_single_image_and_a_reloaded_network_have_none():
    assert xbarch.simulate("isaac_like", "vgg7_pruned", images=1).bound is None
    assert "busiest server" in xbarch.simulate("isaac_like", "vgg7_pruned", images=1).summary()
    cut = xbarch.simulate("isaac_like", "resnet18_dense", images=2, batch=4, reload=True, overrides=[
        "hierarchy.tiles=8", "network.options.width=2", "network.options.height=1"])
    assert cut.segments and cut.bound is None


def test_saved_results_are_compared_with_what_binds_them(run):
    found = [xbarch.simulate("isaac_like", "vgg7_pruned", images=2, policy=policy) for policy in ("fit", "crossbars:4")]
    [line] = [line for line in comparison(found) if line.figure.label == "images/s"]
    assert line.kinds == [f"bound by {r.bound.by}" for r in found]
    assert f"(bound by {found[0].bound.by})" in line.cells()[1]
