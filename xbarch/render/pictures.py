"""Pictures of a run; the same bytes for the same record."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import floor, log10
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from xbarch.errors import InputError
from xbarch.render.canvas import SIZE, Canvas, width_of
from xbarch.render.chip import chip
from xbarch.result.result import Result
from xbarch.result.summary import components
from xbarch.specs.explain import unknown
from xbarch.support import numbers
from xbarch.support.defaults import SCOPE, Scope
from xbarch.support.files import write_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _ROW, _TOP, _EDGE = 720, 20, 40, 14
_BLUE, _PALE = "#2f6f9f", "#a9c6da"  # counted actions; constant power
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
            "#17becf")  # of images, in turn
_LEAST = 0.004  # of the run's time: a bar of about two pixels
FORMATS = ("svg", "png", "pdf")


class _Rows:
    """Named rows over an axis from 0 to `most`. room: to the right of the axis, for labels."""

    def __init__(self, title: str, names: Sequence[str], most: float, room: float = 0) -> None:
        self.canvas, self.most = Canvas(title, _WIDTH), most
        self.left = min(_WIDTH / 2, _EDGE + 8 + max(map(width_of, names)))
        self.scale = (_WIDTH - _EDGE - room - self.left) / most
        self.bottom = _TOP + _ROW * len(names)
        self.canvas.heading(_EDGE, 22, title)
        for row, name in enumerate(names):
            fitting = int((self.left - _EDGE - 8) / width_of("x"))
            shown = name if len(name) <= fitting else name[:fitting - 1] + "…"
            self.canvas.label(self.left - 8, self.middle(row) + 4, shown, anchor="end")

    def middle(self, row: int) -> float:
        return _TOP + _ROW * (row + 0.5)

    def bar(self, row: int, start: float, length: float) -> tuple[float, float, float, float]:
        return self.left + start * self.scale, _TOP + _ROW * row + 2, length * self.scale, _ROW - 4

    def finished(self, ticks: Sequence[float], *captions: str) -> Canvas:
        """Draw the axis, what it means below it, and nothing after that."""
        canvas = self.canvas
        end = self.left + max(ticks[-1], self.most) * self.scale
        canvas.stroke((self.left, _TOP), (self.left, self.bottom), (end, self.bottom))
        for tick in ticks:
            x = self.left + tick * self.scale
            canvas.stroke((x, self.bottom), (x, self.bottom + 4))
            canvas.label(x, self.bottom + 17, f"{tick:,.6g}", anchor="middle")
        letters = int((_WIDTH - 2 * _EDGE) / width_of("x"))
        lines = [line for caption in captions for line in wrap(numbers.plain(caption), letters)]
        for number, line in enumerate(lines):
            canvas.label(_EDGE, self.bottom + 36 + 15 * number, line)
        canvas.height = self.bottom + 36 + 15 * len(lines)
        return canvas


def _ticks(most: float) -> list[float]:
    """0 and round numbers up to `most`, some five of them."""
    if most <= 0:
        return [0.0, 1.0]
    size = 10.0 ** floor(log10(most / 5))
    step = next(size * nice for nice in (1, 2, 5, 10) if most / (size * nice) <= 6)
    return [step * n for n in range(floor(most / step * (1 + 1e-9)) + 1)]


def energy(result: Result, scope: Scope = SCOPE) -> Canvas:
    """Energy per image by component of a scope, largest first; what constant powers add is lighter."""
    scope, energies = components(result.record, scope)
    static, every = result.energy.static_aj, result.energy.by_component_aj
    parts = sorted(((k, v / 1e12) for k, v in energies.items() if v), key=lambda kv: (-kv[1], kv[0])) or [("none", 0.0)]
    most = parts[0][1] or 1.0
    rows = _Rows(f"Energy by component (scope {scope}): {result.workload.name}", [name for name, _ in parts], most,
                 room=70)
    rows.canvas.boxes([rows.bar(row, 0, value) for row, (_, value) in enumerate(parts)],
                      _PALE if static.keys() & energies.keys() else _BLUE)
    counted = [(row, (every[k] - static[k] if k in static else energies[k]) / 1e12)
               for row, (k, _) in enumerate(parts) if k in energies]
    if static.keys() & energies.keys():
        rows.canvas.boxes([rows.bar(row, 0, value) for row, value in counted if value], _BLUE)
    for row, (_, value) in enumerate(parts):
        rows.canvas.label(rows.left + value * rows.scale + 5, rows.middle(row) + 4, numbers.energy(value * 1e12),
                          SIZE - 1.5)
    return rows.finished(_ticks(most), f"energy per image (µJ), scope {scope}", *(
        ["light: constant power over the pipeline interval"] if static.keys() & energies.keys() else []))


def timeline(result: Result) -> Canvas:
    """When each layer worked on each image; bars too short to be seen are drawn a little longer."""
    spans = result.timeline
    most = max([1, *(stop for span in spans for stop in span.stop_ps)])
    least = most * _LEAST
    rows = _Rows(f"Layers over time: {result.workload.name}", [span.name for span in spans], most / 1e6)
    for image, colour in enumerate(_COLOURS):
        rows.canvas.boxes(
            [rows.bar(row, start / 1e6, max(stop - start, least) / 1e6) for row, span in enumerate(spans)
             for start, stop in zip(span.start_ps[image::len(_COLOURS)], span.stop_ps[image::len(_COLOURS)],
                                    strict=True)], colour, 0.75)
    return rows.finished(_ticks(most / 1e6), "µs since the first pixel; one colour per image, repeated after ten; bars "
                         f"at least {_LEAST:.1%} of the run wide")


def utilization(result: Result) -> Canvas:
    """Share of the pipeline interval that each layer's crossbars are busy."""
    layers = [m for m in result.mapping.layers if m.crossbars]
    most = max(100.0, *(100 * m.busy for m in layers))
    rows = _Rows(f"Crossbar time by layer: {result.workload.name}", [m.name for m in layers], most, room=120)
    rows.canvas.boxes([rows.bar(row, 0, 100 * m.busy) for row, m in enumerate(layers)], _BLUE)
    for row, m in enumerate(layers):
        rows.canvas.label(rows.left + 100 * m.busy * rows.scale + 5, rows.middle(row) + 4,
                          f"{m.copies}×{m.crossbars} crossbars", SIZE - 1.5)
    return rows.finished([0, 25, 50, 75, 100], "% of the pipeline interval busy; copies × crossbars per copy")


