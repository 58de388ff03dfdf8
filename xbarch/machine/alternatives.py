"""Which of several plans of a run is taken: how copies share a layer's output, where the request leaves it open, and
with how many of the crossbars that it may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from xbarch.mapping.plan import Plan, first_fitting, fitting
from xbarch.mapping.shares import AUTO
from xbarch.sim import fast
from xbarch.sim.bounds import survey
from xbarch.sim.check import check, countable
from xbarch.sim.graph import Server, StageGraph
from xbarch.sim.steady import steady

Planned = Callable[[str, Fraction | None], Plan]
"""How copies share a layer's output, and how many times the crossbars of a dense copy may be used at most -> the plan,
its tiles numbered as they were filled."""
Compiled = Callable[[Plan], tuple[Plan, StageGraph]]
"""A plan -> the same with its tiles placed, and its graph of one image."""

_IMAGES = 3  # that are simulated where bounds alone do not tell
_GAIN = Fraction(99, 100)  # of the bound of stripes: what taking pixels in turn must be able to reach to be tried


@dataclass(frozen=True)
class _Choice:
    """A placed plan, its graph, and what its busiest server does for an image (ps)."""

    plan: Plan
    graph: StageGraph
    bound: int
    busiest: Server | None

    @property
    def crossbars(self) -> bool:
        return self.busiest is not None and self.busiest.kind == "crossbar"

    @property
    def links(self) -> bool:
        """Whether what binds it are outputs on their way: links on chips, or between them."""
        return self.busiest is not None and (self.busiest.kind == "link" or (
            self.busiest.kind == "hypertransport" and self.busiest.name != "hypertransport@chip0"))


def shortest(replication: str, planned: Planned, compiled: Compiled) -> tuple[Plan, StageGraph]:
    """Return the plan with the shortest interval, of equals the first, and its graph of one image.

    What the busiest server has to do per image bounds the interval of a plan, and tells plans apart whose copies own
    stripes; crossbars alone often tell that a plan need not be compiled. Taking pixels in turn sends more and lets
    copies wait for one another's rows, which no server shows. It can only gain where crossbars bind, since pixels need
    not be shared evenly within an image. There it is taken if its bound is shorter by a percent or more and a short
    simulation finds its interval shorter too.

    Where links bind, more copies may load them more without a use. Then plans on fewer crossbars are looked at as well,
    on half a dense copy's less at a time, or about a fifth less of many, as long as links bind those too and crossbars
    would not.

    Raises:
        CapacityError: one copy of each layer does not fit.
    """
    names = ("stripes", "stripes_by_layer") if replication == AUTO else (replication,)
    best = _best(names, None, planned, compiled)
    if best is None:  # for stripes, buffers may be too small
        firsts = ("in_turn", "stripes") if replication == AUTO else (replication, replication)
        best = _choice(first_fitting(lambda name: planned(name, None), *firsts), compiled)
    here = best
    for most in _fewer(best.plan):
        other = _best(names, most, planned, compiled, best.bound) if here.links else None
        if other is None:
            break
        here, best = other, min(best, other, key=lambda each: each.bound)
    if replication == AUTO and best.crossbars and set(best.plan.copies.values()) != {1}:
        last = fitting(lambda name: planned(name, None), "in_turn")
        if last is not None and last.interval < best.bound * _GAIN:
            turns = _choice(last, compiled)
            if turns.bound < best.bound * _GAIN:
                best = min((best, turns), key=lambda each: _interval(each.graph.of(_IMAGES)))
    return best.plan, best.graph


def _best(names: Sequence[str], most: Fraction | None, planned: Planned, compiled: Compiled,
          bound: int | None = None) -> _Choice | None:
    """The plan with the shortest bound of those that fit; None where crossbars alone reach `bound`."""
    best: _Choice | None = None
    for name in names:
        plan, known = fitting(lambda name: planned(name, most), name), bound if best is None else best.bound
        if plan is None or (known is not None and plan.interval >= known):
            continue
        found = _choice(plan, compiled)
        if best is None or found.bound < best.bound:
            best = found
    return best


def _fewer(plan: Plan) -> Iterator[Fraction]:
    """Fewer and fewer crossbars than a plan uses, in dense copies: halves, three bits long."""
    halves = 2 * plan.crossbars // plan.dense_crossbars + 1
    while halves > 1:
        halves -= 1
        dropped = max(0, halves.bit_length() - 3)
        halves = halves >> dropped << dropped
        if halves * plan.dense_crossbars < 2 * plan.crossbars:
            yield Fraction(halves, 2)


def _choice(plan: Plan, compiled: Compiled) -> _Choice:
    """The plan with what its busiest server does for an image."""
    placed, graph = compiled(plan)
    check(graph)
    work = survey(graph).work
    number = max(range(len(work)), key=work.__getitem__, default=None)
    return _Choice(placed, graph, *((0, None) if number is None else (work[number], graph.servers[number])))


def _interval(graph: StageGraph) -> Fraction:
    """The interval of a short run of a graph that was checked for one image."""
    countable(graph)
    return steady(graph, fast.run(graph)).interval_ps
