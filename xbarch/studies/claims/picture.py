"""The report's picture: published and simulated gains on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from xbarch.render.look import MARKS, PALETTE, RED, saved, styled
from xbarch.studies.claims.figures import SCOPES
from xbarch.studies.claims.published import PAPERS
from xbarch.studies.claims.rows import Row


def draw(rows: Sequence[Row]) -> bytes:
    """Draw the SVG, with the same bytes for the same rows. A diamond is a published gain, another mark the simulated
    gain by which the claim is judged, a line all gains simulated in the same scope."""
    with styled():
        return saved(_figure(lines(rows)))


def lines(rows: Sequence[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """Return the measured gains by paper, figure and workload, without those that a recipe sets."""
    names = {p.key: p.name for p in PAPERS}
    found: dict[tuple[str, str, str], list[Row]] = {}
    for r in rows:
        shown = r.published is not None and r.simulated is not None and not r.recipe
        if r.unit == "×" and shown and r.scope in ("", SCOPES[0]):
            found.setdefault((names[r.paper], r.figure, r.workload), []).append(r)
    return found


def _figure(lines: dict[tuple[str, str, str], list[Row]]) -> Figure:
    figure = Figure(figsize=(7.6, max(2.0, 0.27 * len(lines) + 1.2)), layout="constrained")
    axes = figure.subplots()
    bases = dict.fromkeys(r.base for group in lines.values() for r in group)
    colours = dict(zip(bases, cycle(c for c in PALETTE if c != RED), strict=False))
    marks = dict(zip(bases, cycle(m for m in MARKS if m != "D"), strict=False))  # there are more bases than colours
    for place, group in enumerate(lines.values()):
        for shift, base in enumerate(dict.fromkeys(r.base for r in group)):
            own, y = [r for r in group if r.base == base], place + 0.22 * shift
            values = [r.simulated for r in own if r.simulated is not None]
            axes.plot([min(values), max(values)], [y, y], color=colours[base], linewidth=1.5, alpha=0.45)
            axes.plot(values[0], y, marks[base], color=colours[base], markersize=5)
        for published in dict.fromkeys(r.published for r in group):
            assert published is not None
            axes.plot(published, place, "D", color=RED, markersize=5)
    axes.set_yticks(range(len(lines)), [f"{paper}: {figure}, {workload}" for paper, figure, workload in lines])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("gain over the base")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5) if high < 100 * low else (1,)))
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}×")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.grid(axis="x", linewidth=0.3)
    for base, hue in colours.items():
        axes.plot([], [], marks[base], color=hue, label=f"simulated, base {base}")
    axes.plot([], [], "D", color=RED, label="published")
    figure.legend(fontsize=8, ncols=2, loc="outside upper center", frameon=False)
    return figure
