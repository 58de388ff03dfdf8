"""Several kinds of tile on one chip: equal kinds are one, and of different ones each does and pays what is its own."""

import json
from dataclasses import replace

import numpy as np
import pytest

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.cost.pricing import reprice
from xbarch.errors import InputError
from xbarch.mapping.kinds import assign
from xbarch.result.joined import joined
from xbarch.result.record import record
from xbarch.run import execute_segments
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.tile_kinds import kinds
from xbarch.workload.graph import Workload
from xbarch.workload.networks import Net


@pytest.fixture(scope="module")
def network():
    """Two convolutions, an addition, a pool and two fully connected layers, with random weights."""
    net = Net((3, 12, 12))
    first = net.conv("first", "input", 16, 3)
    pooled = net.pool("pool", net.add("join", net.conv("second", first, 16, 3), first), 2, 2)
    net.linear("fc2", net.linear("fc1", net.flatten("flatten", pooled), 64), 10)
    layers = []
    for number, layer in enumerate(net.layers):
        layer = replace(layer, weight_bits=8, input_bits=8, output_bits=8)
        if layer.compute:
            shape = (layer.filters, layer.rows // np.prod(layer.kernel), *layer.kernel)
            drawn = np.random.default_rng(number).integers(-127, 128, shape).astype(np.int8)
            layer = replace(layer, weights=lambda w=drawn: w)
        layers.append(layer)
    return Workload(name="small", layers=tuple(layers), datapath="dense")


SLOW = {"crossbar": {"adcs_per_crossbar": "1/4", "rows": 64}, "hierarchy": {"imas_per_tile": 6},
        "buffer": {"size": "32 KB", "access_bits": 128},
        "components": {"adc": {"count": 2, "power": "5 mW", "area": "0.003 mm^2", "actions": 256,
                               "source": "assumed: x"},
                       "edram": {"power": "10 mW", "source": "assumed: x"}}}


def machine(**changed):
    """isaac_like with two kinds of tile."""
    found = {"fast": {"tiles": 100}, "slow": {"tiles": 68, "takes": "linear", **changed}}
    return load("isaac_like", Architecture, [f"kinds={json.dumps(found)}"])


def run(architecture, network, **choices):
    return xbarch.execute(architecture, network, **{"policy": "one_copy", "images": 3, **choices})


def test_equal_kinds_are_one_kind(network):
    """All layers on one kind: the same places, times and energies to the bit."""
    conv = replace(network, layers=tuple(la for la in network.layers if la.op != "linear" and la.name != "flatten"))
    one, two = (run(a, conv, policy="chip") for a in (load("isaac_like", Architecture, ["hierarchy.tiles=100"]),
                                                      machine()))
    assert set(two.machine.on.values()) == {"fast"}
    assert one.plan.parts == two.plan.parts and one.plan.copies == two.plan.copies
    assert all(map(np.array_equal, one.trace.done, two.trace.done))
    first, second = record(one), record(two)
    assert first.energy.by_component_aj.keys() == second.energy.by_component_aj.keys()
    assert first.energy.scopes_aj == second.energy.scopes_aj
    assert first.counts == second.counts and first.latency == second.latency
    assert first.programming.energy_aj == second.programming.energy_aj


def test_equal_kinds_do_the_same_work_wherever_layers_are(network):
    one, two = run(load("isaac_like", Architecture), network), run(machine(), network)
    assert {"fast", "slow"} == set(two.machine.on.values())
    here, there = one.ledger.by_component(), two.ledger.by_component()
    for component in ("adc", "dac", "crossbar", "sample_hold", "shift_add", "activation", "maxpool"):
        assert here[component] == there[component] > 0
    assert nameplate(one.machine.architecture) == nameplate(
        two.machine.architecture, kinds=[m.architecture for m in two.machine.each])
    assert record(one).area.total_mm2 == record(two).area.total_mm2


def test_each_kind_does_and_pays_what_is_its_own(network):
    """A layer's crossbars cost what they cost on a chip with that kind alone; the rest by hand."""
    a = machine(**SLOW)
    mixed = run(a, network)
    alone = {name: run(part, network) for name, part in kinds(a).items()}
    for layer in network.compute_layers:
        kind = "slow" if layer.op == "linear" else "fast"
        assert mixed.machine.on[layer.name] == kind
        assert mixed.packed[layer.name].crossbars == alone[kind].packed[layer.name].crossbars
        assert mixed.packed[layer.name].mean_occupancy == alone[kind].packed[layer.name].mean_occupancy
        for component in ("adc", "dac", "crossbar", "shift_add", "sample_hold"):
            assert mixed.ledger.energy[layer.name, component] == alone[kind].ledger.energy[layer.name, component] > 0
    assert mixed.packed["fc1"].crossbars > run(machine(), network).packed["fc1"].crossbars  # of half the rows
    # Buffers: what is read and written in the tiles of each kind, at 256 bits for 17.25 pJ and 128 for 10 mW * 100 ns.
    by = {kind: sum(n for (_, action), n in mixed.ledger.actions.items() if action == f"edram_access@{kind}")
          for kind in a.kinds}
    assert by["slow"] > 0 and by["fast"] > 0
    price = {kind: reprice(part).components["edram"].energy_aj for kind, part in kinds(a).items()}
    assert price["fast"] == 17_250_000 and price["slow"] == round(10_000 * 100_000 / 120)
    assert mixed.ledger.by_component()["edram"] == sum(by[kind] * price[kind] for kind in by)
    fc1 = network["fc1"]
    pixels = network["pool"].windows * -(-16 * 8 // 128)  # 36 pixels of 16 channels, a word each, as the tile of fc1
    assert by["slow"] == pixels + fc1.rows * 8 // 128 + 2 * (64 * 8 // 128) + -(-10 * 8 // 128)


def test_a_record_of_kinds_adds_up(network):
    a = machine(**SLOW)
    result = record(run(a, network))
    fast, slow = result.kinds
    assert (fast.name, slow.name, fast.layers, slow.layers) == (
        "fast", "slow", ["first", "second"], ["fc1", "fc2"])
    assert fast.crossbars + slow.crossbars == result.mapping.crossbars
    assert fast.used + slow.used == result.mapping.tiles
    shared = result.energy.by_component_aj["router"] + result.energy.by_component_aj["hypertransport"]
    assert fast.dynamic_aj + slow.dynamic_aj + shared == pytest.approx(result.energy.per_image_aj, abs=2)
    assert [la.kind for la in result.mapping.layers if la.crossbars] == ["fast", "fast", "slow", "slow"]
    plates = {name: nameplate(reprice(part), 8, 8) for name, part in kinds(a).items()}
    links = 22.88
    assert fast.area_mm2 == pytest.approx(plates["fast"].area_mm2 - links)
    assert result.peak.tops == pytest.approx(fast.peak_tops + slow.peak_tops)
    assert result.power.peak_w == pytest.approx(fast.peak_w + slow.peak_w + 10.4)
    assert result.area.total_mm2 == pytest.approx(fast.area_mm2 + slow.area_mm2 + links)
    one = record(run(load("isaac_like", Architecture), network))
    assert "kinds" not in one.document() and "kind" not in one.document()["mapping"]["layers"][1]


@pytest.mark.parametrize("takes, slow", [
    ("linear", ["fc1", "fc2"]), ("image", ["first"]), ("short", ["first", "fc2"]), ("rare", ["fc2"]),
    (["fc2", "second"], ["second", "fc2"]),
])
def test_rules(network, takes, slow):
    """short: 64 word lines hold the 27 weights of a filter of `first` and the 64 of `fc2`. rare: 10 crossbars hold the
    one of `fc2`, 64 rows and ten filters of four cells, and not the 18 of `fc1`, 576 rows and 64 filters."""
    a = machine(**SLOW | {"takes": takes, "hierarchy": {"imas_per_tile": 1, "crossbars_per_ima": 1}})
    parts = kinds(a)
    if takes == "rare":
        parts["slow"] = parts["slow"].model_copy(update={
            "hierarchy": parts["slow"].hierarchy.model_copy(update={"tiles": 10})})
    found = assign(network, a, parts)
    assert [name for name, kind in found.items() if kind == "slow"] == slow


def test_a_kind_is_not_replicated_beyond_what_the_slowest_needs(network):
    plan = run(machine(), network, policy="chip").plan
    assert plan.copies["fc1"] == plan.copies["fc2"] == 1
    few = run(load("isaac_like", Architecture, [
        "kinds={fast: {tiles: 167}, slow: {tiles: 1, takes: [second], hierarchy: {imas_per_tile: 1}}}"]), network,
        policy="chip")
    second, first = few.packed["second"], few.packed["first"]
    interval = network["second"].windows * second.mean_occupancy / few.plan.copies["second"]
    assert few.plan.copies["second"] == 8 // second.crossbars
    copies = few.plan.copies["first"]
    assert network["first"].windows * first.mean_occupancy / copies <= interval
    assert network["first"].windows * first.mean_occupancy / (copies - 1) > interval


@pytest.mark.parametrize("choices", [
    {"policy": "fit"}, {"policy": "crossbars:3"}, {"policy": "chip"}, {"policy": "area"}, {"chips": 2},
    {"mode": "layer_by_layer"}, {"mode": "batch"}])
def test_engines_agree(network, choices):
    fast, slow = (run(machine(**SLOW), network, engine=engine, **choices) for engine in ("fast", "simpy"))
    for field in ("issued", "done"):
        assert all(map(np.array_equal, getattr(fast.trace, field), getattr(slow.trace, field)))


def test_what_does_not_fit_names_the_kind(network):
    a = load("isaac_like", Architecture, [
        "kinds={fast: {tiles: 167}, slow: {tiles: 1, takes: linear, hierarchy: {imas_per_tile: 1}}}"])
    with pytest.raises(InputError, match=r"needs at least|on tiles of kind slow needs"):
        run(a, network)
    with pytest.raises(InputError, match=r"kinds\.slow.takes: small has no layer 'fc3' with weights; did you"):
        run(machine(takes=["fc3"]), network)
    with pytest.raises(InputError, match="placement: must be row_major on a chip with several kinds of tile"):
        run(machine(), network, placement="snake")
    with pytest.raises(InputError, match="periphery: must be published on a chip with several kinds of tile"):
        run(machine(), network, periphery="balanced")


def test_a_reloaded_network_has_its_kinds_in_every_segment(network):
    """Eight crossbars of each kind hold `fc1` in parts; energies of kinds add up over the segments."""
    small = load("isaac_like", Architecture, [
        "hierarchy.tiles=2", "hierarchy.imas_per_tile=1",
        "kinds={fast: {tiles: 1}, slow: {tiles: 1, takes: linear, crossbar: {adcs_per_crossbar: 1/4}, "
        "components: {adc: {count: 2}}}}"])
    runs = execute_segments(small, network, batch=4, reload=True, images=1)
    named = {layer: each.machine.of(layer).kind for each in runs for layer in each.packed}
    assert any("#" in layer for layer in named)
    assert all(kind == ("slow" if layer.startswith("fc") else "fast") for layer, kind in named.items())
    for kind in joined(runs, 4).kinds:
        assert kind.dynamic_aj == sum(aj for each in runs for (name, _), aj in each.ledger.kinds.items()
                                      if name == kind.name) > 0
