"""Arrays of one's own, from an .npz file: images, spectra or vectors, and their classes, label maps or numbers."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xbarch.errors import InputError
from xbarch.specs.text import brief
from xbarch.workload.images.mapped import mapped

_NAMES = (("x_train", "y_train", "x_test", "y_test"),
          ("train_images", "train_labels", "test_images", "test_labels"))
_MOST = 2**33  # bytes of an array
Numbers = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Arrays:
    """A part of the file. pixels: [n, C, H, W] uint8, or float32 from 0 to 1; of several inputs of the network all in
    one (`packed`). answers: [n] classes, [n, H, W] classes of pixels, or [n, ...] real numbers. shapes: of the inputs
    in the file, without the axis of the images."""

    pixels: Numbers
    answers: Numbers
    shapes: tuple[Shape, ...]


def arrays(file: Path) -> tuple[Arrays, Arrays]:
    """(training, test) part of the file.

    x_train, y_train, x_test and y_test; x is [n, C, H, W], [n, H, W, C] with one or three channels, [n, H, W] or
    [n, features]: bytes, 16-bit numbers, or fractions from 0 to 1. Further inputs of the network are x_train_2,
    x_test_2 and so on. y holds whole numbers from 0, [n], or [n, H, W] with 255 or a negative number for pixels without
    a class, or real numbers [n, ...].

    Raises:
        InputError: what is missing, or what it should be.
    """
    names, more = _members(file)
    train, test = (_part(file, [names[k], *(f"{names[k]}_{i}" for i in more)], names[k + 1]) for k in (0, 2))
    if train.shapes != test.shapes:
        raise InputError(f"must have images of one shape, not {_listed(train.shapes)} in {names[0]} and "
                         f"{_listed(test.shapes)} in {names[2]}", file=file)
    if train.answers.shape[1:] != test.answers.shape[1:] or train.answers.dtype != test.answers.dtype:
        raise InputError(f"{names[1]} and {names[3]} must be answers of one kind and shape, not "
                         f"{train.answers.dtype} of shape {train.answers.shape[1:]} and {test.answers.dtype} of shape "
                         f"{test.answers.shape[1:]}", file=file)
    return train, test


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes))


def _members(file: Path) -> tuple[tuple[str, ...], list[int]]:
    """Names of the four arrays, and the numbers of further inputs; what they expand to is known before they are
    read."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"is not an .npz file ({type(error).__name__})", file=file) from None
    names = next((some for some in _NAMES if set(some) <= set(entries)), None)
    if names is None:
        raise InputError(f"must hold the arrays {', '.join(_NAMES[0])}; it holds {brief(', '.join(entries), 200)}",
                         file=file)
    found = {k: sorted(int(m[1]) for m in (re.fullmatch(rf"{names[k]}_(\d+)", name) for name in entries) if m)
             for k in (0, 2)}
    if found[0] != found[2] or found[0] != list(range(2, 2 + len(found[0]))):
        raise InputError(f"further inputs must be {names[0]}_2, {names[2]}_2, then {names[0]}_3 and so on", file=file)
    for name, entry in entries.items():
        if name.startswith(names) and entry.file_size > _MOST and (
                entry.compress_type != zipfile.ZIP_STORED or found[0] or name in names[1::2]):
            raise InputError(f"{name} must be at most {_MOST:,} bytes, not {entry.file_size:,}; only images that are "
                             "the one input, stored by numpy.savez without compression, may be larger", file=file)
    return names, found[0]


def _read(file: Path, name: str, lying: bool = False) -> Numbers:
    """lying: whether a large array may stay in the file."""
    try:
        if lying and (found := mapped(file, name)) is not None:
            return found
        with np.load(file, allow_pickle=False) as archive:
            return np.asarray(archive[name])
    except Exception as error:  # whatever a damaged file makes of the reader
        raise InputError(f"{name} cannot be read ({type(error).__name__})", file=file) from None


