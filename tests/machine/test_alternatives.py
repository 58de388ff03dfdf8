"""How copies share a layer's output where the request leaves it open: never slower than what else there was."""

import pytest

import xbarch
from xbarch.mapping.shares import AUTO, REPLICATIONS
from xbarch.sim.bounds import survey


def busiest(run):
    return max(survey(run.graph).work) / run.graph.images


@pytest.mark.quick(2)
@pytest.mark.parametrize(("architecture", "policy"), [
    ("isaac_like", "crossbars:4"), ("puma_like", "crossbars:4"), ("isaac_like", "chip"), ("prime_like", "crossbars:2")])
def test_auto_takes_the_shortest(architecture, policy):
    """The shortest bound of the striped ones, or a shorter interval in turn."""
    made = {name: xbarch.execute(architecture, "vgg7_pruned", policy=policy, images=3, replication=name)
            for name in REPLICATIONS}
    auto = made.pop(AUTO)
    assert auto.plan.replication in made
    striped = min(busiest(run) for name, run in made.items() if name != "in_turn")
    if auto.plan.replication == "in_turn":
        assert busiest(auto) < striped
        best = min((run for name, run in made.items() if name != "in_turn"), key=busiest)
        assert auto.steady.interval_ps < best.steady.interval_ps
    else:
        assert busiest(auto) == striped
    assert auto.steady.interval_ps == made[auto.plan.replication].steady.interval_ps


def test_single_copies_are_the_same():
    """With one copy of each layer nothing is shared among copies."""
    runs = {name: xbarch.execute("isaac_like", "vgg7_pruned", policy="one_copy", images=2, replication=name,
                                 placement="row_major") for name in ("stripes", "in_turn")}
    assert runs["stripes"].steady.interval_ps == runs["in_turn"].steady.interval_ps
    assert runs["stripes"].ledger == runs["in_turn"].ledger
