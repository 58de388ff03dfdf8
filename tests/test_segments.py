"""A network larger than the machine: how it is cut, and what reloading costs by hand."""

import json
from itertools import pairwise

import numpy as np
import pytest

import xbarch
from xbarch.errors import CapacityError, InputError
from xbarch.mapping.segments import cut, is_read_later
from xbarch.result.programming import programming
from xbarch.result.result import read
from xbarch.run import execute_segments
from xbarch.workload.graph import Layer, Workload


def layer(name, source, below, above, op="conv", **more):
    weights = np.arange(below * above, dtype=np.int64).reshape(above, below, 1, 1) % 16 - 8
    return Layer(name=name, op=op, inputs=source, in_shape=(below, 1, 10), out_shape=(above, 1, 10), weight_bits=4,
                 input_bits=4, output_bits=4, weights=(lambda: weights.astype(np.int8)) if op == "conv" else None,
                 **more)


def chain(*channels, **more):
    layers = [layer(f"c{n}", (f"c{n - 1}" if n else "input",), a, b, **more)
              for n, (a, b) in enumerate(pairwise(channels))]
    shape = (channels[0], 1, 10)
    return Workload(
        name="chain",
        layers=(Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=4), *layers))


def of(*most):
    """Fits where no more layers, and no more filters, than those."""
    def fits(segment):
        layers = segment.layers[1:]
        return "" if len(layers) <= most[0] and all(la.filters <= most[-1] for la in layers) else "too large"
    return fits


def shown(segments):
    return [[layer.name for layer in segment.layers] for segment in segments]


def test_cut_into_as_many_consecutive_layers_as_fit():
    network = chain(3, 4, 5, 6, 7)
    found = cut(network, of(3, 99))
    assert shown(found) == [["input", "c0", "c1", "c2"], ["c2.in", "c3"]]
    assert found[1].layers[0].out_shape == (6, 1, 10) and found[1]["c3"].inputs == ("c2.in",)
    assert [is_read_later(network, segment) for segment in found] == [True, False]
    assert cut(network, of(4, 99))[0].layers == network.layers


def test_a_residual_block_stays_whole():
    network = chain(4, 4, 4)
    blocks = (*network.layers, layer("add", ("c1", "c0"), 4, 4, "add"), layer("c2", ("add",), 4, 4))
    network = Workload(name="residual", layers=blocks)
    assert shown(cut(network, of(3, 9))) == [["input", "c0", "c1", "add"], ["add.in", "c2"]]
    with pytest.raises(CapacityError, match="layers c1 to add do not fit the machine together and cannot be cut: too"):
        cut(network, of(1, 9))


def test_a_layer_that_does_not_fit_is_cut_into_its_filters():
    """Parts have the filters, weights, masks and scales of the whole between them, and the same input."""
    network = chain(3, 4, 50, 7, scale=None)
    whole = network["c1"]
    scaled = Workload(name="scaled", layers=tuple(
        la if la is not whole else layer("c1", whole.inputs, 4, 50, scale=np.arange(50.0), bias=-np.arange(50.0),
                                         mask=lambda: whole.weights() > 0) for la in network.layers))
    found = cut(scaled, of(2, 20))
    assert shown(found) == [["input", "c0"], ["c0.in", "c1#0"], ["c0.in", "c1#1"], ["c0.in", "c1#2"], ["c1.in", "c2"]]
    parts = [segment.layers[1] for segment in found[1:4]]
    assert [p.filters for p in parts] == [17, 17, 16]
    assert [is_read_later(scaled, s) for s in found] == [True] * 4 + [False]
    assert found[4].layers[0].out_shape == whole.out_shape
    for made, wanted in ((lambda p: p.weights(), whole.weights()), (lambda p: p.mask(), whole.weights() > 0),
                         (lambda p: p.scale, np.arange(50.0)), (lambda p: p.bias, -np.arange(50.0))):
        assert np.array_equal(np.concatenate([made(p) for p in parts]), wanted)
    with pytest.raises(CapacityError, match="a single filter of layer c0 does not fit the machine: too large"):
        cut(network, of(1, 0))


