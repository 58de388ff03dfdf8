"""The images that a recipe asks for: numbers from 0 to 1, without mean subtraction, so that padding is zero. Those that
travel with xbarch are made by `xbarch.workload.images`, the others read by `xbarch.compress.images`."""

from __future__ import annotations

import torch

from xbarch.compress.images.arrays import arrays
from xbarch.compress.images.cifar import cifar
from xbarch.compress.images.folders import folder
from xbarch.compress.images.mnist import mnist
from xbarch.compress.images.parts import Images, Parts, check_room, looked_at
from xbarch.compress.images.speech import speech
from xbarch.specs.recipe import Data
from xbarch.workload import images as travelling

__all__ = ["Images", "Parts", "load"]


def load(spec: Data, seed: int) -> Parts:
    """The images a recipe asks for, split by `seed`.

    Raises:
        InputError: files are missing or are not what they should be.
    """
    return looked_at(_KINDS[spec.name](spec, seed), spec)


def digits(spec: Data, seed: int) -> Parts:
    """The 1,797 digits, resized: 70 % train, 10 % val, 20 % test."""
    check_room(1797, spec)
    return _tensors(travelling.digits(spec.size, spec.channels, seed), 10)


def digit_pairs(spec: Data, seed: int) -> Parts:
    """Pairs of digits, overlapping, shifted, rotated, noisy: class 10 * left + right."""
    counts = spec.train_images or travelling.TRAINS, spec.test_images
    check_room(sum(counts) + travelling.VALIDATES, spec)
    return _tensors(travelling.pairs(counts, spec.size, spec.channels, spec.noise, seed), 100)


def _tensors(parts: travelling.Parts, classes: int) -> Parts:
    train, val, test = (Images(torch.from_numpy(p.pixels), torch.from_numpy(p.labels)) for p in parts)
    return Parts(train, val, test, classes)


_KINDS = {"digits": digits, "digit_pairs": digit_pairs, "cifar10": cifar, "cifar100": cifar, "mnist": mnist,
          "arrays": arrays, "folder": folder, "speech": speech}
