"""Intervals known in closed form, found and not assumed."""

from fractions import Fraction

import numpy as np
import pytest

from xbarch.sim.engine import run
from xbarch.sim.graph import Edge, Flow, Server, Stage, StageGraph
from xbarch.sim.steady import Steady, steady


def ramp(windows):
    return np.arange(1, windows + 1)


def chain(times, windows, images, capacity):
    """Flows one behind the other, window for window, each with a server of its own."""
    flows = [Flow(f"f{i}", windows, ((Stage("s", i, t, t, gate=True),),),
                  (Edge(i - 1, ramp(windows), ramp(windows), capacity),) if i else ()) for i, t in enumerate(times)]
    return StageGraph(tuple(Server(f"s{i}") for i in range(len(times))), tuple(flows), images)


def measured(graph):
    return steady(graph, run(graph))


@pytest.mark.parametrize("times", [(5, 11, 7), (11, 5, 7), (5, 7, 11), (3, 3, 3)])
def test_the_bottleneck_sets_the_interval(times):
    """n windows: a image every n * max(times), the first after the sum of times and n - 1 times the slowest."""
    for windows in (1, 2, 7):
        found = measured(chain(times, windows, 10, 2))
        assert found == Steady(Fraction(windows * max(times)), "exact", sum(times) + (windows - 1) * max(times))


def test_a_source_that_runs_away_is_not_a_steady_state():
    """Large buffers: the first flow is never held back, so nothing repeats as a whole; the mean is still right."""
    found = measured(chain((5, 11, 7), 4, 8, 1000))
    assert found == Steady(Fraction(44), "mean", 5 + 4 * 11 + 7, 0)


def test_a_pattern_of_two_images():
    """A copy of 10 and one of 31 take images in turn, each held until the one before it in order is issued."""
    copies = ((Stage("fast", 0, 10, 10, gate=True),), (Stage("slow", 1, 31, 31, gate=True),))
    graph = StageGraph((Server("x"), Server("y")), (Flow("f", 1, copies, ahead=1),), 12)
    trace = run(graph)
    gaps = np.diff(np.maximum.accumulate(trace.done[0]))
    assert len(set(gaps[4:].tolist())) == 2  # not the same gap twice
    assert steady(graph, trace) == Steady(Fraction(31, 2), "exact", 10)


@pytest.mark.parametrize("period", [3, 5, 16])
def test_longer_patterns(period):
    """Images dealt to as many copies that take turns at one server: the mean of their times there."""
    held = [7 + 3 * i * i for i in range(period)]
    first = Flow("f", 1, tuple((Stage("s", 0, h, h, gate=True),) for h in held), ahead=1)
    graph = StageGraph((Server("x"),), (first,), 4 * period)
    found = measured(graph)
    assert found.exact and found.interval_ps == Fraction(sum(held), period)


def test_one_server_shared_by_two_flows():
    """All windows of both flows pass it: an image every 4 * (6 + 9) whatever the order."""
    need = np.array([4, 4, 4, 4])
    flows = (Flow("a", 4, ((Stage("s", 0, 6, 6, gate=True),),)),
             Flow("b", 4, ((Stage("s", 0, 9, 9, gate=True),),), (Edge(0, need, ramp(4), 6),)))
    found = measured(StageGraph((Server("x"),), flows, 12))
    assert found.exact and found.interval_ps == 60


def edited(gaps, last_issue):
    """A run of two flows whose images were complete at these gaps from 500 on; the second follows by 7."""
    flows = (Flow("a", 1, ((Stage("s", 0, 1, 1, gate=True),),)),
             Flow("b", 1, ((Stage("s", 1, 1, 1, gate=True),),), (Edge(0, ramp(1), ramp(1), 3),)))
    graph = StageGraph((Server("x"), Server("y")), flows, len(gaps) + 1)
    trace = run(graph)
    trace.done[1] = 500 + np.cumsum([0, *gaps])
    trace.done[0] = trace.done[1] - 7
    trace.issued[0][-1] = trace.done[1][last_issue]
    return steady(graph, trace)


def test_images_that_drain_do_not_count():
    """Ten images: 100 apart, but the last two, with nothing behind them, 60 apart; they are left out of the mean."""
    found = edited([100, 101, 99, 102, 98, 100, 103, 60, 60], 7)
    assert found == Steady(Fraction(98 + 100 + 103, 3), "mean", 500, 7)  # 4.303 * 2.517 / 3 ** 0.5


def test_a_repetition_that_only_the_drain_ends_is_exact():
    assert edited([90, 95, 100, 100, 100, 100, 60, 50], 6) == Steady(Fraction(100), "exact", 500)


