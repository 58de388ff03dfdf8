"""What a network returns: which layers' values, in which shapes, in which unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Closing = Literal["", "softmax", "log_softmax"]


@dataclass(frozen=True)
class Output:
    """One tensor that a network returns: the values of `layer` times `step`, in the order of its (C, H, W).

    `step` is the real value of a level; it is one where the layer's outputs stay real. `shape` is that of the user's
    model, without the axis of the images. `closing` is a function along `axis` of this shape that is left out of the
    network, since it keeps the order of the scores.
    """

    layer: str
    shape: tuple[int, ...]
    step: float = 1.0
    closing: Closing = ""
    axis: int = 0


def returned(outputs: Sequence[Output], maps: Mapping[str, NDArray[Any]], order: bool) -> list[Reals]:
    """The outputs [n, *shape] from the values [n, C, H, W] of their layers. order: whether nothing but the order of
    scores is asked for, so that a closing function need not be computed."""
    found = []
    for output in outputs:
        values = maps[output.layer].astype(np.float64).reshape(-1, *output.shape) * output.step
        found.append(values if order else closed(output, values))
    return found


def closed(output: Output, values: Reals) -> Reals:
    """Values [n, *shape] behind the output's closing function."""
    if not output.closing:
        return values
    axis = output.axis + 1
    lowered = values - values.max(axis=axis, keepdims=True)
    total = np.exp(lowered).sum(axis=axis, keepdims=True)
    return np.asarray(np.exp(lowered) / total if output.closing == "softmax" else lowered - np.log(total))
