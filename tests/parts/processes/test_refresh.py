"""Refreshed buffers against a clock that ticks one ps at a time."""

from random import Random

import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.parts.processes.refresh import Refresh
from xbarch.plugins.registry import served
from xbarch.sim.bounds import conserve
from xbarch.sim.engine import run
from xbarch.sim.graph import Flow, Server, Stage, StageGraph
from xbarch.specs.chip import Served


def ticking(arrivals, held, every, row):
    """When each access ends, and how many refreshes there were by then: each picosecond the port, if it is free, takes
    a refresh that is due, else the first access that waits."""
    now = free = due = refreshes = 0
    waiting, ends = list(arrivals), []
    while waiting:
        due += now > 0 and now % every == 0
        if now >= free:
            if due:
                due, free, refreshes = due - 1, now + row, refreshes + 1
            elif waiting[0] <= now:
                waiting.pop(0)
                free = now + held
                ends.append((free, refreshes))
        now += 1
    return ends


@pytest.mark.parametrize("seed", range(20))
def test_every_access_ends_when_the_clock_says(seed):
    rng = Random(seed)
    every, held, gap = rng.randint(4, 30), rng.randint(1, 12), rng.randint(1, 25)
    row = rng.randint(1, every - 1)
    windows = 40
    unit = Refresh({"retention": f"{every * 8 + rng.randint(0, 7)} ps", "rows": 8, "row": f"{row} ps", "accesses": 3})
    come = Stage("come", 0, gap, gap, gate=True)
    access = Stage("access", 1, held, held, (0,))
    graph = StageGraph((Server("clock"), Server("edram", process=unit.serve)),
                       (Flow("layer", windows, ((come, access),), ahead=windows),))
    trace = run(graph)
    ends = ticking([gap * (1 + window) for window in range(windows)], held, every, row)
    assert trace.done[0].tolist() == [end for end, _ in ends]
    assert trace.acted.get((1, 0, "edram_access"), 0) == 3 * ends[-1][1]
    conserve(graph, trace)


def test_a_machine_with_it_is_slower_and_pays_for_it():
    """Of the same accesses, more energy; of a retention that never ends, the same figures as without."""
    def result(**options):
        text = ", ".join(f"{name}: {value}" for name, value in options.items())
        return xbarch.simulate("isaac_like", "vgg7_pruned", images=2, engine="simpy", overrides=[
            f"processes={{edram: {{unit: refresh, options: {{{text}}}}}}}"])

    plain = xbarch.simulate("isaac_like", "vgg7_pruned", images=2, engine="simpy")
    rare = result(retention="1000 s", rows=1, row="1 ns")
    often = result(retention="40 us", rows=512, row="40 ns", accesses=2)
    for key in ("latency.makespan_ps", "energy.dynamic_aj", "counts.actions.edram_access"):
        assert plain[key] == rare[key] < often[key]
    assert often["architecture.processes"] == {"edram": "refresh"} and not often["latency.steady"]
    extra = (often["counts.actions.edram_access"] - plain["counts.actions.edram_access"]) * 2  # of both images
    tiles, every = often["mapping.tiles"], 40_000_000 // 512
    assert 0 < extra <= 2 * tiles * (often["latency.makespan_ps"] // every)


def test_refreshes_that_leave_no_time_are_refused():
    asked = Served(unit="refresh", options={"retention": "1 us", "rows": 100, "row": "10 ns"})
    with pytest.raises(InputError, match=r"processes.edram.options.*row: must be less than retention / "
                                         r"rows = 10000 ps, not 10000 ps \(processes.edram.unit is refresh\)"):
        served(asked, "processes.edram")
