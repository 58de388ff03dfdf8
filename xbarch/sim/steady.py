"""The steady state of a run: the time from one finished image to the next."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from xbarch.sim.graph import StageGraph, Trace

Times = NDArray[np.int64]

# A pattern over more images than this is not looked for: its mean is then as good as measured.
LONGEST = 16


@dataclass(frozen=True)
class Steady:
    """interval_ps: ps an image in the steady state. exact: the whole pattern was seen to repeat exactly.

    first_image_ps: when the first image was complete, from 0.
    """

    interval_ps: Fraction
    exact: bool
    first_image_ps: int


def steady(graph: StageGraph, trace: Trace) -> Steady:
    """Find the interval between images; nothing about it is assumed.

    An image is complete when it and those before it have left every flow that nobody reads. Where images repeat
    those a period before them exactly (`_repetition`), the interval is the mean over a period, exact. Otherwise it
    is a mean over part of the run (`_mean`). A run of one image has only its own time.
    """
    done = np.concatenate([d.reshape(graph.images, -1) for d in trace.done], axis=1)
    read = {e.producer for flow in graph.flows for e in flow.inputs}
    last = [d.reshape(graph.images, -1).max(axis=1) for i, d in enumerate(trace.done) if i not in read]
    complete: Times = np.maximum.accumulate(np.max(last, axis=0))
    first = int(complete[0])
    full = _full(graph, trace, complete)
    found = _repetition(done, full)
    if found is not None and found > 0:
        return Steady(found, True, first)
    # A mean of few images may fall below what the busiest server needs for one; no rate can. Nor may the time of one
    # image, which is complete before windows that nobody needs.
    mean = max(_mean(complete, full) if graph.images > 1 else Fraction(first),
               Fraction(int(trace.busy.max(initial=0)), graph.images))
    # Only a graph without any time in it gets here with nothing: a picosecond is the clock's resolution.
    return Steady(mean if mean > 0 else Fraction(max(trace.makespan, 1), graph.images), False, first)


def _full(graph: StageGraph, trace: Trace, complete: Times) -> int:
    """The last image complete before the machine drains, -1 if none.

    It drains from when the last window was issued to the flows that read nobody. Images then find servers idle that
    later ones would have used, and are faster than in the steady state.
    """
    drain = max(int(issued[-1]) for flow, issued in zip(graph.flows, trace.issued, strict=True) if not flow.inputs)
    return int(np.searchsorted(complete, drain, side="right")) - 1


def _repetition(done: Times, full: int) -> Fraction | None:
    """Mean interval of the exact repetition that covers most images, the shortest of those; None if there is none.

    done: [images, windows of all flows]. A repetition of period p: successive images, image `full` among them,
    each of which has *every* window of every flow one and the same shift after the image p before it. It must go on
    for more than a period, so that the gaps between images, too, have been seen twice.
    """
    best, interval = 0, None
    for period in range(1, min(LONGEST, (len(done) - 1) // 2) + 1):
        shift = done[period:] - done[:-period]
        whole = (shift == shift[:, :1]).all(axis=1)
        rows = 0
        for row in range(len(shift)):
            same = bool(whole[row]) and rows > 0 and shift[row, 0] == shift[row - 1, 0]
            rows = rows + 1 if same else int(whole[row])
            through = row - rows < full - period <= row or full < period
            if through and rows > period and rows + period > best:
                best, interval = rows + period, Fraction(int(shift[row, 0]), period)
    return interval


def _mean(complete: Times, full: int) -> Fraction:
    """Mean interval over the second half of the run up to image `full`, or its end where `full` is not in it."""
    start = (len(complete) - 1) // 2
    stop = full if full > start else len(complete) - 1
    return Fraction(int(complete[stop] - complete[start]), stop - start)
