"""How a window passes a layer without crossbars: pooling, additions, averages of a whole map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xbarch.machine.emit import Emitter, Stages
from xbarch.machine.units import Count
from xbarch.mapping.pack import Ints
from xbarch.mapping.traffic import Way
from xbarch.sim.graph import Edge, Flow, Stage
from xbarch.workload.graph import Layer


def adding(c: Emitter, name: str, tile: int, operations: int, after: tuple[int, ...]) -> Stage:
    """Return the stage that adds numbers in a tile for work that needs no crossbar."""
    m, found = c.machine.at(tile), c.machine.stages.has("merge")
    if found:
        (action, time), server = m.operating(found[0], operations), c.at(found[0], "tile_shift_add", tile)
    else:
        action, server = "merge_add", c.server("tile_shift_add", f"tile{tile}")
        time = m.unit_time(action, operations)
    return Stage(name, server, time, m.latency("merge", time), after, actions=m.act((action, operations)))


def digital(c: Emitter, built: Stages, layer: Layer, way: Way) -> None:
    """Compute one window of a layer without weights in one tile, from its eDRAM."""
    home, outputs = c.plan.homes[layer.name][way.copy], layer.out_shape[0]
    m, edges = c.machine.at(home), c.plan.edges[layer.name]
    bits, operations = (edges[0].sums, 0) if layer.summed else m.digital_work(layer, [e.bits for e in edges])
    last = built.add(c.read(f"{layer.name}/read", home, bits))
    if layer.op == "maxpool":
        time = m.unit_time("pool", operations)
        last = built.add(Stage(f"{layer.name}/{layer.op}", c.server("maxpool", f"tile{home}"), time,
                               m.latency("merge", time), (last,), actions=m.act(("pool", operations))))
        c.deliver(built, layer, way, home, outputs * layer.output_bits, last)
        return
    if operations:
        last = built.add(adding(c, f"{layer.name}/{layer.op}", home, operations, (last,)))
    c.finish(built, layer, way, home, outputs, (last,))


def sums(c: Emitter, layer: Layer, given: Edge) -> Flow:
    """Add every pixel of a feature map to running sums in the tile's buffer, one after another; the first is
    stored. given: where the map comes from."""
    edge, pixels, tile = c.plan.edges[layer.name][0], int(given.release[-1]), c.plan.homes[layer.name][0]
    ramp: Ints = np.arange(1, pixels + 1, dtype=np.int64)

    def later(first: Count, others: Count) -> Ints:
        return np.where(ramp > 1, np.int64(others), np.int64(first))

    def varying(stage: Stage, first: Stage) -> Stage:
        """The stage as it is for all pixels but the first, for which it is as another."""
        return replace(stage, occupancy=later(first.occupancy, stage.occupancy), gate=False,
                       latency=later(first.latency, stage.latency), actions=tuple(
            (action, later(n, more)) for (_, n), (action, more) in zip(first.actions, stage.actions, strict=True)))

    pixel, both = (c.read(f"{layer.name}/read", tile, *pieces)
                   for pieces in ((edge.words * edge.bits,), (edge.words * edge.bits, edge.sums)))
    add = adding(c, f"{layer.name}/add", tile, edge.words, (0,))
    idle = replace(add, occupancy=0, latency=0, actions=tuple((action, 0) for action, _ in add.actions))
    stages = (varying(both, pixel), varying(add, idle), c.write(f"{layer.name}/store", tile, edge.sums, 1))
    return Flow(f"{layer.name}.sums", pixels, (stages,), (replace(given, need=ramp, release=ramp),), 1, layer.name)
