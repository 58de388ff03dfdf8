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

    An image is complete when it and those before it have left every flow that nobody reads. If, from some image on,
    p successive images repeat the p before them with one and the same shift of *every* window of every flow, the
    interval is that shift / p, exact. Otherwise it is a mean (`_mean`). A run of one image has only its own time.
    """
    done = np.concatenate([d.reshape(graph.images, -1) for d in trace.done], axis=1)
    read = {e.producer for flow in graph.flows for e in flow.inputs}
    last = [d.reshape(graph.images, -1).max(axis=1) for i, d in enumerate(trace.done) if i not in read]
    complete: Times = np.maximum.accumulate(np.max(last, axis=0))
    first = int(complete[0])
    found = _repetition(done)
    if found is not None and found > 0:
        return Steady(found, True, first)
    mean = _mean(complete, _sources(graph, trace)) if graph.images > 1 else Fraction(first)
    # Only a graph without any time in it gets here with nothing: a picosecond is the clock's resolution.
    return Steady(mean if mean > 0 else Fraction(max(trace.makespan, 1), graph.images), False, first)


def _repetition(done: Times) -> Fraction | None:
    """Shift / period of the shortest exact repetition, the latest of its length; None if there is none.

    done: [images, windows of all flows].
    """
    for period in range(1, min(LONGEST, len(done) // 2) + 1):
        shift = done[period:] - done[:-period]
        whole = (shift == shift[:, :1]).all(axis=1)
        for end in range(len(shift), period - 1, -1):
            run = slice(end - period, end)
            if whole[run].all() and (shift[run, 0] == shift[end - 1, 0]).all():
                return Fraction(int(shift[end - 1, 0]), period)
    return None


def _sources(graph: StageGraph, trace: Trace) -> int:
    """When the last window of the run was issued to the flows that read nobody: from then on the machine drains."""
    return max(int(issued[-1]) for flow, issued in zip(graph.flows, trace.issued, strict=True) if not flow.inputs)


def _mean(complete: Times, drain: int) -> Fraction:
    """Mean interval over the second half of the run, less the images that drain through an emptying machine.

    Those are faster than in the steady state. They count only where fewer than two others are left.
    """
    images = len(complete)
    start = (images - 1) // 2
    stop = int(np.searchsorted(complete, drain, side="right")) - 1
    if stop <= start:
        stop = images - 1
    return Fraction(int(complete[stop] - complete[start]), stop - start)
