"""Packings read from files are those that were written, to the bit, and belong to what they are asked for."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

import xbarch
from xbarch.choice import choose_datapath
from xbarch.datapaths.dense import Dense
from xbarch.machine.machine import Machine
from xbarch.mapping import packings
from xbarch.mapping.pack import dense_crossbars, distinct, stream
from xbarch.mapping.pack import pack as single
from xbarch.plugins import checked, registry
from xbarch.plugins.registry import datapath
from xbarch.run import refuse_impossible
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import cache
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.zoo import GroupPruning, synthetic

RUNS = [("isaac_like", "vgg7_pruned"), ("isaac_like", "digit_pairs/vgg7_segprune_8x"),
        ("sre_like", "digit_pairs/vgg7_sre_4x"), ("sre_like", "digit_pairs/vgg7_pattpim_4x"),
        ("isaac_like", "digit_pairs/vgg7_xue_2bit"), ("isaac_like", "digit_pairs/vgg7_recom_4x")]
@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(cache.VARIABLE, "1000")
    monkeypatch.setattr(packings, "memo", packings.Memo(1))
    return tmp_path / "cache" / "kept"


def asked(arch, workload, *overrides):
    network, machine = xbarch.load(workload), Machine(load(arch, Architecture, overrides))
    return network, choose_datapath(network, None, None), machine.geometry, machine.sensing


def alike(a, b):
    """Two values, arrays and records of them too, of one type and one content."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(alike(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b


def never(*_):
    raise AssertionError("packed")


@pytest.mark.quick(2)
@pytest.mark.parametrize(("arch", "workload"), RUNS)
def test_what_is_read_is_what_was_written(arch, workload, monkeypatch):
    given = asked(arch, workload)
    fresh = packings.packed(*given)
    with monkeypatch.context() as patch:
        patch.setattr(checked, "work", never)
        again = packings.packed(*asked(arch, workload))
    assert again.keys() == fresh.keys()
    for name, found in again.items():
        old = fresh[name]
        assert found.layer == old.layer and alike(found.layout, old.layout) and alike(found.work, old.work)
        assert alike(found.occupancy, old.occupancy) and found.cuts == old.cuts and alike(found.kept, old.kept)
    name = next(iter(again))
    assert [alike(replace(a, contents=None), replace(b, contents=None)) for a, b in zip(
        again[name].blocks, fresh[name].blocks, strict=True)] == [True] * len(fresh[name].blocks)
    assert alike(again[name].blocks[0].contents(), fresh[name].blocks[0].contents())


@pytest.mark.full
@pytest.mark.parametrize(("arch", "workload"), RUNS[:3])
def test_results_are_equal_to_the_byte_with_and_without(arch, workload, monkeypatch, folder):
    def run():
        monkeypatch.setattr("xbarch.run.memo", packings.Memo(1))
        return xbarch.simulate(arch, workload, images=1).to_json()

    cold, warm = run(), run()
    assert list(folder.iterdir())
    monkeypatch.setenv(cache.VARIABLE, "0")
    assert run() == cold == warm
    monkeypatch.setenv(cache.VARIABLE, "1000")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    assert run() == cold


def test_another_network_geometry_path_or_option_has_another_name():
    network, path, geometry, _ = asked("isaac_like", "vgg7_pruned")

    def name(network=network, path=path, geometry=geometry):
        return packings._name(network, path, geometry,
                              {la.name: stream(network, la, geometry) for la in network.compute_layers})

    names = [name(), name(path=datapath("dense")), name(path=datapath("dense", {"sign": "differential"})),
             name(path=datapath("meng", {"group_ch": 8})), name(geometry=replace(geometry, rows=64)),
             name(network=xbarch.load("digit_pairs/vgg7_meng_2x")),
             name(network=replace(network, activations={}))]
    third = network.compute_layers[2].name
    for change in ({"weight_bits": 5}, {"side": {"group_ch": 4}}, {"scale": None}):
        layers = tuple(replace(la, **change) if la.name == third else la for la in network.layers)
        names.append(name(network=replace(network, layers=layers)))
    assert all(names) and len(set(names)) == len(names)
    assert name(network=xbarch.load("vgg7_pruned")) == names[0]
    assert name(geometry=replace(geometry, adc_bits=7)) == names[0]  # converters change nothing in a packing


def test_weights_or_inputs_that_have_no_name_are_packed_by_every_run():
    network, path, geometry, _ = asked("isaac_like", "vgg7_pruned")
    first = network.compute_layers[0]
    for changed in (replace(network, layers=(replace(first, weights=lambda: first.weights()),)),
                    replace(network, layers=(replace(first, mask=lambda: None),)),
                    replace(network, layers=(first,), activations=dict(network.activations))):
        assert packings._name(changed, path, geometry, {first.name: stream(changed, first, geometry)}) == ""