PICTURES: dict[str, Callable[[Result], Canvas]] = {
    "energy": energy, "timeline": timeline, "utilization": utilization, "chip": chip}


def drawable(result: Result, scope: Scope = SCOPE) -> dict[str, Callable[[Result], Canvas]]:
    """The pictures that a record has the fields for, energies in the scope; early records have no interconnect."""
    scoped: dict[str, Callable[[Result], Canvas]] = {**PICTURES, "energy": partial(energy, scope=scope)}
    return {name: draw for name, draw in scoped.items() if name != "chip" or result.interconnect}


def names(formats: Sequence[str] = ("svg",)) -> list[str]:
    """The files that `save` writes.

    Raises:
        InputError: an unknown format.
    """
    for chosen in formats:
        if chosen not in FORMATS:
            raise InputError(unknown("format", chosen, FORMATS), field="format")
    return ["result.json", *(f"{name}.{kind}" for name in PICTURES for kind in dict.fromkeys(formats))]


def save(result: Result, folder: str | Path, formats: Sequence[str] = ("svg",), scope: Scope = SCOPE) -> list[Path]:
    """Write the record and its pictures, together or not at all.

    Args:
        result: what to write.
        folder: made if it does not exist.
        formats: of the pictures, see `FORMATS`.
        scope: of the energies that are drawn.

    Returns:
        The files.

    Raises:
        InputError: an unknown format; a file cannot be written.
    """
    names(formats)
    contents: dict[Path, str | bytes] = {}
    for name, draw in drawable(result, scope).items():
        canvas = draw(result)
        contents |= {Path(folder) / f"{name}.{kind}": canvas.render(kind) for kind in formats}
    contents[Path(folder) / "result.json"] = result.to_json()
    write_all(contents)
    return list(contents)


def render(draw: Callable[[Result], Canvas], result: Result, kind: str = "svg") -> bytes:
    """The picture as bytes of a format in `FORMATS`."""
    return draw(result).render(kind)


# -- pictures of matplotlib, for the reports of studies -------------------------------------------------------

_STYLE: dict[str, Any] = {
    "svg.hashsalt": "xbarch", "svg.fonttype": "path", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlesize": 10, "axes.titleweight": "bold", "text.parse_math": False}


@contextmanager
def styled(**own: Any) -> Iterator[None]:
    """The look of every figure. own: further settings of matplotlib, dots as double underscores."""
    import matplotlib

    with matplotlib.rc_context({**_STYLE, **{k.replace("__", "."): v for k, v in own.items()}}), \
            warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a letter that no installed font has is drawn as a box
        yield


def saved(figure: Figure, kind: str = "svg", dpi: int = 140) -> bytes:
    """A figure as bytes of a format in `FORMATS`, the same for the same figure; inside `styled`. Whatever text it shows
    is made harmless here, wherever it comes from."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if (lines := text.get_text()) and not lines.replace("\n", "").isprintable():
            text.set_text("\n".join(numbers.plain(line) for line in lines.split("\n")))
    metadata = {"svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None}}[kind]
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=dpi, metadata=metadata)
    return stream.getvalue()
