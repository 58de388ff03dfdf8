"""The test images of a stored workload, made anew from what its manifest says of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.specs.text import brief
from xbarch.workload.graph import Workload
from xbarch.workload.images.digits import Part, digits, pair_test, pair_validation

TRAVELLING = ("digits", "digit_pairs")
_LIMITS = {"size": (8, 512), "channels": (1, 3), "test_images": (16, 10**6)}


@dataclass(frozen=True)
class Shown:
    """Images of a workload's test part, in its order. pixels: integers as the network takes them [n, C, H, W].
    labels: [n]."""

    pixels: NDArray[np.int32]
    labels: NDArray[np.int64]


def shown(network: Workload, most: int, part: Literal["test", "validation"] = "test") -> Shown:
    """The first `most` test images of what a workload was trained on, or of those that validated its training; all,
    where there are fewer.

    Raises:
        InputError: it was never trained, its data does not travel with xbarch, or its manifest contradicts itself.
    """
    if network.trained_on is None:
        raise InputError(f"workload {network.name} has random weights that were never trained, so there is no accuracy "
                         "to measure", file=network.file or None)
    recipe = network.manifest.get("recipe") or {}
    data = recipe.get("data") if isinstance(recipe, Mapping) else None
    name = data.get("name") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or name not in TRAVELLING:
        raise InputError(f"test images travel with xbarch for {' and '.join(TRAVELLING)} only; workload {network.name} "
                         f"was trained on {brief(network.trained_on)}", file=network.file or None)
    images = _part(str(name), data, _whole(recipe, "seed", 0, 2**31, network), most, network, part)
    shape, classes = network.layers[0].out_shape, network.layers[-1].out_shape[0]
    if images.pixels.shape[1:] != shape or int(images.labels.max()) >= classes:
        raise InputError(f"recipe.data makes images of {images.pixels.shape[1:]} in {int(images.labels.max()) + 1} "
                         f"classes, but the network takes {shape} and tells {classes} apart", file=network.file or None)
    levels = _levels(data, recipe.get("image_step"), network)
    channels = [levels[min(c, len(levels) - 1)][images.pixels[:, c]] for c in range(shape[0])]
    return Shown(np.stack(channels, axis=1), images.labels)


def _levels(data: Mapping[str, Any], given: Any, network: Workload) -> list[NDArray[np.int32]]:
    """The level of each of 256 values of a pixel, of all channels or of each, in single precision as training rounds
    them. given: the step of a level, where the user's network has one of its own."""
    first, grey = network.layers[0], np.arange(256, dtype=np.float32) / np.float32(255)
    low, top = first.levels
    if given is None and data.get("mean") is None and data.get("std") is None:
        return [np.floor(grey * np.float32(top) + np.float32(0.5)).astype(np.int32)]
    mean, std = (_reals(data, key, default, first.out_shape[0], network) for key, default in (("mean", 0), ("std", 1)))
    seen = (grey - mean[:, None]) / std[:, None]
    if given is not None:
        step, low, top = _image_step(given, network)
        return list(np.clip(np.floor(seen.astype(np.float64) / step + 0.5), low, top).astype(np.int32))
    plain = np.float32(max(-float(seen[:, 0].min()), float(seen[:, -1].max())) / top)
    return list(np.clip(np.floor(seen / plain + np.float32(0.5)), max(low, -top), top).astype(np.int32))


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


def _part(name: str, data: Mapping[str, Any], seed: int, most: int, network: Workload, part: str) -> Part:
    size, channels, count = (_whole(data, key, *limits, network) for key, limits in _LIMITS.items())
    if name == "digits":
        found = digits(size, channels, seed)[2 if part == "test" else 1]
        return Part(found.pixels[:most], found.labels[:most])
    noise = data.get("noise")
    if not isinstance(noise, int | float) or not 0 <= noise <= 1:
        raise InputError(f"must be a number from 0 to 1, not {brief(noise)}", file=network.file or None,
                         field="recipe.data.noise")
    if part == "validation":
        return pair_validation(most, size, channels, float(noise), seed)
    return pair_test(count, most, size, channels, float(noise), seed)


def _whole(data: Mapping[str, Any], key: str, least: int, most: int, network: Workload) -> int:
    value = data.get(key)
    if not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"must be a whole number from {least} to {most}, not {brief(value)}",
                         file=network.file or None, field="recipe.seed" if key == "seed" else f"recipe.data.{key}")
    return value
