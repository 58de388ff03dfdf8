"""Pictures as wide as a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from xbarch.render.look import GREY, OTHERS, PALETTE, colour, mark, saved, styled

_WIDE = 4.4  # inches


def bars(groups: Mapping[str, Sequence[float]], names: Sequence[str], across: str, *, log: bool = False,
         stacked: bool = False) -> bytes:
    """Horizontal bars: of each group one for every name, beside one another or stacked."""
    with styled(font__size=10):
        rows = list(groups)[::-1]
        tall = 0.32 * len(rows) * (1 if stacked else len(names)) + 1.6
        figure, axes = _axes(tall)
        thick = 0.75 / (1 if stacked else len(names))
        left = [0.0] * len(rows)
        for i, name in enumerate(names):
            wide = [groups[row][i] for row in rows]
            at = [y - (0 if stacked else (i - (len(names) - 1) / 2) * thick) for y in range(len(rows))]
            drawn = axes.barh(at, wide, thick, left=left if stacked else None, color=_shade(i), label=name)
            if stacked:
                left = [a + b for a, b in zip(left, wide, strict=True)]
            else:
                axes.bar_label(drawn, [f"{value:,.3g}" for value in wide], padding=3, fontsize=9)
        axes.set_yticks(range(len(rows)), [row.replace("_", "\n", 1) for row in rows])
        axes.margins(x=0.16)
        if log:
            axes.set_xscale("log")
            axes.set_xlim(1, 3 * max(max(wide) for wide in groups.values()))
            _plain(axes.xaxis)
        axes.set_xlabel(across)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3 if stacked else 2,
                      frameon=False)
        return saved(figure)


def lines(series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, slope: float) -> bytes:
    """Log-log lines, each relative to its first point, over a dashed one of the given slope."""
    with styled(font__size=10):
        figure, axes = _axes(_WIDE)
        for i, (name, points) in enumerate(series.items()):
            x0, y0 = points[0]
            axes.plot([x / x0 for x, _ in points], [y / y0 for _, y in points], mark(i) + "-", markersize=4,
                      color=colour(i), label=name)
        most = max(x / points[0][0] for points in series.values() for x, _ in points)
        axes.plot([1, most], [1, most**slope], "--", color=GREY, label=f"exponent {slope:g}")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        _plain(axes.xaxis)
        _plain(axes.yaxis)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.legend(frameon=False)
        return saved(figure)


def _shade(place: int) -> str:
    """Of the n-th part; those without a colour of their own are grey."""
    return PALETTE[place] if place < len(PALETTE) else OTHERS


def _plain(axis: Any) -> None:
    """Marks of a logarithmic axis as plain numbers."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def _axes(tall: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(_WIDE, tall), layout="constrained")
    return figure, figure.subplots()