HALVES = chain(128, 1024, 128, 1024, 128)  # 16 crossbars each: 1 x 16, 8 x 2, 1 x 16, 8 x 2


@pytest.fixture(scope="module")
def small():
    """One tile of 40 crossbars holds two of the layers."""
    return ["hierarchy.tiles=1", "hierarchy.imas_per_tile=5"]


def test_reloading_by_hand(small, tmp_path):
    batch = 100
    options = {"images": 3, "batch": batch, "overrides": small, "policy": "one_copy"}
    with pytest.raises(CapacityError):
        xbarch.simulate("isaac_like", HALVES, **options)
    runs = execute_segments("isaac_like", HALVES, **options)
    assert [[la.name for la in run.workload.layers[1:]] for run in runs] == [["c0", "c1"], ["c2", "c3"]]
    result = xbarch.simulate("isaac_like", HALVES, reload=True, **options)
    written = [programming(run.machine, run.packed, run.plan) for run in runs]
    times = [w.time + run.steady.first_image_ps + (batch - 1) * run.steady.interval_ps
             for run, w in zip(runs, written, strict=True)]
    assert result["latency.pipeline_interval_ps"] == pytest.approx(float(sum(times)) / batch, rel=1e-12)
    assert result["latency.makespan_ps"] == sum(times)
    low, high = result["latency.bounds_ps"]
    assert low <= result["latency.makespan_ps"] <= high
    assert result["latency.first_image_ps"] == times[0] + written[1].time + runs[1].steady.first_image_ps
    assert result["throughput.images_per_second"] == pytest.approx(batch / (float(sum(times)) / 1e12))
    p, e = result["programming"], result["energy"]
    assert p["cells"] == sum(w.cells for w in written) == 4 * (128 * 1024 * 2 + 8 * 128 * 2)
    assert p["time_ps"] == sum(w.time for w in written) and p["energy_aj"] == sum(w.total for w in written)
    assert p["per_image"]["energy_aj"] == p["energy_aj"] / batch
    # Energy of inference: actions of both, constant power while they work; programming beside it.
    assert e["dynamic_aj"] == sum(sum(run.ledger.energy.values()) for run in runs)
    working = (sum(times) - p["time_ps"]) / batch
    assert e["static_aj"]["hypertransport"] == pytest.approx(10.4e6 * float(working), rel=1e-9)
    assert e["per_image_aj"] == sum(e["by_component_aj"].values()) == e["scopes_aj"]["whole"]
    both = e["per_image_aj"] + p["per_image"]["energy_aj"]
    assert result["power.average_w"] == pytest.approx(both / 1e6 / result["latency.pipeline_interval_ps"])
    assert sum(s["time_ps"] for s in result["segments"]) == pytest.approx(result["latency.pipeline_interval_ps"])
    assert read(result.save(tmp_path / "result.json")).data == json.loads(result.to_json())


def test_what_goes_on_leaves_and_comes_back(small):
    """The map between segments crosses the off-chip link twice, as bits and as time of that link."""
    runs = execute_segments("isaac_like", HALVES, images=2, batch=10, overrides=small, policy="one_copy")
    result = xbarch.simulate("isaac_like", HALVES, images=2, batch=10, overrides=small, policy="one_copy", reload=True)
    first, second = result["segments"]
    assert (first["bits_in"], first["bits_out"]) == (10 * 128 * 4, 10 * 128 * 4)
    assert (second["bits_in"], second["bits_out"]) == (10 * 128 * 4, 0)
    for run, segment in zip(runs, (first, second), strict=True):
        link = next(i for i, s in enumerate(run.graph.servers) if s.kind == "hypertransport")
        moved = segment["bits_in"] + segment["bits_out"]
        assert run.trace.busy[link] == 2 * moved * 10**12 / (25.6e9 * 8)
    slow = [*small, "off_chip.bandwidth=0.01 GB/s"]
    run = execute_segments("isaac_like", HALVES, images=8, batch=10, overrides=slow, policy="one_copy")[0]
    assert run.steady.interval_ps >= 2 * 10 * 128 * 4 * 10**12 / 8e7  # both ways share it


