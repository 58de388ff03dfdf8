"""Whole networks through packed crossbars: equal to the integer network; clipping ADCs change it."""

import numpy as np
import pytest

from xbarch.datapaths.base import Geometry
from xbarch.functional.network import through
from xbarch.plugins import registry
from xbarch.workload import find
from xbarch.workload.infer import infer

GEOMETRY = Geometry(128, 128, 2)


@pytest.mark.parametrize("name", ["vgg7_pruned"])
def test_crossbars_equal_the_integer_network(name):
    network = find.resolve(name)
    path = registry.datapath(network.datapath, network.options)
    images = network.activations[network.compute_layers[0].name]
    for image, found in zip(images, through(network, path, GEOMETRY, images), strict=True):
        want = infer(network, image)
        assert list(want) == list(found)
        assert all(np.array_equal(want[layer], found[layer]) for layer in want)


@pytest.mark.full
def test_more_images_than_are_held_together():
    network = find.resolve("vgg7_pruned")
    image = network.activations[network.compute_layers[0].name][0]
    path = registry.datapath("dense")
    images = [np.roll(image, k, axis=2) for k in range(9)]
    found = list(through(network, path, GEOMETRY, images))
    last = network.layers[-1].name
    assert len(found) == 9
    for k in (0, 7, 8):
        assert np.array_equal(found[k][last], infer(network, images[k])[last])


def test_short_adcs_clip():
    network = find.resolve("vgg7_pruned")
    images = network.activations[network.compute_layers[0].name][:1]
    path, last = registry.datapath("dense"), network.layers[-1].name
    exact, clipped = (next(through(network, path, GEOMETRY, images, bits))[last] for bits in ("lossless", 3))
    assert np.array_equal(exact, infer(network, images[0])[last]) and not np.array_equal(exact, clipped)
