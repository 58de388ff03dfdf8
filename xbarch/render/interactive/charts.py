"""Charts in the Vega-Lite language, as plain data.

In each of them the parameter `picked` is what was picked anywhere on the page: marks whose `key` is another one fade.
Colours are those of every picture (`xbarch.render.look`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xbarch.render.look import BLUE, PALETTE

Values = Sequence[Mapping[str, Any]]
Spec = dict[str, Any]
_FADED = {"condition": {"test": "picked === '' || datum.key === picked", "value": 1}, "value": 0.25}
_FIT = {"type": "fit-x", "contains": "padding"}
_ROW = 17  # pixels of a bar with its distance


def bars(values: Values, label: str, amount: str, title: str, tips: Mapping[str, str], colour: str = BLUE,
         most: float | None = None) -> Spec:
    """Horizontal bars in the order of `values`. label, amount: fields; title: of the axis, with its unit; tips: {field:
    what it is called} beside the pointer; most: where the axis ends."""
    scale = {} if most is None else {"scale": {"domain": [0, most]}}
    return {
        "data": {"values": list(values)}, "width": "container", "height": _tall(values, label), "autosize": _FIT,
        "mark": {"type": "bar", "cursor": "pointer", "color": colour},
        "encoding": {
            "y": {"field": label, "type": "nominal", "sort": None, "title": None},
            "x": {"field": amount, "type": "quantitative", "title": title, **scale},
            "opacity": _FADED, "tooltip": _tips(tips)}}


def spans(values: Values, label: str, start: str, stop: str, colour: str, title: str, tips: Mapping[str, str]) -> Spec:
    """Bars from `start` to `stop`, to be zoomed with the wheel and moved with the pointer."""
    return {
        "data": {"values": list(values)}, "width": "container", "height": _tall(values, label), "autosize": _FIT,
        "params": [{"name": "zoom", "select": {"type": "interval", "encodings": ["x"]}, "bind": "scales"}],
        "mark": {"type": "bar", "cursor": "pointer", "clip": True, "minBandSize": 2},
        "encoding": {
            "y": {"field": label, "type": "nominal", "sort": None, "title": None},
            "x": {"field": start, "type": "quantitative", "title": title}, "x2": {"field": stop},
            "color": {"field": colour, "type": "nominal", "scale": {"range": list(PALETTE)}},
            "opacity": _FADED, "tooltip": _tips(tips)}}


def points(values: Values, across: tuple[str, str], up: tuple[str, str], series: str, tips: Mapping[str, str],
           log: tuple[bool, bool] = (False, False)) -> Spec:
    """A point per value. across, up: (field, title with unit) of the axes; series: field that colours and shapes; log:
    whether each axis is logarithmic."""
    axes = [{"field": name, "type": "quantitative", "title": title,
             "scale": {"type": "log"} if scale else {"zero": False}}
            for (name, title), scale in zip((across, up), log, strict=True)]
    return {
        "data": {"values": list(values)}, "width": "container", "height": 340, "autosize": _FIT,
        "params": [{"name": "zoom", "select": "interval", "bind": "scales"}],
        "mark": {"type": "point", "filled": True, "size": 70, "cursor": "pointer"},
        "encoding": {
            "x": axes[0], "y": axes[1],
            "color": {"field": series, "type": "nominal", "scale": {"range": list(PALETTE)}},
            "shape": {"field": series, "type": "nominal"}, "opacity": _FADED, "tooltip": _tips(tips)}}


def _tall(values: Values, label: str) -> int:
    """Pixels for a row per label. Vega-Lite warns of a height by steps where the width is that of the page."""
    return _ROW * max(1, len({value[label] for value in values}))


def _tips(tips: Mapping[str, str]) -> list[Spec]:
    return [{"field": name, "title": title, "type": "nominal"} for name, title in tips.items()]
