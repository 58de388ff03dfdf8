"""Inputs that a copy of a layer keeps from window to window: how many each window brings in, and how many are held."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xbarch.workload.graph import Layer

Ints = NDArray[np.int64]
Kept = Literal["new", "once"]


def brought(layer: Layer, driven: Ints, owner: Ints, kept: Kept) -> tuple[Ints, int]:
    """How many inputs every window of an image brings in, [windows], and the most that a copy holds at a time.

    Padding is no input. An input is a pixel of a channel; which of a window's inputs a part of a copy needs follows
    from the word lines that they drive.

    Args:
        driven: distinct entries of the layer's unrolled input vector that drive the crossbars.
        owner: [windows] the copy that takes each window.
        kept: "new": what the copy's window before had; "once": whatever a later window of the copy needs.
    """
    size = layer.kernel[0] * layer.kernel[1]
    if layer.op == "linear":
        return np.full(1, len(driven), np.int64), len(driven)
    channels, place = np.divmod(driven, size)
    uses = np.zeros((int(channels.max()) + 1, size), bool)
    uses[channels, place] = True
    patterns, many = np.unique(uses[uses.any(axis=1)], axis=0, return_counts=True)
    order = np.argsort(owner, kind="stable")  # windows as copies see them, copy after copy
    first, held = np.zeros((2, layer.windows), np.int64)
    for pattern, count in zip(patterns, many, strict=True):
        turn, pixel = _touched(layer, np.flatnonzero(pattern), order)
        mine = _keep_once(turn, pixel, owner[order]) if kept == "once" else _keep_new(turn, pixel, owner[order])
        first += count * mine[0]
        held += count * mine[1]
    found = np.empty_like(first)
    found[order] = first
    return found, int(held.max())


def _touched(layer: Layer, places: Ints, order: Ints) -> tuple[Ints, Ints]:
    """The pixels that the kernel's `places` touch, window after window in `order`: (turn of the window, pixel)."""
    _, height, width = layer.in_shape
    oy, ox = np.divmod(order, layer.out_shape[2])
    ky, kx = np.divmod(places, layer.kernel[1])
    y = (oy * layer.stride[0] - layer.padding[0])[:, None] + ky * layer.dilation[0]
    x = (ox * layer.stride[1] - layer.padding[1])[:, None] + kx * layer.dilation[1]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    turn = np.broadcast_to(np.arange(len(order))[:, None], y.shape)
    return turn[inside], (y * width + x)[inside]


def _keep_once(turn: Ints, pixel: Ints, owner: Ints) -> tuple[Ints, Ints]:
    """By turn: pixels that the copy has not had before; pixels that it holds for this window and later ones."""
    key = owner[turn] * (int(pixel.max(initial=0)) + 1) + pixel
    _, first = np.unique(key, return_index=True)
    _, last = np.unique(key[::-1], return_index=True)
    came = np.bincount(turn[first], minlength=len(owner))
    went = np.bincount(turn[len(key) - 1 - last] + 1, minlength=len(owner) + 1)[:len(owner)]
    return came, np.cumsum(came - went)


def _keep_new(turn: Ints, pixel: Ints, owner: Ints) -> tuple[Ints, Ints]:
    """By turn: pixels that the copy's window before did not have; pixels of the window."""
    pixels = int(pixel.max(initial=0)) + 1
    follows = np.append(owner[1:] == owner[:-1], False)[turn]  # the copy's next window comes next
    new = ~np.isin(turn * pixels + pixel, (turn[follows] + 1) * pixels + pixel[follows])
    return (np.bincount(turn[new], minlength=len(owner)), np.bincount(turn, minlength=len(owner)))
