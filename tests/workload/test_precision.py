"""Networks at more bits than they are stored with, against real arithmetic and against themselves."""

from dataclasses import replace

import numpy as np
import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.infer import infer
from xbarch.workload.outputs import Output
from xbarch.workload.precision import at_bits, refine, widen

rng = np.random.default_rng(3)
SHAPE = (4, 6, 6)
TABLE = np.rint(np.linspace(-7, 7, 255) ** 3 / 49).astype(np.int64)  # signed levels of 8 bits to those of 4


def layer(name, op, *inputs, scale=(), bias=None, shape=SHAPE, **more):
    return Layer(**{"name": name, "op": op, "inputs": inputs, "in_shape": SHAPE, "out_shape": shape, "output_bits": 4,
                    "input_bits": 4, "scale": np.array(scale) if len(scale) else None,
                    "weight_bits": 4, "bias": None if bias is None else np.array(bias), **more})


def conv(name, source, scale, **more):
    weights = rng.integers(-7, 8, (4, 4, 3, 3))
    return layer(name, "conv", source, scale=[scale] * 4, bias=rng.normal(2, 1, 4), kernel=(3, 3), padding=(1, 1),
                 weights=lambda: weights, **more)


def network():
    """Every operation that rounds, on levels of 4 bits; signed ones too."""
    gain, shift, head = rng.uniform(0.8, 1.2, 4), rng.normal(0, 1, 4), rng.integers(-7, 8, (3, 4, 1, 1))
    return Workload(name="all", layers=(
        layer("image", "input", output_bits=6),
        conv("conv", "image", 0.02, relu=True, input_bits=6),
        conv("signed", "conv", 0.02),
        layer("add", "add", "conv", "signed", scale=[0.7, 0.5]),
        layer("mul", "mul", "add", "conv", scale=[0.15]),
        layer("affine", "affine", "mul", scale=gain, bias=shift),
        layer("norm", "norm", "affine", scale=3 * gain, bias=shift, groups=2, epsilon=4.0, kernel=(6, 6)),
        conv("table", "norm", 0.5, function="cube", table=TABLE, inner_bits=8, signed_in=True, signed_out=True),
        layer("max", "maxpool", "table", kernel=(2, 2), stride=(2, 2), shape=(4, 3, 3)),
        layer("again", "add", "conv", "table", scale=[0.5, 0.8]),
        layer("wide", "concat", "again", "norm", scale=[0.9, 0.8], shape=(8, 6, 6)),
        layer("mean", "avgpool", "again", scale=[1 / 36], kernel=(6, 6), stride=(6, 6), shape=(4, 1, 1)),
        layer("fc", "linear", "mean", scale=[0.1] * 3, bias=[0.1, 0.2, 0.3], in_shape=(4, 1, 1), shape=(3, 1, 1),
              weights=lambda: head),
    ), outputs=(Output("max", (4, 3, 3), step=0.5), Output("fc", (3,))))


IMAGE = rng.integers(0, 64, SHAPE)
NET = network()


def real(net):
    """What every layer computes for the image, in the unit of the stored levels."""
    bits = {la.name: la.output_bits - stored.output_bits for la, stored in zip(net.layers, NET.layers, strict=True)}
    return {name: x / 2.0 ** bits[name] for name, x in infer(net, IMAGE).items()}


def test_every_operation_computes_the_same_on_finer_levels():
    """From its own finer inputs, by the stored scales, to half a level of 16 bits."""
    found = real(refine(NET, 16))
    gain, shift = (np.asarray(getattr(NET["affine"], name))[:, None, None] for name in ("scale", "bias"))
    groups = found["affine"].reshape(2, -1)
    spread = np.sqrt(groups.var(axis=1, keepdims=True) + NET["norm"].epsilon)
    normal = ((groups - groups.mean(axis=1, keepdims=True)) / spread).reshape(SHAPE)
    expected = {
        "add": 0.7 * found["conv"] + 0.5 * found["signed"], "mul": 0.15 * found["add"] * found["conv"],
        "affine": gain * found["mul"] + shift, "norm": 3 * gain * normal + shift,
        "again": 0.5 * found["conv"] + 0.8 * found["table"], "mean": found["again"].mean(axis=(1, 2), keepdims=True),
        "wide": np.concatenate([0.9 * found["again"], 0.8 * found["norm"]])}
    for name, exact in expected.items():
        low, high = (0, 16) if name == "mean" else (-8, 8)
        assert np.abs(found[name] - np.clip(exact, low, high)).max() <= 2**-12 and np.abs(found[name]).max() > 2, name
    head = NET["fc"].weights()[:, :, 0, 0] @ found["mean"][:, 0, 0]
    np.testing.assert_allclose(found["fc"].ravel(), 0.1 * head + [0.1, 0.2, 0.3])
    assert set(np.unique(found["table"])) <= set(TABLE) and len(np.unique(found["table"])) > 2  # it has its own levels


