"""The test images of a stored workload, made anew from what its manifest says of its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.specs.text import brief
from xbarch.support.files import digest, is_file
from xbarch.workload.graph import Workload
from xbarch.workload.images.arrays import arrays
from xbarch.workload.images.digits import digits, pair_test, pair_validation
from xbarch.workload.images.words import words

TRAVELLING = ("digits", "digit_pairs", "speech")
_LIMITS = {"size": (8, 512), "channels": (1, 3), "test_images": (16, 10**6)}


@dataclass(frozen=True)
class Shown:
    """Images of a workload's test part, in its order. pixels: integers as the network takes them [n, C, H, W].
    labels: classes [n], or other right answers [n, ...]."""

    pixels: NDArray[np.int32]
    labels: NDArray[Any]


def shown(network: Workload, most: int, part: Literal["test", "validation"] = "test") -> Shown:
    """The first `most` test images of what a workload was trained on, or of those that validated its training; all,
    where there are fewer.

    Raises:
        InputError: it was never trained, its data does not travel with xbarch and is no file of arrays that is still as
            it was, or its manifest contradicts itself.
    """
    if network.trained_on is None:
        raise InputError(f"workload {network.name} has random weights that were never trained, so there is no accuracy "
                         "to measure", file=network.file or None)
    recipe = network.manifest.get("recipe") or {}
    data = recipe.get("data") if isinstance(recipe, Mapping) else None
    name = data.get("name") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or name not in (*TRAVELLING, "arrays") or (name == "speech" and data.get("path")):
        raise InputError("test images travel with xbarch for digits, digit_pairs and its synthesised words only, and "
                         f"are read from a file .npz; workload {network.name} was trained on "
                         f"{brief(network.trained_on)}",
                         file=network.file or None)
    pixels, labels = _of_file(data, most, network, part) if name == "arrays" else _part(
        str(name), data, _whole(recipe, "seed", 0, 2**31, network), most, network, part)
    shape, classes = network.layers[0].out_shape, network.returned[0].shape[0] if network.returned[0].shape else 1
    found = int(labels.max()) + 1 if labels.ndim == 1 and labels.dtype.kind == "i" else 0
    if pixels.shape[1:] != shape or found > classes:
        raise InputError(f"recipe.data makes images of {pixels.shape[1:]} in {found} classes, but the network takes "
                         f"{shape} and tells {classes} apart", file=network.file or None)
    to_levels = _leveller(data, recipe.get("image_step"), network)
    if pixels.dtype != np.uint8:
        return Shown(to_levels(pixels.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3), labels)
    grey = np.arange(256, dtype=np.float32) / np.float32(255)
    levels = to_levels(np.broadcast_to(grey[:, None, None], (shape[0], 256, 1, 1)))[..., 0, 0]
    return Shown(np.stack([levels[c][pixels[:, c]] for c in range(shape[0])], axis=1), labels)


def _leveller(data: Mapping[str, Any], given: Any,
              network: Workload) -> Callable[[NDArray[np.float32]], NDArray[np.int32]]:
    """Makes levels of pixels from 0 to 1 [channels, n, H, W], in single precision as training rounds them. given: the
    step of a level, where the user's network has one of its own."""
    low, top = network.layers[0].levels
    if given is None and data.get("mean") is None and data.get("std") is None:
        return lambda pixels: np.floor(pixels * np.float32(top) + np.float32(0.5)).astype(np.int32)
    mean, std = (_reals(data, key, default, network.layers[0].out_shape[0], network)[:, None, None, None]
                 for key, default in (("mean", 0), ("std", 1)))
    if given is not None:
        step, low, top = _image_step(given, network)
        return lambda pixels: np.clip(np.rint(((pixels - mean) / std).astype(np.float64) / step), low,
                                      top).astype(np.int32)
    ends = [(np.float32(pixel) - mean) / std for pixel in (0, 1)]
    plain = np.float32(max(-float(ends[0].min()), float(ends[1].max())) / top)
    return lambda pixels: np.clip(np.floor((pixels - mean) / std / plain + np.float32(0.5)), max(low, -top),
                                  top).astype(np.int32)


def _of_file(data: Mapping[str, Any], most: int, network: Workload,
             part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pixels and answers of the file of arrays that the workload was imported with: its test part, or the first of its
    training images, which an import only calibrates on."""
    path, wanted = data.get("path"), (network.manifest.get("data") or {}).get("sha256")
    if not isinstance(path, str) or not is_file(path):
        raise InputError(f"the test images of workload {network.name} are read from {brief(path, 200)}, which is not "
                         "there", file=network.file or None, field="recipe.data.path")
    if digest(path) != wanted:
        raise InputError(f"is not the file that workload {network.name} was imported with, or was changed since",
                         file=path)
    found = arrays(Path(path))[part == "test"]
    return found.pixels[:most], found.answers[:most]


def _image_step(given: Any, network: Workload) -> tuple[float, int, int]:
    """(step, lowest level, highest) of a user's own image quantizer."""
    whole = isinstance(given, list) and len(given) == 3 and all(isinstance(n, int) for n in given[1:])
    if not whole or not isinstance(given[0], float) or not 0 < given[0] < np.inf or not given[1] <= 0 < given[2]:
        raise InputError(f"must be a step above 0, the lowest level and the highest, not {brief(given)}",
                         file=network.file or None, field="recipe.image_step")
    return given[0], given[1], given[2]


def _reals(data: Mapping[str, Any], key: str, default: float, channels: int, network: Workload) -> NDArray[np.float32]:
    found = data.get(key)
    values = [default] if found is None else found
    if not isinstance(values, list) or len(values) not in (1, channels) or not all(
            isinstance(v, int | float) and (v > 0 or key == "mean") for v in values):
        raise InputError(f"must be 1 or {channels} numbers, not {brief(found)}", file=network.file or None,
                         field=f"recipe.data.{key}")
    return np.broadcast_to(np.array(values, np.float32), channels).copy()


def _part(name: str, data: Mapping[str, Any], seed: int, most: int, network: Workload,
          part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if name == "speech":
        spoken = words()[2 if part == "test" else 1]
        return spoken.pixels[:most], spoken.labels[:most]
    size, channels, count = (_whole(data, key, *limits, network) for key, limits in _LIMITS.items())
    if name == "digits":
        found = digits(size, channels, seed)[2 if part == "test" else 1]
        return found.pixels[:most], found.labels[:most]
    noise = data.get("noise")
    if not isinstance(noise, int | float) or not 0 <= noise <= 1:
        raise InputError(f"must be a number from 0 to 1, not {brief(noise)}", file=network.file or None,
                         field="recipe.data.noise")
    drawn = pair_validation(most, size, channels, float(noise), seed) if part == "validation" else pair_test(
        count, most, size, channels, float(noise), seed)
    return drawn.pixels, drawn.labels


def _whole(data: Mapping[str, Any], key: str, least: int, most: int, network: Workload) -> int:
    value = data.get(key)
    if not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"must be a whole number from {least} to {most}, not {brief(value)}",
                         file=network.file or None, field="recipe.seed" if key == "seed" else f"recipe.data.{key}")
    return value
