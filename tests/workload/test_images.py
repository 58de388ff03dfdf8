"""Images that travel with xbarch: PyTorch's numbers, scikit-learn's digits, without either; test parts."""

from dataclasses import replace

import numpy as np
import pytest

from xbarch.errors import InputError
from xbarch.workload import find
from xbarch.workload.images import digits, pair_test, pairs, shown
from xbarch.workload.images.digits import split
from xbarch.workload.images.draws import Draws


@pytest.mark.full
def test_numbers_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    for seed in (0, 1, 12_345):
        theirs, ours = torch.Generator().manual_seed(seed), Draws(seed)
        for count in (1, 2, 177):
            assert torch.randperm(count, generator=theirs).tolist() == ours.order(count).tolist()
        assert torch.randint(541, (90, 2), generator=theirs).tolist() == ours.below(541, 90, 2).tolist()
        assert torch.rand(7, 4, generator=theirs).tolist() == ours.uniform(7, 4).tolist()
        for shape in ((2, 1, 8, 8), (5, 9, 9), (17,)):  # multiples of 16 and others
            assert np.allclose(torch.randn(*shape, generator=theirs).numpy(), ours.normal(*shape), atol=1e-5)
        assert torch.rand(3, generator=theirs).tolist() == ours.uniform(3).tolist()  # nothing is left over


def test_the_first_numbers_of_the_twister():
    """Matsumoto and Nishimura's generator, seed 5489: the first 32-bit number is 3499211612."""
    assert Draws(5489).below(1 << 27, 1).tolist() == [3499211612 % (1 << 27)]


@pytest.mark.full
def test_the_digits_are_scikit_learns():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    parts = digits(8, 1, 3)
    order = np.concatenate(split(theirs.target, (0.7, 0.1), 3))
    assert np.array_equal(np.concatenate([p.labels for p in parts]), theirs.target[order])
    pixels = np.concatenate([p.pixels for p in parts])[:, 0]
    assert np.array_equal(pixels, np.rint(theirs.images[order] / 16 * 255).astype(np.uint8))


@pytest.mark.full
@pytest.mark.parametrize("size", [8, 16, 32])
def test_resizing_is_pytorchs(size):
    functional = pytest.importorskip("torch.nn.functional")
    small, large = digits(8, 1, 0)[2], digits(size, 3, 0)[2]
    import torch

    grey = torch.from_numpy(np.rint(small.pixels / 255 * 16) / 16).float()
    right = functional.interpolate(grey, (size, size), mode="bilinear", align_corners=False).mul(255).round()
    assert np.array_equal(large.pixels, right.numpy().astype(np.uint8).repeat(3, axis=1))
    assert len(large.labels) == 359 and np.array_equal(small.labels, large.labels)


@pytest.mark.full
def test_pairs_are_pytorchs_but_for_single_levels():
    """One pair composed as PyTorch does it, in single precision; rounding may part by a level here and there."""
    torch = pytest.importorskip("torch")
    grid = torch.nn.functional
    whole = np.concatenate([p.pixels for p in digits(8, 1, 0)])  # order of the source does not matter for the shape
    assert len(whole) == 1797
    made = pair_test(64, 64, 32, 1, 0.0, 2)
    index = split(_labels(), (0.6, 0.1), 2)[2]
    draws = Draws(2 * 3 + 2)
    drawn = index[draws.below(len(index), 64, 2)]
    canvas = torch.zeros(64, 1, 32, 32)
    for side in (0, 1):
        draw = torch.from_numpy(draws.uniform(64, 4)).float() * 2 - 1
        angle, zoom = draw[:, 0] * 0.4, 1.55 + 0.2 * draw[:, 1]
        x, y = (-0.33, 0.33)[side] + 0.12 * draw[:, 2], 0.15 * draw[:, 3]
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        theta = torch.stack([torch.stack([cos, -sin, -cos * x + sin * y], 1),
                             torch.stack([sin, cos, -sin * x - cos * y], 1)], 1)
        at = grid.affine_grid(theta, [64, 1, 32, 32], align_corners=False)
        source = torch.from_numpy(_images()[drawn[:, side]][:, None]).float()
        canvas = torch.maximum(canvas, grid.grid_sample(source, at, align_corners=False))
    right = canvas.clamp(0, 1).mul(255).round().numpy().astype(int)
    wrong = np.abs(right - made.pixels)
    assert wrong.max() <= 1 and (wrong > 0).mean() < 1e-3 and made.pixels.max() > 200


