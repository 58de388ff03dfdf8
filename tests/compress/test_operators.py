"""Every operation, order and form of sharing that import takes: in floating point equal to the user's model (the import
itself refuses what is not), on integers close to it, and the same on every way of computing them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from operatorrig import check_integers, made, quantized
from safetensors import safe_open
from torch import nn

from xbarch.compress.intake.origin import Origin
from xbarch.compress.intake.trace import trace_model
from xbarch.compress.training.network import refuse_shared
from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.workload import batch
from xbarch.workload.store import load, save

torch.set_num_threads(1)


def conv(channels, filters, kernel=3, **about):
    return nn.Conv2d(channels, filters, kernel, **{"padding": kernel // 2, **about})


def with_input(make):
    """For a function of a value that is used twice."""
    return lambda m, x: make(m, m[0](x))


CASES = {
    # read as another network once: order, sharing, broadcasts, padding, the last layer's own activation
    "batch norm behind ReLU": (lambda m, x: m[1](F.relu(m[0](x))), conv(3, 4), nn.BatchNorm2d(4)),
    "batch norm behind ReLU, not last": (lambda m, x: m[2](F.relu(m[1](F.relu(m[0](x))))), conv(3, 4),
                                         nn.BatchNorm2d(4), conv(4, 4)),
    "batch norm of a branch": (with_input(lambda m, y: F.relu(m[1](y) + y)), conv(3, 4), nn.BatchNorm2d(4)),
    "batch norm behind dropout of a branch": (with_input(lambda m, y: F.relu(m[1](m[2](y)) + y)), conv(3, 4),
                                              nn.BatchNorm2d(4), nn.Dropout()),
    "sum over one channel": (lambda m, x: m[0](x) + m[1](x), conv(3, 8), conv(3, 1)),
    "linear over the width": (lambda m, x: m[1](m[0](x)), conv(3, 4), nn.Linear(8, 5)),
    "mean over channels and rows": (lambda m, x: m[1](F.relu(m[0](x)).mean((1, 2))), conv(3, 8), nn.Linear(8, 10)),
    "mean over channels and columns": (lambda m, x: m[1](F.relu(m[0](x)).mean((1, 3))), conv(3, 8), nn.Linear(8, 10)),
    "means and axes of length one": (lambda m, x: m[1](F.relu(m[0](x[:, None].squeeze(1))).mean(-1).mean(-1)[
        :, :, None, None].squeeze(-1).squeeze(-1)), conv(3, 8), nn.Linear(8, 10)),
    "same padding of an even kernel": (lambda m, x: m[0](x), nn.Conv2d(3, 4, 4, padding="same")),
    "ReLU of one reader": (with_input(lambda m, y: F.relu(y) + y), conv(3, 4)),
    "ReLU behind pooling of one reader": (with_input(lambda m, y: F.relu(F.max_pool2d(y, 2)) + F.avg_pool2d(y, 2)),
                                          conv(3, 4)),
    "average of negative values": (lambda m, x: m[1](F.avg_pool2d(m[0](x), 2)), conv(3, 4), conv(4, 4)),
    "ReLU at the end": (lambda m, x: F.relu(m[0](x)), conv(3, 4)),
    "spectral norm": (lambda m, x: m[0](x), nn.utils.parametrizations.spectral_norm(conv(3, 4))),
    "weight norm": (lambda m, x: m[0](x), nn.utils.parametrizations.weight_norm(conv(3, 4))),
    "weight standardization": (lambda m, x: F.conv2d(x, m[0].weight - m[0].weight.mean((1, 2, 3), keepdim=True)),
                               conv(3, 4)),
    "a dict": (lambda m, x: {"out": m[0](x)}, conv(3, 3)),
    # clips, pooling, padding, no-ops
    "ReLU6": (lambda m, x: m[1](F.relu6(m[0](x) * 9)), conv(3, 4), conv(4, 4)),
    "ReLU6 at the end": (lambda m, x: F.relu6(m[0](x) * 9), conv(3, 4)),
    "hardtanh": (lambda m, x: m[1](F.hardtanh(m[0](x), -0.3, 0.2)), conv(3, 4), conv(4, 4)),
    "adaptive average": (lambda m, x: F.adaptive_avg_pool2d(m[0](x), 4), conv(3, 3)),
    "adaptive average of its own size": (lambda m, x: m[1](F.adaptive_avg_pool2d(F.relu(m[0](x)), 8)), conv(3, 3),
                                         conv(3, 3)),
    "sizes rounded up": (lambda m, x: F.max_pool2d(F.relu(m[0](x)), 3, ceil_mode=True), conv(3, 4)),
    "padding on four sides": (lambda m, x: m[0](F.pad(x, (0, 1, 2, 3))), conv(3, 3)),
    "reflected padding": (lambda m, x: m[0](F.pad(x, (1, 1, 1, 1), mode="reflect")), conv(3, 3)),
    "circular padding": (lambda m, x: m[0](x), conv(3, 3, padding_mode="circular")),
    "zeros before a maximum": (lambda m, x: F.max_pool2d(F.pad(m[0](x), (0, 1, 0, 1)), 2), conv(3, 3)),
    "padding with a constant": (lambda m, x: m[1](F.pad(F.relu(m[0](x)), (1, 1, 0, 2), value=0.7)), conv(3, 3),
                                conv(3, 3)),
    "padding with a negative constant, shared": (with_input(lambda m, y: F.pad(y, (1, 0, 0, 1), value=-2.0)[
        :, :, 1:, :-1] + y), conv(3, 4)),
    "average without its padding": (lambda m, x: F.avg_pool2d(m[0](x), 3, 2, 1, count_include_pad=False), conv(3, 4)),
    "average of sizes rounded up": (lambda m, x: m[1](F.avg_pool2d(F.relu(m[0](x)), 3, 2, ceil_mode=True)),
                                    conv(3, 4), conv(4, 4)),
    "average of sizes rounded up, padded": (
        lambda m, x: F.avg_pool2d(m[0](x), 3, 2, 1, True, True) - F.avg_pool2d(m[0](x), 3, 2, 1, True, False),
        conv(3, 4)),
    "average by another divisor": (lambda m, x: F.avg_pool2d(m[0](x), 2, divisor_override=3), conv(3, 4)),
    "average of all by another divisor": (lambda m, x: F.avg_pool2d(m[0](x), 8, divisor_override=7), conv(3, 4)),
    "average of one axis without its padding": (lambda m, x: F.avg_pool1d(m[0](x).flatten(2), 3, 2, 1, True, False),
                                                conv(3, 4)),
    "adaptive average of uneven sizes": (lambda m, x: m[1](F.adaptive_avg_pool2d(F.relu(m[0](x)), (3, 5))),
                                         conv(3, 4), conv(4, 4)),
    "adaptive average of more pixels": (lambda m, x: F.adaptive_avg_pool2d(m[0](x), (11, 3)), conv(3, 4)),
    "adaptive maximum of uneven sizes": (lambda m, x: m[1](F.adaptive_max_pool2d(m[0](x), (5, 3))), conv(3, 4),
                                         conv(4, 4)),
    "bilinear upsampling": (lambda m, x: m[1](F.interpolate(F.relu(m[0](x)), scale_factor=2, mode="bilinear")),
                            conv(3, 4), conv(4, 3)),
    "bilinear upsampling, corners aligned": (lambda m, x: m[1](F.interpolate(
        m[0](x), (11, 9), mode="bilinear", align_corners=True)), conv(3, 4), conv(4, 3)),
    "bilinear at the end": (lambda m, x: F.interpolate(m[0](x), (16, 13), mode="bilinear"), conv(3, 4, stride=2)),
    "bilinear, fewer pixels": (lambda m, x: F.interpolate(m[0](x), (3, 5), mode="bilinear"), conv(3, 4)),
    "linear upsampling of one axis": (lambda m, x: F.interpolate(m[0](x).flatten(2), 100, mode="linear"), conv(3, 4)),
    "bilinear of one pixel": (lambda m, x: F.interpolate(m[0](x).mean((2, 3), keepdim=True), (8, 8), mode="bilinear")
                              + m[0](x), conv(3, 4)),
    "nearest exact": (lambda m, x: F.interpolate(m[0](x), (5, 11), mode="nearest-exact"), conv(3, 4)),
    "log softmax": (lambda m, x: F.log_softmax(m[1](m[0](x).flatten(1)), 1), conv(3, 4), nn.Linear(256, 10)),
    "batch norm first": (lambda m, x: m[1](F.relu(m[0](x))), nn.BatchNorm2d(3), conv(3, 4)),
    "normalized image": (lambda m, x: m[0]((x - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / 0.4), conv(3, 4)),
    # functions
    "sigmoid at the end": (lambda m, x: torch.sigmoid(m[0](x)), conv(3, 4)),
    "PReLU": (lambda m, x: m[1](m[0](x)), conv(3, 4), nn.PReLU(4)),
    "hardswish and hardsigmoid": (lambda m, x: F.hardswish(m[0](x)) * F.hardsigmoid(m[1](x)), conv(3, 3), conv(3, 3)),
    "tanh": (lambda m, x: m[1](F.avg_pool2d(torch.tanh(m[0](x)), 2).flatten(1)), conv(3, 4), nn.Linear(64, 10)),
    "square and sum": (lambda m, x: (m[0](x)**2).sum(1), conv(3, 4)),
    # moved numbers
    "concatenation": (with_input(lambda m, y: m[2](torch.cat([y, F.relu(m[1](F.relu(y)))], 1))), conv(3, 4),
                      conv(4, 4), conv(8, 2)),
    "gate by half of the channels": (with_input(lambda m, y: y[:, :2] * torch.tanh(y[:, 2:])), conv(3, 4)),
    "difference": (lambda m, x: F.relu(m[0](x)) - F.relu(m[1](x)), conv(3, 4), conv(3, 4)),
    "pixel shuffle": (lambda m, x: m[1](F.pixel_shuffle(m[0](x), 2)), conv(3, 8), conv(2, 2)),
    "every other pixel and zero channels": (
        lambda m, x: F.relu(m[1](F.relu(m[0](x))) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 3))), conv(3, 8),
        conv(8, 8, stride=2)),
    "nearest upsampling": (lambda m, x: m[0](F.interpolate(x, scale_factor=2)), conv(3, 4)),
    "constants": (lambda m, x: 1 - (F.relu(m[0](x)) + 1) * torch.linspace(-1, 1, 4)[:, None, None], conv(3, 4)),
    "position embedding": (lambda m, x: m[0](x) + torch.arange(64.).reshape(8, 8) / 64, conv(3, 4)),
    # outputs: maps, several of them, values that other layers read too
    "softmax of a map": (lambda m, x: F.softmax(m[0](x), 1), conv(3, 4)),
    "log softmax over the last axis": (lambda m, x: F.log_softmax(m[0](x).permute(0, 2, 3, 1), -1), conv(3, 4)),
    "two outputs": (with_input(lambda m, y: (m[1](F.relu(y)), F.softmax(m[2](y).mean((2, 3)), 1))), conv(3, 4),
                    conv(4, 2), conv(4, 5)),
    "an output that is read": (with_input(lambda m, y: {"code": y.flatten(1), "map": m[1](F.relu(y)), "same": y,
                                                        "clip": F.relu6(m[2](y.flip(1)))}), conv(3, 4), conv(4, 3),
                               conv(4, 2)),
    "the image as an output": (lambda m, x: (x, torch.sigmoid(m[0](x)), F.max_pool2d(m[0](x), 2)), conv(3, 2)),
    # norms, transposed and one-dimensional convolutions, tokens, shared modules
    "group norm": (lambda m, x: m[1](m[0](x)), conv(3, 8), nn.GroupNorm(2, 8)),
    "instance norm": (lambda m, x: m[1](m[0](x)), conv(3, 8), nn.InstanceNorm2d(8, affine=True)),
    "layer norm of all": (lambda m, x: m[1](m[0](x)), conv(3, 8), nn.LayerNorm([8, 8, 8])),
    "transposed convolution": (lambda m, x: m[0](x), nn.ConvTranspose2d(3, 6, 5, 3, 2, 1, groups=3, dilation=2)),
    "transposed convolution, cut": (lambda m, x: m[0](x), nn.ConvTranspose2d(3, 4, 2, 2, 2)),
    "one axis": (lambda m, x: F.adaptive_avg_pool1d(F.max_pool1d(m[0](x.flatten(2)), 2), 1), nn.Conv1d(3, 4, 3)),
    "tokens": (lambda m, x: m[2](F.gelu(m[1](m[0](x).flatten(2).transpose(1, 2))).mean(1)), conv(3, 4, 2, stride=2),
               nn.Linear(4, 6), nn.Linear(6, 10)),
    "mixed tokens": (lambda m, x: m[1](m[0](x).flatten(2)), conv(3, 4), nn.Linear(64, 5)),
    "shared module": (lambda m, x: m[1](F.relu(m[1](F.relu(m[0](x))))), conv(3, 4), conv(4, 4)),
    "weight matrix": (lambda m, x: m[0](x).flatten(1) @ torch.linspace(-1, 1, 768).reshape(192, 4), conv(3, 3)),
    # cut-down blocks of public networks
    "inverted residual": (with_input(lambda m, y: y + m[4](F.relu6(m[3](m[2](F.relu6(m[1](y))))))), conv(3, 4),
                          conv(4, 12, 1), conv(12, 12, groups=12), nn.BatchNorm2d(12), conv(12, 4, 1)),
    "squeeze and excitation": (with_input(lambda m, y: m[3](F.silu(y) * torch.sigmoid(
        m[2](F.relu(m[1](y.mean((2, 3), keepdim=True))))))), conv(3, 8), conv(8, 2, 1), conv(2, 8, 1), conv(8, 4)),
    "dense block": (with_input(lambda m, y: (lambda z: m[4](F.relu(m[3](torch.cat([z, y], 1)))))(
        torch.cat([y, m[2](F.relu(m[1](y)))], 1))), conv(3, 4), nn.BatchNorm2d(4), conv(4, 4), nn.BatchNorm2d(12),
        conv(12, 4, 1)),
    "inception block": (lambda m, x: torch.cat([F.relu(m[0](x)), F.relu(m[1](x)), F.relu(
        m[2](F.max_pool2d(x, 3, 1, 1)))], 1), conv(3, 2, 1), conv(3, 3, 5), conv(3, 2, 1)),
    "fire module": (with_input(lambda m, y: (lambda s: torch.cat([F.relu(m[2](s)), F.relu(m[3](s))], 1))(
        F.relu(m[1](F.max_pool2d(y, 3, 2, ceil_mode=True))))), conv(3, 8), conv(8, 2, 1), conv(2, 4, 1), conv(2, 4)),
    "shuffle unit": (with_input(lambda m, y: m[3](F.channel_shuffle(torch.cat(
        [y.chunk(2, 1)[0], F.relu(m[2](m[1](y.chunk(2, 1)[1])))], 1), 2))), conv(3, 8), conv(4, 4, groups=4),
        conv(4, 4, 1), conv(8, 4)),
    "U-Net": (with_input(lambda m, y: m[3](torch.cat([m[2](F.relu(m[1](F.max_pool2d(F.relu(y), 2)))), y], 1))),
              conv(3, 4), conv(4, 8), nn.ConvTranspose2d(8, 4, 2, 2), conv(8, 2)),
    "RepVGG block": (with_input(lambda m, y: F.relu(m[1](y) + m[3](m[2](y)) + m[5](m[4](y)))), conv(3, 4),
                     nn.BatchNorm2d(4), conv(4, 4), nn.BatchNorm2d(4), conv(4, 4, 1), nn.BatchNorm2d(4)),
    "grouped bottleneck": (with_input(lambda m, y: F.relu(m[3](F.relu(m[2](F.relu(m[1](y))))) + y)), conv(3, 8),
                           conv(8, 8, 1), conv(8, 8, groups=4), conv(8, 8, 1)),
    "fully convolutional, with a skip": (with_input(lambda m, y: F.interpolate(m[1](F.max_pool2d(
        F.relu(y), 2)) + m[2](F.avg_pool2d(y, 2)), (8, 8), mode="bilinear")), conv(3, 4), conv(4, 3, 1), conv(4, 3, 1)),
    "atrous pyramid": (with_input(lambda m, y: m[4](torch.cat([F.relu(m[1](y)), F.relu(m[2](y)), F.interpolate(
        F.relu(m[3](F.adaptive_avg_pool2d(y, 1))), (8, 8), mode="bilinear")], 1))), conv(3, 4), conv(4, 2, 1),
        conv(4, 2, dilation=2, padding=2), conv(4, 2, 1), conv(6, 3, 1)),
    "autoencoder": (lambda m, x: m[4](F.relu(m[3](m[2](F.relu(m[1](m[0](x.flatten(1)))))))), nn.Linear(192, 12),
                    nn.BatchNorm1d(12), nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Linear(8, 192)),
    "ConvNeXt block": (with_input(lambda m, y: y + 0.5 * m[4](F.gelu(m[3](m[2](m[1](y).permute(
        0, 2, 3, 1))))).permute(0, 3, 1, 2)), conv(3, 4), conv(4, 4, 5, groups=4), nn.LayerNorm(4), nn.Linear(4, 16),
        nn.Linear(16, 4)),
}
QUICK = ("an output that is read",
         "average of sizes rounded up, padded", "adaptive average of uneven sizes", "padding with a constant",
         "bilinear upsampling, corners aligned",
         "batch norm behind dropout of a branch", "average of negative values", "sizes rounded up",
         "transposed convolution", "shuffle unit", "ConvNeXt block", "squeeze and excitation", "padding on four sides")


@pytest.mark.quick(16)
@pytest.mark.parametrize("name", CASES)
def test_the_graph_computes_what_the_model_computes(name):
    """`trace_model` refuses a graph that does not."""
    trace_model(made(*CASES[name]), (3, 8, 8))


@pytest.mark.parametrize("name", [
    *QUICK, *(pytest.param(name, marks=pytest.mark.full) for name in CASES if name not in QUICK)])
def test_integers_compute_it_too(name):
    check_integers(made(*CASES[name]), error=0.2)


@pytest.mark.parametrize("dac_bits, adc_bits, offset", [(1, 12, True), (2, 12, False), (1, 5, False)])
def test_signed_inputs_on_other_crossbars(dac_bits, adc_bits, offset):
    """With an offset, with wide phases, and, bit for bit, in converters that would clip were they not lossless."""
    geometry = Geometry(32, 64, 2, dac_bits=dac_bits, adc_bits=adc_bits, offset_inputs=offset)
    if adc_bits < 12:
        geometry = Geometry(9, 64, 2, adc_bits=adc_bits)
    done = check_integers(made(*CASES["average of negative values"]), error=0.2, geometry=geometry)
    assert done.workload["m.1"].signed_in


@pytest.mark.parametrize("name", ["squeeze and excitation", "ConvNeXt block", "inverted residual", "dense block"])
def test_quantized_networks_train(name):
    """Every parameter gets a gradient that is finite, and a step against it lowers the loss."""
    done = quantized(made(*CASES[name]))
    network, images = done.network.train(), done.images
    parameters = [p for p in network.parameters() if p.requires_grad]
    losses = []
    for _ in range(2):
        loss = (network(images) - 1).square().mean()
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, parameters)
        assert all(bool(g.isfinite().all()) for g in gradients) and sum(bool(g.any()) for g in gradients) > 3
        size = sum(float(g.square().sum()) for g in gradients) ** 0.5
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                p -= 0.02 * g / size
    assert losses[1] < losses[0]


def test_two_calls_of_a_module_are_not_trained():
    network = quantized(made(*CASES["shared module"])).network
    for node in network.compute_nodes():
        node.weight_source = Origin("m.1.weight" if node.layer.name.startswith("m.1") else "m.0.weight")
    with pytest.raises(InputError, match=r"layers m\.1 and m\.1-2 are two uses of one weight"):
        refuse_shared(network)


@pytest.mark.parametrize("name", ["average of sizes rounded up, padded", "bilinear upsampling, corners aligned"])
def test_a_stored_network_is_the_same(name, tmp_path):
    """A scale for each pixel, and interpolation, read back from the file."""
    done = quantized(made(*CASES[name]))
    again = load(save(done.workload, tmp_path / "net", {}))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8))
    assert np.array_equal(batch.scores(again, pixels, batch.products),
                          batch.scores(done.workload, pixels, batch.products))


def test_a_shared_module_is_stored_once(tmp_path):
    """One tensor for both calls; refused where the second names a layer of another shape, or has other weights."""
    done = quantized(made(*CASES["shared module"]))
    one, two = done.workload["m.1"], done.workload["m.1-2"]
    assert two.shares == "m.1" and two.weights is one.weights and not one.shares
    assert done.workload.weights == 3 * 4 * 9 + 4 * 4 * 9
    assert sum(la.macs for la in done.workload.compute_layers) == 64 * (3 * 4 * 9 + 2 * 4 * 4 * 9)
    again = load(save(done.workload, tmp_path / "net", {}))
    with safe_open(str(tmp_path / "net" / "tensors.safetensors"), framework="numpy") as stored:
        assert [n for n in stored.keys() if n.startswith("m.1") and "/weights" in n] == ["m.1/weights"]  # noqa: SIM118
    assert np.array_equal(again["m.1-2"].matrix, one.matrix) and again.weights == done.workload.weights
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8))
    assert np.array_equal(batch.scores(again, pixels, batch.products),
                          batch.scores(done.workload, pixels, batch.products))
    other = replace(two, weights=lambda: one.weights() + 1)
    with pytest.raises(InputError, match=r"layer m\.1-2 does not have the weights of layer m\.1, which it shares"):
        save(replace(done.workload, layers=tuple(other if la is two else la for la in done.workload.layers)),
             tmp_path / "bad", {})
    manifest = json.loads((tmp_path / "net" / "manifest.json").read_text())
    manifest["layers"][-1]["shares"] = "m.0"
    (tmp_path / "net" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="shares: must be an earlier layer with weights of the same shape and bits"):
        load(tmp_path / "net")
