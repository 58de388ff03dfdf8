"""Scales and zero points of a user's own activation quantizers come in exactly: levels equal to the user's graph, which
is computed here by its definition."""

import importlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_model_forms import DIGITS, made, onnx_file, plain
from torch import nn

import xbarch
from xbarch.compress.training.data import load
from xbarch.errors import InputError
from xbarch.specs.recipe import Data
from xbarch.workload.batch import products, scores
from xbarch.workload.images.shown import shown
from xbarch.workload.infer import infer

torch.set_num_threads(1)
KINDS = {"uint8": (0, 255), "int8": (-128, 127)}


def quantized(x, step, zero, kind):
    """Real values behind QuantizeLinear and DequantizeLinear."""
    low, high = KINDS[kind]
    return (np.clip(np.rint(x / step) + zero, low, high) - zero) * step


def images(count=40):
    return load(Data(**DIGITS), 0).test[slice(0, count)][0].double().numpy()


def take(model, tmp_path, **more):
    return xbarch.load(xbarch.import_weights(model, None, "dense", out=tmp_path / "w", data=DIGITS, **more))


CASES = {  # (scale, zero point, type) of image, stem, scores
    "unsigned": ((1 / 255, 0, "uint8"), (0.011, 0, "uint8"), (0.02, 119, "uint8")),
    "signed symmetric": ((1 / 127, 0, "int8"), (0.013, 0, "int8"), (0.02, 0, "int8")),
    "asymmetric": ((1 / 200, -70, "int8"), (0.009, 37, "uint8"), (0.02, -14, "int8")),
}


def graph_file(tmp_path, case, relu):
    """Net, all of it quantized but the head: (file, levels at the head, scores in levels)."""
    net, rng = made(), np.random.default_rng(1)
    levels, step = rng.integers(-127, 128, (6, 1, 3, 3)), rng.uniform(0.002, 0.005, 6).astype(np.float32)
    nodes, constants = plain(net, ("v", {}))
    lead = [("DequantizeLinear", ["w", "step", "none"], "v", {"axis": 0})]
    constants.update(step=step, none=np.zeros(6, np.int8), w=levels.astype(np.int8))

    def around(name, spot):
        scale, zero, kind = case[spot]
        constants[f"s{spot}"], constants[f"z{spot}"] = np.float32(scale), np.array(zero, kind)
        return [("QuantizeLinear", [name, f"s{spot}", f"z{spot}"], f"q{spot}", {}),
                ("DequantizeLinear", [f"q{spot}", f"s{spot}", f"z{spot}"], f"d{spot}" if spot < 2 else "y", {})]

    before, norm, act, pool, flat, head = nodes
    body = [norm, act, *around("c", 1)] if relu else [norm, *around("b", 1)]
    nodes = [*lead, *around("x", 0), ("Conv", ["d0", "v"], *before[2:]), *body, ("MaxPool", ["d1"], *pool[2:]), flat,
             (head[0], head[1], "last", head[3]), *around("last", 2)]
    file = onnx_file(tmp_path / "q.onnx", nodes, constants)

    case = [(float(np.float32(s)), z, k) for s, z, k in case]
    n, w = net.norm, levels * step.reshape(6, 1, 1, 1).astype(np.float64)
    y = F.conv2d(torch.from_numpy(quantized(images(), *case[0])), torch.from_numpy(w))
    y = F.batch_norm(y, *(t.double() for t in (n.running_mean, n.running_var, n.weight, n.bias)), eps=n.eps)
    y = torch.from_numpy(quantized((y.relu() if relu else y).detach().numpy(), *case[1]))
    y = F.max_pool2d(y, 2).flatten(1)
    between = np.rint(y.numpy() / case[1][0])
    y = F.linear(y, net.head.weight.double(), net.head.bias.double()).detach().numpy()
    return file, between, quantized(y, *case[2]) / case[2][0]


@pytest.mark.quick(2)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("relu", [True, False])
def test_levels_equal_those_of_the_users_graph(tmp_path, case, relu):
    """The head has real weights: 16 bits hold it almost exactly, so a score may be one level off, rarely."""
    file, between, wanted = graph_file(tmp_path, CASES[case], relu)
    found = take(file, tmp_path, quantization={"weight_bits": 16, "activation_bits": 4})
    pixels = shown(found, len(wanted)).pixels
    ours, met = (scores(found, pixels, products) / float(np.float32(CASES[case][2][0]))).round(), []
    scores(found, pixels, lambda la, maps: met.append(maps) or products(la, maps))
    head = met[1].transpose(1, 0, 2, 3).reshape(len(pixels), -1)
    assert np.array_equal(head, between) and len(np.unique(between)) > 20
    stored = found.activations[found.compute_layers[1].name]
    assert np.array_equal(stored.reshape(len(stored), -1), between[:len(stored)])
    assert np.abs(ours - wanted).max() <= 1 and (ours != wanted).mean() < 0.01
    assert len(np.unique(wanted)) > 20
    assert not any(row["mismatches"] for row in xbarch.verify("isaac_like", str(tmp_path / "w")))


class Branches(nn.Module):
    """An addition whose terms and sum are quantized, a value that is read before and behind a quantizer."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 10)

    def forward(self, x):
        x = rounds(x, 1 / 255, 0, 255)
        a = rounds(self.a(x).relu(), 0.006, 0, 255)
        b = rounds(self.b(a), 0.0043, -100, 155)
        y = rounds(a + b, 0.0107, -128, 127)
        y = rounds(F.relu6(50 * y), 0.0257, 0, 255)
        return rounds(self.head(rounds(y.mean((2, 3)), 0.0213, 0, 255)), 0.02, -127, 127)


def rounds(x, step, low, high):
    """As PT2E's pair of quantizer and dequantizer, integers of int16 around a zero point of 3."""
    kind = torch.ops.quantized_decomposed
    q = kind.quantize_per_tensor.default(x, step, 3, low + 3, high + 3, torch.int16)
    return kind.dequantize_per_tensor.default(q, step, 3, low + 3, high + 3, torch.int16)


