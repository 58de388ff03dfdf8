"""The picture of the field report: compression ratio of every method at equal losses of accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from xbarch.render.look import BLUE, RED, styled
from xbarch.studies.accuracy.rows import Reach
from xbarch.studies.field.rows import LOSSES, Method
from xbarch.support import numbers

_COLOURS = (BLUE, RED)


def draw(methods: Sequence[Method]) -> Figure:
    """Draw a bar per method and loss, from the lower to the upper end of its interval; an arrow marks a value beyond
    the trained range. As wide as a phone."""
    with styled():
        figure = Figure(figsize=(4.4, 0.34 * len(methods) + 1.3), layout="constrained")
        axes = figure.subplots()
        for place, method in enumerate(methods):
            for i, found in enumerate(method.reaches):
                y, colour = place + 0.16 * (2 * i - 1), _COLOURS[i]
                low, middle, high = (_within(v, found) for v in (found.low, found.ratio, found.high))
                axes.plot([low, high], [y, y], "-", color=colour, linewidth=1.2)
                axes.plot(middle, y, "o" if isfinite(found.ratio) else ">", color=colour, markersize=4)
        axes.set_yticks(range(len(methods)), [m.title for m in methods])
        axes.invert_yaxis()
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(LogLocator(2, numticks=6))
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}×")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("compression ratio; arrow: beyond the trained range")
        axes.grid(axis="x", linewidth=0.3)
        for loss, colour in zip(LOSSES, _COLOURS, strict=True):
            axes.plot([], [], "o-", color=colour, markersize=4,
                      label=f"{numbers.count(round(100 * loss), 'point')} lost")
        figure.legend(fontsize=8, ncols=2, loc="outside upper center", frameon=False)
        return figure


def _within(value: float, found: Reach) -> float:
    return value if isfinite(value) else found.most