def test_one_rounding_at_finer_levels():
    net = refine(NET, 9)
    la, stored = net["conv"], NET["conv"]
    padded = np.lib.stride_tricks.sliding_window_view(np.pad(IMAGE, ((0, 0), (1, 1), (1, 1))), (3, 3), axis=(1, 2))
    sums = np.einsum("cijyx,fcyx->fij", padded, stored.weights())
    exact = 0.02 * sums + stored.bias[:, None, None]
    assert np.array_equal(infer(net, IMAGE)["conv"], np.clip(np.floor(exact * 32 + 0.5), 0, 511))
    assert (la.input_bits, la.output_bits, la.weight_bits) == (6, 9, 4) and net.layers[0] == NET.layers[0]


def test_returned_levels_keep_their_values():
    fine = refine(NET, 12)
    assert fine.outputs[0].step == 0.5 / 256 and fine.outputs[1] == NET.outputs[1]
    assert fine["fc"].output_bits == 4  # real outputs have no levels


@pytest.mark.parametrize("asked", [(8, None, None), (None, 16, None), (4, 16, None)])
def test_more_room_changes_no_value(asked):
    """Levels and where they clip: a wider range would let values through that the network was trained to clip."""
    wide, stored = at_bits(NET, *asked), infer(NET, IMAGE)
    found = infer(wide, IMAGE)
    assert all(np.array_equal(found[name], stored[name]) for name in stored)
    assert (stored["conv"] == 15).any()  # some clip
    assert {la.input_bits for la in wide.compute_layers if la.name != "conv"} == {max(filter(None, asked))}
    assert {la.weight_bits for la in wide.compute_layers} == {asked[0] or 4}


def test_fewer_bits_than_stored_change_nothing():
    assert refine(NET, 2).layers == NET.layers == widen(NET, 2, 2).layers == at_bits(NET, None, None, None).layers


def test_finer_levels_in_a_wider_word():
    net = at_bits(NET, None, 16, 10)
    assert (net["signed"].input_bits, net["signed"].output_bits, net["signed"].level_bits) == (16, 16, 10)
    assert np.array_equal(infer(net, IMAGE)["add"], infer(refine(NET, 10), IMAGE)["add"])
    assert net.name == "all, activations at 16 bits, levels of at least 10 bits"


def test_stored_activations_are_those_of_the_finer_network():
    values = infer(NET, IMAGE)
    stored = {"conv": IMAGE[None].astype(np.uint8), "table": values["norm"][None].astype(np.int8)}
    fine = refine(replace(NET, activations=stored), 16)
    assert np.array_equal(fine.activations["table"][0], infer(fine, IMAGE)["norm"])
    assert fine.activations["conv"].dtype == np.uint8 and fine.activations["table"].dtype == np.int16
    assert (np.abs(fine.activations["table"].astype(int)) % 4096 != 0).any()  # not shifted alone
    untrained = replace(NET, activations=stored, layers=tuple(replace(la, scale=None) for la in NET.layers))
    assert np.array_equal(refine(untrained, 16).activations["table"], stored["table"].astype(np.int16) * 4096)


def test_crossbars_compute_the_finer_network():
    """Inputs of 16 bits through the packed crossbars, bit by bit."""
    rows = xbarch.verify("isaac_like", "vgg7_pruned", level_bits=16)
    assert len(rows) > 5 and not any(row["mismatches"] for row in rows)


def test_bits_out_of_range_are_refused():
    for name in ("activation_bits", "level_bits"):
        with pytest.raises(InputError, match=f"{name}: .*2 to 16"):
            xbarch.Request(arch="isaac_like", workload="vgg7_pruned", **{name: 17})


def test_accuracy_is_that_of_the_stored_network():
    stored, wide = (xbarch.accuracy("isaac_like", "vgg7_pruned", images=60, **bits) for bits in ({}, {"bits": 8}))
    assert wide.integer_network == stored.integer_network > 0.6
