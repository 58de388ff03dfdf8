"""A model as a module, an exported program, an ONNX file, quantized or not: the same network as from its factory."""

import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import xbarch
from xbarch.compress.forms.onnxfile import load_onnx
from xbarch.compress.forms.onnxops import OPERATORS
from xbarch.compress.forms.program import load_program
from xbarch.compress.intake import models
from xbarch.errors import InputError

torch.set_num_threads(1)

DIGITS = {"name": "digits", "size": 8, "channels": 1}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(54, 10)

    def forward(self, x):
        return self.head(F.max_pool2d(torch.relu(self.norm(self.stem(x))), 2).flatten(1))


def made():
    torch.manual_seed(0)
    net = Net()
    net.norm.running_mean.normal_(0, 0.1)
    net.norm.running_var.uniform_(0.5, 2)
    return net.eval()


def take(model, tmp_path, weights=None, bits=8, name="w"):
    return xbarch.load(xbarch.import_weights(model, weights, "dense", out=tmp_path / name, data=DIGITS, quantization={
        "weight_bits": bits, "activation_bits": 8}))


def same(found, wanted):
    """Integers, accuracy and scales alike; layers may have other names."""
    assert found.accuracy == wanted.accuracy
    for one, other in zip(found.compute_layers, wanted.compute_layers, strict=True):
        assert np.array_equal(one.weights(), other.weights())
        assert np.allclose(one.scale, other.scale, rtol=1e-4) and np.allclose(one.bias, other.bias, atol=1e-2)


@pytest.fixture
def wanted(tmp_path):
    """The network from its factory and state dict."""
    net = made()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    return take(net, tmp_path, tmp_path / "net.pt", name="wanted")


def test_a_module_brings_its_weights_and_stays_as_it_was(tmp_path, wanted):
    net = made().train()
    same(take(net, tmp_path), wanted)
    assert net.training and net.stem.weight.requires_grad


@pytest.mark.quick(1)
@pytest.mark.parametrize("dynamic", [False, True])
def test_an_exported_program(tmp_path, wanted, dynamic):
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    program = torch.export.export(made(), (torch.zeros(1 + dynamic, 1, 8, 8),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "net.pt2")
    found = take(str(tmp_path / "net.pt2"), tmp_path)
    same(found, wanted)
    assert [la.name for la in found.compute_layers] == ["stem", "head"]
    assert "net.pt2 with its own weights" in found.source


def test_programs_that_cannot_be_taken(tmp_path):
    torch.export.save(torch.export.export(made(), (torch.zeros(4, 1, 8, 8),)), tmp_path / "four.pt2")
    with pytest.raises(InputError, match=r"four.pt2: was exported for 4 images at once"):
        load_program(str(tmp_path / "four.pt2"))
    (tmp_path / "text.pt2").write_text("no program")
    with pytest.raises(InputError, match=r"text.pt2: cannot be read as a program that torch.export.save\(\) wrote"):
        load_program(str(tmp_path / "text.pt2"))
    with zipfile.ZipFile(tmp_path / "empty.pt2", "w") as archive:
        archive.writestr("a", b"")
    with pytest.raises(InputError, match=r"empty.pt2: cannot be read as a program"):
        load_program(str(tmp_path / "empty.pt2"))


# -- ONNX ---------------------------------------------------------------------------------------------------------

def onnx_file(place, nodes, constants, shape=(1, 1, 8, 8), out=("n", 10)):
    """A graph from x to y of (operator, inputs, output, attributes)."""
    onnx = pytest.importorskip("onnx")
    h = onnx.helper
    steps = [h.make_node(kind, inputs, [output], name=f"{kind}_{number}", domain="qonnx.custom_op.general"
                         if kind == "Quant" else "", **words)
             for number, (kind, inputs, output, words) in enumerate(nodes)]
    graph = h.make_graph(steps, "g", [h.make_tensor_value_info("x", 1, shape)], [h.make_tensor_value_info("y", 1, out)],
                         [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)]), place)
    return str(place)


def plain(net, weight=("w", {})):
    """The nodes and constants of Net, its first weight made from constants by the nodes given."""
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    nodes = [("Conv", ["x", weight[0]], "a", {}),
             ("BatchNormalization", ["a", "gamma", "beta", "mean", "var"], "b", {}), ("Relu", ["b"], "c", {}),
             ("MaxPool", ["c"], "d", {"kernel_shape": [2, 2], "strides": [2, 2]}), ("Flatten", ["d"], "e", {}),
             ("Gemm", ["e", "head.weight", "head.bias"], "y", {"transB": 1})]
    return nodes, {"w": state["stem.weight"], "gamma": state["norm.weight"], "beta": state["norm.bias"],
                   "mean": state["norm.running_mean"], "var": state["norm.running_var"],
                   "head.weight": state["head.weight"], "head.bias": state["head.bias"]}


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), ("n", 1, 8, 8)])
def test_an_onnx_file(tmp_path, wanted, shape):
    nodes, constants = plain(made())
    found = take(onnx_file(tmp_path / "net.onnx", nodes, constants, shape), tmp_path)
    same(found, wanted)
    assert [la.name for la in found.compute_layers] == ["Conv_0", "head"]


