"""The images that a recipe asks for: numbers from 0 to 1, without mean subtraction, so that padding is zero. Those that
travel with xbarch are made by `xbarch.workload.images`, the others read by `xbarch.compress.images`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.compress.images.arrays import arrays
from xbarch.compress.images.cifar import cifar
from xbarch.compress.images.folders import folder
from xbarch.compress.images.mnist import mnist
from xbarch.compress.images.parts import Images, Parts, check_room, looked_at
from xbarch.specs.recipe import Data
from xbarch.workload import images as travelling

__all__ = ["Images", "Parts", "augmented", "load"]


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


def augmented(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image flipped with probability one half and shifted by up to 4 pixels."""
    n, _, h, w = x.shape
    flip = torch.rand(n, generator=generator) < 0.5
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    padded, (dy, dx) = F.pad(x, (4, 4, 4, 4)), torch.randint(9, (2, n), generator=generator)
    rows, columns = dy[:, None] + torch.arange(h), dx[:, None] + torch.arange(w)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


_KINDS = {"digits": digits, "digit_pairs": digit_pairs, "cifar10": cifar, "cifar100": cifar, "mnist": mnist,
          "arrays": arrays, "folder": folder}
