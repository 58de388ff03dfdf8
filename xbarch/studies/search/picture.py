"""The picture of a search: every objective against the first, the front among all points that were tried."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from xbarch.render.look import BLUE, GREY, OTHERS, styled
from xbarch.studies.search.found import Found, Tried


def draw(found: Found) -> Figure:
    """Draw a panel for each objective after the first, which is on the x axis; of a single one, its value by trial."""
    first, *others = found.asked.objectives
    with styled():
        figure = Figure(figsize=(4.4, 2.6 * max(1, len(others)) + 0.5), layout="constrained")
        panels = figure.subplots(max(1, len(others)), squeeze=False)[:, 0]
        ran = [each for each in found.points if not each.why]
        best = {each.name for each in found.front}
        kinds = [("breaks a constraint", OTHERS, "x", [each for each in ran if each.broken]),
                 ("tried", GREY, "o", [each for each in ran if not each.broken and each.name not in best]),
                 ("front", BLUE, "o", found.front)]
        for axes, other in zip(panels, others or [first], strict=True):
            for label, colour, mark, points in kinds:
                axes.plot(_values(points, first if others else None), _values(points, other), mark, color=colour,
                          markersize=4, label=label if points else None)
            axes.set_xlabel(first if others else "trial")
            axes.set_ylabel(other)
            axes.grid(linewidth=0.3)
            if all(each.figures.get(other, 0) > 0 for each in ran):
                axes.set_yscale("log")
        figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, ncols=3, loc="outside upper center",
                      frameon=False)
        return figure


def _values(points: Sequence[Tried], name: str | None) -> list[float]:
    return [each.trial if name is None else each.figures.get(name, float("nan")) for each in points]
