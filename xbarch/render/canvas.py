"""A picture of rectangles, lines and text: SVG written directly, which takes milliseconds; PNG and PDF by matplotlib.

Coordinates are pixels, x to the right and y down. The same shapes give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Literal

from xbarch.render.look import GREY, INK, saved, styled
from xbarch.support import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONT = "Helvetica, Arial, Liberation Sans, sans-serif"
SIZE = 11.5  # of letters
_WIDE = 0.57  # mean width of a letter over its height
_DPI = 144
_INCH = 96  # pixels

Anchor = Literal["start", "middle", "end"]
Box = tuple[float, float, float, float]  # left, top, width, height


def width_of(text: str, size: float = SIZE) -> float:
    """About how wide a text is."""
    return len(text) * size * _WIDE


@dataclass(frozen=True)
class Boxes:
    """Rectangles of one colour."""

    boxes: Sequence[Box]
    fill: str
    opacity: float = 1
    edge: str | None = None


@dataclass(frozen=True)
class Stroke:
    """A line through points."""

    points: Sequence[tuple[float, float]]
    colour: str = GREY
    width: float = 1


@dataclass(frozen=True, kw_only=True)
class Label:
    """A line of text on its baseline."""

    x: float
    y: float
    text: str
    size: float = SIZE
    anchor: Anchor = "start"
    bold: bool = False


Shape = Boxes | Stroke | Label


@dataclass
class Canvas:
    """Shapes in the order in which they are drawn."""

    title: str
    """What the picture shows, for who cannot see it."""
    width: float
    height: float = 0
    shapes: list[Shape] = field(default_factory=list)

    def boxes(self, boxes: Sequence[Box], fill: str, opacity: float = 1, edge: str | None = None) -> None:
        """Add rectangles of one colour."""
        if boxes:
            self.shapes.append(Boxes(boxes, fill, opacity, edge))

    def stroke(self, *points: tuple[float, float], colour: str = GREY, width: float = 1) -> None:
        """Add a line."""
        self.shapes.append(Stroke(points, colour, width))

    def label(self, x: float, y: float, text: str, size: float = SIZE, anchor: Anchor = "start") -> None:
        """Add a line of text, without whatever a viewer could take for more than text."""
        self.shapes.append(Label(x=x, y=y, text=numbers.plain(text), size=size, anchor=anchor))

    def heading(self, x: float, y: float, text: str, anchor: Anchor = "start") -> None:
        """Add a bold line of text, cut where the picture ends."""
        size, plain = SIZE + 2, numbers.plain(text)
        fitting = int((self.width - (0 if anchor == "middle" else x)) / width_of("x", size))
        shown = plain if len(plain) <= fitting else plain[:fitting - 1] + "…"
        self.shapes.append(Label(x=x, y=y, text=shown, size=size, anchor=anchor, bold=True))

    def render(self, kind: str = "svg") -> bytes:
        """The picture as "svg", "png" or "pdf"."""
        if kind == "svg":
            return self._svg().encode()
        with styled():
            return saved(self.figure(), kind, _DPI)

    def _svg(self) -> str:
        parts = "\n".join(_element(shape) for shape in self.shapes)
        return (f'<?xml version="1.0" encoding="utf-8"?>\n'
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
                f'width="{self.width:g}" height="{self.height:g}" role="img" font-family="{FONT}" fill="{INK}">\n'
                f'<title>{escape(numbers.plain(self.title))}</title>\n'
                f'<rect width="{self.width:g}" height="{self.height:g}" fill="#ffffff"/>\n{parts}\n</svg>\n')

    def figure(self) -> Figure:
        """The picture as a figure of matplotlib, one unit of its axes a pixel."""
        from matplotlib.collections import PolyCollection
        from matplotlib.figure import Figure

        with styled():
            figure = Figure(figsize=(self.width / _INCH, self.height / _INCH))
            axes = figure.add_axes((0, 0, 1, 1), xlim=(0, self.width), ylim=(self.height, 0))
            axes.axis("off")
            for order, shape in enumerate(self.shapes):
                if isinstance(shape, Boxes):
                    axes.add_collection(PolyCollection(
                        [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in shape.boxes],
                        facecolor=shape.fill, alpha=shape.opacity, edgecolor=shape.edge or "none", linewidth=0.4,
                        zorder=order))
                elif isinstance(shape, Stroke):
                    axes.plot(*zip(*shape.points, strict=True), color=shape.colour, zorder=order,
                              linewidth=shape.width * 72 / _INCH, solid_capstyle="butt")
                else:
                    axes.text(shape.x, shape.y, shape.text, fontsize=shape.size * 72 / _INCH * 0.92, color=INK,
                              ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor], va="baseline",
                              fontweight="bold" if shape.bold else "normal", zorder=order)
        return figure


def _element(shape: Shape) -> str:
    if isinstance(shape, Boxes):
        path = "".join(f"M{_n(x)} {_n(y)}h{_n(w)}v{_n(h)}h{_n(-w)}z" for x, y, w, h in shape.boxes)
        opacity = f' fill-opacity="{shape.opacity:g}"' if shape.opacity < 1 else ""
        edge = f' stroke="{shape.edge}" stroke-width="0.5"' if shape.edge else ""
        return f'<path d="{path}" fill="{shape.fill}"{opacity}{edge}/>'
    if isinstance(shape, Stroke):
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in shape.points)
        return f'<path d="{path}" stroke="{shape.colour}" stroke-width="{shape.width:g}" fill="none"/>'
    bold = ' font-weight="bold"' if shape.bold else ""
    anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
    return (f'<text x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{shape.size:g}"{bold}{anchor}>'
            f'{escape(shape.text)}</text>')


def _n(value: float) -> str:
    """A coordinate to a hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
