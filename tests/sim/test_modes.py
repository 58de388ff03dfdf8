"""Execution modes: what may overlap, and the closed form of what may not."""

from dataclasses import replace

import numpy as np
import pytest
from rigs import single
from simoracles import alone, graphs

import xbarch
from xbarch.errors import CapacityError, InputError
from xbarch.result.record import record
from xbarch.sim.bounds import conserve
from xbarch.sim.check import check
from xbarch.sim.engine import run
from xbarch.sim.graph import StageGraph
from xbarch.sim.modes import END, MODES, apply_mode, interval_of
from xbarch.workload.graph import Layer, Workload

SLOT = 100_000
IDEAL = [f"{part}.ideal=true" for part in ("off_chip", "buffer", "bus", "network")]


def spans(graph, trace, images):
    """(first issue, last completion) by flow and image."""
    return [[(int(i.min()), int(d.max())) for i, d in zip(issued.reshape(images, -1), done.reshape(images, -1),
                                                          strict=True)]
            for issued, done in zip(trace.issued, trace.done, strict=True)]


@pytest.fixture(scope="module")
def several():
    return [g for g in graphs(alone, 800) if len(g.flows) > 1]


def test_layers_and_images_one_after_the_other(several):
    """No layer starts before the one before it is done, no image before the last one is; and none waits longer."""
    for plain in several:
        graph = apply_mode(plain, "layer_by_layer")
        check(graph)
        trace = run(graph)
        conserve(graph, trace)
        found = spans(graph, trace, graph.images)
        for image in range(graph.images):
            for number in range(len(plain.flows)):
                before = found[number - 1][image][1] if number else found[-1][image - 1][1] if image else 0
                assert found[number][image][0] >= before
                if not image:  # later ones may find a copy held beyond its results
                    assert found[number][image][0] == before
        assert graph.flows[-1].name == END and len(graph.flows) == len(plain.flows) + 1


def test_an_image_takes_the_sum_of_its_layers(several):
    """Each layer run alone on its own graph, without inputs, takes as long as its share of a serial image."""
    checked = 0
    for plain in several:
        one = replace(plain, images=1)
        trace = run(apply_mode(one, "layer_by_layer"))
        alone_ = [run(StageGraph(one.servers, (replace(flow, inputs=()),))) for flow in one.flows]
        assert max(int(d.max()) for d in trace.done) == sum(max(int(d.max()) for d in t.done) for t in alone_)
        checked += 1
    assert checked > 300


def test_a_batch_passes_a_layer_before_the_next_starts(several):
    for plain in several:
        graph = apply_mode(plain, "batch")
        check(graph)
        trace = run(graph)
        conserve(graph, trace)
        for before, after in zip(trace.done, trace.issued[1:], strict=False):
            assert after.min() == before.max()
        mean = interval_of(graph, plain, trace, "batch")
        assert mean.interval_ps * plain.images == max(trace.makespan, 1) and not mean.exact


def test_a_batch_of_one_is_layer_by_layer(several):
    for plain in several[:100]:
        one = replace(plain, images=1)
        serial, batch = run(apply_mode(one, "layer_by_layer")), run(apply_mode(one, "batch"))
        assert all(np.array_equal(a, b) for a, b in zip(batch.done, serial.done, strict=False))


def chain(*channels, windows=20, bits=16):
    """1 x 1 convolutions in a row."""
    shape, layers = (channels[0], 1, windows), []
    for number, width in enumerate(channels[1:]):
        below, above = (channels[number], 1, windows), (width, 1, windows)
        layers.append(Layer(name=f"conv{number}", op="conv", inputs=(f"conv{number - 1}" if number else "input",),
                            in_shape=below, out_shape=above, weight_bits=bits, input_bits=bits, output_bits=bits))
    return Workload(
        name="chain",
        layers=(Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=bits), *layers))


def test_isaac_by_hand():
    """A layer of one copy: a window every 16 cycles and 22 cycles for the last; the input: a pixel of 2,048 bits takes
    10 ns, two at a time, the last then 64 flits and a cycle to be written."""
    network, layers = chain(128, 16, 16, 16), 3
    found = xbarch.execute("isaac_like", network, policy="one_copy", images=3, mode="layer_by_layer", overrides=IDEAL)
    pixel, write = 10_000, 64_000 + SLOT
    enter = 10 * pixel + write
    assert found.steady.interval_ps == found.steady.first_image_ps == enter + layers * (19 * 16 + 22) * SLOT
    assert found.steady.exact
    batch = xbarch.execute("isaac_like", network, policy="one_copy", images=3, mode="batch", overrides=IDEAL)
    assert batch.steady.interval_ps * 3 == 30 * pixel + write + layers * (59 * 16 + 22) * SLOT


def test_only_time_changes():
    """The same crossbars, the same actions; more static energy, for it takes longer."""
    records = {mode: record(xbarch.execute("isaac_like", "vgg7_pruned", images=2, mode=mode)).document()
               for mode in MODES}
    plain, serial = records["pipelined"], records["layer_by_layer"]
    for mode, one in records.items():
        assert one["mode"] == mode
        assert one["mapping"]["crossbars"] == plain["mapping"]["crossbars"]
        assert one["counts"]["actions"] == plain["counts"]["actions"]
        assert one["energy"]["by_layer_aj"] == plain["energy"]["by_layer_aj"]
        assert [span["name"] for span in one["timeline"]] == [span["name"] for span in plain["timeline"]]
    slow, fast = serial["latency"], plain["latency"]
    assert slow["pipeline_interval_ps"] == slow["first_image_ps"] > fast["pipeline_interval_ps"]
    assert serial["energy"]["static_aj"]["hypertransport"] > plain["energy"]["static_aj"]["hypertransport"]
    starts, stops = (np.array([span[key] for span in serial["timeline"]]) for key in ("start_ps", "stop_ps"))
    assert (starts[1:] >= stops[:-1]).all() and (starts[0, 1:] == stops[-1, :-1]).all()


def test_feature_maps_that_no_tile_holds_are_refused():
    """Two maps of 20 windows of 128 and 16 words of 16 bits in one tile while the first layer runs: 5.6 KB."""
    network = chain(128, 16, 16)
    need = 20 * (128 + 16) * 16
    run_ = {"policy": "one_copy", "images": 1, "mode": "layer_by_layer"}
    xbarch.execute("isaac_like", network, overrides=[f"buffer.size={need} b"], **run_)
    with pytest.raises(CapacityError, match=r"mode: while layer conv0 runs a tile would hold feature maps of 6 KB, it "
                                            r"has 5 KB; a larger eDRAM \(buffer.size\) or the mode pipelined would do"):
        xbarch.execute("isaac_like", network, overrides=[f"buffer.size={need - 1} b"], **run_)
    with pytest.raises(CapacityError, match="feature maps of 12 KB"):
        xbarch.execute("isaac_like", network, overrides=["buffer.size=8 KB"], **{**run_, "mode": "batch", "images": 2})


def test_another_mode_is_refused():
    with pytest.raises(InputError, match=r"mode: unknown mode 'layerwise'; choose pipelined, layer_by_layer or batch"):
        xbarch.execute("isaac_like", single(9, 9, 9), mode="layerwise")
