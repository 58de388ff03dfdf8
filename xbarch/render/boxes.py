"""Boxes within boxes with arrows between them, as plain SVG of the width of a phone, in greys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from html import escape
from textwrap import wrap

from xbarch.render.canvas import FONT
from xbarch.support import numbers

WIDTH = 400
EDGE, GAP, STEP = 8, 14, 14  # around, between boxes (an arrow's length), between lines
LARGE, SMALL = 12.5, 11
GREYS = ("#ffffff", "#f3f3f3", "#e6e6e6", "#d8d8d8")
INK = "#111111"
_WIDE = 0.57  # mean width of a letter over its height


@dataclass(frozen=True)
class Box:
    """A part of the hardware."""

    title: str
    """In bold."""
    lines: Sequence[str] = ()
    """Below the title."""
    inside: Sequence[Box] = ()
    """What lies in it, from top to bottom."""
    _: KW_ONLY
    many: bool = False
    """Whether it is drawn as the first of several."""
    flow: bool = True
    """Whether data arrive here from the box above."""
    dashed: bool = False
    back: bool = False
    """Whether data return from the last box inside to the first."""
    grid: tuple[int, int, int, int] | None = None
    """(rows, columns) of an array, and of the part of it that one read covers."""


@dataclass
class Drawing:
    """Elements so far, from the top; y: where the next one begins."""

    parts: list[str] = field(default_factory=list)
    y: float = 0

    def text(self, x: float, line: str, size: float = SMALL, bold: bool = False, anchor: str = "start") -> None:
        weight = ' font-weight="bold"' if bold else ""
        end = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.parts.append(f'<text x="{x:g}" y="{self.y:g}" font-size="{size:g}"{weight}{end}>{_shown(line)}</text>')

    def box(self, x: float, y: float, width: float, height: float, fill: str, dashed: bool = False) -> str:
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        return (f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" fill="{fill}" '
                f'stroke="{INK}"{dash}/>')

    def arrow(self, x: float, top: float, bottom: float) -> None:
        self.parts.append(f'<path d="M{x:g} {top:g}V{bottom - 5:g}" stroke="{INK}" stroke-width="1.6"/>'
                          f'<path d="M{x - 4:g} {bottom - 6:g}h8l-4 6z" fill="{INK}"/>')

    def loop(self, x: float, bottom: float, top: float) -> None:
        """From a box back to one above it, on the left of both."""
        self.parts.append(f'<path d="M{x:g} {bottom:g}h-5V{top:g}h2" stroke="{INK}" stroke-width="1.2" fill="none"/>'
                          f'<path d="M{x - 4:g} {top - 3.5:g}v7l4 -3.5z" fill="{INK}"/>')

    def svg(self, title: str) -> str:
        """The whole picture."""
        height = self.y + EDGE
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
                f'height="{height:g}" role="img" font-family="{FONT}" fill="{INK}">\n<title>{_shown(title)}</title>\n'
                f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def _shown(text: str) -> str:
    """A text as XML, without control characters and marks that change the direction of text."""
    return escape(numbers.plain(text))


def draw(d: Drawing, box: Box, x: float, width: float, depth: int) -> None:
    """The box with its left upper corner at (x, d.y); moves d.y to its lower edge."""
    top, at = d.y, len(d.parts)
    icon = 64 if box.grid else 0
    room = width - 2 * EDGE - icon
    d.y += 3
    for line in folded([box.title], room, LARGE):
        d.y += STEP
        d.text(x + EDGE, line, LARGE, True)
    for line in folded(box.lines, room, SMALL):
        d.y += STEP
        d.text(x + EDGE, line)
    d.y += 6
    if box.grid:
        d.y = max(d.y, top + icon + 4)
        _array(d, x + width - icon, top + 8, box.grid)
    middles: list[float] = []
    for number, inner in enumerate(box.inside):
        if number:
            if inner.flow:
                d.arrow(x + width / 2, d.y, d.y + GAP)
            d.y += GAP if inner.flow else EDGE
        before = d.y
        draw(d, inner, x + EDGE, width - 2 * EDGE - (4 if inner.many else 0), depth + 1)
        middles += [] if inner.dashed else [(before + d.y) / 2]
    if box.back:
        d.loop(x + EDGE, middles[-1], middles[0])
    if box.inside:
        d.y += EDGE
    fill = GREYS[min(depth, len(GREYS) - 1)] if box.inside or box.grid else "#ffffff"
    behind = [d.box(x + n, top + n, width, d.y - top, fill) for n in ((5, 2.5) if box.many else ())]
    d.parts[at:at] = [*behind, d.box(x, top, width, d.y - top, fill, box.dashed)]
    d.y += 5 if box.many else 0


def folded(lines: Iterable[str], width: float, size: float) -> list[str]:
    """Lines broken where they would be too wide."""
    return [part for line in lines for part in wrap(line, max(8, int(width / (size * _WIDE))))]


def _array(d: Drawing, x: float, y: float, grid: tuple[int, int, int, int]) -> None:
    """Word and bit lines; a read's share of them is grey, where it is not all."""
    rows, columns, high, wide = grid
    side, count = 52, 6
    if (high, wide) != (rows, columns):
        d.parts.append(f'<rect x="{x:g}" y="{y:g}" width="{max(9, side * wide / columns):g}" '
                       f'height="{max(9, side * high / rows):g}" fill="#777777"/>')
    step = side / count
    lines = "".join(f"M{x:g} {y + step * (n + 0.5):.4g}h{side}M{x + step * (n + 0.5):.4g} {y:g}v{side}"
                    for n in range(count))
    d.parts.append(f'<path d="{lines}" stroke="{INK}" stroke-width="0.8" fill="none"/>')
