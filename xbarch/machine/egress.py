"""Egress: the outputs of a segment of a network leave the chip over the off-chip link, to be read back later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from xbarch.machine.compile import Compiler
from xbarch.machine.emit import Stages
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.mapping.plan import Plan
from xbarch.sim.graph import Deal, Edge, Flow, Stage, StageGraph
from xbarch.workload.graph import Workload


def compile_with_egress(machine: Machine, workload: Workload, packed: Mapping[str, Packed], plan: Plan,
                    images: int) -> StageGraph:
    """Compile a planned workload whose last layer's outputs leave the chip into a stage graph.

    Each output pixel (window) is read from the eDRAM of the tile that computed it, crosses the network to the gate of
    the first chip and occupies that chip's off-chip link, which also brings in the images.
    """
    compiler = Compiler(machine=machine, workload=workload, packed=packed, plan=plan)
    graph = compiler.graph(images)
    last = graph.flows[-1]
    layer = workload[last.name]
    bits = layer.out_shape[0] * layer.output_bits
    copies = []
    for home in plan.homes[layer.name]:
        built = Stages()
        fetch = compiler.read(f"{layer.name}/fetch", home, bits)
        first = built.add(replace(fetch, latency=fetch.occupancy))
        gate = machine.network.gate()
        hops, reached = machine.network.tree(machine.network.router(home), [gate])
        for packet in machine.packets(bits):
            links, out = compiler.links(built, layer, hops, packet, first), machine.off_chip_time(packet)
            here = compiler.staged(built, layer, packet, links[reached[gate]] if reached[gate] >= 0 else first)
            built.add(Stage(f"{layer.name}/leave", compiler.server("hypertransport", "chip0"), out,
                            out + machine.link_time(packet), (here,), actions=(("flit_hop", machine.flits(packet)),)))
        copies.append(tuple(built.stages))
    ramp = np.arange(1, layer.windows + 1, dtype=np.int64)
    room = len(copies) * (plan.paces[layer.name].flight + machine.ahead)
    share = plan.shares.get(layer.name)
    leaving = Flow(f"{layer.name}.out", layer.windows, tuple(copies),
                   (Edge(len(graph.flows) - 1, ramp, ramp, room),), machine.ahead,
                   deal=None if share is None else Deal(share.owner, np.arange(share.copies)))
    return StageGraph(tuple(compiler.servers), (*graph.flows, leaving), images, tuple(compiler.pools))