def test_a_recipe_is_known_by_its_seed_and_its_pruning(monkeypatch):
    def drawn(**changes):
        made = synthetic("x", "lenet5", **{"weight_bits": 4, "input_bits": 4, "seed": 1, **changes})
        path = choose_datapath(made, None, None)
        return made, packings._name(made, path, asked("isaac_like", "vgg7_pruned")[2],
                                    dict.fromkeys(la.name for la in made.compute_layers))

    half, most = (GroupPruning(method="meng", group_ch=4, sparsity=s) for s in (0.5, 0.9))
    names = [drawn(**c)[1] for c in ({}, {"seed": 2}, {"weight_bits": 5}, {"pruning": half}, {"pruning": most})]
    assert all(names) and len(set(names)) == 5 and drawn()[1] == names[0]


def test_what_plugins_pack_is_not_kept(tmp_path):
    """Their code may read and import what nobody knows of."""
    (tmp_path / "mine.py").write_text("from xbarch.datapaths.dense import Dense\n\n\nclass Mine(Dense):\n"
                                      "    name, summary, provenance = 'mine', 'dense again', 'a test'\n")
    registry.load_file(tmp_path / "mine.py")
    network, path, geometry, _ = asked("isaac_like", "vgg7_pruned")
    streams = {layer.name: stream(network, layer, geometry) for layer in network.compute_layers}
    assert packings._name(network, path, geometry, streams)
    assert packings._name(network, datapath("mine"), geometry, streams) == ""


# -- layers alike ---------------------------------------------------------------------------------------------------

def stack(*filters, masked=False):
    """Convolutions of so many filters and channels one after another, each with weights of its own."""
    layers = [Layer(name="input", op="input", inputs=(), in_shape=(filters[0], 5, 5), out_shape=(filters[0], 5, 5),
                    output_bits=4)]
    for number, (channels, count) in enumerate(pairwise((filters[0], *filters))):
        weights = np.random.default_rng(number).integers(-7, 8, (count, channels, 3, 3))
        layers.append(Layer(name=f"conv{number}", op="conv", inputs=(layers[-1].name,), in_shape=(channels, 5, 5),
                            out_shape=(count, 5, 5), kernel=(3, 3), padding=(1, 1), weight_bits=4, input_bits=4,
                            output_bits=4, weights=lambda w=weights: w,
                            mask=(lambda w=weights: w > 0) if masked else None))
    return Workload(name="stack", layers=tuple(layers))


def test_layers_alike_are_packed_once(monkeypatch):
    """They share tables and work, equal to those of a packing of their own; what they hold is their own weights."""
    machine, counted, pack = Machine(load("isaac_like", Architecture, ["crossbar.rows=16"])), [], Dense.pack

    def counting(path, layer, geometry):
        counted.append(layer.name)
        return pack(path, layer, geometry)

    monkeypatch.setattr(Dense, "pack", counting)
    for network, packed_ in ((stack(20, 20, 20, 30, 30), ["conv0", "conv3", "conv4"]),
                             (stack(20, 20, masked=True), ["conv0", "conv1"])):
        counted.clear()
        made = packings.packed(network, Dense(), machine.geometry, machine.sensing)
        assert counted == packed_
        assert [la.name for la in distinct(network, Dense()).compute_layers] == packed_
        for layer in network.compute_layers:
            own = single(layer, Dense(), machine.geometry, machine.sensing)
            mine = made[layer.name]
            assert alike(mine.layout, own.layout) and alike(mine.work, own.work) and mine.layer is layer
            assert all(np.array_equal(a.contents().cells, b.contents().cells)
                       for a, b in zip(mine.blocks, own.blocks, strict=True))


def test_inputs_or_another_method_make_layers_their_own():
    network = stack(20, 20, 20)
    given = {layer.name: np.zeros((1, *layer.in_shape), np.uint8) for layer in network.compute_layers}
    assert len(distinct(network, Dense()).compute_layers) == 1
    assert len(distinct(network, datapath("pattpim")).compute_layers) == 3
    assert len(distinct(replace(network, activations=given), Dense()).compute_layers) == 3


@pytest.mark.full
def test_more_than_a_million_crossbars_of_layers_alike():
    """40 layers of 32,768 crossbars each are packed in the time of one; layers that differ are refused by their number,
    before they are packed."""
    machine = Machine(load("isaac_like", Architecture, ["crossbar.rows=4", "crossbar.columns=4"]), 100)
    network = Workload(name="stack", layers=tuple(replace(layer, weights=lambda: np.zeros((64, 64, 3, 3), np.int8))
                                      for layer in stack(*[64] * 40).layers))
    refuse_impossible(network, machine, Dense())
    made = packings.packed(network, Dense(), machine.geometry, machine.sensing)
    assert len({id(p.layout) for p in made.values()}) == 1
    assert sum(p.crossbars for p in made.values()) == dense_crossbars(network, machine.geometry)
