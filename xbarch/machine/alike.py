"""Stage graphs of plans that differ in nothing but buffers: their stages are compiled once, and room is put in anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from xbarch.machine.compile import compile_sent
from xbarch.machine.emit import QUEUE
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.mapping.plan import Plan
from xbarch.mapping.windows import Input
from xbarch.sim.graph import Flow, Pool, StageGraph
from xbarch.workload.graph import Workload

_MOST = 40  # plans that are remembered: a few policies try ten each


@dataclass(frozen=True)
class Compiled:
    """A plan with its graph of one image."""

    plan: Plan
    """As it was filled."""
    placed: Plan
    graph: StageGraph
    widest: int
    """Flits of the longest of what is sent, before it is cut into packets."""
    queue: int | None

    def serves(self, plan: Plan, queue: int | None) -> bool:
        """Whether the stages of another plan, on a machine with such queues, are the same: nothing lies elsewhere, and
        what is sent is cut into the same packets."""
        same = queue == self.queue or (queue is not None and self.queue is not None
                                       and self.widest <= min(queue, self.queue))
        return same and _alike(plan, self.plan)

    def of(self, plan: Plan, machine: Machine) -> tuple[Plan, StageGraph]:
        """Return another plan that it `serves`, placed, and its graph: with that plan's buffers and the machine's
        queues. What is counted of stages alone stays."""
        placed = self.placed if plan is self.plan else replace(
            plan, parts=self.placed.parts, homes=self.placed.homes, placement=self.placed.placement)
        graph = replace(self.graph, flows=tuple(_roomy(flow, placed) for flow in self.graph.flows),
                        pools=tuple(_queue(pool, machine) for pool in self.graph.pools))
        graph.share(self.graph)
        return placed, graph


def compiled(known: list[Compiled], machine: Machine, network: Workload, packed: Mapping[str, Packed], plan: Plan,
             place: Callable[[Plan], Plan]) -> tuple[Plan, StageGraph]:
    """Place a plan and compile its graph of one image, unless one that is `known` serves it; remember what was made.
    known: of the same network, packings and machine but for the sizes of buffers and queues."""
    for number, each in enumerate(known):
        if each.serves(plan, machine.queue):
            known.append(known.pop(number))  # the latest last: the first are forgotten
            return (each.placed, each.graph) if plan is each.plan and machine.queue == each.queue else \
                each.of(plan, machine)
    placed = place(plan)
    known.append(Compiled(plan, placed, *compile_sent(machine, network, packed, placed), machine.queue))
    del known[:-_MOST]
    return placed, known[-1].graph


def _alike(plan: Plan, other: Plan) -> bool:
    """Whether plans differ at most in the sizes of buffers."""
    return plan is other or (
        plan.copies == other.copies and plan.shares == other.shares and plan.rides == other.rides
        and plan.replication == other.replication and plan.homes == other.homes and plan.parts == other.parts
        and plan.edges.keys() == other.edges.keys() and all(
            len(edges) == len(other.edges[name]) and all(map(_same, edges, other.edges[name]))
            for name, edges in plan.edges.items()))


def _same(edge: Input, other: Input) -> bool:
    return edge is other or (
        replace(edge, need=other.need, release=other.release) == other
        and np.array_equal(edge.need, other.need) and np.array_equal(edge.release, other.release))


def _roomy(flow: Flow, plan: Plan) -> Flow:
    """The flow of a layer with the plan's buffers; running sums wait for no buffer."""
    name = flow.part_of or flow.name
    if any(edge.summed for edge in plan.edges[name]) and not flow.part_of:
        return flow
    sized = [plan.capacity[name, number] for number in range(len(flow.inputs))]
    if sized == [edge.capacity for edge in flow.inputs]:
        return flow
    made = replace(flow, inputs=tuple(replace(edge, capacity=capacity)
                                      for edge, capacity in zip(flow.inputs, sized, strict=True)))
    if "back" in flow.__dict__:
        made.__dict__["back"] = flow.back
    return made


def _queue(pool: Pool, machine: Machine) -> Pool:
    if not pool.name.startswith(QUEUE) or machine.queue is None:
        return pool
    return replace(pool, capacity=machine.queue * machine.architecture.network.planes)
