"""The steady state of a run: the time from one finished image to the next."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xbarch.sim.graph import StageGraph, Trace

Times = NDArray[np.int64]

# A pattern over more images than this is not looked for: its mean is then as good as measured.
LONGEST = 16

# Two-sided 95 % quantiles of Student's t for 2, 3, ... degrees of freedom, then by tens (NIST/SEMATECH e-Handbook of
# Statistical Methods, 1.3.6.7.2); in between and beyond, those of fewer degrees, which are larger.
_STUDENT = {n: t for n, t in enumerate((
    4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110,
    2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042), 2)} | {
    40: 2.021, 50: 2.009, 60: 2.000, 70: 1.994, 80: 1.990, 90: 1.987, 100: 1.984}


Kind = Literal["exact", "mean", "bound", "single"]


@dataclass(frozen=True)
class Steady:
    """interval_ps: ps an image in the steady state; of a run of one image, that image's time.

    kind: `exact`, the whole pattern was seen to repeat exactly; `mean`, of the times between images; `bound`, what the
    busiest server needs for an image, which is longer than that mean; `single`, one image ran.
    first_image_ps: when the first image was complete, from 0. spread_ps: of a mean, half its 95 % confidence interval;
    none of fewer than three times. server: the index of the server that a `bound` is of.
    """

    interval_ps: Fraction
    kind: Kind
    first_image_ps: int
    spread_ps: int | None = None
    server: int | None = None

    @property
    def exact(self) -> bool:
        """Whether the whole pattern was seen to repeat exactly."""
        return self.kind == "exact"


def steady(graph: StageGraph, trace: Trace) -> Steady:
    """Find the interval between images; nothing about it is assumed.

    An image is complete when it and those before it have left every flow that nobody reads. Where images repeat
    those a period before them exactly (`_repetition`), the interval is the mean over a period, exact. Otherwise it
    is a mean over part of the run (`_span`), with its confidence interval, or what the busiest server needs for an
    image where that is longer. A run of one image has only its own time.
    Where units are processes nothing is exact: their state may differ where the times do not.
    """
    done = np.concatenate([d.reshape(graph.images, -1) for d in trace.done], axis=1)
    read = {e.producer for flow in graph.flows for e in flow.inputs}
    last = [d.reshape(graph.images, -1).max(axis=1) for i, d in enumerate(trace.done) if i not in read]
    complete: Times = np.maximum.accumulate(np.max(last, axis=0))
    first = int(complete[0])
    full = _full(graph, trace, complete)
    found = None if graph.processes else _repetition(done, full)  # what a process has in mind is not in the times
    if found is not None and found > 0:
        return Steady(found, "exact", first)
    # A mean of few images may fall below what the busiest server needs for one; no rate can. Nor may the time of one
    # image, which is complete before windows that nobody needs. What had several visits in hand sets no such limit.
    held, _, server = max(((held, graph.servers[server].name, server) for server, held in enumerate(trace.busy.tolist())
                           if trace.inside.get(server, 1) <= 1), default=(0, "", -1))
    gaps = np.diff(complete[_span(complete, full)])
    mean, least = Fraction(int(gaps.sum()), len(gaps)) if len(gaps) else Fraction(first), Fraction(held, graph.images)
    # Only a graph without any time in it has neither: a picosecond is the clock's resolution.
    longest = max(mean, least) or Fraction(max(trace.makespan, 1), graph.images)
    if graph.images == 1:
        return Steady(longest, "single", first)
    if least > mean:
        return Steady(longest, "bound", first, server=server)
    return Steady(longest, "mean", first, _spread(gaps))


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


def _span(complete: Times, full: int) -> slice:
    """The second half of the run up to image `full`, or its end where `full` is not in it."""
    start = (len(complete) - 1) // 2
    return slice(start, 1 + (full if full > start else len(complete) - 1))


def _spread(gaps: Times) -> int | None:
    """Half the 95 % confidence interval of the mean of these times between images (Student's t).

    As if they were independent; a late image is often followed by a short gap, which makes the interval too wide
    rather than too narrow.
    """
    if len(gaps) < 3:
        return None
    student = _STUDENT[max(n for n in _STUDENT if n < len(gaps))]
    return ceil(student * float(np.std(gaps, ddof=1)) / sqrt(len(gaps)))
