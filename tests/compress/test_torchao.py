"""What torchao quantized: modules, their state dicts and exported programs, integers to the bit."""

import copy
import importlib

import numpy as np
import pytest
import torch
from test_model_forms import DIGITS, made

import xbarch
from xbarch.compress.intake.statefile import read_state
from xbarch.compress.intake.subclass import Shell, plain
from xbarch.compress.training.data import load
from xbarch.errors import InputError
from xbarch.specs.recipe import Data
from xbarch.workload.batch import products, scores
from xbarch.workload.images.shown import shown

torch.set_num_threads(1)
quantization = pytest.importorskip("torchao.quantization", reason="needs the package torchao")
BITS = {"weight_bits": 9, "activation_bits": 8}


def config(kind):
    return {"int8": quantization.Int8WeightOnlyConfig, "dynamic": quantization.Int8DynamicActivationInt8WeightConfig,
            "intx": lambda: quantization.IntxWeightOnlyConfig(weight_dtype=torch.int4)}[kind]()


def quantized(kind="int8"):
    net = made()
    quantization.quantize_(net, config(kind))
    return net


def stored(weight):
    """(levels, scales) of torchao's own tensor."""
    zero = weight.zero_point if weight.zero_point is not None else torch.zeros_like(weight.scale)
    return (weight.qdata.int() - zero.int()).numpy(), weight.scale.flatten().numpy()


def check(found, net):
    head = found.compute_layers[-1]
    levels, step = stored(net.head.weight)
    assert np.array_equal(head.weights().reshape(levels.shape), levels) and len(np.unique(levels)) > 10
    assert head.kept_weights == levels.size  # zeros among them are weights
    ratio = head.scale / step
    assert np.allclose(ratio, ratio[0], rtol=1e-6)


def take(model, tmp_path, weights=None):
    return xbarch.load(xbarch.import_weights(model, weights, "dense", out=tmp_path / "w", data=DIGITS,
                                             quantization=BITS))


@pytest.mark.quick(1)
@pytest.mark.parametrize("kind", ["int8", "dynamic", "intx"])
def test_a_module(tmp_path, kind):
    net = quantized(kind)
    check(take(net, tmp_path), net)
    assert type(net.head.weight).__module__.startswith("torchao")  # the user's stays as it was


@pytest.mark.quick(1)
@pytest.mark.parametrize("kind", ["int8", "intx"])
def test_a_state_dict(tmp_path, kind):
    """Read without torchao's code, into the plain module."""
    net = quantized(kind)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    assert not any(isinstance(t, Shell) for t in read_state(str(tmp_path / "net.pt")).values())
    check(take(made(), tmp_path, tmp_path / "net.pt"), net)


def test_a_program(tmp_path):
    """PT2E: prepared, calibrated and converted by torchao; weights and activations keep their integers and scales."""
    pt2e = importlib.import_module("torchao.quantization.pt2e.quantize_pt2e")
    x86 = importlib.import_module("torchao.quantization.pt2e.quantizer.x86_inductor_quantizer")
    images = load(Data(**DIGITS), 0).test[slice(0, 64)][0].float()
    program = torch.export.export(made(), (images[:1],)).module()
    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = pt2e.prepare_pt2e(program, quantizer)
    for one in images.split(1):
        prepared(one)
    converted = pt2e.convert_pt2e(prepared)
    torch.export.save(torch.export.export(converted, (images[:1],)), tmp_path / "net.pt2")
    found = take(str(tmp_path / "net.pt2"), tmp_path)
    kept = [t.numpy() for t in converted.state_dict().values() if t.dtype == torch.int8 and t.dim() > 1]
    assert len(kept) == 2 and [t.shape[0] for t in kept] == [6, 10]
    for layer, levels in zip(found.compute_layers, kept, strict=True):
        assert np.array_equal(layer.weights().reshape(levels.shape), levels)
    with torch.no_grad():
        wanted = torch.cat([converted(one) for one in images.split(1)]).numpy()
    ours = scores(found, shown(found, 64).pixels, products)
    assert np.abs(ours - wanted).max() < 0.01 * np.ptp(wanted)


def test_the_network_computes_as_the_module(tmp_path):
    net = quantized()
    found = take(net, tmp_path)
    images = shown(found, 60)
    with torch.no_grad():
        wanted = net(torch.from_numpy(images.pixels).float() / images.pixels.max()).numpy()
    ours = scores(found, images.pixels, products)
    assert np.abs(ours - wanted).max() < 0.05 * np.ptp(wanted)


def test_tensors_that_pack_or_group_their_numbers_are_refused(tmp_path):
    net = made()
    quantization.quantize_(net, quantization.IntxWeightOnlyConfig(
        weight_dtype=torch.int4, granularity=importlib.import_module("torchao.quantization.granularity").PerGroup(27)))
    with pytest.raises(InputError, match=r"must have 1 or 10 scales for head.weight, one for each filter, not 20"):
        take(copy.deepcopy(net), tmp_path)
    shell = torch.Tensor._make_wrapper_subclass(type("Int4Tensor", (Shell,), {"kind": "torchao.Int4Tensor"}), (10, 54))
    with pytest.raises(InputError, match=r"net.pt: holds head.weight as Int4Tensor; of torchao's tensors those of one "
                                         r"int8 number for each weight are taken"):
        plain("head.weight", shell, "net.pt")
