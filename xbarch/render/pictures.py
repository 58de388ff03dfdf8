"""Pictures of a run, as figures of matplotlib drawn without a screen; the same bytes for the same input.

Text stays text in SVG: it can be searched and copied, and is shown in the reader's own font where DejaVu Sans, which
is wide, is not installed.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.text import Text

from xbarch.errors import InputError
from xbarch.result.result import Result
from xbarch.specs.explain import unknown
from xbarch.support import numbers
from xbarch.support.files import write_all

_STYLE: dict[str, Any] = {
    "svg.hashsalt": "xbarch", "svg.fonttype": "none", "pdf.fonttype": 42, "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlesize": 10, "axes.titleweight": "bold", "text.parse_math": False}
_BLUE = "#2f6f9f"
_COLOURS = 10  # of matplotlib's cycle
_CHIPS = 3  # in the picture of the chip
_DRAWN = 2_000  # tiles; of a larger chip only those in use
_LEAST = 0.004  # of the run's time: a bar of about two pixels


def energy(result: Result) -> Figure:
    """Dynamic energy per image by component, largest first; the text below names what constant powers add."""
    static = result.energy.static_aj
    dynamic = {k: v - static.get(k, 0) for k, v in result.energy.by_component_aj.items()}
    parts = sorted(((k, v) for k, v in dynamic.items() if v), key=lambda kv: (kv[1], kv[0]))
    figure, axes = _figure(0.26 * len(parts) + 1.3)
    bars = axes.barh([name for name, _ in parts], [value / 1e12 for _, value in parts], color=_BLUE)
    axes.bar_label(bars, [numbers.energy(value) for _, value in parts], padding=3, fontsize=8)
    constant = ", ".join(f"{k} {numbers.energy(v)}" for k, v in sorted(static.items()))
    axes.set_xlabel("dynamic energy per image (µJ)"
                    + (f"\nnot drawn, constant power over the pipeline interval: {constant}" if static else ""))
    axes.margins(x=0.15)
    axes.set_title(f"Energy by component: {result.workload.name}")
    return figure


def timeline(result: Result) -> Figure:
    """When each layer worked on each image; bars too short to be seen are drawn a little longer."""
    spans = result.timeline
    least = max(stop for span in spans for stop in span.stop_ps) * _LEAST
    figure, axes = _figure(0.22 * len(spans) + 1.2)
    names = [span.name for span in spans][::-1]
    for image in range(_COLOURS):  # one collection per colour: a run may have thousands of bars
        corners = [_bar(row, start, max(stop - start, least)) for row, span in enumerate(reversed(spans))
                   for start, stop in zip(span.start_ps[image::_COLOURS], span.stop_ps[image::_COLOURS], strict=True)]
        axes.add_collection(PolyCollection(corners, facecolor=f"C{image}", alpha=0.75, linewidth=0))
    axes.autoscale_view()
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel(f"µs since the first pixel; one colour per image; bars at least {_LEAST:.1%} of the run wide")
    axes.set_title(f"Layers over time: {result.workload.name}")
    return figure


def _bar(row: int, start: int, length: float) -> list[tuple[float, float]]:
    """Corners of a bar in the picture of the layers, ps as µs."""
    left, right = start / 1e6, (start + length) / 1e6
    return [(left, row - 0.4), (right, row - 0.4), (right, row + 0.4), (left, row + 0.4)]


def utilization(result: Result) -> Figure:
    """Share of the pipeline interval that each layer's crossbars are busy."""
    layers = [m for m in result.mapping.layers if m.crossbars]
    figure, axes = _figure(0.22 * len(layers) + 1.2)
    bars = axes.barh([m.name for m in layers][::-1], [100 * m.busy for m in layers][::-1], color=_BLUE)
    axes.bar_label(bars, [f"{m.copies}×{m.crossbars} crossbars" for m in layers][::-1], padding=3, fontsize=7)
    axes.set_xlim(0, 125)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel("% of the pipeline interval busy; copies × crossbars per copy")
    axes.set_title(f"Crossbar time by layer: {result.workload.name}")
    return figure


