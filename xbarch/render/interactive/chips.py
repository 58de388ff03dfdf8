"""The chart of a chip: how busy its tiles and links are, drawn where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from xbarch.render.chip import DRAWN, shown_chips
from xbarch.render.interactive.charts import Spec
from xbarch.render.interactive.pages import Chart
from xbarch.render.look import BLUES, GREY, REDS
from xbarch.result.result import Result
from xbarch.result.schema import Interconnect

_APART = 1.0  # between chips, in tiles
_TALL = 420  # pixels of a square chip
_SCALES = {"tile": ("crossbars of a tile busy, %", BLUES), "link": ("link busy, %", REDS)}


def chip_chart(result: Result, name: str = "") -> Chart | None:
    """The first chips in use: tiles and links by the share of the pipeline interval that they are busy. None where the
    record has no interconnect. name: of the run, where a page has several."""
    net = result.interconnect
    if net is None:
        return None
    wide, deep = (max(spot[axis] + spot[2] for spot in net.network.spots) for axis in (0, 1))
    chips = shown_chips(net)
    left = {chip: place * (wide + _APART) for place, chip in enumerate(chips)}
    layers = [*_layers("link", list(_links(net, left)), {"type": "rule", "strokeWidth": 3}),
              *_layers("tile", list(_tiles(net, left)), {"type": "rect", "stroke": GREY})]
    spec = {"layer": layers, "width": "container", "height": round(min(1.2, deep / (left[chips[-1]] + wide)) * _TALL),
            "autosize": {"type": "fit-x", "contains": "padding"}, "resolve": {"scale": {"color": "independent"}}}
    return Chart(spec, f"{name}{': tiles' if name else 'Tiles'} and links where they lie, {net.network.shape}; what "
                       "is pale grey or empty is not used")


def _layers(what: str, values: list[dict[str, Any]], mark: Spec) -> Iterator[Spec]:
    """What is not used, then what is."""
    words, colours = _SCALES[what]
    scale: Spec = {"zero": False, "padding": 8}
    place: Spec = {"type": "quantitative", "axis": None, "scale": scale}
    encoding = {
        "x": {"field": "x", **place}, "x2": {"field": "x2"}, "y2": {"field": "y2"},
        "y": {"field": "y", **place, "scale": {**scale, "reverse": True}},
        "tooltip": [{"field": field, "type": "nominal", "title": title} for field, title in (
            ("name", what), ("told", "busy"), ("holds", "crossbars" if what == "tile" else "needs"))]}
    empty: Spec = {"fillOpacity": 0} if mark["type"] == "rect" else {"color": GREY, "opacity": 0.3}
    colour = {"color": {"field": "busy", "type": "quantitative", "title": words,
                        "scale": {"domain": [0, 100], "range": list(colours)},
                        "legend": {"type": "gradient", "direction": "horizontal", "gradientLength": 150}}}
    for used, drawn, more in ((False, {**mark, **empty}, {}), (True, mark, colour)):
        if found := [v for v in values if v["used"] == used]:  # Vega warns of a layer without values
            yield {"data": {"values": found}, "mark": drawn, "encoding": {**encoding, **more}}


def _tiles(net: Interconnect, left: dict[int, float]) -> Iterator[dict[str, Any]]:
    """Of a large chip only those in use."""
    each, used = net.network.tiles, {t.tile: t for t in net.tiles}
    for chip, start in left.items():
        for number, (x, y, edge) in enumerate(net.network.spots):
            tile = used.get(chip * each + number)
            if tile or each <= DRAWN:
                yield {"x": start + x, "x2": start + x + edge, "y": y, "y2": y + edge, "name": chip * each + number,
                       "used": tile is not None, "busy": 100 * tile.busy if tile else 0,
                       "told": f"{tile.busy:.1%}" if tile else "not used", "holds": tile.crossbars if tile else 0}


def _links(net: Interconnect, left: dict[int, float]) -> Iterator[dict[str, Any]]:
    for link in net.links:
        chip = link.name.partition(":")[0]
        if link.line and int(chip) in left:
            for (x, y), (x2, y2) in pairwise(link.line):
                start = left[int(chip)]
                yield {"x": start + x, "x2": start + x2, "y": y, "y2": y2, "name": link.name,
                       "used": link.bits > 0, "busy": 100 * link.busy, "told": f"{link.busy:.1%}",
                       "holds": f"{link.need_gbs:.3g} of {net.link_gbs:.3g} GB/s"}
