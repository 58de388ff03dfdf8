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


@pytest.mark.quick(1)
@pytest.mark.parametrize(("architecture", "network", "links", "budgets"), [
    ("isaac_like", "vgg7_pruned", "0.02 GHz", (2, 3, 4, 6, 8)), ("isaac_like", "vgg7_pruned", "0.01 GHz", range(1, 9)),
    ("isaac_like", "resnet18_dense", "1 GHz", range(3, 9)), ("isaac_like", "vgg16_segprune", "0.1 GHz", range(1, 6)),
    ("puma_like", "vgg7_pruned", "0.02 GHz", (1, 2, 4, 6, 8))])
def test_a_larger_budget_is_not_slower_where_links_bind(architecture, network, links, budgets):
    """And crossbars are declined only where links would bind, in whole halves of a dense copy."""
    rates, some = [0.0], False
    for budget in budgets:
        result = xbarch.simulate(architecture, network, policy=f"crossbars:{budget}", images=4,
                                 overrides=[f"network.clock={links}"])
        rates.append(1 / result.latency.pipeline_interval_ps)
        found = result.mapping
        if found.declined:
            some = True
            assert 2 * (found.budget - found.declined) // found.dense_crossbars * found.dense_crossbars // 2 == \
                found.budget - found.declined >= found.crossbars
            text = " ".join(result.summary().split())
            assert f"{found.declined:,} of the {found.budget:,} crossbars that the policy allows" in text
    assert some
    assert all(after >= 0.99 * max(rates[:at]) for at, after in enumerate(rates) if at)
