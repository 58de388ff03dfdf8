"""Runs of any number of images from a run of few: once the state of a run has been before, what lies between repeats.

`Repetition` finds two images i and i + p at whose end everything that later steps depend on is the same. A run of more
images then is a run of few with whole periods of p images put in at that point: its counts are those of the short run
and of so many periods, it ends so much later, and its memory does not grow with its images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import ConservationError
from xbarch.sim import fast
from xbarch.sim.bounds import Load, conserve, survey
from xbarch.sim.graph import StageGraph, Trace
from xbarch.sim.repeat import Mark
from xbarch.sim.steady import Steady, steady

Ints = NDArray[np.int64]

_TRIES = (16, 64, 256)  # images among which a repetition is looked for, one after another


@dataclass(frozen=True)
class Long:
    """A run of many images. trace: its `done` and `issued` are of the first images alone, up to the repetition."""

    trace: Trace
    bounds: tuple[int, int]
    steady: Steady


@dataclass(frozen=True)
class _Period:
    """The state at two images, and how many periods are put in behind the second one to a run of `few` images."""

    before: Mark
    here: Mark
    few: int
    times: int

    @property
    def images(self) -> int:
        return self.here.image - self.before.image

    @property
    def span(self) -> int:
        """Time of a period, ps."""
        return self.here.now - self.before.now

    def count(self, name: str) -> Ints:
        """How much a count of the run grows in a period."""
        return self.here.counts[name] - self.before.counts[name]


def run_long(graph: StageGraph, most: int, progress: Callable[[int, int], None] | None = None) -> Long | None:
    """Simulate a graph of many images by one of few; None where no repetition is found in runs of at most `most`
    windows, or the graph is too short to be put together from periods.

    Raises:
        StuckError: as the engines raise it.
        ConservationError: as `conserve`; or a period did not do the work of its images.
    """
    found = None if graph.processes else _find(graph, most)
    if found is None:
        return None
    short = graph.of(found.few)
    trace = fast.run(short, progress=progress)
    bounds = conserve(short, trace)
    whole = _lengthened(graph, trace, found)
    return Long(whole, _bounds(graph, short, whole, bounds, found),
                Steady(Fraction(found.span, found.images), "exact", steady(short, trace).first_image_ps))


def _find(graph: StageGraph, most: int) -> _Period | None:
    """The first repetition, in as short a run as shows one before a flow has nothing more to issue."""
    windows = np.array([flow.windows for flow in graph.flows], np.int64)
    for images in _TRIES:
        if images >= graph.images or images * int(windows.sum()) > most:
            return None
        seen = fast.find(graph.of(images))
        if seen is not None and (seen[1].issued < images * windows).all():
            before, here = seen
            period = here.image - before.image
            few = max(here.image + 1, period + 1, int((-(-here.issued // windows)).max()))
            few += (graph.images - few) % period
            return _Period(before, here, few, (graph.images - few) // period) if few < graph.images else None
    return None


def _lengthened(graph: StageGraph, trace: Trace, found: _Period) -> Trace:
    """The trace with the periods put in; times of windows of the images that all flows had done before."""
    shown = int((found.here.done // np.array([flow.windows for flow in graph.flows])).min())
    more = iter((found.times * found.count("EXECUTED")).tolist())
    executed = [[[count + next(more) for count in copy] for copy in flow] for flow in trace.executed]
    taken, given = ([a + found.times * int(b) for a, b in zip(amounts, found.count(name), strict=True)]
                    for amounts, name in ((trace.taken, "TAKEN"), (trace.given, "GIVEN")))
    done, issued = ([times[:shown * flow.windows].copy() for times, flow in zip(each, graph.flows, strict=True)]
                    for each in (trace.done, trace.issued))
    return replace(trace, done=done, issued=issued, executed=executed, taken=taken, given=given,
                   busy=trace.busy + found.times * graph.by_server(found.count("BUSY")),
                   served=trace.served + found.times * found.count("SERVED"),
                   waited=trace.waited + found.times * graph.by_server(found.count("WAITED")),
                   held=trace.held + found.times * found.count("BUSY"),
                   waits=trace.waits + found.times * found.count("WAITED"),
                   makespan=trace.makespan + found.times * found.span)


def _bounds(graph: StageGraph, short: StageGraph, trace: Trace, least: tuple[int, int],
            found: _Period) -> tuple[int, int]:
    """Bounds of the whole run: no server is done sooner than its work takes, and the run takes no less than the short
    one's least. A period must have done the work of its images, counted without simulating."""
    long, rest = survey(short), survey(short.of(short.images - found.images))
    for name, of in (("BUSY", "work"), ("SERVED", "visits"), ("TAKEN", "taken"), ("GIVEN", "taken")):
        counted = found.count(name)
        counted = graph.by_server(counted) if name == "BUSY" else counted
        if counted.tolist() != _difference(long, rest, of):
            raise ConservationError(f"a run broke a law of conservation: a period of {found.images} images must have "
                                    f"the {of} of its images")
    copies = [(flow, number, mine, counts) for flow, each in zip(graph.flows, trace.executed, strict=True)
              for number, (mine, counts) in enumerate(zip(flow.counts(graph.images).tolist(), each, strict=True))]
    for flow, number, mine, counts in copies:
        if counts != [mine] * len(counts):
            raise ConservationError(f"a run broke a law of conservation: executed: flow {flow.name} copy {number} must "
                                    f"run {mine} windows, not {counts}")
    lower = max(least[0], int(trace.busy.max(initial=0)))
    upper = least[1] + found.times * (long.serial - rest.serial)
    if not lower <= trace.makespan <= upper:
        raise ConservationError(f"a run broke a law of conservation: bounds: makespan must be {lower} to {upper}, not "
                                f"{trace.makespan}")
    return lower, upper


def _difference(long: Load, rest: Load, name: str) -> list[int]:
    more, less = getattr(long, name), getattr(rest, name)
    return [a - b for a, b in zip(more, less, strict=True)]
