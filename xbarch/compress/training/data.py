"""Images in three parts. Pixels are uint8, unsigned, without mean subtraction, so that padding is zero. Those that
travel with xbarch are made by `xbarch.workload.images`."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.errors import InputError
from xbarch.specs.recipe import Data
from xbarch.specs.text import brief
from xbarch.support.extras import needs
from xbarch.workload import images as travelling

_MOST = 8 * 2**30  # bytes of pixels kept in memory


@dataclass(frozen=True)
class Images:
    """pixels uint8 [n, C, H, W]; labels int64 [n]."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """(float pixels in [0, 1], labels)."""
        return self.pixels[index].float() / 255, self.labels[index]


@dataclass(frozen=True)
class Parts:
    """train teaches, val guides, test is looked at once, for the reported accuracy."""

    train: Images
    val: Images
    test: Images
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        c, h, w = self.train.pixels.shape[1:]
        return c, h, w


def load(spec: Data, seed: int) -> Parts:
    """The images a recipe asks for, split by `seed`.

    Raises:
        InputError: files are missing or are not what they should be.
    """
    if spec.name == "digits":
        return digits(spec, seed)
    if spec.name == "digit_pairs":
        return digit_pairs(spec, seed)
    return cifar10(spec, seed) if spec.name == "cifar10" else folder(spec, seed)


def digits(spec: Data, seed: int) -> Parts:
    """The 1,797 digits, resized: 70 % train, 10 % val, 20 % test."""
    _room(1797, spec)
    return _tensors(travelling.digits(spec.size, spec.channels, seed), 10)


def digit_pairs(spec: Data, seed: int) -> Parts:
    """Pairs of digits, overlapping, shifted, rotated, noisy: class 10 * left + right."""
    counts = spec.train_images or travelling.TRAINS, spec.test_images
    _room(sum(counts) + travelling.VALIDATES, spec)
    return _tensors(travelling.pairs(counts, spec.size, spec.channels, spec.noise, seed), 100)


def _tensors(parts: travelling.Parts, classes: int) -> Parts:
    train, val, test = (Images(torch.from_numpy(p.pixels), torch.from_numpy(p.labels)) for p in parts)
    return Parts(train, val, test, classes)


def _room(images: int, spec: Data) -> None:
    if images * spec.channels * spec.size**2 > _MOST:
        raise InputError(f"must keep the images within {_MOST >> 30} GiB of pixels; {images:,} of {spec.channels} x "
                         f"{spec.size} x {spec.size} are more", field="data.size")


def cifar10(spec: Data, seed: int) -> Parts:
    """CIFAR-10 (Krizhevsky 2009) from its python (`data_batch_1` ...) or binary (`data_batch_1.bin` ...) files;
    a tenth of the training images, split by seed, validates."""
    assert spec.path is not None
    place = Path(spec.path)
    train = _join([_cifar_file(place, f"data_batch_{i}") for i in range(1, 6)])
    test = _cifar_file(place, "test_batch")
    return _parts(train, test, [str(i) for i in range(10)], seed, spec)


def _cifar_file(place: Path, name: str) -> Images:
    """One batch. The pickle is read by a loader that makes nothing but arrays, numbers and text."""
    binary, python = place / f"{name}.bin", place / name
    if binary.is_file():
        raw = np.fromfile(binary, np.uint8)
        if not raw.size or raw.size % 3073:
            raise InputError(f"must have a multiple of 3,073 bytes, not {raw.size:,}", file=binary)
        rows = raw.reshape(-1, 3073)
        pixels, labels = rows[:, 1:], rows[:, 0]
    elif python.is_file():
        try:
            with python.open("rb") as stream:
                found = _Arrays(stream, encoding="bytes").load()
            pixels, labels = np.asarray(found[b"data"], np.uint8), np.asarray(found[b"labels"], int)
            pixels.reshape(-1, 3072)
        except (pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError, AttributeError, IndexError) as error:
            raise InputError(f"is not a CIFAR-10 batch ({type(error).__name__})", file=python) from None
    else:
        raise InputError(f"must hold CIFAR-10's python or binary files; it has neither {name} nor {name}.bin",
                         file=place, field="data.path")
    if not len(labels) or labels.min() < 0 or labels.max() > 9 or len(labels) != len(pixels):
        raise InputError(f"must have one label from 0 to 9 per image, not {len(labels)} labels up to "
                         f"{max(labels, default=0)} for {len(pixels)} images", file=place / name)
    return Images(torch.from_numpy(pixels.reshape(-1, 3, 32, 32).copy()), torch.from_numpy(labels.astype(np.int64)))


class _Arrays(pickle.Unpickler):
    """Refuses everything but what a CIFAR-10 batch is made of."""

    _ALLOWED = frozenset({("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
                          ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")})

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return super().find_class(module, name)


def folder(spec: Data, seed: int) -> Parts:
    """path/train/CLASS/* and path/test/CLASS/*, any image format Pillow reads, resized to size x size."""
    assert spec.path is not None
    place = Path(spec.path)
    names, tested = (sorted(p.name for p in (place / part).iterdir() if p.is_dir()) if (place / part).is_dir() else []
                     for part in ("train", "test"))
    if len(names) < 2:
        raise InputError("must hold train/CLASS/* and test/CLASS/*; train has fewer than two classes",
                         file=place, field="data.path")
    if other := [name for name in tested if name not in names]:
        raise InputError(f"test has the class {brief(other[0])}, which train has not; train has "
                         f"{brief(', '.join(names), 200)}", file=place, field="data.path")
    return _parts(_folder(place / "train", names, spec), _folder(place / "test", names, spec), names, seed, spec)


def _folder(place: Path, names: list[str], spec: Data) -> Images:
    with needs("train", "a folder of images"):
        from PIL import Image, UnidentifiedImageError

    files = [(p, label) for label, name in enumerate(names) if (place / name).is_dir()
             for p in sorted((place / name).iterdir()) if p.is_file()]
    if not files:
        raise InputError("has no images: they are CLASS/*, of the classes in train", file=place)
    _room(len(files), spec)
    pixels = np.empty((len(files), spec.channels, spec.size, spec.size), np.uint8)
    for i, (path, _) in enumerate(files):
        try:
            with Image.open(path) as image:
                small = image.convert("L" if spec.channels == 1 else "RGB").resize((spec.size, spec.size))
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"is not an image that can be read ({type(error).__name__})", file=path) from None
        pixels[i] = np.asarray(small).reshape(spec.size, spec.size, spec.channels).transpose(2, 0, 1)
    return Images(torch.from_numpy(pixels), torch.tensor([label for _, label in files]))


def _join(batches: list[Images]) -> Images:
    return Images(torch.cat([b.pixels for b in batches]), torch.cat([b.labels for b in batches]))


def _parts(train: Images, test: Images, names: list[str], seed: int, spec: Data) -> Parts:
    """Split validation off the training images; resize where the recipe asks for another size.

    Raises:
        InputError: a class of `names` has fewer than two training images or no test image.
    """
    for part, images, least in (("train", train, 2), ("test", test, 1)):
        counts = torch.bincount(images.labels, minlength=len(names)).tolist()
        for name, count in zip(names, counts, strict=True):
            if count < least:
                raise InputError(f"{part} must have at least {least} image{'s' * (least > 1)} of every class, not "
                                 f"{count} of {brief(name)}", file=spec.path, field="data.path")
    _room(len(train) + len(test), spec)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    cut = max(1, len(train) // 10)
    first, second = (Images(train.pixels[i], train.labels[i]) for i in (order[cut:], order[:cut]))
    return Parts(_sized(first, spec.size), _sized(second, spec.size), _sized(test, spec.size), len(names))


def _sized(images: Images, size: int) -> Images:
    if images.pixels.shape[-1] == size:
        return images
    pixels = [F.interpolate(p.float(), (size, size), mode="bilinear").round().to(torch.uint8)
              for p in images.pixels.split(1000)]
    return Images(torch.cat(pixels), images.labels)


def augmented(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image flipped with probability one half and shifted by up to 4 pixels."""
    n, _, h, w = x.shape
    flip = torch.rand(n, generator=generator) < 0.5
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    padded, (dy, dx) = F.pad(x, (4, 4, 4, 4)), torch.randint(9, (2, n), generator=generator)
    rows, columns = dy[:, None] + torch.arange(h), dx[:, None] + torch.arange(w)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
