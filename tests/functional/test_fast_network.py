"""The fast executor against the slow one and the batched network against the single one: equal to the last bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rigs import fitted

from xbarch.conformance import draw
from xbarch.datapaths.base import Geometry
from xbarch.errors import ConservationError, InputError
from xbarch.functional.execute import run
from xbarch.functional.fast import Prepared
from xbarch.parts.sensing.base import Array
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import bundled
from xbarch.workload import find
from xbarch.workload.batch import products, scores
from xbarch.workload.graph import unroll
from xbarch.workload.infer import infer, inferred

GEOMETRY = Geometry(128, 128, 2)
STORED = sorted(str(p.parent.relative_to(bundled.folder("workloads"))) for p in
                Path(bundled.folder("workloads")).rglob("tensors.safetensors"))


def amplifier(geometry, keeps="high", headroom=0):
    """PRIME's sense amplifiers, which drop low bits."""
    array = Array(columns=geometry.columns, read=100, conversion=10, converters=1, bits=geometry.adc_bits,
                  rows=geometry.rows, cell_bits=geometry.cell_bits, dac_bits=geometry.dac_bits)
    return registry.sensing()["sense_amplifier"](array, {"keeps": keeps, "headroom": headroom})


@pytest.mark.quick(4)
@pytest.mark.parametrize("name", sorted(registry.datapaths()))
def test_layers_drawn_at_random(name):
    """Any data path, any geometry, converters from one bit to enough, amplifiers that drop bits, cells with a sign."""
    path, rng, clipped, dropped = registry.datapath(name), np.random.default_rng(7), 0, 0
    for number in range(12):
        case = draw(rng, path)
        layer, geometry = case.layer, replace(case.geometry, adc_bits=int(rng.integers(1, 11)))
        sensing = fitted(amplifier(geometry, headroom=int(rng.integers(3))), layer) if number % 3 == 2 else None
        maps = rng.integers(0, 1 << layer.input_bits, (layer.in_shape[0], 5, *layer.in_shape[1:]))
        x = np.concatenate([unroll(maps[:, k], layer) for k in range(5)])
        right, made = run(case.packed(), layer, geometry, x, sensing=sensing), Prepared.of(
            case.packed(), layer, geometry, sensing)
        found = made.sums(maps.astype(np.int32))
        assert np.array_equal(found.T, right.out)
        assert (made.counted.clips, made.counted.drops) == (right.clips, right.drops)
        clipped, dropped = clipped + right.clips, dropped + right.drops
    assert clipped and dropped


def shown(network, count):
    """Images: the stored ones, shifted."""
    stored = network.activations[network.compute_layers[0].name]
    return np.stack([np.roll(stored[k % len(stored)], k, axis=2) for k in range(count)]).astype(np.int64)


def compare(network, path, geometry, sensing=None, count=2):
    """Scores and counts of both executors over `count` images; the clips."""
    images, last, slow = shown(network, count), network.layers[-1].name, [0, 0]
    blocks = {la.name: path.pack(la, geometry) for la in network.compute_layers}

    def executed(layer, x):
        done = run(blocks[layer.name], layer, geometry, x, sensing=fitted(sensing, layer))
        slow[:] = slow[0] + done.clips, slow[1] + done.drops
        return done.out

    right = [values[last].ravel() for values in inferred(network, list(images), products=executed)]
    made = {la.name: Prepared.of(blocks[la.name], la, geometry, fitted(sensing, la)) for la in network.compute_layers}
    found = scores(network, images, lambda layer, maps: made[layer.name].sums(maps))
    assert np.array_equal(found, np.stack(right))
    counted = [m.counted for m in made.values()]
    assert [sum(c.clips for c in counted), sum(c.drops for c in counted)] == slow
    digital = scores(network, images, products)
    assert np.array_equal(digital, np.stack([infer(network, image)[last].ravel() for image in images]))
    return slow[0]


def test_a_network_whose_converters_clip():
    network = find.resolve("vgg7_pruned")
    assert compare(network, registry.datapath("dense"), replace(GEOMETRY, adc_bits=6))


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if number % 5 else pytest.mark.full)
                                  for number, name in enumerate(STORED)])
def test_every_stored_workload(name):
    """On its own data path, with converters that are too short by a bit or more; the large ones dense as well."""
    network = find.resolve(name)
    path, units = registry.datapath(network.datapath, network.options), replace(GEOMETRY, ou_rows=8, ou_columns=128)
    needs = bool(path.accepts(network, GEOMETRY))
    compare(network, path, replace(units, adc_bits=3) if needs else replace(GEOMETRY, adc_bits=5), count=1)
    if "/" not in name:
        compare(network, registry.datapath("dense"), replace(GEOMETRY, adc_bits=6), count=1)


@pytest.mark.full
def test_amplifiers_that_drop_low_bits():
    network, machine = find.resolve("vgg7_pruned"), load("prime_like", Architecture)
    geometry = Geometry.of(machine.crossbar)
    compare(network, registry.datapath("dense"), geometry, amplifier(geometry, headroom=2))


def test_a_sum_of_full_scale_does_not_clip():
    """The rule of a converter: 3 bits hold 7 and turn 8 into 7."""
    path, layer = registry.datapath("dense", {"sign": "differential"}), None
    network = find.resolve("vgg7_pruned")
    layer = replace(network.compute_layers[-1], in_shape=(8, 1, 1), out_shape=(1, 1, 1), input_bits=1, weight_bits=2,
                    weights=lambda: np.ones((1, 8, 1, 1), np.int8), mask=None, scale=None, bias=None)
    geometry = Geometry(128, 128, 1, adc_bits=3, unit_column=False)
    made = Prepared.of(path.pack(layer, geometry), layer, geometry)
    for ones, out, clips in ((7, 7, 0), (8, 7, 1)):
        maps = (np.arange(8) < ones).astype(np.int32).reshape(8, 1, 1, 1)
        made.counted.clips = 0
        assert made.sums(maps).tolist() == [[out]] and made.counted.clips == clips


def test_refused():
    network = find.resolve("vgg7_pruned")
    layer = network.compute_layers[1]
    made = Prepared.of(registry.datapath("dense").pack(layer, GEOMETRY), layer, GEOMETRY)
    with pytest.raises(InputError, match=r"must be 0 to 15 \(4 bits\), not 16"):
        made.sums(np.full((layer.in_shape[0], 1, *layer.in_shape[1:]), 16, np.int32))
    with pytest.raises(InputError, match="stores no scale"):
        scores(find.resolve("resnet18_imagenet_synthetic"), np.zeros((1, 3, 224, 224), np.int64), lambda la, m: None)
    wide = replace(layer, input_bits=16, weights=lambda: np.full(layer.weights().shape, 127, np.int8), weight_bits=8)
    with pytest.raises(ConservationError, match="exact"):
        big = Geometry(2048, 128, 8, dac_bits=16)
        Prepared.of(registry.datapath("dense").pack(wide, big), wide, big)
