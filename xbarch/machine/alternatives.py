"""Which of several plans of a run is taken, where the request leaves it open how copies share a layer's output."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from xbarch.errors import CapacityError
from xbarch.mapping.plan import Plan
from xbarch.mapping.shares import AUTO, REPLICATIONS
from xbarch.sim import fast
from xbarch.sim.bounds import survey
from xbarch.sim.check import check
from xbarch.sim.graph import StageGraph
from xbarch.sim.steady import steady

Planned = Callable[[str], Plan]  # how copies share a layer's output -> the plan
Compiled = Callable[[Plan, int], StageGraph]  # (plan, images) -> its graph

_IMAGES = 3  # that are simulated where bounds alone do not tell


def shortest(replication: str, planned: Planned, compiled: Compiled) -> Plan:
    """The plan of that replication; of several, the one with the shortest interval, of equals the first.

    What the busiest server has to do per image bounds the interval of a plan. It tells plans apart whose copies own
    stripes. Where copies take pixels in turn they also wait for one another's rows, which no server shows: such a plan
    is taken only where its bound is shorter and a short simulation finds its interval shorter too.

    Raises:
        CapacityError: one copy of each layer does not fit.
    """
    if replication != AUTO:
        return planned(replication)
    plans, refused = list[Plan](), list[CapacityError]()
    for name in (name for name in REPLICATIONS if name != AUTO):
        try:
            plans.append(planned(name))
        except CapacityError as error:
            refused.append(error)
    if not plans:
        raise refused[-1]
    if len(plans) == 1 or all(set(plan.copies.values()) == {1} for plan in plans):
        return plans[0]
    bounds = [max(survey(compiled(plan, 1)).work, default=0) for plan in plans]
    order = sorted(range(len(plans)), key=lambda number: (bounds[number], number))
    best = next((number for number in order if plans[number].shares), order[0])
    if bounds[best] == bounds[order[0]]:
        return plans[best]
    return min((plans[best], plans[order[0]]), key=lambda plan: _interval(compiled(plan, _IMAGES)))


def _interval(graph: StageGraph) -> Fraction:
    """The interval of a short run."""
    check(graph)
    return steady(graph, fast.run(graph)).interval_ps
