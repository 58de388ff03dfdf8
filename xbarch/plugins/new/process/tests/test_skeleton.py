"""skeleton: a unit alone, token by token, and a machine that uses it."""

import pytest
from skeleton import SkeletonProcess

import xbarch
from xbarch.sim.engine import run
from xbarch.sim.graph import Flow, Server, Stage, StageGraph


@pytest.mark.parametrize(("idle", "done"), [(0, [17, 27, 37]), (5, [17, 25, 35]), (1000, [15, 25, 35])])
def test_times(idle, done):
    """Tokens of 5 ps that come at 10, 20 and 30; a unit that sleeps after `idle` ps and needs 2 ps to wake up."""
    unit = SkeletonProcess({"idle": idle, "wake": 2})
    come = Stage("come", 0, 10, 10)
    work = Stage("work", 1, 5, 5, (0,), gate=True)
    graph = StageGraph((Server("clock"), Server("unit", process=unit.serve)), (Flow("layer", 3, ((come, work),)),))
    assert run(graph).done[0].tolist() == done


def test_a_machine_takes_it():
    """A buffer that never sleeps changes nothing; one that always does makes the network slower."""
    machine = {"images": 1, "policy": "one_copy"}
    plain = xbarch.simulate("isaac_like", "vgg7_pruned", **machine)
    times = [xbarch.simulate("isaac_like", "vgg7_pruned", **machine, overrides=[
        f"processes={{edram: {{unit: skeleton, options: {{idle: {idle}, wake: 50000}}}}}}",
    ])["latency.makespan_ps"] for idle in (10**12, 0)]
    assert times[0] == plain["latency.makespan_ps"] < times[1]
