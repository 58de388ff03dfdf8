"""Layers unrolled, packed and executed, against torch's convolution in double precision."""

import numpy as np
import pytest

from xbarch.datapaths.base import Geometry
from xbarch.functional.execute import reference, run
from xbarch.plugins import registry
from xbarch.workload.graph import Layer, unroll

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def layer_of(kernel, stride, padding, dilation, groups, channels=6, filters=4, size=(9, 7), seed=0):
    """A random layer and its input image (C, H, W)."""
    rng = np.random.default_rng(seed)
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1
           for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)]
    weights = rng.integers(-7, 8, (filters, channels // groups, *kernel)).astype(np.int8)
    layer = Layer(name="c", op="conv", inputs=("input",), in_shape=(channels, *size), out_shape=(filters, *out),
                  kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, weight_bits=4,
                  input_bits=5, weights=lambda: weights)
    return layer, rng.integers(0, 32, (channels, *size))


def convolved(layer, image):
    """torch's answer [windows, filters]."""
    result = torch.nn.functional.conv2d(
        torch.from_numpy(image)[None].double(), torch.from_numpy(layer.weights()).double(), stride=layer.stride,
        padding=layer.padding, dilation=layer.dilation, groups=layer.groups)[0].numpy()
    assert result.shape == layer.out_shape
    return result.reshape(layer.filters, -1).T.astype(np.int64)


@pytest.mark.quick(40)
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 3), (5, 1)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 0)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("groups", [1, 2])
def test_unrolled_products_are_the_convolution(kernel, stride, padding, dilation, groups):
    layer, image = layer_of(kernel, stride, padding, dilation, groups)
    assert np.array_equal(reference(layer, unroll(image, layer)), convolved(layer, image))


@pytest.mark.parametrize("path", ["dense", "meng"])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups", "filters"), [
    ((1, 1), (1, 1), (1, 1), 1, 10), ((2, 1), (0, 2), (2, 1), 1, 40), ((2, 2), (1, 1), (1, 1), 2, 8),
    ((1, 1), (2, 2), (2, 2), 3, 6), ((1, 1), (1, 1), (1, 1), 6, 6),
])
def test_packed_layers_are_the_convolution(path, stride, padding, dilation, groups, filters):
    layer, image = layer_of((3, 3), stride, padding, dilation, groups, filters=filters, seed=3)
    mask = np.random.default_rng(4).random((filters, 1, 1, 1)) < 0.6
    weights = layer.weights() * mask
    layer = Layer(**{**vars(layer), "weights": lambda: weights, "mask": lambda: mask & np.ones(weights.shape, bool)})
    geometry = Geometry(25, 30, 2)
    done = run(registry.datapath(path).pack(layer, geometry), layer, geometry, unroll(image, layer), "lossless")
    assert np.array_equal(done.out, convolved(layer, image)) and done.clips == 0


def test_a_linear_layer_takes_the_image_flattened_channel_first():
    image = np.random.default_rng(5).integers(0, 32, (3, 4, 5))
    weights = np.random.default_rng(6).integers(-7, 8, (8, 60, 1, 1))
    layer = Layer(name="fc", op="linear", inputs=("input",), in_shape=(60, 1, 1), out_shape=(8, 1, 1), weight_bits=4,
                  input_bits=5, weights=lambda: weights)
    expected = torch.nn.functional.linear(torch.from_numpy(image).reshape(1, -1).double(),
                                          torch.from_numpy(weights.reshape(8, 60)).double())
    assert np.array_equal(reference(layer, unroll(image, layer)), expected.numpy().astype(np.int64))
