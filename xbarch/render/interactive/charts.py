"""Charts in the Vega-Lite language, as plain data.

In each of them the parameter `picked` is what was picked anywhere on the page: marks whose `key` is another one fade.
A click in a legend shows one series alone. Colours are those of every picture (`xbarch.render.look`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xbarch.render.look import BLUE, GREY, OTHERS, PALETTE, colour

Values = Sequence[Mapping[str, Any]]
Spec = dict[str, Any]
ZOOM = "Zoom with Ctrl and the wheel, move with the pointer; a double click shows all again."
_PICKED = "picked === '' || datum.key === picked"
_FADED = {"condition": {"test": _PICKED, "value": 1}, "value": 0.25}
_SERIES = {"condition": {"test": {"and": [{"param": "series"}, _PICKED]}, "value": 1}, "value": 0.12}
_FIT = {"type": "fit-x", "contains": "padding"}
_LOG = {"type": "log", "nice": False, "padding": 10}
_LINEAR = {"zero": False, "padding": 10}
_ROW = 17  # pixels of a bar with its distance


def bars(values: Values, label: str, amount: str, title: str, tips: Mapping[str, str], hue: str = BLUE,
         most: float | None = None) -> Spec:
    """Horizontal bars in the order of `values`. label, amount: fields; title: of the axis, with its unit; tips: {field:
    what it is called} beside the pointer; most: where the axis ends."""
    return {**_frame(values, _tall(values, label), rows=label),
            "mark": {"type": "bar", "cursor": "pointer", "color": hue},
            "encoding": {"y": _rows(label), "x": _amount(amount, title, most), "opacity": _FADED,
                         "tooltip": _tips(tips)}}


def stacks(values: Values, label: str, amount: str, series: str, title: str, tips: Mapping[str, str],
           order: Sequence[str], rest: str = "", most: float | None = None) -> Spec:
    """Horizontal bars of parts, one behind the other. series: field that names the part; order: of all parts; rest:
    the part that has no colour of its own; the arguments are otherwise those of `bars`."""
    colours = [OTHERS if part == rest else colour(place) for place, part in enumerate(order)]
    ranked = [{**value, "rank": order.index(value[series])} for value in values]
    return {**_frame(ranked, _tall(values, label), series, label), "params": [_legend(series)],
            "mark": {"type": "bar", "cursor": "pointer"},
            "encoding": {"y": _rows(label), "x": _amount(amount, title, most),
                         "color": {**_coloured(values, series), "scale": {"domain": list(order), "range": colours}},
                         "order": {"field": "rank", "type": "quantitative"}, "opacity": _SERIES,
                         "tooltip": _tips(tips)}}


def groups(values: Values, label: str, amount: str, series: str, title: str, tips: Mapping[str, str],
           most: float | None = None) -> Spec:
    """Horizontal bars beside one another: one of each series for a label."""
    count = len({value[series] for value in values})
    return {**_frame(values, _tall(values, label) * max(1, count) * 2 // 3, series, label), "params": [_legend(series)],
            "mark": {"type": "bar", "cursor": "pointer"},
            "encoding": {"y": _rows(label), "yOffset": {"field": series, "type": "nominal", "sort": None},
                         "x": _amount(amount, title, most), "color": _coloured(values, series),
                         "opacity": _SERIES, "tooltip": _tips(tips)}}


def spans(values: Values, label: str, start: str, stop: str, series: str, title: str, tips: Mapping[str, str],
          most: float | None = None) -> Spec:
    """Bars from `start` to `stop`, to be zoomed and moved. series: names its legend too."""
    return {**_frame(values, _tall(values, label), series, label), "params": [_zoom("x")],
            "mark": {"type": "bar", "cursor": "pointer", "clip": True, "minBandSize": 2},
            "encoding": {"y": _rows(label), "x": _amount(start, title, most),
                         "x2": {"field": stop}, "color": {**_coloured(values, series), "title": series},
                         "opacity": _FADED, "tooltip": _tips(tips)}}


def points(values: Values, across: tuple[str, str], up: tuple[str, str], series: str, tips: Mapping[str, str],
           log: tuple[bool, bool] = (False, False), interval: tuple[str, str] | None = None,
           ends: tuple[float, float] | None = None) -> Spec:
    """A point per value. across, up: (field, title with unit) of the axes; series: field that colours and shapes; log:
    whether each axis is logarithmic; interval: fields between which a line stands at each point; ends: where the
    upright axis begins and ends at first."""
    axes: list[Spec] = [{"field": name, "type": "quantitative", "title": title, "scale": _LOG if scale else _LINEAR}
                        for (name, title), scale in zip((across, up), log, strict=True)]
    if ends is not None:
        axes[1]["scale"] = {"zero": False, "nice": False, "domain": list(ends)}
    place: Spec = {"x": axes[0], "color": _coloured(values, series), "opacity": _SERIES, "tooltip": _tips(tips)}
    dots: Spec = {"params": [_zoom("x", "y"), _legend(series)],
            "mark": {"type": "point", "filled": True, "size": 70, "cursor": "pointer", "clip": True},
            "encoding": {**place, "y": axes[1], "shape": _shaped(values, series)}}
    if interval is None:
        return {**_frame(values, 340, series), **dots}
    line: Spec = {"mark": {"type": "rule", "clip": True}, "encoding": {
        **place, "y": {**axes[1], "field": interval[0]}, "y2": {"field": interval[1]}}}
    return {**_frame(values, 340, series), "layer": [dots, line]}


def forest(values: Values, label: str, middle: str, interval: tuple[str, str], series: str, title: str,
           tips: Mapping[str, str], unity: bool = False) -> Spec:
    """A row per label and in it a point with its interval for each series, on a logarithmic axis. unity: whether a line
    marks 1."""
    count = len({value[series] for value in values})
    across = {"field": middle, "type": "quantitative", "title": title,
              "scale": _LOG}
    place = {"y": _rows(label), "yOffset": {"field": series, "type": "nominal", "sort": None},
             "color": _coloured(values, series), "opacity": _SERIES, "tooltip": _tips(tips)}
    layers: list[Spec] = [
        {"params": [_zoom("x"), _legend(series)],
         "mark": {"type": "point", "filled": True, "size": 55, "cursor": "pointer", "clip": True},
         "encoding": {**place, "x": across, "shape": _shaped(values, series)}},
        {"mark": {"type": "rule", "clip": True}, "encoding": {
            **place, "x": {**across, "field": interval[0]}, "x2": {"field": interval[1]}}}]
    if unity:
        layers.append({"data": {"values": [{"one": 1}]}, "mark": {"type": "rule", "color": GREY},
                       "encoding": {"x": {"field": "one", "type": "quantitative"}}})
    return {**_frame(values, _tall(values, label) * max(1, min(count, 2)), series, label), "layer": layers}


def _frame(values: Values, height: int, series: str = "", rows: str = "") -> Spec:
    """letters, rows: of the longest name in the legend and of a row, by which the page arranges a legend in columns."""
    letters, names = (max((len(str(value[field])) for value in values), default=0) if field else 0
                      for field in (series, rows))
    return {"data": {"values": list(values)}, "width": "container", "height": height, "autosize": _FIT,
            "usermeta": {"letters": letters, "rows": names}}


def _rows(label: str) -> Spec:
    return {"field": label, "type": "nominal", "sort": None, "title": None}


def _amount(field: str, title: str, most: float | None) -> Spec:
    scale = {} if most is None else {"scale": {"domain": [0, most]}}
    return {"field": field, "type": "quantitative", "title": title, **scale}


def _coloured(values: Values, series: str) -> Spec:
    """The domain is said, as colours and shapes then share a legend also where there are several layers."""
    return {"field": series, "type": "nominal", "sort": None, "title": None,
            "scale": {"domain": _names(values, series), "range": list(PALETTE)}}


def _shaped(values: Values, series: str) -> Spec:
    return {"field": series, "type": "nominal", "sort": None, "title": None,
            "scale": {"domain": _names(values, series)}}


def _names(values: Values, series: str) -> list[Any]:
    return list(dict.fromkeys(value[series] for value in values))


def _zoom(*encodings: str) -> Spec:
    """The wheel alone scrolls the page."""
    return {"name": "zoom", "bind": "scales", "select": {
        "type": "interval", "encodings": list(encodings), "zoom": "wheel![event.ctrlKey]"}}


def _legend(series: str) -> Spec:
    return {"name": "series", "select": {"type": "point", "fields": [series]}, "bind": "legend"}


def _tall(values: Values, label: str) -> int:
    """Pixels for a row per label. Vega-Lite warns of a height by steps where the width is that of the page."""
    return _ROW * max(1, len({value[label] for value in values}))


def _tips(tips: Mapping[str, str]) -> list[Spec]:
    return [{"field": name, "title": title, "type": "nominal"} for name, title in tips.items()]
