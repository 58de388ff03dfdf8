"""Speed-ups of pruning methods keep their order on faster peripheries and other placements, as reports/ranks.py shows
for large networks."""

import runpy
from pathlib import Path

import pytest

RANKS = runpy.run_path(str(Path(__file__).parents[2] / "reports" / "ranks.py"))
METHODS = ("meng_2x", "huai_4x", "segprune_4x", "lin_4x", "pim_prune_4x")


@pytest.fixture(scope="module")
def made():
    """Speed-ups of VGG-7 over dense, and what binds, on balanced machines, on such with everything shared four times
    as fast, with tiles placed by traffic, and as published."""
    def run(workload, **more):
        return RANKS["simulate"](workload, "isaac_like", "crossbars:2", **more)

    def each(workload, **more):
        balanced = run(workload, periphery="balanced", **more)
        return {"balanced": balanced, "published": run(workload, **more),
                "faster": run(workload, overrides=RANKS["sizes"](balanced, "isaac_like", 4), **more),
                "greedy": run(workload, overrides=RANKS["sizes"](balanced, "isaac_like"), placement="greedy", **more)}

    base = each(f"digit_pairs/vgg7_{METHODS[0]}", datapath="dense")
    return base, [each(f"digit_pairs/vgg7_{name}") for name in METHODS]


@pytest.mark.parametrize("other", ["faster", "greedy"])
def test_order_of_methods(made, other):
    base, found = made
    ups = {name: [RANKS["speed_up"](base[name], each[name]) for each in found] for name in ("balanced", other)}
    assert RANKS["spearman"](ups["balanced"], ups[other]) >= 0.8
    assert ups["balanced"] == pytest.approx(ups[other], rel=0.05)


def test_crossbars_bind_on_balanced_machines(made):
    """And not on the published one: what it compares at 4 bits is its activation units."""
    base, found = made
    assert {run["balanced"].bound.by for run in (base, *found)} == {"crossbars"}
    assert base["published"].bound.by == "activation" and base["published"].bound.share > 0.9 > base[
        "published"].bound.crossbars
    for run in (base, *found):
        assert run["faster"].latency.pipeline_interval_ps <= 1.01 * run["balanced"].latency.pipeline_interval_ps


def test_rank_correlation_by_hand():
    """6 Σ d² / n (n² - 1) below 1; ties share their mean rank."""
    rho = RANKS["spearman"]
    assert rho([1, 2, 3, 4], [10, 20, 40, 30]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert rho([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert rho([1, 1, 2], [5, 5, 9]) == pytest.approx(1)


def test_faster_is_four_times_the_balanced_rates():
    result = RANKS["simulate"]("digit_pairs/vgg7_huai_4x", "isaac_like", "crossbars:2", periphery="balanced")
    factors = result.architecture.periphery.factors
    again = RANKS["simulate"]("digit_pairs/vgg7_huai_4x", "isaac_like", "crossbars:2",
                              overrides=RANKS["sizes"](result, "isaac_like"))
    assert again.latency.pipeline_interval_ps == pytest.approx(result.latency.pipeline_interval_ps, rel=1e-3)
    asked = dict(text.split("=") for text in RANKS["sizes"](result, "isaac_like", 4))
    assert asked["buffer.ports"] == asked["network.planes"] == "4" and factors.get("network.planes", 1) == 1
    assert int(asked["components.activation.actions"]) == round(4 * 240 * factors["components.activation"])
    assert int(asked["bus.wires"]) == pytest.approx(4 * 384 * factors.get("bus.wires", 1), rel=1e-4)
