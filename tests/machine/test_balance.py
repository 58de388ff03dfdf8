"""A balanced periphery, against sizes computed by hand and against what its servers then do."""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest

import xbarch
from xbarch.cost.pricing import reprice
from xbarch.errors import InputError
from xbarch.machine.balance import TARGET, shortfalls
from xbarch.machine.periphery import Periphery
from xbarch.machine.variant import tile_area
from xbarch.parts.scaling.buffer import CactiEdram
from xbarch.run import execute, execute_segments
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer, Workload

ISAAC = load("isaac_like", Architecture)
HEIGHT, WIDTH, COPIES = 8, 12, 48
SHARED = ("activation", "tile_shift_add", "maxpool", "edram", "bus", "link", "hypertransport")


def two_layers(bits=4):
    """Two layers of 1 x 1 kernels and 64 filters, a crossbar each at 4 bits: 128 inputs, then 64."""
    def conv(name, before, inputs):
        codes = np.ones((64, inputs, 1, 1), np.int8)
        return Layer(name=name, op="conv", inputs=(before,), in_shape=(inputs, HEIGHT, WIDTH),
                     out_shape=(64, HEIGHT, WIDTH), weight_bits=bits, input_bits=bits, output_bits=bits, relu=True,
                     weights=lambda: codes)
    shape = (128, HEIGHT, WIDTH)
    return Workload(name="two", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=bits),
        conv("first", "input", 128), conv("second", "first", 64)))


def shares(run):
    """The busiest server of each kind, over the pipeline interval."""
    span, found = run.graph.images * run.steady.interval_ps, {}
    for server, busy in zip(run.graph.servers, run.trace.busy.tolist(), strict=True):
        found[server.kind] = max(found.get(server.kind, 0), busy / span)
    return found