def test_an_exported_program_with_branches(tmp_path):
    importlib.import_module("torch.ao.quantization.fx._decomposed")  # registers the quantizers
    torch.manual_seed(0)
    net = Branches().eval()
    with torch.no_grad():  # weights on levels of 8 bits, so that they stay what they are
        for p in (net.a.weight, net.b.weight, net.head.weight):
            p.copy_((p / p.abs().max() * 127).round() / 256)
    torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 8, 8),)), tmp_path / "net.pt2")
    found = take(str(tmp_path / "net.pt2"), tmp_path, quantization={"weight_bits": 8, "activation_bits": 4})
    with torch.no_grad():
        wanted = (torch.cat([net(one) for one in torch.from_numpy(images()).float().split(1)]) / 0.02).round().numpy()
    ours = (scores(found, shown(found, len(wanted)).pixels, products) / 0.02).round()
    assert np.array_equal(ours, wanted) and len(np.unique(wanted)) > 20
    assert [la.output_bits for la in found.layers if la.op == "conv"] == [8, 9]


class Ties(nn.Module):
    """Powers of two everywhere, so that every other sum lies exactly between two levels."""

    def __init__(self, rounds):
        super().__init__()
        self.rounds, generator = rounds, torch.Generator().manual_seed(3)
        for name, shape in (("a", (4, 1, 3, 3)), ("b", (4, 4, 3, 3)), ("head", (10, 64))):
            self.register_buffer(name, torch.randint(-8, 9, shape, generator=generator).to(torch.int8))

    def weight(self, levels):
        return torch.ops.quantized_decomposed.dequantize_per_tensor.default(levels, 2.0**-7, 0, -127, 127, torch.int8)

    def forward(self, x):
        x = self.rounds(x, 1 / 4, 0, 255)
        a = self.rounds(F.conv2d(x, self.weight(self.a), padding=1).relu(), 2.0**-8, 0, 255)
        b = self.rounds(F.avg_pool2d(a, 2), 2.0**-8, 0, 255)
        c = self.rounds(F.conv2d(b, self.weight(self.b), padding=1), 2.0**-14, -100, 155)
        c = self.rounds(c + b, 2.0**-9, -127, 127)
        d = self.rounds(c.relu(), 2.0**-8, 0, 255)
        return self.rounds(F.linear(d.flatten(1), self.weight(self.head)), 2.0**-14, -30000, 30000)


def halves_up(x, step, low, high):
    return ((x / step + 0.5).floor().clamp(low, high)) * step


def test_halves_go_to_the_even_level_as_in_the_users_graph(tmp_path):
    importlib.import_module("torch.ao.quantization.fx._decomposed")
    ties, net = [], Ties(rounds)

    def counted(x, step, low, high):
        ties.append(float(((x / step) % 1 == 0.5).float().mean()))
        return rounds(x, step, low, high)

    torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 8, 8),)), tmp_path / "net.pt2")
    found = take(str(tmp_path / "net.pt2"), tmp_path, quantization={"weight_bits": 8, "activation_bits": 4})
    pictures = torch.from_numpy(images()).float()
    wanted, up = (torch.cat([Ties(how)(one) for one in pictures.split(1)]).mul(2.0**14).numpy()
                  for how in (counted, halves_up))
    ours = scores(found, shown(found, len(wanted)).pixels, products) * 2.0**14
    assert np.array_equal(ours, wanted) and not np.array_equal(up, wanted) and max(ties) > 0.1
    last = found.layers[-1].name
    assert np.array_equal(ours, [infer(found, x)[last].ravel() for x in shown(found, len(wanted)).pixels])


@pytest.mark.parametrize("change, says", [
    (lambda n, c: c.update(s1=np.full(6, 0.01, np.float32), z1=np.zeros(6, np.uint8)), "with 6 scales; give them one"),
    (lambda n, c: c.update(s1=np.float32(0)), "with the scale 0, which must be above 0"),
    (lambda n, c: c.update(s3=np.float32(0.5)) or n[4].__setitem__(1, ["q1", "s3", "z1"]),
     "DequantizeLinear DequantizeLinear_4 has another scale or zero point than the QuantizeLinear before it"),
])
def test_activation_quantizers_that_cannot_be_taken(tmp_path, change, says):
    nodes, constants = plain(made())
    nodes[3:3] = [("QuantizeLinear", ["c", "s1", "z1"], "q1", {}), ["DequantizeLinear", ["q1", "s1", "z1"], "d1", {}]]
    nodes[5] = ("MaxPool", ["d1"], *nodes[5][2:])
    constants.update(s1=np.float32(0.02), z1=np.uint8(0))
    change(nodes, constants)
    with pytest.raises(InputError, match=says):
        take(onnx_file(tmp_path / "net.onnx", nodes, constants), tmp_path)


def test_powers_of_two_have_no_scales_of_the_users(tmp_path):
    nodes, constants = plain(made())
    nodes[0:0] = [("QuantizeLinear", ["x", "s", "z"], "q", {}), ("DequantizeLinear", ["q", "s", "z"], "d", {})]
    nodes[2] = ("Conv", ["d", "w"], *nodes[2][2:])
    constants.update(s=np.float32(1 / 255), z=np.uint8(0))
    with pytest.raises(InputError, match=r"quantization.chain: must be real where the model quantizes activations"):
        take(onnx_file(tmp_path / "net.onnx", nodes, constants), tmp_path, quantization={"chain": "power_of_two"})
