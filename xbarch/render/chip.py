"""The picture of a chip: how busy its tiles and links are, drawn where they lie."""

from __future__ import annotations

from collections.abc import Sequence

from xbarch.errors import InputError
from xbarch.render.canvas import SIZE, Anchor, Canvas
from xbarch.render.look import BLUES, GREY, REDS, UNUSED, shade
from xbarch.result.result import Result
from xbarch.result.schema import Interconnect, Link

WIDTH = 420
_CHIPS = 3  # drawn
DRAWN = 2_000  # tiles; of a larger chip only those in use
_EDGE, _MOST_TALL = 14, 1.4  # of a chip, over its width


def chip(result: Result) -> Canvas:
    """The first chips in use: tiles by the share of the pipeline interval that their crossbars are busy, links by
    theirs, where the topology draws them. As wide as a phone."""
    net = result.interconnect
    if net is None:
        raise InputError("the record has no interconnect: an early version of xbarch made it", field="interconnect")
    chips = shown_chips(net)
    title = f"{result.workload.name}, {net.placement}"
    canvas = Canvas(f"Tiles and links of the chip: {title}", WIDTH)
    canvas.heading(WIDTH / 2, 22, title, anchor="middle")
    links = {c: [link for link in net.links if link.name.startswith(f"{c}:")] for c in chips}
    hot = max([1.0, *(link.busy for own in links.values() for link in own)])  # a colour means the same in all pictures
    blue = max([1.0, *(t.busy for t in net.tiles)])
    y = 34.0
    for number in chips:
        if len(chips) > 1:
            canvas.label(WIDTH / 2, y + SIZE, f"chip {number}", anchor="middle")
            y += SIZE + 6
        y = _chip(canvas, net, number, links[number], (blue, hot), y)
    busiest = net.busiest
    y = _scale(canvas, y + 12, REDS, hot, (
        f"% of the pipeline interval a link is busy; most: {busiest.name},",
        f"{busiest.busy:.1%}, needs {busiest.need_gbs:.3g} of {net.link_gbs:.3g} GB/s"))
    y = _scale(canvas, y + 12, BLUES, blue, (
        "% of the pipeline interval a tile's crossbars are busy;", "grey: not used"))
    canvas.height = y
    return canvas


def shown_chips(net: Interconnect) -> list[int]:
    """Numbers of the chips that are drawn."""
    return sorted({t.tile // net.network.tiles for t in net.tiles})[:_CHIPS]


def _chip(canvas: Canvas, net: Interconnect, number: int, links: Sequence[Link], most: tuple[float, float],
          top: float) -> float:
    """Draw a chip below `top`; where it ends. most: of a tile's and of a link's share."""
    each, spots = net.network.tiles, net.network.spots
    wide, deep = (max(spot[axis] + spot[2] for spot in spots) for axis in (0, 1))
    scale = min((WIDTH - 2 * _EDGE) / (wide + 0.6), (WIDTH - 2 * _EDGE) * _MOST_TALL / (deep + 0.6))
    left = (WIDTH - scale * (wide + 0.6)) / 2

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (x + 0.5) * scale, top + (y + 0.5) * scale

    used = {t.tile - number * each: t.busy for t in net.tiles if 0 <= t.tile - number * each < len(spots)}
    for tile in sorted(used) if each > DRAWN else range(each):
        x, y, edge = spots[tile]
        fill = shade(BLUES, used[tile] / most[0]) if tile in used else UNUSED
        canvas.boxes([(*at(x, y), edge * scale, edge * scale)], fill, edge=GREY)
    for link in links:
        if link.line:
            canvas.stroke(*(at(x, y) for x, y in link.line), width=max(1.5, min(3.5, scale * 0.1)),
                          colour=shade(REDS, link.busy / most[1]) if link.busy else UNUSED)
    return top + (deep + 0.6) * scale


def _scale(canvas: Canvas, top: float, colours: Sequence[str], most: float, words: Sequence[str]) -> float:
    """The colours' scale in per cent, and what it means; where it ends."""
    wide, steps = WIDTH - 2 * _EDGE, 64
    for step in range(steps):
        canvas.boxes([(_EDGE + wide * step / steps, top, wide / steps + 0.5, 8)], shade(colours, step / (steps - 1)))
    ends: dict[float, Anchor] = {0: "start", 1: "end"}
    for share in (0, 0.25, 0.5, 0.75, 1):
        canvas.label(_EDGE + wide * share, top + 8 + SIZE, f"{100 * most * share:.3g}", SIZE - 1,
                     ends.get(share, "middle"))
    for number, line in enumerate(words):
        canvas.label(_EDGE, top + 10 + (SIZE + 3) * (number + 2), line)
    return top + 10 + (SIZE + 3) * (len(words) + 1.6)
