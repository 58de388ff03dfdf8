"""Arrays of one's own: images, spectra, vectors, from an .npz file."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xbarch.compress.images.mapped import Mapped, mapped
from xbarch.compress.images.parts import Images, Parts, split
from xbarch.errors import InputError
from xbarch.specs.recipe import Data
from xbarch.specs.text import brief

_NAMES = (("x_train", "y_train", "x_test", "y_test"),
          ("train_images", "train_labels", "test_images", "test_labels"))
_MOST = 2**33  # bytes of an array that is read into memory
_FEW = 2**28  # bytes of an array that is read at once though it could be mapped
_CHECKED = 2**24  # values that are looked at together
Numbers = np.ndarray[Any, np.dtype[Any]]


def arrays(spec: Data, seed: int) -> Parts:
    """x_train, y_train, x_test and y_test of an .npz file. x is [n, C, H, W], [n, H, W, C] with one or three channels,
    [n, H, W] or [n, features]: bytes, 16-bit numbers, or fractions from 0 to 1. y holds whole numbers from 0. The
    user's model gets [n, C, H, W], or [n, features] where the file has that."""
    assert spec.path is not None
    file = Path(spec.path)
    sizes = _members(file)
    names = tuple(sizes)
    found = [_read(file, name, size) for name, size in sizes.items()]
    train, test = (_images(file, x, y, name) for x, y, name in
                   ((found[0], found[1], names[0]), (found[2], found[3], names[2])))
    if train.pixels.shape[1:] != test.pixels.shape[1:]:
        raise InputError(f"must have images of one shape, not {tuple(train.pixels.shape[1:])} in {names[0]} and "
                         f"{tuple(test.pixels.shape[1:])} in {names[2]}", file=file)
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    parts = split(train, test, [str(i) for i in range(classes)], seed, spec)
    return replace(parts, vectors=found[0].ndim == found[2].ndim == 2)


def _members(file: Path) -> dict[str, int]:
    """Names of the four arrays and the bytes that they expand to, known before they are read."""
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"is not an .npz file ({type(error).__name__})", file=file) from None
    names = next((some for some in _NAMES if set(some) <= set(sizes)), None)
    if names is None:
        raise InputError(f"must hold the arrays {', '.join(_NAMES[0])}; it holds {brief(', '.join(sizes), 200)}",
                         file=file)
    return {name: sizes[name] for name in names}


def _read(file: Path, name: str, size: int) -> Numbers:
    """An array, left in the file where it is large."""
    try:
        found = mapped(file, name) if size > _FEW else None
        if found is not None:
            return found
        if size <= _MOST:
            with np.load(file, allow_pickle=False) as loaded:
                return np.asarray(loaded[name])
    except Exception as error:  # whatever a damaged file makes of the reader
        raise InputError(f"{name} cannot be read ({type(error).__name__})", file=file) from None
    raise InputError(f"{name} must be at most {_MOST:,} bytes in a compressed file, not {size:,}: store it by "
                     "numpy.savez, which does not compress, and it is read piece by piece", file=file)


def _images(file: Path, x: Numbers, y: Numbers, name: str) -> Images:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iu" or len(y) != len(x) or not len(y) or int(y.min()) < 0 \
            or int(y.max()) >= 10**6:
        raise InputError(f"labels must be one whole number from 0 for each of the {len(x):,} arrays of {name}",
                         file=file)
    if x.ndim not in (2, 3, 4) or 0 in x.shape:
        raise InputError(f"{name} must have the shape (n, channels, height, width), (n, height, width) or (n, "
                         f"features), not {x.shape}", file=file)
    if x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] not in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    shaped = x if x.ndim == 4 else x[:, None] if x.ndim == 3 else x[:, :, None, None]
    labels = torch.from_numpy(y.astype(np.int64))
    _check_values(file, shaped, name)
    if isinstance(x, np.memmap):
        return Images(Mapped(file, shaped, torch.arange(len(x)), _values), labels)
    return Images(torch.from_numpy(_values(np.ascontiguousarray(shaped))), labels)


def _values(x: Numbers) -> Numbers:
    """Bytes as they are; others as fractions from 0 to 1."""
    if x.dtype == np.uint8:
        return x
    return x.astype(np.float32) / 65535 if x.dtype == np.uint16 else x.astype(np.float32)


def _check_values(file: Path, x: Numbers, name: str) -> None:
    if x.dtype == bool or x.dtype in (np.uint8, np.uint16):
        return
    if x.dtype.kind != "f":
        raise InputError(f"{name} must hold bytes, 16-bit numbers or fractions from 0 to 1, not {x.dtype}", file=file)
    step = max(1, _CHECKED // max(1, x[0].size))
    parts = [x[i:i + step] for i in range(0, len(x), step)]
    low, high = (float(f([f(part) for part in parts])) for f in (np.min, np.max))
    if not 0 <= low <= high <= 1:  # also if one is not a number
        raise InputError(f"{name} must be from 0 to 1, not {low:g} to {high:g}; store (x - low) / (high - low), and "
                         "say mean and std where the network expects other values", file=file)
