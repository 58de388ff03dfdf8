"""What limits a run: the servers that are busy for most of the pipeline interval, crossbars or what they share."""

from __future__ import annotations

from fractions import Fraction

from xbarch.result.run import Run
from xbarch.result.schema import Bound
from xbarch.result.words import CROSSBARS, WAITING

_FULL = Fraction(9, 10)  # crossbars this busy bind, whatever else is busy
_BINDS = Fraction(4, 5)  # the busiest server binds if it is this busy; else none does


def bound(run: Run) -> Bound | None:
    """What limits a run of several images; None for a single one, which has no interval to be busy in.

    Crossbars limit it if the busiest are held for 90 % of the interval or more: without any wait at other servers it
    would then be at most a tenth faster. Else the busiest server does, if it is held for 80 % or more; else none, and
    windows wait for one another: for inputs, for room in buffers, for the latency of stages.
    """
    if run.steady.kind == "single":
        return None
    span = run.graph.images * run.steady.interval_ps
    held = [(int(busy), server) for busy, server in zip(run.trace.busy, run.graph.servers, strict=True)]
    most, server = max(held, key=lambda each: each[0])
    crossbars = max((busy for busy, s in held if s.kind == "crossbar"), default=0) / span
    by = WAITING if most / span < _BINDS else CROSSBARS if server.kind == "crossbar" else server.kind
    return Bound(by=CROSSBARS if crossbars >= _FULL else by, server=server.name, share=float(most / span),
                 crossbars=float(crossbars))
