"""Runs put together from periods: equal to the full simulation in all that is told of them, of any length, none where
nothing repeats."""

import json
from dataclasses import replace

import numpy as np
import pytest

import xbarch
from xbarch.errors import ConservationError, InputError
from xbarch.machine import simulate
from xbarch.result.ledger import _dealt
from xbarch.sim import engine, fast, periodic
from xbarch.sim.bounds import conserve, survey
from xbarch.sim.graph import Deal, Edge, Flow, Pool, Server, Stage, StageGraph
from xbarch.sim.steady import steady


def graph(images=40, copies=3, seed=0):
    """Three flows that share a port and a queue; copies do not divide the windows, so a period is several images."""
    rng = np.random.default_rng(seed)
    ramp, whole = np.arange(1, 11), np.full(1, 10)
    times = rng.integers(1, 60, 6).tolist()

    def stages(server, held, room=()):
        return (Stage("read", 0, times[0], times[1]),
                Stage("work", server, held, held + 3, (0,), gate=True, room=room),
                Stage("write", 0, times[2], times[3], (1,)))

    def flow(name, windows, first, held, edges, room=()):
        return Flow(name, windows, tuple(stages(first + c, held, room) for c in range(copies)), edges)

    flows = (
        flow("a", 10, 1, times[4], ()),
        flow("b", 10, 1 + copies, times[5] + 7, (Edge(0, ramp, ramp, 4),), ((0, 2),)),
        flow("c", 1, 1 + 2 * copies, 40, (Edge(1, whole, whole, 13),)))
    return StageGraph(tuple(Server(f"s{n}") for n in range(1 + 3 * copies)), flows, images, (Pool("queue", 3),))


@pytest.mark.quick(2)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("copies", [1, 3])
def test_equal_to_the_full_run(copies, seed):
    """Counts, room, makespan, interval, first image, and times of the images shown; bounds hold and are no looser than
    the work of the servers."""
    asked = graph(103, copies, seed)
    full, done = engine.run(asked), periodic.run_long(asked, 10**6)
    assert done is not None
    for name in ("executed", "makespan", "taken", "given", "peak"):
        assert getattr(done.trace, name) == getattr(full, name), name
    for name in ("busy", "served", "held"):
        assert np.array_equal(getattr(done.trace, name), getattr(full, name)), name
    assert done.steady == steady(asked, full)
    for name in ("done", "issued"):
        for some, every in zip(getattr(done.trace, name), getattr(full, name), strict=True):
            assert 0 < len(some) < len(every) and np.array_equal(some, every[:len(some)])
    least, most = conserve(asked, full)
    assert max(survey(asked).work) <= done.bounds[0] <= least and done.bounds[1] == most


def test_of_any_number_of_images():
    """Each image beyond adds an interval's share; a million takes no longer than a hundred."""
    few, many = (periodic.run_long(graph(images), 10**6) for images in (203, 203 + 3 * 10**6))
    assert many.steady == few.steady
    assert many.trace.makespan - few.trace.makespan == 3 * 10**6 * few.steady.interval_ps
    assert [len(done) for done in many.trace.done] == [len(done) for done in few.trace.done]


def test_what_does_not_repeat_is_not_put_together():
    """Times of each of many images its own; runs no longer than those that a repetition is looked for in; too many
    windows to look for one."""
    times = np.random.default_rng(1).integers(50, 90, 10 * 97)
    asked = graph(200)
    flow = asked.flows[1]
    own = tuple(tuple(replace(stage, occupancy=times) if stage.gate else stage for stage in copy)
                for copy in flow.copies)
    assert periodic.run_long(replace(asked, flows=(asked.flows[0], replace(flow, copies=own), asked.flows[2])),
                             10**6) is None
    assert periodic.run_long(graph(8), 10**6) is None
    assert periodic.run_long(graph(200), 300) is None


def test_a_period_without_its_work_is_an_error(monkeypatch):
    """The periods' work is counted twice: by the run and without it."""
    find = fast.find

    def wrong(asked):
        before, here = find(asked)
        counts = {**here.counts, "BUSY": here.counts["BUSY"] + 1}
        return before, replace(here, counts=counts)

    monkeypatch.setattr(periodic.fast, "find", wrong)
    with pytest.raises(ConservationError, match=r"a period of \d+ images must have the work of its images"):
        periodic.run_long(graph(203), 10**6)


@pytest.mark.parametrize("turn", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [1, 4, 6])
def test_counts_of_windows_dealt_in_turn(turn, size):
    """To `turn` copies in turn, or as drawn."""
    counts = np.arange(1, size + 1, dtype=np.int64) ** 2
    drawn = Deal(np.array([*range(turn), *(3 * w % 7 % turn for w in range(size * turn - turn))]), np.arange(turn))
    for total in (1, 7, 60, 61):
        for deal in (None, drawn):
            flow = Flow("f", size * turn, ((Stage("s", -1, 1, 1),),) * turn, deal=deal)
            takes = [w % turn if deal is None else int(deal.entry[w % len(deal.entry)]) for w in range(total)]
            for entry in range(turn):
                windows = [w for w in range(total) if takes[w] == entry]
                assert _dealt(counts, flow, entry, len(windows)) == sum(int(counts[w % size]) for w in windows)
                assert flow.taken(entry, len(windows)).tolist() == windows


@pytest.mark.full
@pytest.mark.parametrize("mode", ["pipelined", "layer_by_layer"])
def test_results_of_a_whole_run_are_the_same(mode, monkeypatch):
    """All of the result but how many images the timeline shows, the wait for inputs, which is a mean over these, and
    what is said of the engine."""
    documents = []
    for many in (10**12, 0):
        monkeypatch.setattr(simulate, "_MANY", many)
        made = xbarch.simulate("isaac_like", "resnet18_pruned", images=120, mode=mode, engine="fast",
                               overrides=["buffer.size=256 KB"])
        documents.append(json.loads(made.to_json()))
    full, put = documents
    for span, shown in zip(full.pop("timeline"), put.pop("timeline"), strict=True):
        count = len(shown["start_ps"])
        assert 0 < count < 120 and all(span[key][:count] == shown[key] for key in ("start_ps", "stop_ps"))
    for document in documents:
        assert all(layer.pop("inputs_ps") >= 0 for layer in document["layer_time"])
    bounds = [document["latency"].pop("bounds_ps") for document in documents]
    assert bounds[1][0] <= bounds[0][0] and bounds[0][1] == bounds[1][1]
    assert full == put


@pytest.mark.full
def test_a_thousand_images_of_vgg16():
    """205,000 output pixels an image: refused one by one."""
    done = xbarch.execute("isaac_like", "vgg16_imagenet_dense16", chips=5, images=1000)
    assert done.steady.exact and sum(map(len, done.trace.done)) < 10**7
    with pytest.raises(InputError, match="where every image is simulated; give at most"):
        xbarch.execute("isaac_like", "vgg16_imagenet_dense16", chips=5, images=1000, engine="simpy")
