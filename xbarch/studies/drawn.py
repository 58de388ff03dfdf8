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
