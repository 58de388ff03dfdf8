"""Pictures of a run; the same bytes for the same record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import floor, log10
from pathlib import Path
from textwrap import wrap

from xbarch.errors import InputError
from xbarch.render.canvas import SIZE, Canvas, width_of
from xbarch.render.chip import chip
from xbarch.render.interactive.pages import html
from xbarch.render.interactive.runs import run_page
from xbarch.render.look import BLUE, FORMATS, PALE_BLUE, RED, colour
from xbarch.result.layer_time import longest_wait, time_shares
from xbarch.result.result import Result
from xbarch.result.summary import components
from xbarch.specs.explain import unknown
from xbarch.support import numbers
from xbarch.support.defaults import SCOPE, Scope
from xbarch.support.files import write_all

_WIDTH, _ROW, _TOP, _EDGE = 720, 20, 40, 14
_LEAST = 0.004  # of the run's time: a bar of about two pixels
PAGE = "report.html"
_IMAGES = 7  # that have a colour of their own


class _Rows:
    """Named rows beside one or more axes, each from 0 to its `most`, from left to right."""

    def __init__(self, title: str, names: Sequence[str], most: Sequence[float], room: float = 0) -> None:
        """room: to the right of each axis, for labels."""
        self.canvas, self.most = Canvas(title, _WIDTH), most
        self.first = min(_WIDTH / 2, _EDGE + 8 + max(map(width_of, names)))
        self.each = (_WIDTH - _EDGE - self.first) / len(most)
        self.long = self.each - room - (10 if len(most) > 1 else 0)
        self.bottom = _TOP + _ROW * len(names)
        self.canvas.heading(_EDGE, 22, title)
        for row, name in enumerate(names):
            fitting = int((self.first - _EDGE - 8) / width_of("x"))
            shown = name if len(name) <= fitting else name[:fitting - 1] + "…"
            self.canvas.label(self.first - 8, self.middle(row) + 4, shown, anchor="end")

    def middle(self, row: int) -> float:
        return _TOP + _ROW * (row + 0.5)

    def x(self, value: float, axis: int = 0) -> float:
        return self.first + axis * self.each + value * self.long / self.most[axis]

    def bar(self, row: int, start: float, length: float, axis: int = 0,
            thin: float = 2) -> tuple[float, float, float, float]:
        """thin: pixels left free above and below."""
        left = self.x(start, axis)
        return left, _TOP + _ROW * row + thin, self.x(start + length, axis) - left, _ROW - 2 * thin

    def labels(self, values: Sequence[float], texts: Sequence[str], axis: int = 0) -> None:
        """Beside the ends of bars."""
        for row, (value, text) in enumerate(zip(values, texts, strict=True)):
            self.canvas.label(self.x(value, axis) + 5, self.middle(row) + 4, text, SIZE - 1.5)

    def axis(self, ticks: Sequence[float], caption: str = "", axis: int = 0) -> None:
        """Draw an axis, and right below it what it means where there are several."""
        canvas, end = self.canvas, self.x(max(ticks[-1], self.most[axis]), axis)
        canvas.stroke((self.x(0, axis), _TOP), (self.x(0, axis), self.bottom), (end, self.bottom))
        for tick in ticks:
            x = self.x(tick, axis)
            canvas.stroke((x, self.bottom), (x, self.bottom + 4))
            canvas.label(x, self.bottom + 17, f"{tick:,.6g}", anchor="middle")
        if caption:
            canvas.label(self.x(0, axis), self.bottom + 34, caption)

    def finished(self, *captions: str) -> Canvas:
        """Say below the axes what is drawn, and nothing after that."""
        top = self.bottom + (36 if len(self.most) == 1 else 54)
        letters = int((_WIDTH - 2 * _EDGE) / width_of("x"))
        lines = [line for caption in captions for line in wrap(numbers.plain(caption), letters)]
        for number, line in enumerate(lines):
            self.canvas.label(_EDGE, top + 15 * number, line)
        self.canvas.height = top + 15 * len(lines)
        return self.canvas


def _ticks(most: float) -> list[float]:
    """0 and round numbers up to `most`, some five of them."""
    if most <= 0:
        return [0.0, 1.0]
    size = 10.0 ** floor(log10(most / 5))
    step = next(size * nice for nice in (1, 2, 5, 10) if most / (size * nice) <= 6)
    return [step * n for n in range(floor(most / step * (1 + 1e-9)) + 1)]


def energy(result: Result, scope: Scope = SCOPE, most: float = 0) -> Canvas:
    """Energy per image by component of a scope, largest first; what constant powers add is lighter. most: where the
    axis ends (aJ), if not at the largest value: pictures side by side share it."""
    scope, energies = components(result.record, scope)
    static, every = result.energy.static_aj, result.energy.by_component_aj
    parts = sorted(((k, v / 1e12) for k, v in energies.items() if v), key=lambda kv: (-kv[1], kv[0])) or [("none", 0.0)]
    end = max(parts[0][1], most / 1e12) or 1.0
    rows = _Rows(f"Energy by component (scope {scope}): {result.name}", [name for name, _ in parts], [end], room=70)
    rows.canvas.boxes([rows.bar(row, 0, value) for row, (_, value) in enumerate(parts)],
                      PALE_BLUE if static.keys() & energies.keys() else BLUE)
    counted = [(row, (every[k] - static[k] if k in static else energies[k]) / 1e12)
               for row, (k, _) in enumerate(parts) if k in energies]
    if static.keys() & energies.keys():
        rows.canvas.boxes([rows.bar(row, 0, value) for row, value in counted if value], BLUE)
    rows.labels([value for _, value in parts], [numbers.energy(value * 1e12) for _, value in parts])
    rows.axis(_ticks(end))
    return rows.finished(f"energy per image (µJ), scope {scope}", *(
        ["light: constant power over the pipeline interval"] if static.keys() & energies.keys() else []))


def timeline(result: Result) -> Canvas:
    """When each layer worked on each image, from its first window to its last, and how much of that its crossbars were
    busy; bars too short to be seen are drawn a little longer."""
    spans = result.timeline
    most = max([1, *(stop for span in spans for stop in span.stop_ps)])
    least = most * _LEAST
    busy = {m.name: m.busy * result.latency.pipeline_interval_ps for m in result.mapping.layers if m.crossbars}
    rows = _Rows(f"Layers over time: {result.name}", [span.name for span in spans], [most / 1e6])
    for image in range(_IMAGES):
        times = [(row, start, stop - start, busy.get(span.name, 0)) for row, span in enumerate(spans)
                 for start, stop in zip(span.start_ps[image::_IMAGES], span.stop_ps[image::_IMAGES], strict=True)]
        rows.canvas.boxes([rows.bar(row, start / 1e6, max(long, least) / 1e6) for row, start, long, _ in times],
                          colour(image), 0.3)
        rows.canvas.boxes([rows.bar(row, start / 1e6, min(long, work) / 1e6, thin=6)
                           for row, start, long, work in times if min(long, work) > 0], colour(image))
    rows.axis(_ticks(most / 1e6))
    return rows.finished(
        "µs since the first pixel; pale: from the first window of an image to its last, a colour per image, repeated "
        f"after {_IMAGES}; full: as long as the layer's crossbars are busy with it, drawn from the start; pale bars at "
        f"least {_LEAST:.1%} of the run wide")


def layers(result: Result) -> Canvas:
    """By layer: share of the pipeline interval that its crossbars are busy, dynamic energy per image and, of the time
    of its windows, what they hold crossbars and other units and what they wait."""
    shown = [m for m in result.mapping.layers if m.crossbars or result.energy.by_layer_aj.get(m.name)]
    energies = [result.energy.by_layer_aj.get(m.name, 0) / 1e12 for m in shown]
    busy = [100 * m.busy if m.crossbars else 0.0 for m in shown]  # of the others, units that layers share
    times = [time_shares(result.record, m.name) for m in shown]
    timed = any(map(any, times))
    rows = _Rows(f"Layers: {result.name}", [m.name for m in shown],
                 [max([100.0, *busy]), max([*energies]) or 1.0, *([100.0] if timed else [])], room=72)
    for axis, (values, fill) in enumerate(((busy, BLUE), (energies, RED))):
        rows.canvas.boxes([rows.bar(row, 0, value, axis) for row, value in enumerate(values) if value], fill)
    rows.labels(busy, [f"{m.copies} × {m.crossbars}" if m.crossbars else "" for m in shown])
    rows.labels(energies, [numbers.energy(value * 1e12) for value in energies], 1)
    rows.axis([0, 25, 50, 75, 100], "% of the interval busy")
    rows.axis(_ticks(rows.most[1]), "energy per image (µJ)", 1)
    if timed:
        for place, fill in enumerate((BLUE, PALE_BLUE, RED)):
            rows.canvas.boxes([rows.bar(row, sum(found[:place]), found[place], 2) for row, found in enumerate(times)
                               if found[place]], fill)
        rows.labels([sum(found) for found in times], [longest_wait(result.record, m.name) for m in shown], 2)
        rows.axis([0, 50, 100], "% of windows' time", 2)
    return rows.finished("left: how long its crossbars are busy, with copies × crossbars per copy; middle: dynamic "
                         "energy, all scopes", *(
        ["right, where its windows' time at units goes: blue, crossbars held; pale, other units held; red, waiting, "
         "longest for the unit named beside the bar"] if timed else []))


PICTURES: dict[str, Callable[[Result], Canvas]] = {
    "energy": energy, "timeline": timeline, "layers": layers, "chip": chip}


def drawable(result: Result, scope: Scope = SCOPE, most: float = 0) -> dict[str, Callable[[Result], Canvas]]:
    """The pictures that a record has the fields for, energies in the scope up to `most` (see `energy`); early records
    have no interconnect."""
    scoped: dict[str, Callable[[Result], Canvas]] = {**PICTURES, "energy": partial(energy, scope=scope, most=most)}
    return {name: draw for name, draw in scoped.items() if name != "chip" or result.interconnect}


def names(formats: Sequence[str] = ("svg",)) -> list[str]:
    """The files that `save` writes.

    Raises:
        InputError: an unknown format.
    """
    for chosen in formats:
        if chosen not in FORMATS:
            raise InputError(unknown("format", chosen, FORMATS), field="format")
    return ["result.json", PAGE, *(f"{name}.{kind}" for name in PICTURES for kind in dict.fromkeys(formats))]


def save(result: Result, folder: str | Path, formats: Sequence[str] = ("svg",), scope: Scope = SCOPE) -> list[Path]:
    """Write the record, its page and its pictures, together or not at all.

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
    contents[Path(folder) / PAGE] = html(run_page(result, scope))
    contents[Path(folder) / "result.json"] = result.to_json()
    write_all(contents)
    return list(contents)


def render(draw: Callable[[Result], Canvas], result: Result, kind: str = "svg") -> bytes:
    """The picture as bytes of a format in `FORMATS`."""
    return draw(result).render(kind)
