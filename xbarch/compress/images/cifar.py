"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), from their python or binary files."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from xbarch.compress.images.parts import Images, Parts, check_room, resized, split
from xbarch.errors import InputError
from xbarch.specs.recipe import Data


@dataclass(frozen=True)
class _Kind:
    """How a data set's files are named and laid out. lead: bytes of a binary row before its pixels, the label last."""

    title: str
    train: tuple[str, ...]
    test: str
    lead: int
    labels: bytes
    classes: int


_KINDS = {
    "cifar10": _Kind("CIFAR-10", tuple(f"data_batch_{i}" for i in range(1, 6)), "test_batch", 1, b"labels", 10),
    "cifar100": _Kind("CIFAR-100", ("train",), "test", 2, b"fine_labels", 100),
}


def cifar(spec: Data, seed: int) -> Parts:
    """Its images; a tenth of the training images, split by seed, validates."""
    assert spec.path is not None
    kind, place = _KINDS[spec.name], Path(spec.path)
    batches = [_file(place, name, kind) for name in kind.train]
    train = Images(torch.cat([b.pixels[:] for b in batches]), torch.cat([b.labels for b in batches]))
    test = _file(place, kind.test, kind)
    check_room(len(train) + len(test), spec)
    return split(resized(train, spec), resized(test, spec), [str(i) for i in range(kind.classes)], seed, spec)


def _file(place: Path, name: str, kind: _Kind) -> Images:
    """One file. The pickle is read by a loader that makes nothing but arrays, numbers and text."""
    binary, python, size = place / f"{name}.bin", place / name, kind.lead + 3072
    if binary.is_file():
        raw = np.fromfile(binary, np.uint8)
        if not raw.size or raw.size % size:
            raise InputError(f"must have a multiple of {size:,} bytes, not {raw.size:,}", file=binary)
        rows = raw.reshape(-1, size)
        pixels, labels = rows[:, kind.lead:], rows[:, kind.lead - 1]
    elif python.is_file():
        try:
            with python.open("rb") as stream:
                found = _Arrays(stream, encoding="bytes").load()
            pixels, labels = np.asarray(found[b"data"], np.uint8), np.asarray(found[kind.labels], int)
            pixels.reshape(-1, 3072)
        except (pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError, AttributeError, IndexError) as error:
            raise InputError(f"is not a {kind.title} batch ({type(error).__name__})", file=python) from None
    else:
        raise InputError(f"must hold {kind.title}'s python or binary files; it has neither {name} nor {name}.bin",
                         file=place, field="data.path")
    if not len(labels) or labels.min() < 0 or labels.max() >= kind.classes or len(labels) != len(pixels):
        raise InputError(f"must have one label from 0 to {kind.classes - 1} per image, not {len(labels)} labels up to "
                         f"{max(labels, default=0)} for {len(pixels)} images", file=place / name)
    return Images(torch.from_numpy(pixels.reshape(-1, 3, 32, 32).copy()), torch.from_numpy(labels.astype(np.int64)))


class _Arrays(pickle.Unpickler):
    """Refuses everything but what a batch of CIFAR's is made of."""

    _ALLOWED = frozenset({("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
                          ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")})

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return super().find_class(module, name)