def chip(result: Result) -> Figure:
    """The first chips in use, as wide as a phone: tiles by the share of the pipeline interval that their crossbars are
    busy, links by theirs, where the topology draws them."""
    net = result.interconnect
    if net is None:
        raise InputError("the record has no interconnect: an earlier version of xbarch made it", field="interconnect")
    each, spots = net.network.tiles, net.network.spots
    chips = sorted({t.tile // each for t in net.tiles})[:_CHIPS]
    lines = {c: [link for link in net.links if link.name.startswith(f"{c}:")] for c in chips}
    wide, deep = (max(spot[axis] + spot[2] for spot in spots) for axis in (0, 1))
    tall = min(1.4, max(0.3, (deep + 0.5) / (wide + 0.5)))
    figure = Figure(figsize=(4.4, 1.9 + 4 * tall * len(chips)), layout="constrained")
    panels = figure.subplots(len(chips), squeeze=False)[:, 0]
    hot = Normalize(0, max([1.0, *(100 * link.busy for own in lines.values() for link in own)]))
    blue = Normalize(0, max([1.0, *(100 * t.busy for t in net.tiles)]))
    for panel, number in zip(panels, chips, strict=True):
        first = number * each
        used = {t.tile - first: 100 * t.busy for t in net.tiles if 0 <= t.tile - first < len(spots)}
        shown = sorted(used) if each > _DRAWN else range(each)
        squares = panel.add_collection(PolyCollection(
            [_square(*spots[tile]) for tile in shown], cmap=_shades("Blues"), edgecolor="#9aa7b0", norm=blue,
            linewidth=0.4, array=np.ma.masked_invalid([used.get(tile, np.nan) for tile in shown])))
        arrows = panel.add_collection(LineCollection(
            [link.line for link in lines[number]], cmap=_shades("YlOrRd"), norm=hot, linewidth=2.6,
            capstyle="butt", array=np.ma.masked_equal([100 * link.busy for link in lines[number]], 0)))
        panel.set(xlim=(-0.55, wide + 0.2), ylim=(deep + 0.2, -0.55), aspect="equal", xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
        if len(chips) > 1:
            panel.set_title(f"chip {number}", fontsize=8, fontweight="normal")
    under: dict[str, Any] = {"ax": panels, "orientation": "horizontal", "aspect": 40, "shrink": 0.9}
    figure.colorbar(arrows, label=f"% of the pipeline interval a link is busy; most: {net.busiest.name},\n"
                    f"{net.busiest.busy:.1%}, needs {net.busiest.need_gbs:.3g} of {net.link_gbs:.3g} GB/s", **under)
    figure.colorbar(squares, label="% of the pipeline interval a tile's crossbars are busy;\nwhite: not used", **under)
    figure.suptitle(f"{result.workload.name}, {net.placement}", fontsize=10, fontweight="bold")
    return figure


def _shades(name: str) -> Colormap:
    """The map without its palest shades; what is masked is almost white."""
    return ListedColormap(matplotlib.colormaps[name](np.linspace(0.15, 1, 256))).with_extremes(bad="#f4f6f7")


def _square(left: float, top: float, edge: float) -> list[tuple[float, float]]:
    """Corners of a tile."""
    return [(left, top), (left + edge, top), (left + edge, top + edge), (left, top + edge)]


FORMATS: dict[str, dict[str, None]] = {  # without what would differ from run to run
    "svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None}}
PICTURES: dict[str, Callable[[Result], Figure]] = {
    "energy": energy, "timeline": timeline, "utilization": utilization, "chip": chip}


def drawable(result: Result) -> dict[str, Callable[[Result], Figure]]:
    """The pictures that a record has the fields for; early records have no interconnect."""
    return {name: draw for name, draw in PICTURES.items() if name != "chip" or result.interconnect}


def names(formats: Sequence[str] = ("svg",)) -> list[str]:
    """The files that `save` writes.

    Raises:
        InputError: an unknown format.
    """
    for chosen in formats:
        if chosen not in FORMATS:
            raise InputError(unknown("format", chosen, FORMATS), field="format")
    return ["result.json", *(f"{name}.{kind}" for name in PICTURES for kind in formats)]


def save(result: Result, folder: str | Path, formats: Sequence[str] = ("svg",)) -> list[Path]:
    """Write the record and its pictures, together or not at all.

    Args:
        result: what to write.
        folder: made if it does not exist.
        formats: of the pictures, see `FORMATS`.

    Returns:
        The files.

    Raises:
        InputError: an unknown format; a file cannot be written.
    """
    names(formats)
    contents: dict[Path, str | bytes] = {}
    for name, draw in drawable(result).items():
        with styled():
            figure = draw(result)
            for kind in dict.fromkeys(formats):
                contents[Path(folder) / f"{name}.{kind}"] = saved(figure, kind)
    write_all({**contents, Path(folder) / "result.json": result.to_json()})
    return list(contents)


def render(draw: Callable[[Result], Figure], result: Result, kind: str = "svg") -> bytes:
    """The picture as bytes of a format in `FORMATS`."""
    with styled():
        return saved(draw(result), kind)


@contextmanager
def styled(**own: Any) -> Iterator[None]:
    """The look of every picture. own: further settings of matplotlib, dots as double underscores."""
    with matplotlib.rc_context({**_STYLE, **{k.replace("__", "."): v for k, v in own.items()}}), \
            warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a letter that no installed font has is drawn as a box
        yield


def saved(figure: Figure, kind: str = "svg", dpi: int = 140) -> bytes:
    """A figure as bytes of a format in `FORMATS`, the same for the same figure; inside `styled`. Whatever text it shows
    is made harmless here, wherever it comes from."""
    for text in figure.findobj(Text):
        if (lines := text.get_text()) and not lines.replace("\n", "").isprintable():
            text.set_text("\n".join(numbers.plain(line) for line in lines.split("\n")))
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=dpi, metadata=FORMATS[kind])
    return stream.getvalue()


def _figure(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.2, max(2.0, height)), layout="constrained")
    return figure, figure.subplots()
