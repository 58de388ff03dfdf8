"""Images with labels, in three parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from xbarch.errors import InputError
from xbarch.specs.recipe import Data
from xbarch.specs.text import brief

_MOST = 8 * 2**30  # bytes of pixels kept in memory


@dataclass(frozen=True)
class Files:
    """Pixels of image files, read at every access. size: (C, H, W)."""

    files: tuple[Path, ...]
    size: tuple[int, int, int]
    read: Callable[[Path], NDArray[np.uint8]]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.files), *self.size)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        chosen = self.files[index] if isinstance(index, slice) else [self.files[i] for i in index.tolist()]
        found = np.empty((len(chosen), *self.size), np.uint8)
        for i, path in enumerate(chosen):
            found[i] = self.read(path)
        return torch.from_numpy(found)

    def take(self, index: Tensor) -> Files:
        """Some of the files."""
        return replace(self, files=tuple(self.files[i] for i in index.tolist()))


@dataclass(frozen=True)
class Images:
    """pixels [n, C, H, W]: uint8, float32 from 0 to 1, or files. labels: int64 [n]."""

    pixels: Tensor | Files
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """(float pixels in [0, 1], labels)."""
        found = self.pixels[index]
        return found.float() / 255 if found.dtype == torch.uint8 else found, self.labels[index]


@dataclass(frozen=True)
class Parts:
    """train teaches, val guides, test is looked at once, for the reported accuracy."""

    train: Images
    val: Images
    test: Images
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        _, c, h, w = self.train.pixels.shape
        return c, h, w


def check_room(images: int, spec: Data) -> None:
    """Refuse images that would not fit in memory."""
    h, w = spec.rectangle
    if images * spec.channels * h * w > _MOST:
        raise InputError(f"must keep the images within {_MOST >> 30} GiB of pixels; {images:,} of {spec.channels} x "
                         f"{h} x {w} are more", field="data.size")


def split(train: Images, test: Images, names: Sequence[str], seed: int, spec: Data) -> Parts:
    """Split validation, a tenth, off the training images.

    Raises:
        InputError: a class of `names` has fewer than two training images or no test image.
    """
    for part, images, least in (("train", train, 2), ("test", test, 1)):
        counts = torch.bincount(images.labels, minlength=len(names)).tolist()
        for name, count in zip(names, counts, strict=True):
            if count < least:
                raise InputError(f"{part} must have at least {least} image{'s' * (least > 1)} of every class, not "
                                 f"{count} of {brief(name)}", file=spec.path, field="data.path")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    cut = max(1, len(train) // 10)
    first, second = (taken(train, i) for i in (order[cut:], order[:cut]))
    return Parts(first, second, test, len(names))


def taken(images: Images, index: Tensor) -> Images:
    """Some of the images."""
    pixels = images.pixels
    return Images(pixels[index] if isinstance(pixels, Tensor) else pixels.take(index), images.labels[index])


def resized(images: Images, spec: Data) -> Images:
    """Images in memory at the height, width and channels that the recipe asks for."""
    pixels, (h, w) = images.pixels[:], spec.rectangle
    if pixels.shape[1] == 1 < spec.channels:
        pixels = pixels.expand(-1, spec.channels, -1, -1)
    if tuple(pixels.shape[2:]) == (h, w):
        return Images(pixels.contiguous(), images.labels)
    parts = [F.interpolate(p.float(), (h, w), mode="bilinear").round().to(torch.uint8) for p in pixels.split(1000)]
    return Images(torch.cat(parts), images.labels)