def test_two_layers_by_hand():
    """48 copies of both layers fill a tile. A copy has 2 of the 96 windows of an image, of 4 phases of 100 ns: 800 ns.

    In this time the tile's two activation units make 64 results of each layer's 96 windows, at 2.4 a nanosecond:
    26,667 ps a window, 5.12 us, which is 8.0001 times 80 % of 800 ns: 17 units. Its bus moves 512 and 256 bits for each
    window, at 81.92 a nanosecond: 900 ns, 1.40625 times 640 ns: 540 wires in place of 384, with which a transfer,
    rounded up to a picosecond, is a little too long: 541. Its buffer's port takes 7 words of 833 ps for each pixel
    (2 in, 2 and 1 out, 1 and 1 of results), 560 ns, and the link from outside 2.5 ns, 240 ns.
    """
    run = execute("isaac_like", two_layers(), policy=f"crossbars:{COPIES}", images=8, periphery="balanced")
    assert set(run.plan.copies.values()) == {COPIES, 1} and run.plan.tiles == 1
    assert run.machine.periphery == Periphery("balanced", {
        "components.activation": Fraction(17, 2), "bus.wires": Fraction(541, 384)})
    built = run.machine.architecture
    assert (built.bus.wires, built.bus.bandwidth) == (541, ceil(ISAAC.bus.bandwidth * Fraction(541, 384)))
    unit, one = built.components["activation"], ISAAC.components["activation"]
    assert (unit.count, unit.area, unit.power, unit.actions) == ("17", *(
        x * 17 // 2 for x in (one.area, one.power, one.actions)))
    assert unit.energy_aj == one.energy_aj  # of one action
    assert built.components["bus"].area == round(ISAAC.components["bus"].area * 541 / 384)
    image = {"activation": 2 * 96 * 3138, "bus": 900_000 * 384 // 541, "edram": 96 * 7 * 833, "hypertransport": 240_000}
    for server, busy in zip(run.graph.servers, run.trace.busy.tolist(), strict=True):
        if server.kind in image:
            assert busy == pytest.approx(8 * image[server.kind], rel=1e-3)
            assert image[server.kind] <= TARGET * 800_000
        if server.kind == "crossbar":
            assert busy == 8 * 800_000


def test_shortfalls_are_relative_to_the_busiest_crossbars():
    published = execute("isaac_like", two_layers(), policy=f"crossbars:{COPIES}", images=8)
    found = shortfalls(published.graph)
    assert found == {"activation": Fraction(2 * 96 * 26_667, 640_000), "bus": Fraction(9375 * 96, 640_000)}
    assert published.machine.periphery == Periphery()


CASES = [("isaac_like", "digit_pairs/vgg7_segprune_4x", "crossbars:2"), ("isaac_like", "resnet18_dense", "crossbars:2"),
         ("isaac_like", "vgg16_segprune", "crossbars:4"), ("sre_like", "digit_pairs/vgg7_sre_4x", "crossbars:2"),
         ("puma_like", "vgg7_pruned", "crossbars:4"), ("neurosim_rram_like", "vgg7_pruned", "crossbars:2"),
         ("pipelayer_like", "vgg7_pruned", "crossbars:2"), ("isaac_like", "resnet18_dense", "area")]


@pytest.mark.quick(2)
@pytest.mark.parametrize(("arch", "workload", "policy"), CASES)
def test_no_shared_unit_is_busier_than_that(arch, workload, policy):
    """While crossbars are the bottleneck, and so at any slower pace; never smaller than published."""
    run = execute(arch, workload, policy=policy, images=8, periphery="balanced")
    assert shortfalls(run.graph) == {}
    found = shares(run)
    assert max(found[kind] for kind in SHARED if kind in found) <= float(TARGET) * found["crossbar"] * 1.001
    assert all(factor > 1 for factor in run.machine.periphery.factors.values())
    paid = {place: run.machine.architecture.components[place.split(".")[1]].action
            for place in run.machine.periphery.factors if place.startswith("components.")}
    assert set(paid.values()) <= {"activation", "requantize", "merge_add", "pool"}  # nothing else grows in number
    plain = execute(arch, workload, policy=policy, images=8)
    if policy != "area":
        assert run.machine.areas()[1] >= plain.machine.areas()[1]


def test_the_area_pays_for_it():
    """Under `area` a larger periphery leaves room for fewer tiles."""
    run = execute("isaac_like", "resnet18_dense", policy="area", images=2, periphery="balanced")
    room = 168 * tile_area(ISAAC.components.values(), ISAAC.hierarchy.imas_per_tile)
    tiles = run.machine.architecture.hierarchy.tiles
    assert run.machine.periphery.factors and tiles < 168
    assert run.machine.areas({"": tiles})[0] <= room < run.machine.areas({"": tiles + 1})[0]


OWN = [("vgg7_pruned", {"policy": "fit"}), ("vgg7_pruned", {"policy": "crossbars:4", "replication": "stripes"}),
       *(pytest.param(name, {"policy": "crossbars:2", "replication": "stripes", "placement": "greedy"},
                      marks=pytest.mark.long) for name in ("vgg16_dense", "resnet18_dense"))]


@pytest.mark.parametrize(("workload", "choices"), OWN)
def test_isaac_at_its_own_precision_stays_as_it_is(workload, choices):
    """At 16 bits the published periphery keeps up; with copies of their own stripes and tiles placed by traffic, also
    under weight replication."""
    same, published = (xbarch.simulate("isaac_like", workload, bits=16, images=2, periphery=kind, **choices)
                       for kind in ("balanced", "published"))
    assert same.architecture.periphery.factors == {}
    left, right = same.data, published.data
    assert left["architecture"].pop("periphery") == {"kind": "balanced", "factors": {}}
    assert right["architecture"].pop("periphery") == {"kind": "published", "factors": {}}
    for data in (left, right):
        data["provenance"].pop("request")
    assert left == right


@pytest.mark.parametrize("workload", ["vgg16_dense", pytest.param("resnet18_dense", marks=pytest.mark.full)])
def test_isaac_keeps_its_tile_at_its_own_precision(workload):
    """With weight replication in turn too; what the network on chip needs depends on where windows go."""
    run = execute("isaac_like", workload, bits=16, policy="crossbars:2", images=1, periphery="balanced")
    assert set(run.machine.periphery.factors) <= {"network.planes"}


def test_published_is_the_default():
    given, plain = (xbarch.Request(arch="isaac_like", workload="vgg7_pruned", **more)
                    for more in ({"periphery": "published"}, {}))
    assert given == plain and given.digest() == plain.digest()
    assert plain.digest() != plain.changed(periphery="balanced").digest()
    with pytest.raises(InputError, match=r"periphery: unknown periphery 'balance'.*did you mean 'balanced'"):
        plain.changed(periphery="balance")


def test_one_machine_for_all_segments():
    """Of a network that is reloaded: each part keeps up."""
    runs = execute_segments("isaac_like", "resnet18_dense", images=2, batch=4, reload=True,
                                   periphery="balanced", overrides=["hierarchy.tiles=8", "network.options.width=2",
                                                                    "network.options.height=1"])
    assert len(runs) > 1 and len({id(run.machine) for run in runs}) == 1
    assert all(shortfalls(run.graph) == {} for run in runs)


def test_more_memories_and_networks_have_a_price():
    """Two ports are two memories of half the size (CACTI's table: 2 banks of 256 bits); two networks twice the
    routers."""
    made = Periphery("balanced", {"buffer.ports": Fraction(2), "network.planes": Fraction(2)}).of(ISAAC)
    built, one = reprice(made, ISAAC).components, ISAAC.components
    assert built["edram"].area == pytest.approx(one["edram"].area * 2 * 0.03472 / 0.05312, rel=1e-6)
    assert built["edram"].energy_aj == one["edram"].energy_aj and built["edram"].per == one["edram"].per // 2
    whole, half = (CactiEdram().look(size, 256, 2) for size in (65536, 32768))
    assert float(half.energy) < float(whole.energy)  # but no access gets cheaper
    router = built["router"]
    assert (router.area, router.count, router.energy_aj) == (
        2 * one["router"].area, "1/2", one["router"].energy_aj)
    assert router.power == 2 * one["router"].power