def _images():
    from xbarch.workload.images.digits import _source

    return _source()[0][:, 0]


def _labels():
    from xbarch.workload.images.digits import _source

    return _source()[1]


@pytest.mark.full
def test_the_first_images_of_a_part_are_the_same_however_many_are_made():
    few, many = pair_test(3_000, 40, 16, 3, 0.3, 1), pair_test(3_000, 1_040, 16, 3, 0.3, 1)
    assert np.array_equal(few.pixels, many.pixels[:40]) and np.array_equal(few.labels, many.labels[:40])
    assert len(few.labels) == 40 and few.pixels.shape == (40, 3, 16, 16)
    train, val, test = pairs((64, 1_040), 16, 3, 0.3, 1)
    assert (len(train.labels), len(val.labels), len(test.labels)) == (64, 2_000, 1_040)


def test_test_images_of_a_stored_workload():
    network = find.resolve("vgg7_pruned")
    found = shown(network, 20)
    assert found.pixels.shape == (20, 3, 32, 32) and found.pixels.max() == 255
    stored = network.activations[network.compute_layers[0].name]
    assert np.abs(stored[0].astype(int) - found.pixels[0]).max() <= 1  # training stored the first of them
    assert len(shown(find.resolve("resnet18_pruned"), 1_000).labels) == 359
    digit = find.resolve("resnet18_pruned")
    kept = digit.activations[digit.compute_layers[0].name]
    assert np.array_equal(shown(digit, len(kept)).pixels, kept)


def test_words_come_in_turn_from_their_own_part():
    network = find.resolve("words_cnn")
    found, held = shown(network, 300), shown(network, 20, "validation")
    assert found.labels[:20].tolist() == [*range(10)] * 2 and np.bincount(found.labels).tolist() == [30] * 10
    kept = network.activations[network.compute_layers[0].name]
    assert np.array_equal(found.pixels[:len(kept)], kept) and held.pixels.shape == (20, 1, 41, 40)
    changed = {**network.manifest["recipe"], "data": {**network.manifest["recipe"]["data"], "path": "mine"}}
    with pytest.raises(InputError, match="digits, digit_pairs and its synthesised words only"):
        shown(replace(network, manifest={**network.manifest, "recipe": changed}), 4)


def test_refused():
    network = find.resolve("vgg7_pruned")

    def changed(data=None, **recipe):
        old = dict(network.manifest["recipe"])
        made = {**old, **recipe, "data": {**old["data"], **(data or {})}}
        return replace(network, manifest={**network.manifest, "recipe": made})

    for odd, says in (
            (find.resolve("resnet18_imagenet_synthetic"), "random weights that were never trained"),
            (changed({"name": "cifar10"}), "for digits, digit_pairs and its synthesised words only"),
            (replace(network, manifest={}), "for digits, digit_pairs and its synthesised words only"),
            (changed({"size": 16}), r"makes images of \(3, 16, 16\)"),
            (changed({"size": 10**6}), "recipe.data.size: must be a whole number from 8 to 512, not 1000000"),
            (changed({"noise": "loud"}), "recipe.data.noise: must be a number from 0 to 1"),
            (changed(seed=-1), "recipe.seed: must be a whole number")):
        with pytest.raises(InputError, match=says):
            shown(odd, 4)
