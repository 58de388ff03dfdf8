"""Which of several plans of a run is taken, where the request leaves it open how copies share a layer's output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from xbarch.mapping.plan import Plan, Planned, first_fitting, fitting
from xbarch.mapping.shares import AUTO
from xbarch.sim import fast
from xbarch.sim.bounds import survey
from xbarch.sim.check import check
from xbarch.sim.graph import StageGraph
from xbarch.sim.steady import steady

Compiled = Callable[[Plan], StageGraph]  # a plan -> its graph, of one image

_IMAGES = 3  # that are simulated where bounds alone do not tell


def shortest(replication: str, planned: Planned, compiled: Compiled) -> tuple[Plan, StageGraph | None]:
    """The plan of that replication; of several, the one with the shortest interval, of equals the first. With it comes
    its graph of one image, where that had to be compiled.

    What the busiest server has to do per image bounds the interval of a plan, and tells plans apart whose copies own
    stripes. Taking pixels in turn sends more and lets copies wait for one another's rows, which no server shows. It can
    only gain where crossbars bind, since it needs no even stripes. There it is taken if its bound is shorter and a
    short simulation finds its interval shorter too.

    Raises:
        CapacityError: one copy of each layer does not fit.
    """
    if replication != AUTO:
        return planned(replication), None
    striped = [plan for name in ("stripes", "stripes_by_layer") if (plan := fitting(planned, name))]
    if not striped:
        return first_fitting(planned, "in_turn", "stripes"), None
    if all(set(plan.copies.values()) == {1} for plan in striped):
        return striped[0], None
    known = [(plan, compiled(plan)) for plan in striped]
    bounds = [_busiest(graph) for _, graph in known]
    (bound, kind), best = min(zip(bounds, known, strict=True), key=lambda each: each[0][0])
    last = fitting(planned, "in_turn") if kind == "crossbar" else None
    if last is None:
        return best
    other = last, compiled(last)
    if _busiest(other[1])[0] >= bound:
        return best
    return min((best, other), key=lambda each: _interval(replace(each[1], images=_IMAGES)))


def _busiest(graph: StageGraph) -> tuple[int, str]:
    """What the busiest server does for an image (ps), and its kind."""
    check(graph)
    work = survey(graph).work
    if not work:
        return 0, ""
    number = max(range(len(work)), key=work.__getitem__)
    return work[number], graph.servers[number].kind


def _interval(graph: StageGraph) -> Fraction:
    """The interval of a short run."""
    check(graph)
    return steady(graph, fast.run(graph)).interval_ps