def test_a_larger_batch_shares_the_reloading(small):
    costs = []
    for batch in (1, 10, 1000):
        r = xbarch.simulate("isaac_like", HALVES, images=3, batch=batch, overrides=small, policy="one_copy",
                            reload=True)
        alone = sum(s["pipeline_interval_ps"] for s in r["segments"])
        costs.append(r["latency.pipeline_interval_ps"] / alone)
    assert costs[0] > costs[1] > costs[2] > 1 and costs[2] < 1.1 < 2 < costs[0]


def test_what_fits_is_not_cut():
    plain = xbarch.simulate("isaac_like", HALVES, images=2, batch=7)
    again = xbarch.simulate("isaac_like", HALVES, images=2, batch=7, reload=True)
    assert plain.data == again.data and "segments" not in plain.data


def test_reloading_needs_a_batch():
    with pytest.raises(InputError, match="batch: --reload needs --batch N"):
        xbarch.simulate("isaac_like", HALVES, reload=True)


def test_vgg16_is_cut_for_one_chip():
    """Its first linear layer alone is three times the chip: 50,176 of 16,128 crossbars, so four parts by filters."""
    network = xbarch.load("vgg16_imagenet_dense16")

    def fits(segment):
        need = sum(-(-la.rows // 128) * -(-la.filters * 8 // 128) for la in segment.compute_layers)
        return "" if need <= 16_128 else f"{need} crossbars"

    found = cut(network, fits)
    assert [[la.name for la in s.layers if la.compute][-1] for s in found] == [
        "conv5_3", "fc6#0", "fc6#1", "fc6#2", "fc6#3", "fc8"]
    assert [s.layers[0].name for s in found] == ["input", "pool5.in", "pool5.in", "pool5.in", "pool5.in", "fc6.in"]
    assert all(s.layers[1].op == "flatten" and s.layers[2].filters == 1024 for s in found[1:5])


def test_from_the_command_line(tmp_path):
    """The segments stand in the table, in the record and in its pictures' folder."""
    from typer.testing import CliRunner

    from xbarch.cli.app import app

    command = ["simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--datapath", "dense", "--set",
               "hierarchy.tiles=1", "--images", "1", "--batch", "64", "--full", "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code != 0 and isinstance(refused.exception, CapacityError)
    done = CliRunner().invoke(app, [*command, "--reload", "--full"])
    assert done.exit_code == 0, done.output
    _, head, table = done.output.partition("\nSegments")
    assert head and {"features.0", "features.20", "flatten", "classifier.3"} <= set(table.split())
    assert len(read(tmp_path / "out")["segments"]) == 2


def test_a_layer_larger_than_the_machine_runs_in_parts():
    """1,152 x 512 weights of two cells: 9 x 8 crossbars on a tile of 40. Halves are 36 and hold exact halves."""
    network = Workload(name="wide", layers=(*chain(1152, 512).layers, layer("c1", ("c0",), 512, 16)))
    result = xbarch.simulate("isaac_like", network, images=2, batch=10, reload=True, policy="one_copy",
                             overrides=["hierarchy.tiles=1", "hierarchy.imas_per_tile=5"])
    assert [s["layers"] for s in result["segments"]] == [["c0#0"], ["c0#1"], ["c1"]]
    assert [s["crossbars"] for s in result["segments"]] == [36, 36, 4]
    assert [s["bits_in"] // 40 for s in result["segments"]] == [1152, 1152, 512]
    assert [s["bits_out"] // 40 for s in result["segments"]] == [256, 256, 0]
    network = Workload(name="third", layers=(*chain(1152, 768).layers, layer("c1", ("c0",), 768, 16)))
    thirds = xbarch.simulate("isaac_like", network, images=1, batch=10, reload=True, policy="one_copy",
                             overrides=["hierarchy.tiles=1", "hierarchy.imas_per_tile=5"])
    assert [s["layers"] for s in thirds["segments"]] == [["c0#0"], ["c0#1"], ["c0#2"], ["c1"]]
