"""Integers, steps and masks of weights that the network moves before it multiplies by them: they move along."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune

import xbarch
from xbarch.compress.intake.trace import trace_model
from xbarch.errors import InputError

torch.set_num_threads(1)

SHAPE = (4, 5, 5)


class Turned(nn.Module):
    """A transposed convolution of two groups, then a product with a matrix [inputs, outputs]."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 6, 3, 2, 1, groups=2)
        self.matrix = nn.Parameter(torch.randn(6 * 81, 5) / 10)

    def forward(self, x):
        return torch.relu(self.up(x)).flatten(1) @ self.matrix


@pytest.fixture
def take(tmp_path):
    x = np.random.default_rng(0).random((24, *SHAPE)).astype(np.float32)
    y = np.arange(24) % 5
    np.savez(tmp_path / "x.npz", x_train=x[:16], y_train=y[:16], x_test=x[16:], y_test=y[16:])

    def run(model, state=None):
        if state is not None:
            torch.save(state, tmp_path / "w.pt")
        return xbarch.load(xbarch.import_weights(
            model, None if state is None else tmp_path / "w.pt", "dense", out=tmp_path / "w", crossbar_images=0,
            data={"name": "arrays", "path": str(tmp_path / "x.npz")}, quantization={"weight_bits": 8}))
    return run


def net(seed=0):
    torch.manual_seed(seed)
    return Turned().eval()


def as_convolution(kernel, groups):
    """[C, F / groups, kh, kw] of a transposed convolution, filter by filter."""
    per, filters = len(kernel) // groups, kernel.shape[1]
    out = np.zeros((filters * groups, per, *kernel.shape[2:]), kernel.dtype)
    for f in range(filters * groups):
        for c in range(per):
            out[f, c] = kernel[f // filters * per + c, f % filters, ::-1, ::-1]
    return out


def given(rng, name, shape, step):
    return {name: torch.from_numpy(rng.integers(-128, 128, shape).astype(np.int8)), f"{name}_scale": step}


def test_integers_and_masks_of_turned_weights(take):
    """As the model has them: kernels [C, F / groups, kh, kw], a matrix [inputs, outputs] with steps of its columns."""
    rng, model = np.random.default_rng(0), net()
    columns = torch.from_numpy(rng.uniform(1e-3, 1e-2, (1, 5)))
    state = {**model.state_dict(), **given(rng, "up.weight", (4, 3, 3, 3), torch.tensor(0.01)),
             **given(rng, "matrix", (486, 5), columns)}
    state["up.weight_mask"] = torch.from_numpy(rng.random((4, 3, 1, 1)) < 0.5)
    found = take(model, state)
    kernels, matrix = found.compute_layers
    mask = np.broadcast_to(state["up.weight_mask"].numpy(), (4, 3, 3, 3))
    wanted = state["up.weight"].numpy() * mask
    assert np.array_equal(kernels.weights(), as_convolution(wanted, 2))
    assert np.array_equal(kernels.mask(), as_convolution(mask, 2)) and kernels.kept_weights == mask.sum()
    assert np.array_equal(matrix.weights().reshape(5, 486), state["matrix"].numpy().T)
    ratio = matrix.scale / columns.numpy().ravel()
    assert np.allclose(ratio, ratio[0], rtol=1e-9)


@pytest.mark.parametrize("kind, axis", [("MatMul", 1), ("Gemm", 1), ("Gemm", 0)])
def test_columns_of_an_onnx_matrix(take, tmp_path, kind, axis):
    """DequantizeLinear of integers [inputs, outputs] with scales of the outputs, as quantizers of ONNX write them."""
    onnx = pytest.importorskip("onnx")
    h, rng = onnx.helper, np.random.default_rng(1)
    levels, step = rng.integers(-128, 128, (100, 5)).astype(np.int8), rng.uniform(1e-3, 1e-2, 5).astype(np.float32)
    nodes = [h.make_node("Flatten", ["x"], ["f"]),
             h.make_node("DequantizeLinear", ["w", "s"], ["r"], axis=axis),
             h.make_node(kind, ["f", "r"], ["y"], **({"transB": 1 - axis} if kind == "Gemm" else {}))]
    constants = {"w": levels if axis else levels.T.copy(), "s": step}
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", 1, ("n", *SHAPE))],
                         [h.make_tensor_value_info("y", 1, ("n", 5))],
                         [onnx.numpy_helper.from_array(v, k) for k, v in constants.items()])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)]), tmp_path / "m.onnx")
    layer = take(str(tmp_path / "m.onnx")).compute_layers[0]
    assert np.array_equal(layer.weights().reshape(5, 100), levels.T)
    assert np.allclose(layer.scale / layer.scale[0], step / step[0])


def test_steps_that_are_not_those_of_filters(take):
    model = net()
    state = {**model.state_dict(), **given(np.random.default_rng(0), "matrix", (486, 5), torch.linspace(0.1, 1, 486))}
    with pytest.raises(InputError, match=r"weights: must have one scale for matrix, or one for each filter of layer"):
        take(model, state)


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation")
def test_channels_of_a_quantized_transposed_convolution(take):
    """PyTorch's quantized tensors have their scales along the axis of the filters, here the second."""
    model = nn.Sequential(nn.ConvTranspose2d(4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(108, 5)).eval()
    weight = torch.quantize_per_channel(model[0].weight.data, torch.tensor([0.01, 0.02, 0.03]), torch.zeros(3), 1,
                                        torch.qint8)
    layer = take(model, {**model.state_dict(), "0.weight": weight}).compute_layers[0]
    assert np.array_equal(layer.weights(), as_convolution(weight.int_repr().numpy(), 1))
    assert np.allclose(layer.scale / layer.scale[0], [1, 2, 3])


def test_tied_weights_have_one_origin():
    """A matrix and the same one turned are uses of one parameter, whatever its moves."""

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(3, 100))

        def forward(self, x):
            return F.linear(torch.relu(F.linear(x.flatten(1), self.w)), self.w.t().flip(0).flip(0).contiguous())

    one, two = trace_model(Tied(), SHAPE).parameters.values()
    assert one.source.name == two.source.name == "w" and not one.source.moves
    stored = torch.arange(300.0).reshape(3, 100)
    assert torch.equal(two.source.moved(stored), stored.T)


@pytest.mark.parametrize("run", [False, True])
def test_a_module_that_is_pruned_where_it_is(take, run):
    """torch.nn.utils.prune leaves a weight with a gradient's history, which PyTorch refuses to copy; the model stays as
    it was."""
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Flatten(), nn.Linear(72, 5))
    for layer in (model[0], model[2]):
        prune.ln_structured(layer, "weight", 0.5, 2, 0)
    if run:
        model.train()(torch.rand(2, *SHAPE))
    found = take(model)
    for number in (0, 2):
        mask = model[number].weight_mask.numpy() != 0
        assert np.array_equal(found[str(number)].mask(), mask) and prune.is_pruned(model[number])
