"""Compile architecture, plan and packed layers into one stage graph."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from xbarch.machine.digital import digital, sums
from xbarch.machine.emit import OUTSIDE, Emitter, Stages
from xbarch.machine.machine import Machine
from xbarch.machine.passage import Passage
from xbarch.machine.units import Count
from xbarch.mapping.pack import Ints, Packed
from xbarch.mapping.plan import Plan
from xbarch.mapping.traffic import Way, Ways, ways
from xbarch.sim.graph import Deal, Edge, Flow, Stage, StageGraph
from xbarch.workload.graph import Layer, Workload


class Compiler(Emitter):
    """Builds the graph layer by layer."""

    def graph(self, images: int) -> StageGraph:
        """Return the stage graph for `images` images."""
        order, flows = dict[str, int](), list[Flow]()
        for name, edges in self.plan.edges.items():
            layer = self.workload[name]
            found = ways(self.workload, self.plan, name)
            self.sent.clear()
            self.alike.clear()
            copies = tuple(tuple(self.copy(layer, way).stages) for way in found.ways)
            inputs = tuple(Edge(order[e.producer], e.need, e.release, self.plan.capacity[name, i])
                           for i, e in enumerate(edges))
            if layer.summed:
                flows.append(sums(self, layer, inputs[0]))
                pixels: Ints = np.array([flows[-1].windows])
                inputs = (Edge(len(flows) - 1, pixels, pixels, flows[-1].windows),)  # until the sums have been read
            order[name] = len(flows)
            flows.append(Flow(name, layer.windows, copies, inputs, self.machine.ahead, deal=deal(found)))
        return StageGraph(tuple(self.servers), tuple(flows), images, tuple(self.pools))

    def copy(self, layer: Layer, way: Way) -> Stages:
        built = Stages()
        if layer.op == "input":
            self.arrive(built, layer, way)
        elif layer.compute:
            self.multiply(built, layer, way)
        else:
            digital(self, built, layer, way)
        return built

    # -- layers -----------------------------------------------------------------------------------------

    def arrive(self, built: Stages, layer: Layer, way: Way) -> None:
        """A pixel of the image arrives over the off-chip link."""
        bits = layer.out_shape[0] * layer.output_bits
        time = self.machine.off_chip_time(bits)
        first = built.add(Stage(f"{layer.name}/off_chip", self.server("hypertransport", "chip0"), time, time,
                                gate=True))
        self.deliver(built, layer, way, OUTSIDE, bits, self.staged(built, layer, bits, first))

    def staged(self, built: Stages, layer: Layer, bits: int, after: int) -> int:
        """Write `bits` to the buffer that the chip's tiles share and read them from it again, where there is one.
        Returns the last stage."""
        shared = self.machine.architecture.global_buffer
        if shared is None:
            return after
        time, words = self.machine.global_time(bits), ceil(bits / shared.access_bits)
        for step in ("store", "load"):
            after = built.add(Stage(f"{layer.name}/{step}", self.server("global_buffer", "chip0"), time, time, (after,),
                                    actions=(("global_access", words),)))
        return after

    def multiply(self, built: Stages, layer: Layer, way: Way) -> None:
        """Compute one output pixel (window) of a layer on crossbars."""
        Passage(emitter=self, built=built, layer=layer, packed=self.packed[layer.name], way=way).assemble()


def deal(found: Ways) -> Deal | None:
    """Which windows take which ways, and to which copies those belong."""
    if found.taken is None:
        return None
    return Deal(found.taken.astype(np.int64), np.array([way.copy for way in found.ways], np.int64))


def compile_graph(machine: Machine, workload: Workload, packed: Mapping[str, Packed], plan: Plan,
                  images: int) -> StageGraph:
    """Compile a planned workload into its stage graph, with times in ps and actions per window on every stage."""
    return Compiler(machine=machine, workload=workload, packed=packed, plan=plan).graph(images)


def compile_sent(machine: Machine, workload: Workload, packed: Mapping[str, Packed],
                 plan: Plan) -> tuple[StageGraph, int]:
    """`compile_graph` of one image; with the flits of the longest of what is sent, before it is cut into packets."""
    made = Compiler(machine=machine, workload=workload, packed=packed, plan=plan)
    return made.graph(1), made.widest


def total(count: Count, windows: int) -> int:
    """Sum an action count over the windows of an image."""
    return int(np.sum(count)) if isinstance(count, np.ndarray) else count * windows
