"""Images with labels, in three parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
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
    """Pixels of image files below `root`, read at every access. names: bytes, as the system has them, in one array: a
    million paths as objects would take a gigabyte, in each process that reads. size: (C, H, W)."""

    root: Path
    names: NDArray[np.bytes_]
    size: tuple[int, int, int]
    read: Callable[[Path], NDArray[np.uint8]]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.names), *self.size)

    @property
    def files(self) -> Iterator[Path]:
        """Where the pixels come from."""
        return (self.root / os.fsdecode(name) for name in self.names)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        chosen = self.names[index if isinstance(index, slice) else index.numpy()]
        found = np.empty((len(chosen), *self.size), np.uint8)
        for i, name in enumerate(chosen):
            found[i] = self.read(self.root / os.fsdecode(name))
        return torch.from_numpy(found)

    def take(self, index: Tensor) -> Files:
        """Some of the files."""
        return replace(self, names=self.names[index.numpy()])


@dataclass(frozen=True)
class Mapped:
    """Pixels that stay in a file of arrays. whole: all that the file has [n, C, H, W]; order: the numbers of those that
    these are."""

    file: Path
    whole: Tensor
    order: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.order), *self.whole.shape[1:])

    @property
    def files(self) -> Iterator[Path]:
        """Where the pixels come from."""
        yield self.file

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        return self.whole[self.order[index]]

    def take(self, index: Tensor) -> Mapped:
        """Some of the images."""
        return replace(self, order=self.order[index])


@dataclass(frozen=True)
class Look:
    """Mean and deviation [C, 1, 1] that are taken off pixels of 0 to 1."""

    mean: Tensor
    std: Tensor

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value that a pixel can have then."""
        return float((-self.mean / self.std).min()), float(((1 - self.mean) / self.std).max())


@dataclass(frozen=True)
class Images:
    """pixels [n, C, H, W]: uint8, float32 from 0 to 1, or in files. labels: int64 [n], of pixels int64 [n, H, W], or
    real numbers float32 [n, ...]."""

    pixels: Tensor | Files | Mapped
    labels: Tensor
    look: Look | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """(pixels as the network sees them: from 0 to 1, or with mean and deviation taken off, labels)."""
        pixels, labels = self.raw(index)
        return self.seen(pixels), labels

    def raw(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """(pixels as they are kept, labels)."""
        return self.pixels[index], self.labels[index]

    def seen(self, pixels: Tensor) -> Tensor:
        """Pixels as the network sees them, wherever they lie."""
        found = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
        if self.look is None:
            return found
        return (found - self.look.mean.to(found.device)) / self.look.std.to(found.device)


@dataclass(frozen=True)
class Parts:
    """train teaches, val guides, test is looked at once, for the reported accuracy. inputs: shapes in which the user's
    own model gets the numbers of an image, one behind the other, as one input or several; none: as they are."""

    train: Images
    val: Images
    test: Images
    classes: int
    inputs: tuple[tuple[int, ...], ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        _, c, h, w = self.train.pixels.shape
        return c, h, w

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value that the network may see."""
        return (0.0, 1.0) if self.train.look is None else self.train.look.span


def looked_at(parts: Parts, spec: Data) -> Parts:
    """The parts as the network sees them.

    Raises:
        InputError: mean or deviation are those of another number of channels.
    """
    if spec.mean is None and spec.std is None:
        return parts
    channels, found = parts.shape[0], []
    for key, values in (("mean", spec.mean or [0.0]), ("std", spec.std or [1.0])):
        if len(values) not in (1, channels):
            raise InputError(f"must be one number or {channels}, one for each channel, not {len(values)}",
                             field=f"data.{key}")
        found.append(torch.tensor(values).expand(channels)[:, None, None])
    look = Look(*found)
    train, val, test = (replace(part, look=look) for part in (parts.train, parts.val, parts.test))
    return replace(parts, train=train, val=val, test=test)


def check_room(images: int, spec: Data) -> None:
    """Refuse images that would not fit in memory."""
    h, w = spec.rectangle
    if images * spec.channels * h * w > _MOST:
        raise InputError(f"must keep the images within {_MOST >> 30} GiB of pixels; {images:,} of {spec.channels} x "
                         f"{h} x {w} are more", field="data.size")


def split(train: Images, test: Images, names: Sequence[str], seed: int, spec: Data) -> Parts:
    """Split validation, a tenth, off the training images.

    Raises:
        InputError: a class of `names` has fewer than two training images or no test image; arrays may lack classes.
    """
    for part, images, least in (("train", train, 2), ("test", test, 1)):
        if spec.name == "arrays":
            break
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
