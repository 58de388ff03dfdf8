"""Which pixels of its producer a window needs, and when a pixel is no longer needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarch.workload.graph import Layer, Workload

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Input:
    """One input of a layer, flatten nodes skipped. need, release: see `xbarch.sim.graph.Edge`.

    `words` is the number of activations a producer window holds, `bits` the size of each. summed: producer windows are
    added up as they come, so that one at a time must be held, beside `sums` bits of running sums.
    """

    producer: str
    need: Ints
    release: Ints
    words: int
    bits: int
    summed: bool = False
    sums: int = 0

    @property
    def least(self) -> int:
        """Smallest buffer, in producer windows, with which no single window can wait for ever.

        For a convolution this is ISAAC's line buffer, (W * (Ky - 1) + Kx) windows (Shafiee et al., ISCA 2016).
        """
        if self.summed:
            return 1
        before = np.concatenate(([0], self.release[:-1]))
        return int((self.need - before).max())


def _span(size: int, kernel: int, stride: int, padding: int, dilation: int, count: int) -> tuple[Ints, Ints]:
    """First and last input coordinate of each output coordinate, clipped to the image."""
    start = np.arange(count, dtype=np.int64) * stride - padding
    last = np.minimum(start + (kernel - 1) * dilation, size - 1)
    return np.maximum(start, 0), np.maximum(last, 0)


def footprint(layer: Layer, height: int, width: int) -> tuple[Ints, Ints]:
    """(need, release) of each output window over a producer of height x width pixels in raster order."""
    pixels = height * width
    if layer.op in ("linear", "flatten"):
        return np.full(1, pixels, np.int64), np.full(1, pixels, np.int64)
    if layer.op == "add":
        ramp = np.arange(1, pixels + 1, dtype=np.int64)
        return ramp, ramp
    _, oh, ow = layer.out_shape
    y0, y1 = _span(height, layer.kernel[0], layer.stride[0], layer.padding[0], layer.dilation[0], oh)
    x0, x1 = _span(width, layer.kernel[1], layer.stride[1], layer.padding[1], layer.dilation[1], ow)
    need = np.maximum.accumulate((y1[:, None] * width + x1[None, :] + 1).ravel())
    first = (y0[:, None] * width + x0[None, :]).ravel()
    # A pixel is released once no later window reaches back to it.
    later = np.minimum.accumulate(first[::-1])[::-1]
    return need, np.append(np.minimum(later[1:], need[:-1]), pixels)


def running_sums(layer: Layer, bits: int) -> int:
    """Bits of a `summed` layer's running sums, of inputs of `bits` bits: one a channel, with the carries of all pixels,
    in whole bytes; none of other layers."""
    carries = (layer.in_shape[1] * layer.in_shape[2] - 1).bit_length()
    return layer.out_shape[0] * -(-(bits + carries) // 8) * 8 if layer.summed else 0


def inputs(workload: Workload) -> dict[str, list[Input]]:
    """Inputs of every layer except flatten nodes, which only rename their producer."""
    def source(name: str) -> Layer:
        layer = workload[name]
        return source(layer.inputs[0]) if layer.op == "flatten" else layer

    result: dict[str, list[Input]] = {}
    for layer in workload.layers:
        if layer.op == "flatten":
            continue
        entries = []
        for name in layer.inputs:
            producer = source(name)
            channels, height, width = producer.out_shape
            need, release = footprint(layer, height, width)
            entries.append(Input(producer.name, need, release, channels, producer.output_bits, layer.summed,
                                 running_sums(layer, producer.output_bits)))
        result[layer.name] = entries
    return result


def slack_needed(edges: dict[str, list[Input]]) -> dict[tuple[str, int], int]:
    """Smallest buffer of every edge (consumer, index), joins of branches taken into account.

    Where paths from one layer meet again (a residual block), the short path must not block their common ancestor
    while the long path still needs more of its windows. So the short path's last buffer, in front of the join, holds
    everything that the short path makes from the ancestor's windows that the long path needs for the join's next
    window: the receptive field of the long path, less what the join has released.
    """
    reach: dict[str, dict[str, Ints]] = {}  # layer -> ancestor -> how many of its windows each window needs
    least: dict[tuple[str, int], int] = {}
    for layer, entries in edges.items():
        total: dict[str, Ints] = {}
        for edge in entries:
            for ancestor, progress in reach[edge.producer].items():
                asked = progress[edge.need - 1]
                total[ancestor] = np.maximum(total[ancestor], asked) if ancestor in total else asked
            total[edge.producer] = np.maximum(total.get(edge.producer, edge.need), edge.need)
        reach[layer] = total
        for index, edge in enumerate(entries):
            before = np.concatenate(([0], edge.release[:-1]))
            ahead = total[edge.producer]
            branches = reach[edge.producer]
            if len(entries) > 1 and branches:
                possible = np.min([np.searchsorted(progress, total[ancestor], side="right")
                                   for ancestor, progress in branches.items()], axis=0)
                ahead = np.maximum(ahead, possible)
            least[layer, index] = 1 if edge.summed else int((ahead - before).max())
    return least
