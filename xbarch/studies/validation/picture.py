"""The report's picture: ours against theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from xbarch.render.look import GREY, colour, mark, saved, styled
from xbarch.studies.validation.row import Row

_RATIOS = 0.125, 0.25, 0.5, 1, 2, 4, 8


def draw(rows: Sequence[Row]) -> bytes:
    """Draw the SVG, with the same bytes for the same rows: on the left ours over theirs of other tools, on the right
    energies and times of silicon's operations."""
    with styled():
        figure = Figure(figsize=(9.6, 6.4), layout="constrained")
        axes: dict[str, Any] = figure.subplot_mosaic([["tools", "pJ"], ["tools", "ns"]])
        _tools(axes["tools"], [row for row in rows if row.kind != "silicon" and row.standing == "independent"])
        for unit, title in (("pJ", "energy"), ("ns", "time")):
            _silicon(axes[unit], [row for row in rows if row.kind == "silicon" and row.unit == unit], title)
        axes["pJ"].legend(fontsize=7, frameon=False)
        return saved(figure)


def _tools(axes: Any, rows: Sequence[Row]) -> None:
    for place, row in enumerate(rows):
        axes.plot([row.low, row.high], [place, place], color=GREY, linewidth=4, alpha=0.4, solid_capstyle="butt")
        axes.plot(row.ratio, place, mark(0), color=colour(0 if row.holds else 1), markersize=5)
    axes.set_yticks(range(len(rows)), [f"{row.about.split(',')[0]}: {row.quantity}" for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(_RATIOS, [f"{value:g}" for value in _RATIOS])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("ours / theirs; bars: the band")
    axes.set_title("other tools", loc="left", fontsize=9)


def _silicon(axes: Any, rows: Sequence[Row], title: str) -> None:
    labels = {"independent": "macros, nothing fitted", "fitted": "by value, two constants fitted"}
    for place, (standing, label) in enumerate(labels.items()):
        own = [row for row in rows if row.standing == standing]
        axes.plot([row.theirs for row in own], [row.ours for row in own], mark(place), color=colour(place),
                  markersize=4, linestyle="none", label=label)
    ends = [min(min(r.theirs, r.ours) for r in rows), max(max(r.theirs, r.ours) for r in rows)]
    axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"measured, {rows[0].unit}")
    axes.set_ylabel(f"simulated, {rows[0].unit}")
    axes.set_title(f"silicon: {title} of an operation", loc="left", fontsize=9)