def _part(file: Path, inputs: list[str], answers: str) -> Arrays:
    images = []
    for name in inputs:
        images.append(_images(file, _read(file, name, lying=len(inputs) == 1), name))
        if len(images[-1][0]) != len(images[0][0]):
            raise InputError(f"{name} must have as many arrays as {inputs[0]}, {len(images[0][0]):,}, not "
                             f"{len(images[-1][0]):,}", file=file)
    pixels = packed([values for values, _ in images])
    return Arrays(pixels, _answers(file, _read(file, answers), len(pixels), answers, inputs[0]),
                  tuple(shape for _, shape in images))


def packed(inputs: Sequence[Numbers]) -> Numbers:
    """Several inputs [n, C, H, W] as one: their channels side by side where heights and widths are equal, else all
    numbers as a vector [n, numbers, 1, 1]. Its numbers are those of the inputs, one behind the other."""
    if len(inputs) == 1:
        return inputs[0]
    if len({values.dtype for values in inputs}) > 1:
        inputs = [values / np.float32(255) if values.dtype == np.uint8 else values for values in inputs]
    if len({values.shape[2:] for values in inputs}) > 1:
        inputs = [values.reshape(len(values), -1, 1, 1) for values in inputs]
    return np.concatenate(inputs, axis=1)


def _answers(file: Path, y: Numbers, count: int, name: str, images: str) -> Numbers:
    if y.dtype.kind in "iu" and (y.ndim in (2, 4) and y.shape[1] == 1):
        y = y[:, 0]
    if not len(y) or len(y) != count:
        raise InputError(f"{name} must hold an answer for each of the {count:,} arrays of {images}, not {len(y):,}",
                         file=file)
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            raise InputError(f"{name} must hold finite numbers", file=file)
        return y.astype(np.float32)
    if y.dtype.kind not in "iu" or y.ndim not in (1, 3) or (y.ndim == 1 and int(y.min()) < 0) or int(y.max()) >= 10**6:
        raise InputError(f"{name} must hold labels: one whole number from 0 for each array of {images}, or a map of "
                         f"them [height, width]; or real numbers of any shape; not {y.dtype} {y.shape}", file=file)
    return y.astype(np.int64)


def _images(file: Path, x: Numbers, name: str) -> tuple[Numbers, Shape]:
    """[n, C, H, W], and the shape that a user's model gets."""
    if x.ndim not in (2, 3, 4) or 0 in x.shape:
        raise InputError(f"{name} must have the shape (n, channels, height, width), (n, height, width) or (n, "
                         f"features), not {x.shape}", file=file)
    last = x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] not in (1, 3)
    if x.nbytes > _MOST and (last or x.dtype not in (np.uint8, np.float32)):
        raise InputError(f"{name} must be uint8 or float32 of shape (n, channels, height, width) to be read where it "
                         f"lies, as {x.nbytes:,} bytes are, not {x.dtype} of shape {x.shape}", file=file)
    if last:
        x = x.transpose(0, 3, 1, 2)
    shaped = x if x.ndim == 4 else x[:, None] if x.ndim == 3 else x[:, :, None, None]
    shaped = shaped if shaped.flags.c_contiguous else np.ascontiguousarray(shaped)  # which would not stay in its file
    return _values(file, shaped, name), (x.shape if x.ndim == 2 else shaped.shape)[1:]


def _values(file: Path, x: Numbers, name: str) -> Numbers:
    """Bytes as they are; others as fractions from 0 to 1."""
    if x.dtype == np.uint8:
        return x
    if x.dtype == np.uint16:
        return x.astype(np.float32) / 65535
    if x.dtype == bool:
        return x.astype(np.float32)
    if x.dtype.kind != "f":
        raise InputError(f"{name} must hold bytes, 16-bit numbers or fractions from 0 to 1, not {x.dtype}", file=file)
    low, high = float(x.min()), float(x.max())
    if not 0 <= low <= high <= 1:  # also if one is not a number
        raise InputError(f"{name} must be from 0 to 1, not {low:g} to {high:g}; store (x - low) / (high - low), and "
                         "say mean and std where the network expects other values", file=file)
    return np.asanyarray(x, np.float32)
