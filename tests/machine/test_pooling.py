"""Averages of whole feature maps by running sums: what they cost by closed form, when a pixel is added, and that no
buffer holds the map."""

import re
from math import ceil

import numpy as np
import pytest

import xbarch
from xbarch.errors import CapacityError
from xbarch.mapping.windows import inputs, running_sums
from xbarch.sim import engine, fast
from xbarch.workload.graph import Layer, Workload

CHANNELS, SIDE = 40, 6


def network(kernel=(SIDE, SIDE), bits=4):
    """Pixels, a convolution, an average of the whole map or of a part, a classifier."""
    out = tuple(SIDE // k for k in kernel)
    def weights(*shape):
        return lambda: np.ones(shape, np.int8)
    return Workload(name="pooled", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=(3, SIDE, SIDE), out_shape=(3, SIDE, SIDE),
              output_bits=bits),
        Layer(name="conv", op="conv", inputs=("input",), in_shape=(3, SIDE, SIDE), out_shape=(CHANNELS, SIDE, SIDE),
              kernel=(3, 3), padding=(1, 1), weight_bits=4, input_bits=bits, output_bits=bits,
              weights=weights(CHANNELS, 3, 3, 3)),
        Layer(name="pool", op="avgpool", inputs=("conv",), in_shape=(CHANNELS, SIDE, SIDE), out_shape=(CHANNELS, *out),
              kernel=kernel, stride=kernel, input_bits=bits, output_bits=bits),
        Layer(name="flatten", op="flatten", inputs=("pool",), in_shape=(CHANNELS, *out),
              out_shape=(CHANNELS * out[0] * out[1], 1, 1), output_bits=bits),
        Layer(name="fc", op="linear", inputs=("flatten",), in_shape=(CHANNELS * out[0] * out[1], 1, 1),
              out_shape=(10, 1, 1), weight_bits=4, input_bits=bits, output_bits=bits,
              weights=weights(10, CHANNELS * out[0] * out[1], 1, 1))))


def run(images=3, **choices):
    return xbarch.execute("isaac_like", network(), images=images, policy="one_copy", **choices)


def test_the_buffer_holds_a_pixel_and_the_sums():
    """Sums of 4 bits over 36 pixels need 10 bits, stored as 16; a map that is averaged in parts is buffered by rows."""
    edge, = inputs(network())["pool"]
    assert (edge.least, edge.sums) == (1, CHANNELS * 16) and running_sums(network()["pool"], 16) == CHANNELS * 24
    part, = inputs(network((3, 3)))["pool"]
    assert (part.least, part.sums) == (2 * SIDE + 3, 0)


@pytest.mark.parametrize("mode", ["pipelined", "layer_by_layer", "batch"])
def test_every_pixel_is_read_added_and_stored(mode):
    """An image: 36 pixels of 160 bits read, 35 times the sums (640 bits) read, 36 times stored, once read for the
    average, which leaves as 160 bits; ports of 256 bits. All but the first pixel are added."""
    made = run(mode=mode)
    words, pixels = [ceil(bits / 256) for bits in (160, 640, 160)], SIDE * SIDE
    actions = {action: count for (layer, action), count in made.ledger.actions.items() if layer == "pool"}
    assert actions["edram_access"] == pixels * words[0] + (2 * pixels - 1) * words[1] + words[1] + words[2]
    assert actions["merge_add"] == CHANNELS * (pixels - 1) and actions["activation"] == CHANNELS
    assert {layer for layer, _ in made.ledger.actions} == {"input", "conv", "pool", "fc"}


def test_pixels_are_added_one_after_another():
    """Each is issued when it is done and the one before it is stored; the average when the last one is, and the next
    image's first pixel when the sums have been read: against the trace of every visit, by plain loops."""
    made, rows = run(), []
    fast.run(made.graph, sink=lambda part: rows.extend(part.tolist()), compiled=False)
    names = [(flow.name, stage.name) for flow in made.graph.flows for copy in flow.copies for stage in copy]
    visits = {(*names[port], window): times for port, window, *times in rows}
    number = [flow.name for flow in made.graph.flows].index("pool.sums")
    issued, ready = made.trace.issued[number].tolist(), made.trace.done[number - 1].tolist()
    average, pixels = made.trace.issued[number + 1].tolist(), SIDE * SIDE
    ready = np.maximum.accumulate(ready).tolist()
    for window, when in enumerate(issued):
        before = [ready[window]]
        if window:
            before.append(visits["pool.sums", "pool/store", window - 1][2])
        if window % pixels == 0 and window:
            before.append(visits["pool", "pool/read", window // pixels - 1][2])
        assert when == max(before), window
    done = made.trace.done[number]
    assert average == [int(done[image * pixels:(image + 1) * pixels].max()) for image in range(3)]


@pytest.mark.parametrize("overrides", [[], ["buffer.ideal=true"], ["pipeline.slot=0 ns"], ["network.queue=3"]])
def test_both_engines_agree(overrides):
    graph = run(images=4, overrides=overrides).graph
    traces = [engine.run(graph), fast.run(graph, compiled=False), fast.run(graph)]
    for name in ("done", "issued"):
        for first, *others in zip(*(getattr(trace, name) for trace in traces), strict=True):
            assert all(np.array_equal(first, other) for other in others)
    assert len({trace.makespan for trace in traces}) == 1


@pytest.mark.parametrize("kinds", [[], ['kinds={a: {tiles: 167}, b: {tiles: 1, takes: [fc]}}']])
def test_a_tile_too_small_for_the_sums_is_refused_with_what_would_do(kinds):
    given = ["buffer.size=96 B", *kinds]
    with pytest.raises(CapacityError, match="layer pool needs a line buffer") as caught:
        run(overrides=given)
    place, equals, size = re.search(r"--set (\S+)\)", str(caught.value))[1].partition("=")
    assert run(overrides=[one for one in given if not one.startswith(place + equals)] + [place + equals + size]).graph


@pytest.mark.full
@pytest.mark.parametrize("bits", [8, 16])
def test_resnet50_runs_on_isaac_as_published(bits, tmp_path):
    """2,048 channels of 7 x 7: the map takes 98 or 196 KB, a tile has 64 KB."""
    recipe = tmp_path / "resnet50.yaml"
    recipe.write_text(f"kind: synthetic\ndescription: a test\nnetwork: resnet50_imagenet\nweight_bits: {bits}\n"
                      f"input_bits: {bits}\nseed: 1\n")
    result = xbarch.simulate("isaac_like", recipe, images=1)
    assert result["mapping.tiles"] <= 168 and result["energy.by_layer_aj"]["avgpool"] > 0
