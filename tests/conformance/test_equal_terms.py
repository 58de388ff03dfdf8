"""Equal terms: an unpruned network costs on every data path what it costs on `dense`, whether the machine gates unused
bit lines or not; what a data path adds in front or in cells of its own is said here, path by path."""

from dataclasses import replace

import numpy as np
import pytest

import xbarch
from xbarch.datapaths.base import Geometry
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import bundled
from xbarch.workload.graph import Layer, Workload

MACHINES = ("isaac_like", "puma_like", "neurosim_rram_like", "sre_like", "forms_like")
PATHS = sorted(set(registry.datapaths()) - {"dense"})
DIFFERENTIAL = {"forms": {"sign": "differential"}}
"""FORMS stores magnitudes; filters of which fragments have both signs, here all, take two weight columns: as many cells
as positive and negative parts."""
CELLS = {"xue": 6 / 8}
"""A sign and a magnitude of 3 bits take 6 single-bit cells, its base's positive and negative parts of 4 bits 8."""
HARDWARE = ("forms", "recom", "repim", "snrram", "sre")
"""What looks at every input as it comes, pruned or not: zero detectors, comparisons with the window before, fragments'
effective bits, forming of operation units."""


def network(path, bits=4):
    """Two layers that leave a part of a crossbar's bit lines and rows empty; no mask, no stored inputs."""
    rng, low, high = np.random.default_rng(8), *path.levels(bits)
    layers = [Layer(name="input", op="input", inputs=(), in_shape=(40, 5, 5), out_shape=(40, 5, 5), output_bits=4)]
    for name, op, before, out, kernel in (("conv", "conv", (40, 5, 5), (50, 5, 5), (3, 3)),
                                          ("fc", "linear", (1250, 1, 1), (10, 1, 1), (1, 1))):
        weights = rng.integers(low, high + 1, (out[0], before[0], *kernel))
        if name == "fc":
            layers.append(Layer(name="flatten", op="flatten", inputs=("conv",), in_shape=(50, 5, 5),
                                out_shape=(1250, 1, 1), output_bits=4))
        layers.append(Layer(name=name, op=op, inputs=(layers[-1].name,), in_shape=before, out_shape=out,
                            kernel=kernel, weight_bits=bits, input_bits=4,
                            padding=(1, 1) if op == "conv" else (0, 0), output_bits=4, weights=lambda w=weights: w))
    return Workload(name="two", layers=tuple(layers))


def base(path):
    """Options and overrides of `dense` in the data path's cells and signs."""
    options, changes = path.matched()
    return DIFFERENTIAL.get(path.name, options), changes


def conversions(path, layer, geometry):
    work = path.work(path.pack(layer, geometry), layer, geometry)
    return int((work.reads * work.columns).sum())


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("units", [0, 16])
def test_conversions_of_an_unpruned_layer(gated, units):
    """Packing alone: as many as `dense`, to the last, with and without operation units; and `dense` never looks at
    masks (80 % zeros cost the same)."""
    geometry = Geometry(128, 128, 2, gated=gated, ou_rows=units, ou_columns=units)
    taken = 0
    for name in PATHS:
        path = registry.datapath(name)
        layer = network(path).compute_layers[0]
        if path.accepts(network(path), geometry):
            continue
        options, changes = base(path)
        plain, own = registry.datapath("dense", options), replace(geometry, cell_bits=1) if changes else geometry
        found, expected = conversions(path, layer, geometry), conversions(plain, layer, own)
        assert found == expected if name not in CELLS else 0.74 < found / expected < 0.77, name
        sparse = replace(layer, mask=lambda: np.random.default_rng(1).random((50, 40, 3, 3)) < 0.2)
        assert conversions(plain, sparse, own) == expected
        taken += 1
    assert taken >= 14


def test_gating_leaves_out_what_no_weight_is_on():
    """50 filters of 2 cells and a reference: 101 of 129 bit lines, of every row block."""
    path = registry.datapath("dense")
    layer = network(path).compute_layers[0]
    costs = [conversions(path, layer, Geometry(128, 128, 2, gated=gated)) for gated in (True, False)]
    assert costs == [3 * 4 * 101, 3 * 4 * 129]


@pytest.mark.full
@pytest.mark.parametrize("gated", ["true", "false"])
@pytest.mark.parametrize("machine", MACHINES)
def test_an_unpruned_network_costs_the_same(machine, gated):
    """Conversions, energy (of the chip, without the parts that the data path adds) and time within 1 %; with those
    parts too, unless they look at every input."""
    taken = 0
    for name in PATHS:
        path = registry.datapath(name)
        asked, (options, changes) = network(path), base(path)
        if name == "forms" and machine != "forms_like":
            continue
        try:
            mine = run(machine, asked, name, {}, [f"crossbar.gated={gated}"])
        except xbarch.InputError as refused:
            assert "operation units" in str(refused)
            continue
        plain = run(machine, asked, "dense", options, [f"crossbar.gated={gated}", *changes])
        taken += 1
        assert mine.time == pytest.approx(plain.time, rel=0.01), name
        if name in CELLS:
            assert 0.74 < mine.conversions / plain.conversions < 0.77 and mine.energy < plain.energy
            continue
        assert mine.conversions == plain.conversions, name
        assert mine.energy - mine.added == pytest.approx(plain.energy, rel=0.01), name
        assert mine.added < 0.01 * plain.energy or name in HARDWARE, name
    assert taken >= 14


class run:
    """Figures of four images on one copy of every layer; energy of the chip, and of what the data path adds, in aJ."""

    def __init__(self, machine, asked, name, options, overrides):
        result = xbarch.simulate(machine, asked, datapath=name, options=options, overrides=overrides, images=4,
                                 policy="one_copy")
        made = xbarch.execute(machine, asked, datapath=name, options=options, overrides=overrides, images=1,
                              policy="one_copy").machine
        parts = {a.name for a in registry.datapath(name, options).components(made.geometry)}
        self.conversions = result["counts.actions.conversion"]
        self.energy, self.time = result["energy.scopes_aj.chip"], result["latency.makespan_ps"]
        self.added = sum(e for part, e in result["energy.by_component_aj"].items() if part in parts)


@pytest.mark.parametrize("name", sorted(bundled.names("architectures")))
def test_every_bundled_machine_says_how_it_reads(name):
    """All gate but PUMA, whose instruction computes whole products; every introduction gives the reason."""
    assert load(name, Architecture).crossbar.gated == (name != "puma_like")
    said = bundled.entry(name, "architectures", (".yaml",)).with_suffix(".md").read_text(encoding="utf-8")
    if name == "puma_like":
        assert "crossbar.gated: false" in said
    else:
        assert any(text in said for text in ("crossbar.gated: true", "The same chip as [isaac_like]",
                                             "the hierarchy of [neurosim_rram_like]"))
