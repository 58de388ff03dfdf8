"""The report's picture: of each network a panel for every method, change in accuracy against what it gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from xbarch.kept.measured import Measured
from xbarch.render.look import GREY, colour, mark, saved, styled
from xbarch.studies.accuracy.axes import ACROSS
from xbarch.studies.accuracy.rows import Row, references
from xbarch.studies.drawn import ends

_MARGIN = 1.15
_ACROSS, _WIDE, _TALL = 3, 4.4, 1.0  # panels beside one another; inches of the picture and of a panel


def draw(rows: Sequence[Row]) -> bytes:
    """Draw the SVG, with the same bytes for the same rows, as wide as a phone. Bars are 95 % intervals; the dashed line
    is the effect of longer training alone."""
    with styled(axes__titlesize=8, font__size=8, xtick__labelsize=7):
        return saved(_figure(rows))


def _figure(rows: Sequence[Row]) -> Figure:
    """All panels have the same axes, so that methods and networks can be compared."""
    networks = {network: [r for r in rows if r.network == network]
                for network in dict.fromkeys(r.network for r in rows if r.measured)}
    methods = {network: list(dict.fromkeys(r.title for r in own if r.measured and not r.longer))
               for network, own in networks.items()}
    lines = {network: -(-len(titles) // _ACROSS) for network, titles in methods.items()}
    figure = Figure(figsize=(_WIDE, _TALL * sum(lines.values()) + 0.9), layout="constrained")
    panels = figure.subplots(sum(lines.values()), _ACROSS, sharex=True, sharey=True, squeeze=False)
    top = 0
    for network, own in networks.items():
        places = panels[top:top + lines[network]].flat
        for title, axes in zip(methods[network], places, strict=False):
            _panel(axes, [r for r in own if r.title == title], list(references(own).values()))
            axes.set_title(title, pad=2)
        for axes in places[len(methods[network]):]:
            axes.set_axis_off()
        panels[top][0].set_ylabel(network, weight="bold")
        top += lines[network]
    for column in panels.T:  # those of the lowest panel that is there
        for axes in [axes for axes in column if axes.axison][-1:]:
            axes.tick_params(labelbottom=True)
    _scales(panels[0][0], [r.measured for r in rows if r.measured], list(references(rows).values()))
    figure.supylabel("change in accuracy, points")
    figure.supxlabel("compression ratio, or crossbar saving")
    handles: list[Any] = [panels[0][0].errorbar([], [], [], color=colour(i), marker=mark(i), markersize=4, label=label)
                          for i, (label, _) in enumerate(ACROSS)]
    if references(rows):
        handles += panels[0][0].plot([], [], "--", color=GREY, label="longer training alone")
    figure.legend(handles=handles, ncols=3, loc="outside upper center", frameon=False, columnspacing=1.2,
                  handlelength=1.5)
    return figure


def _panel(axes: Any, rows: Sequence[Row], longer: Sequence[Measured]) -> None:
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(1, color="black", linewidth=0.6)
    for reference in longer:
        axes.axhline(100 * reference.change, color=GREY, linewidth=0.8, linestyle="--")
    for i, (label, across) in enumerate(ACROSS):
        points = sorted((r.measured for r in rows if r.measured), key=across)
        below = [100 * (m.change - m.change_low) for m in points]
        above = [100 * (m.change_high - m.change) for m in points]
        axes.errorbar([across(m) for m in points], [100 * m.change for m in points], [below, above], label=label,
                      color=colour(i), marker=mark(i), markersize=3, linewidth=0.8)
    axes.grid(linewidth=0.3)


def _scales(axes: Any, found: Sequence[Measured], longer: Sequence[Measured]) -> None:
    places = [across(m) for m in found for _, across in ACROSS]
    axes.set_xscale("log", base=2)
    axes.set_xlim(min([1, *places]) / _MARGIN, max([2, *places]) * _MARGIN)
    axes.xaxis.set_major_locator(LogLocator(2, numticks=7))
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}×")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(*ends([100 * m.change for m in found] + [100 * each.change for each in longer]))
