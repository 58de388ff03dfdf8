"""Figures of a report: each one drawn once, for the page and for files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from xbarch.render.document import Picture
from xbarch.render.interactive.pages import Chart
from xbarch.render.look import saved, styled

if TYPE_CHECKING:  # matplotlib is loaded only to draw
    from matplotlib.figure import Figure

FORMATS = ("svg", "png")
FLOOR = -12.0  # points of accuracy; a larger loss is of no use, and would compress the rest of the scale
_ROOM = 0.15, 0.5  # beyond the outermost points: of their range, and in points at least


def file_names(report: str, figures: Iterable[str]) -> list[str]:
    """Return the names of all files that a report with these figures may write."""
    return [f"{report}.md", f"{report}.html", f"{report}.csv", *(f"{name}.{kind}" for name in figures
                                                                 for kind in FORMATS)]


def draw_files(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Return the files NAME.svg and NAME.png of each figure, with the same bytes for the same figure."""
    with styled():
        return {f"{name}.{kind}": saved(figure, kind, dpi=160) for name, figure in figures.items() for kind in FORMATS}


def to_pictures(files: Mapping[str, bytes], titles: Mapping[str, str],
                charts: Mapping[str, Sequence[Chart]]) -> list[Picture]:
    """Return the pictures of a report from the files of its figures. charts: what shows them on the page, by name."""
    return [Picture(file=f"{name}.svg", title=titles[name], charts=charts[name])
            for name in (file.removesuffix(".svg") for file in files if file.endswith(".svg"))]


def ends(changes: Sequence[float]) -> tuple[float, float]:
    """Return where an axis of changes in accuracy (points) begins and ends: by the changes and 0, whatever the width of
    their intervals, not below `FLOOR`."""
    low, high = max(FLOOR, min([0.0, *changes])), max([0.0, *changes])
    share, least = _ROOM
    room = max(share * (high - low), least)
    return max(FLOOR, low - room), high + room


def below(changes: Sequence[float]) -> str:
    """Return how many changes such an axis leaves out, in words for its title; empty if none."""
    lost = sum(change < FLOOR for change in changes)
    return f" ({lost} below \N{MINUS SIGN}{-FLOOR:g} left out)" if lost else ""