def test_a_repetition_that_ended_before_the_drain_is_none():
    found = edited([100] * 5 + [103, 98, 104, 97, 105, 96, 106, 95], 13)
    assert found == Steady(Fraction(98 + 104 + 97 + 105 + 96 + 106 + 95, 7), "mean", 500, 5)  # 2.447 * 4.67 / 7 ** 0.5


def test_what_was_seen_once_is_no_repetition():
    assert not edited([10, 20], 2).exact
    assert not edited([10, 20, 10], 3).exact
    assert edited([10, 20, 10, 20], 4) == Steady(Fraction(15), "exact", 500)


def test_one_image_has_only_its_own_time():
    assert measured(chain((5, 11, 7), 4, 1, 2)) == Steady(Fraction(5 + 44 + 7), "single", 56)


def test_an_image_is_complete_when_every_last_flow_is_done_with_it_and_with_those_before():
    """A fork: two flows that nobody reads, the slower one counts."""
    flows = (Flow("a", 2, ((Stage("s", 0, 4, 4, gate=True),),)),
             *(Flow(f"b{i}", 2, ((Stage("s", i, t, t, gate=True),),), (Edge(0, ramp(2), ramp(2), 2),))
               for i, t in ((1, 9), (2, 5))))
    found = measured(StageGraph((Server("x"), Server("y"), Server("z")), flows, 6))
    assert found == Steady(Fraction(18), "exact", 4 + 9 * 2)


def test_a_server_that_needs_longer_than_the_mean_bounds_the_interval():
    """Four images of which two come at once: the mean of the later gaps is 5.5, the server works 30 for each image. The
    bound is no mean, so it has no interval of its own."""
    held = np.array([30, 30, 30, 30])
    graph = StageGraph((Server("idle"), Server("slow")), (
        Flow("a", 1, ((Stage("t", 0, 1, 1), Stage("s", 1, held, held, gate=True)),), ahead=1),), 4)
    trace = run(graph)
    assert steady(graph, trace).kind == "exact"
    trace.done[0] = np.array([100, 200, 205, 211])
    trace.issued[0][-1] = 211
    found = steady(graph, trace)
    assert found == Steady(Fraction(30), "bound", 100, server=1) and found.spread_ps is None and not found.exact
    trace.done[0] = np.array([100, 200, 240, 300])
    assert steady(graph, trace).kind == "mean" and steady(graph, trace).server is None


@pytest.mark.parametrize("images", [1, 2, 5])
def test_no_time_at_all_still_gives_a_positive_interval(images):
    graph = StageGraph((), (Flow("a", 3, ((Stage("s", -1, 0, 0, gate=True),),)),), images)
    assert measured(graph).interval_ps > 0


def test_every_window_counts_for_an_exact_repetition():
    """One window in the middle of the flow in the middle never falls into step: the mean, not exact."""
    graph = chain((5, 11, 7), 3, 9, 2)
    trace = run(graph)
    assert steady(graph, trace).exact
    trace.done[1][1::3] += np.arange(9) ** 2
    assert steady(graph, trace) == Steady(Fraction(33), "mean", 5 + 33 + 7, 0)


def test_a_mean_has_its_confidence_interval():
    """Against Student's formula by hand: images of 10 to 90 ps at one server, later ones in the second half."""
    rng = np.random.default_rng(2)
    held = rng.integers(10, 90, 41)
    graph = StageGraph((Server("x"),), (Flow("f", 1, ((Stage("s", 0, held, held, gate=True),),), ahead=1),), 41)
    found = measured(graph)
    gaps = held[21:40].astype(float)  # after image 20; the last one starts when all others are done
    half = 2.101 * (np.square(gaps - gaps.mean()).sum() / 18 / 19)**0.5  # 18 degrees of freedom
    assert not found.exact and found.interval_ps == Fraction(int(held[21:40].sum()), 19)
    assert found.spread_ps == np.ceil(half)
    assert measured(chain((5, 11, 7), 4, 4, 1000)).spread_ps is None  # a mean of two
    assert measured(chain((5, 11, 7), 4, 10, 2)).spread_ps is None  # exact


def test_nineteen_of_twenty_intervals_hold_the_truth():
    """Independent times of a known mean, at no server that bounds it: the confidence interval misses it about once in
    twenty."""
    rng, found = np.random.default_rng(4), []
    for _ in range(400):
        times = rng.integers(100, 301, 33)
        graph = StageGraph((), (Flow("f", 1, ((Stage("s", -1, times, times, gate=True),),), ahead=1),), 33)
        found.append(measured(graph))
    means = [run for run in found if not run.exact]  # two equal times in a row are taken for a repetition
    held = sum(abs(run.interval_ps - 200) <= run.spread_ps for run in means)
    assert len(means) > 380 and 0.92 < held / len(means) < 0.98