@pytest.mark.parametrize("form", ["integers", "rounded", "qonnx"])
def test_quantized_onnx_files_keep_their_integers(tmp_path, form):
    """DequantizeLinear of stored integers; QuantizeLinear and DequantizeLinear of reals; QONNX's Quant of 3 bits. What
    quantizes the image's values passes."""
    net, rng = made(), np.random.default_rng(0)
    half = 4 if form == "qonnx" else 128
    levels = rng.integers(-half + 1, half, (6, 1, 3, 3))
    step = rng.uniform(0.001, 0.01, 6).astype(np.float32)
    nodes, constants = plain(net, ("v", {}))
    if form == "qonnx":
        lead = [("Quant", ["w", "step", "zero", "bits"], "v", {"signed": 1, "narrow": 1})]
        constants.update(step=step.reshape(6, 1, 1, 1), zero=np.float32(0), bits=np.float32(3))
        constants["w"] = (levels * step.reshape(6, 1, 1, 1)).astype(np.float32)
    else:
        lead = [("DequantizeLinear", ["w8" if form == "rounded" else "w", "step", "zero"], "v", {"axis": 0})]
        constants.update(step=step, zero=np.zeros(6, np.int8), w=levels.astype(np.int8))
        if form == "rounded":
            lead = [("QuantizeLinear", ["w", "step", "zero"], "w8", {"axis": 0}), *lead]
            constants["w"] = (levels * step.reshape(6, 1, 1, 1)).astype(np.float32)
    around = [("QuantizeLinear", ["c", "one", "low"], "c8", {}), ("DequantizeLinear", ["c8", "one", "low"], "c2", {})]
    nodes = [*lead, *nodes[:3], *around, ("MaxPool", ["c2"], *nodes[3][2:]), *nodes[4:]]
    constants.update(one=np.float32(0.02), low=np.uint8(0))
    found = take(onnx_file(tmp_path / "q.onnx", nodes, constants), tmp_path)
    layer = found.compute_layers[0]
    assert np.array_equal(layer.weights(), levels) and layer.kept.all()
    norm = net.norm
    gain = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().double().numpy()
    ratio = layer.scale / step / gain
    assert np.allclose(ratio, ratio[0], rtol=1e-5)


def test_operators_of_onnx_compute_what_pytorch_does(tmp_path):
    """A network of many operators, exported by PyTorch's own exporter."""
    pytest.importorskip("onnx")

    class Many(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, 2, 1, groups=2)
            self.up, self.p, self.fc = nn.ConvTranspose2d(16, 8, 2, 2), nn.PReLU(8), nn.Linear(16, 10)
            self.ln = nn.LayerNorm(16)

        def forward(self, x):
            y = F.relu6(self.a(x))
            z = F.hardswish(self.b(y)) + F.silu(self.b(y)) * torch.sigmoid(self.b(y))
            u = self.p(self.up(z)) - F.leaky_relu(y)
            u = torch.cat([u[:, ::2], u.chunk(2, 1)[1], F.elu(y), F.gelu(y)], 1)
            u = F.pad(F.avg_pool2d(u, 2), (0, 1, 0, 1)).permute(0, 2, 3, 1).transpose(1, 3)
            u = F.interpolate(F.max_pool2d(u, 3, 2, 1), scale_factor=2.0)[:, :16]
            u = F.softplus(u.mean((2, 3))) + torch.tanh(u.flatten(2).amax(2) if False else u.sum((2, 3)))
            return F.softmax(self.fc(self.ln(u.view(u.size(0), -1))), 1)

    torch.manual_seed(0)
    net, x = Many().eval(), torch.randn(2, 3, 16, 16)
    torch.onnx.export(net, (x,), str(tmp_path / "many.onnx"), dynamo=False, input_names=["x"],
                      dynamic_axes={"x": {0: "n"}})
    with torch.no_grad():
        assert torch.allclose(load_onnx(str(tmp_path / "many.onnx"))(x), net(x), atol=1e-5)


