"""The report's picture: change in accuracy against compression ratio and crossbar saving, one row per network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from xbarch.kept.measured import Measured
from xbarch.render.look import GREY, colour, mark, saved, styled
from xbarch.studies.accuracy.rows import Row, references

_MARGIN = 1.15
_FLOOR = -12  # points; a larger loss is of no use, and would compress the rest of the scale
_AXES: tuple[tuple[str, Callable[[Measured], float]], ...] = (
    ("compression ratio", lambda m: m.ratio), ("crossbar saving", lambda m: m.crossbar_ratio))


def draw(rows: Sequence[Row]) -> bytes:
    """Draw the SVG, with the same bytes for the same rows, as wide as a phone. Bars are 95 % intervals; the dashed line
    is the effect of longer training alone; points below the scale are cut off."""
    with styled(axes__titlesize=9):
        return saved(_figure(rows))


def _figure(rows: Sequence[Row]) -> Figure:
    networks = list(dict.fromkeys(r.network for r in rows if r.measured))
    methods = list(dict.fromkeys(r.method for r in rows if not r.longer))
    figure = Figure(figsize=(4.4, 3 * len(networks) + 1), layout="constrained")
    panels = figure.subplots(len(networks), len(_AXES), sharey="row", squeeze=False)
    for network, line in zip(networks, panels, strict=True):
        own = [r for r in rows if r.network == network]
        for (label, across), axes in zip(_AXES, line, strict=True):
            _panel(axes, own, methods, across)
            axes.set_xlabel(label)
        line[0].set_title(network, loc="left")
        line[0].set_ylabel("change in accuracy, points")
        line[0].set_ylim(bottom=max(_FLOOR, line[0].get_ylim()[0]))
    marks: list[Any] = [panels[0][0].errorbar([], [], [], color=colour(i), marker=mark(i), markersize=4, label=method)
                        for i, method in enumerate(methods)]
    if references(rows):
        marks += panels[0][0].plot([], [], "--", color=GREY, label="longer training alone")
    figure.legend(handles=marks, fontsize=8, ncols=3, loc="outside upper center", frameon=False)
    return figure


def _panel(axes: Any, rows: Sequence[Row], methods: Sequence[str], across: Callable[[Measured], float]) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    for longer in references(rows).values():
        axes.axhline(100 * longer.change, color=GREY, linewidth=1, linestyle="--")
    for i, method in enumerate(methods):
        points = sorted((r.measured for r in rows if r.method == method and r.measured and not r.longer), key=across)
        if points:
            below = [100 * (m.change - m.change_low) for m in points]
            above = [100 * (m.change_high - m.change) for m in points]
            axes.errorbar([across(m) for m in points], [100 * m.change for m in points], [below, above],
                          color=colour(i), marker=mark(i), markersize=4, linewidth=1, capsize=2)
    axes.set_xscale("log", base=2)
    axes.axvline(1, color="black", linewidth=0.8)
    places = [across(r.measured) for r in rows if r.measured]
    axes.set_xlim(min([1, *places]) / _MARGIN, max([2, *places]) * _MARGIN)
    axes.xaxis.set_major_locator(LogLocator(2, numticks=6))
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}×")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(linewidth=0.3)
