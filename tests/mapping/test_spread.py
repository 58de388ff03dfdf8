"""Maps larger than a tile's buffer are spread over the buffers of several tiles, which the machine has."""

from dataclasses import replace

import numpy as np
import pytest

import xbarch
from xbarch.errors import CapacityError
from xbarch.machine.machine import Machine
from xbarch.mapping.buffers import Buffers
from xbarch.mapping.capacity import Candidate, smallest
from xbarch.mapping.pack import pack
from xbarch.plugins import registry
from xbarch.run import execute_segments
from xbarch.sim import engine, fast
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer, Workload

C, SIDE = 16, 12
MAP = C * SIDE * SIDE  # bytes
SMALL = "buffer.size=1 KB"


def conv(name, source, channels, out=C, side=SIDE, kernel=1):
    return Layer(name=name, op="conv", inputs=(source,), in_shape=(channels, side, side), out_shape=(out, side, side),
                 kernel=(kernel, kernel), padding=(kernel // 2, kernel // 2), scale=np.full(out, 0.1),
                 bias=np.zeros(out), relu=True, weights=lambda: np.ones((out, channels, kernel, kernel), np.int8))


def plain(name, op, inputs, out=(C, SIDE, SIDE), **about):
    count = {"add": 2, "mul": 1, "avgpool": 1}.get(op, len(inputs))
    return Layer(name=name, op=op, inputs=inputs, in_shape=(C, SIDE, SIDE), out_shape=out,
                 scale=np.full(count, 0.1), **about)


def gated(*more):
    """A map that is multiplied by a gate made of all of it, and what follows."""
    return Workload(name="gated", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=(3, SIDE, SIDE), out_shape=(3, SIDE, SIDE)),
        conv("map", "input", 3), plain("mean", "avgpool", ("map",), (C, 1, 1), kernel=(SIDE, SIDE)),
        conv("gate", "mean", C, side=1), plain("x", "mul", ("map", "gate")), *more))


NETWORKS = {
    "product": gated(conv("last", "x", C)),
    "residual": gated(plain("sum", "add", ("x", "map")), conv("last", "sum", C)),
    "concatenated": gated(conv("b", "x", C, kernel=3), plain("y", "concat", ("map", "x", "b"), (3 * C, SIDE, SIDE)),
                          conv("last", "y", 3 * C)),
}


def run(name, images=4, small=SMALL, **more):
    return xbarch.execute("isaac_like", NETWORKS[name], images=images, overrides=[small], policy="one_copy", **more)


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tile_keeps_what_it_holds(name):
    """Buffers of all tiles, by the plan, and at every moment of a run, by the times at which pixels come and go."""
    made = run(name)
    plan, size = made.plan, made.machine.holds
    wide = [la for la in ("x", "sum", "y") if la in plan.copies]
    assert all(plan.copies[la] > 1 for la in wide) and {len(set(plan.homes[la])) > 1 for la in wide} == {True}
    needs, filled = Buffers(made.workload.by_name, plan.edges, plan.shares, plan.capacity), dict[int, int]()
    for layer in plan.edges:
        there = dict[int, list[int]]()
        for copy in range(plan.copies[layer]):
            for tile in plan.tiles_of(layer, copy):
                there.setdefault(tile, []).append(copy)
        for tile, copies in there.items():
            filled[tile] = filled.get(tile, 0) + needs(layer, copies)
    assert max(filled.values()) <= size < MAP * 8
    flows = {flow.name: number for number, flow in enumerate(made.graph.flows)}
    assert stays(made, flows, "map", "x") >= MAP * 8  # the gate waits for all of it


def stays(made, flows, producer, consumer):
    """Bits of a producer's map that wait for a consumer at the worst moment, all tiles together."""
    share, pixels = made.plan.shares, SIDE * SIDE
    came = made.trace.done[flows[producer]].reshape(-1, pixels)[:, share[producer].rank.ravel()]
    left = made.trace.issued[flows[consumer]].reshape(-1, pixels)[:, share[consumer].rank.ravel()]
    assert (came <= left).all()
    times = np.concatenate([came.ravel(), left.ravel()])
    order = np.argsort(times, kind="stable")
    change = np.concatenate([np.ones(came.size), -np.ones(left.size)])[order]
    return int(change.cumsum().max()) * C * 8


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", NETWORKS)
def test_both_engines_agree(name):
    graph = run(name).graph
    one, other = engine.run(graph), fast.run(graph)
    assert one.makespan == other.makespan > 0
    assert all(np.array_equal(a, b) for a, b in zip(one.done, other.done, strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_large_buffer_is_not_spread_and_no_faster(name):
    large, small = (run(name, images=8, small=size) for size in ("buffer.size=64 KB", SMALL))
    assert large.plan.copies["x"] == 1 < small.plan.copies["x"]
    assert small.steady.interval_ps <= 1.02 * large.steady.interval_ps


def test_in_turn_every_tile_would_keep_all_of_it():
    with pytest.raises(CapacityError, match=r"layer x needs a line buffer of 3 KB, a tile has 1 KB; stripes "
                                            r"\(--replication\) would spread it over several tiles, or a larger eDRAM"):
        run("product", replication="in_turn")


def test_tiles_that_hold_too_little_together():
    """Two tiles of 1 KB: the need is that of the buffers of all."""
    with pytest.raises(CapacityError, match=r"needs a line buffer|do not fit 2 tiles"):
        xbarch.execute("isaac_like", NETWORKS["product"], images=1, overrides=[SMALL, "hierarchy.tiles=2"])


def test_the_smallest_chip_has_tiles_for_the_map():
    machine = Machine(load("isaac_like", Architecture))
    network, path = NETWORKS["product"], registry.datapath("dense")
    packed = {la.name: pack(la, path, machine.geometry, machine.sensing) for la in network.compute_layers}
    candidate = Candidate(network, packed, {la.name: machine.pace(la, packed.get(la.name)) for la in network.layers})
    found = {kb: smallest(candidate, replace(machine.room(), buffer=kb * 8192), lambda tiles: tiles).tiles
             for kb in (1, 64)}
    assert found[64] == 1 and found[1] >= MAP / 1024


def test_segments_spread_maps_too():
    """Reloaded on a chip of eight tiles, whose buffers hold the map together."""
    runs = execute_segments("isaac_like", NETWORKS["product"], overrides=[SMALL, "hierarchy.tiles=8"], batch=2,
                            images=2, policy="one_copy")
    assert runs and any(made.plan.copies.get("x", 1) > 1 for made in runs)
