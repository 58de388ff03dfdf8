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

# Longer patterns, in images, are not looked for: a mean over that many images is then as good.
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
    """interval_ps: ps per image in the steady state; in a run of one image, that image's time.

    kind: `exact`, the whole pattern was seen to repeat exactly; `mean`, the mean time between images; `bound`, what the
    busiest server needs per image, which is longer than that mean; `single`, one image ran.
    first_image_ps: when the first image was complete, from 0. spread_ps: half the 95 % confidence interval of a mean;
    None where it is over fewer than three gaps. server: the index of the server that sets a `bound`.
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
    """Find the interval between images, without assumptions about it.

    An image is complete when it and those before it have left every flow that no other flow reads. Where images exactly
    repeat those one period earlier (`_repetition`), the interval is the mean over a period, and exact. Otherwise it is
    a mean over part of the run (`_span`), with its confidence interval, or what the busiest server needs per image
    where that is longer. A run of one image has only its own time. Where servers are processes nothing is exact: their
    state may differ even where the times agree.
    """
    done = np.concatenate([d.reshape(graph.images, -1) for d in trace.done], axis=1)
    read = {e.producer for flow in graph.flows for e in flow.inputs}
    last = [d.reshape(graph.images, -1).max(axis=1) for i, d in enumerate(trace.done) if i not in read]
    complete: Times = np.maximum.accumulate(np.max(last, axis=0))
    first = int(complete[0])
    full = _full(graph, trace, complete)
    found = None if graph.processes else _repetition(done, full)  # the state of a process does not show in the times
    if found is not None and found > 0:
        return Steady(found, "exact", first)
    # A mean over few images may fall below what the busiest server needs per image, but no real rate can; nor can the
    # time of a single image, which is complete before windows that no layer needs. A process with several visits in
    # hand sets no such limit.
    held, _, server = max(((held, graph.servers[server].name, server) for server, held in enumerate(trace.busy.tolist())
                           if trace.inside.get(server, 1) <= 1), default=(0, "", -1))
    gaps = np.diff(complete[_span(complete, full)])
    mean, least = Fraction(int(gaps.sum()), len(gaps)) if len(gaps) else Fraction(first), Fraction(held, graph.images)
    # Only a graph in which nothing takes time has neither: the clock's resolution is a picosecond.
    longest = max(mean, least) or Fraction(max(trace.makespan, 1), graph.images)
    if graph.images == 1:
        return Steady(longest, "single", first)
    if least > mean:
        return Steady(longest, "bound", first, server=server)
    return Steady(longest, "mean", first, _spread(gaps))


def _full(graph: StageGraph, trace: Trace, complete: Times) -> int:
    """The last image that is complete before the machine drains; -1 if there is none.

    The machine drains once the last window of the flows without inputs was issued. Images then find servers idle that
    later images would have used, and are faster than in the steady state.
    """
    drain = max(int(issued[-1]) for flow, issued in zip(graph.flows, trace.issued, strict=True) if not flow.inputs)
    return int(np.searchsorted(complete, drain, side="right")) - 1


def _repetition(done: Times, full: int) -> Fraction | None:
    """Mean interval of the exact repetition that covers most images, of several the one with the shortest period; None
    if there is none.

    done: [images, windows of all flows]. A repetition of period p is a run of successive images, image `full` among
    them, in each of which *every* window of every flow comes one and the same time after that of the image p earlier.
    It must go on for more than a period, so that the gaps between images have been seen twice as well.
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
    """The second half of the run; it ends at image `full` where that half contains it."""
    start = (len(complete) - 1) // 2
    return slice(start, 1 + (full if full > start else len(complete) - 1))


def _spread(gaps: Times) -> int | None:
    """Half the 95 % confidence interval of the mean of these times between images (Student's t).

    The times are treated as independent. A late image is often followed by a short gap, so the interval is too wide
    rather than too narrow.
    """
    if len(gaps) < 3:
        return None
    student = _STUDENT[max(n for n in _STUDENT if n < len(gaps))]
    return ceil(student * float(np.std(gaps, ddof=1)) / sqrt(len(gaps)))