def test_constants_are_computed_as_arrays():
    """Shapes that a graph computes: whole numbers stay whole."""
    shape = OPERATORS["Shape"]([torch.zeros(2, 3, 4)], {})
    tail = OPERATORS["Slice"]([shape, np.array([1]), np.array([3])], {})
    assert OPERATORS["Mul"]([tail, np.array([2, 2])], {}).tolist() == [6, 8]
    assert OPERATORS["Concat"]([shape[:1], np.array([-1])], {"axis": 0}).tolist() == [2, -1]
    assert OPERATORS["Gather"]([shape, np.array(2)], {"axis": 0}) == 4
    assert OPERATORS["Unsqueeze"]([np.array(5), np.array([0])], {}).tolist() == [5]
    assert OPERATORS["Div"]([np.array([7]), np.array([2])], {}).tolist() == [3]
    assert OPERATORS["Reshape"]([torch.zeros(2, 12), np.array([0, 3, -1])], {}).shape == (2, 3, 4)


@pytest.mark.parametrize("change, says", [
    (lambda n, c: n.insert(2, ("Sin", ["b"], "b2", {})), "uses Sin, which xbarch does not take from ONNX"),
    (lambda n, c: n.__setitem__(5, ("Gemm", ["e", "head.weight"], "y", {"transA": 1})), "Gemm Gemm_5 cannot be taken"),
    (lambda n, c: c.__setitem__("head.weight", np.zeros((10, 7), np.float32)), "Gemm Gemm_5 cannot be taken"),
])
def test_onnx_files_that_cannot_be_taken(tmp_path, change, says):
    nodes, constants = plain(made())
    change(nodes, constants)
    with pytest.raises(InputError, match=says):
        load_onnx(onnx_file(tmp_path / "net.onnx", nodes, constants))(torch.zeros(1, 1, 8, 8))


def test_files_that_are_no_models(tmp_path):
    pytest.importorskip("onnx")
    (tmp_path / "text.onnx").write_text("no network at all")
    with pytest.raises(InputError, match=r"text.onnx: (cannot be read as ONNX|must have an input)"):
        load_onnx(str(tmp_path / "text.onnx"))
    with pytest.raises(InputError, match=r"model: no such file: none.onnx"):
        take("none.onnx", tmp_path)
    with pytest.raises(InputError, match=r"weights: must be a checkpoint of the model; a file .onnx or .pt2"):
        take("resnet20", tmp_path)


# -- where Python looks for modules -------------------------------------------------------------------------------

def test_a_model_imports_its_neighbours(tmp_path, monkeypatch):
    """As under `python net.py`; of two folders each its own; a module of the current folder by its name."""
    for number in (1, 2):
        folder = tmp_path / f"f{number}"
        folder.mkdir()
        (folder / "my_blocks.py").write_text(f"from torch import nn\n\n\ndef stem(): return nn.Linear({number}, 1)")
        (folder / "my_net.py").write_text("from my_blocks import stem\n\n\ndef net():\n    return stem()\n")
    for number in (1, 2, 1):
        assert models.build(f"{tmp_path}/f{number}/my_net.py:net", 10, None, 0).in_features == number
    monkeypatch.chdir(tmp_path / "f2")
    assert models.build("my_net:net", 10, None, 0).in_features == 2


@pytest.mark.parametrize("kind", [torch.float16, torch.float64, torch.bfloat16])
def test_models_of_other_precisions(tmp_path, wanted, kind):
    if kind == torch.float64:
        same(take(made().to(kind), tmp_path), wanted)
    else:
        assert take(made().to(kind), tmp_path).accuracy["float"] == pytest.approx(wanted.accuracy["float"], abs=0.02)


class Wrapped(Net):
    def forward(self, x):
        return {"logits": super().forward(x)}


class Silent(nn.Module):
    """A branch that is zero on every image, before an addition and behind it."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3), nn.Linear(144, 10)
        nn.init.zeros_(self.b.weight)
        nn.init.zeros_(self.b.bias)

    def forward(self, x):
        return self.fc((self.a(x) + self.b(x)).flatten(1))


def test_scores_in_a_dict(tmp_path, wanted):
    net = Wrapped()
    net.load_state_dict(made().state_dict())
    same(take(net.eval(), tmp_path), wanted)


@pytest.mark.parametrize("calibration", ["squared_error", "percentile"])
def test_a_layer_that_is_silent(tmp_path, calibration):
    torch.manual_seed(0)
    found = xbarch.load(xbarch.import_weights(Silent(), None, "dense", out=tmp_path / "w", data=DIGITS, zeros="kept",
                                              calibration=calibration))
    assert all(np.isfinite(la.scale).all() for la in found.layers if la.scale is not None)
