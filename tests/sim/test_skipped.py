"""Runs that are put ahead where their state repeats, against SimPy, which simulates all of them."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from simoracles import alone, graphs, shared
from test_fast import outcome

from xbarch.sim import engine, fast, repeat
from xbarch.sim.graph import Edge, Flow, Server, Stage, StageGraph


@pytest.fixture
def jumps(monkeypatch):
    """Images put ahead, of each time that it was done; graphs without arbitration are not left to recurrences."""
    monkeypatch.setattr(fast, "_freely", lambda graph, stages: False)
    found, ahead = [], repeat._View.ahead

    def counted(view, before, here):
        times = ahead(view, before, here)
        found.append(times * (here.image - before.image))
        return times

    monkeypatch.setattr(repeat._View, "ahead", counted)
    return found


def longer(graph, seed):
    """The graph with many images, and some times that differ from one image to the next."""
    rng = Random(seed)
    if rng.random() < 0.7:
        return replace(graph, images=rng.randint(8, 60))

    def varied(stage, windows):
        return replace(stage, occupancy=np.array([rng.randint(0, 9) for _ in range(windows * rng.choice((1, 2, 3)))]))

    flows = tuple(replace(f, copies=tuple(tuple(varied(s, f.windows) if rng.random() < 0.2 else s for s in stages)
                                          for stages in f.copies)) for f in graph.flows)
    return replace(graph, flows=flows, images=rng.randint(8, 60))


@pytest.mark.full
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize(("make", "options"), [(alone, {}), (shared, {}), (shared, {"most": 3})],
                         ids=["alone", "shared", "pools"])
def test_random_graphs(make, options, compiled, jumps):
    """Every time, count and pool of every token; most runs of those that end are put ahead."""
    count = 0
    for number, graph in enumerate(graphs(make, 200, 50_000, deals=True, **options)):
        graph = longer(graph, number)
        found = outcome(fast.run, graph, compiled=compiled)
        assert found == outcome(engine.run, graph), number
        count += not isinstance(found, str)
    assert sum(jump > 0 for jump in jumps) > count / 2


def chain(images, times=1):
    """Two stages behind one another, the second the slower one; times: images after which it repeats."""
    slow = np.arange(1, 4 * times + 1) * 7 % 11
    marks = np.arange(1, 5)
    return StageGraph((Server("a"), Server("b")), (
        Flow("a", 4, ((Stage("a", 0, 3, 3, gate=True),),)),
        Flow("b", 4, ((Stage("b", 1, slow, slow, gate=True),),), (Edge(0, marks, marks, 3),))), images)


def test_it_costs_no_more_than_its_beginning(jumps):
    """A thousand images as three and what is left at the end."""
    few, many = fast.run(chain(20)), fast.run(chain(1_000))
    assert jumps[1] - jumps[0] == 980 and jumps[0] > 10
    last = [run.done[1].reshape(-1, 4) for run in (few, many)]
    assert np.array_equal(np.diff(last[1], axis=0)[-5:], np.diff(last[0], axis=0)[-5:])
    assert many.busy[1] == 1_000 * int((np.arange(1, 5) * 7 % 11).sum()) and many.visits == 8_000


def test_a_period_of_several_images_is_waited_for(jumps):
    graph = chain(200, 5)
    assert outcome(fast.run, graph) == outcome(engine.run, graph)
    assert jumps and jumps[0] % 5 == 0 and jumps[0] > 150


def test_what_never_repeats_is_simulated(jumps):
    """Times of more images than a period may have; a producer that runs ever further ahead."""
    rng = np.random.default_rng(3)
    marks = np.arange(1, 3)
    for times, capacity in ((rng.integers(1, 9, 2 * 40), 4), (9, 1_000)):
        graph = StageGraph((Server("a"), Server("b")), (
            Flow("a", 2, ((Stage("a", 0, 1, 1, gate=True),),)),
            Flow("b", 2, ((Stage("b", 1, times, times, gate=True),),), (Edge(0, marks, marks, capacity),))), 80)
        assert outcome(fast.run, graph) == outcome(engine.run, graph)
    assert not any(jumps)
