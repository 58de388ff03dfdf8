"""A page for each architecture, made from its YAML and the words beside it: block diagram, pipeline, what is published
and how far the spec gives it, what is assumed, every part with its price and source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill

from pydantic import BaseModel

from xbarch.cost.defaults import model_of
from xbarch.cost.nameplate import full_power, nameplate
from xbarch.cost.pricing import reprice
from xbarch.machine.build import buildable
from xbarch.machine.payers import serving
from xbarch.render.diagram import diagram, latency
from xbarch.render.document import Table, escaped, lines_of
from xbarch.render.published import FIGURES, About, Beside, about, beside
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import bundled, numbers
from xbarch.support.files import writable, write_all

COMMAND = "xbarch report architectures"
_FIRST = "isaac_like"
_WIDE = 120
_NONE = "–"


def architectures(out: str | Path, names: Sequence[str] = ()) -> list[Path]:
    """Write NAME.md and NAME.svg of each architecture to the folder `out`, and of all that come with xbarch, where none
    is named, an index.md.

    Args:
        out: folder, made where there is none.
        names: architectures, names or paths; none: all that come with xbarch.

    Returns:
        The files. They are written whole, together or not at all.

    Raises:
        InputError: something named is not there or refused; a file cannot be written.
    """
    every = list(names) or sorted(bundled.names("architectures"), key=lambda n: (n != _FIRST, n))
    found = {name: load(name, Architecture, check=buildable) for name in every}
    contents: dict[Path, str | bytes] = {}
    for name, a in found.items():
        path = bundled.find(name, "architectures", (".yaml",))
        assert path is not None
        contents[Path(out) / f"{a.name}.svg"] = diagram(a)
        contents[Path(out) / f"{a.name}.md"] = page(a, about(path), own=path.parent == bundled.folder("architectures"))
    if not names:
        contents[Path(out) / "index.md"] = index(list(found.values()))
    writable(Path(out), *(path.name for path in contents))
    write_all(contents)
    return list(contents)


def index(all_of: Sequence[Architecture]) -> str:
    """The list of pages, as Markdown."""
    rows = []
    for a in all_of:
        n, h, x = nameplate(reprice(a), a.precision.weight_bits, a.precision.input_bits), a.hierarchy, a.crossbar
        rows.append([f"[{a.name}]({a.name}.md)", plain(a.summary), f"{h.tiles} × {h.imas_per_tile} × "
                     f"{h.crossbars_per_ima}", f"{x.rows} × {x.columns} × {x.cell_bits}", f"{n.power_w:.4g}",
                     f"{n.area_mm2:.4g}", f"{n.tops:.4g}"])
    heads = ["name", "what", "tiles × IMAs × crossbars", "rows × columns × bits", "W", "mm²", "TOPS"]
    return _joined([
        "# Architectures",
        "The accelerators that come with xbarch. Power, area and peak are nameplates: every unit at full activity, at "
        "the precision of the machine's registers. One of your own: [how to](../howto/architecture.md).",
        _tabled(Table(heads, rows, 2)),
        f"Written by `{COMMAND}`, each page from `architectures/NAME.yaml` and the words in `architectures/NAME.md`.",
        "```{toctree}\n:hidden:\n" + "\n".join(a.name for a in all_of) + "\n```"])


def page(a: Architecture, written: About, own: bool = True) -> str:
    """The page of one architecture, as Markdown. own: it comes with xbarch."""
    built = reprice(a)
    parts = [f"# {a.name}", plain(a.summary) + ".", *([written.text] if written.text else []),
             f"Source: {plain(a.source)}. Technology: {plain(a.technology)}.",
             f"![Block diagram and pipeline of {a.name}]({a.name}.svg)",
             "## Pipeline", *_pipeline(a), *_published(beside(built, written)), *_assumed(a), "## Parts",
             "Power and area of all of a kind in one tile, IMA or chip, at full activity, as built.", _parts(a, built)]
    made = f"`architectures/{a.name}.yaml` and `{a.name}.md`" if own else f"`{a.name}.yaml`"
    known = " Where it differs from its paper: [deviations](../deviations.md)." if own else ""
    return _joined([*parts, f"Written by `{COMMAND}` from {made}.{known}"])


def _pipeline(a: Architecture) -> list[str]:
    p = a.pipeline
    slots = f"Results come on whole slots of {numbers.time(p.slot)}. " if p.slot else ""
    rows = [[s.called, ", ".join(f"`{name}`" for name in serving(a, s)), latency(a, i), plain(s.note or ""),
             plain(s.source)] for i, s in enumerate(p.stages)]
    return [f"{slots}A copy of a layer may have {numbers.count(p.ahead, 'window')} under way. Latencies are for a full "
            f"array, {a.precision.weight_bits}-bit weights and {a.precision.input_bits}-bit inputs.",
            _tabled(Table(["stage", "served by", "latency", "note", "source"], rows, 5)),
            f"Source: {plain(p.source)}."]


def _published(figures: Sequence[Beside]) -> list[str]:
    if not figures:
        return []
    rows = []
    for f in figures:
        p, unit = f.printed, FIGURES[f.printed.figure].unit if f.printed.figure else ""
        printed = f"{p.printed:,.6g} {unit}".strip() if isinstance(p.printed, float) else plain(p.printed)
        ours = _NONE if f.ours is None else f"{f.ours:,.4g} {unit}".strip()
        error = _NONE if f.error is None else f"{100 * f.error:+.1f} %".replace("-", "−")
        rows.append([plain(p.what), printed, ours, error, plain(p.note or ""), plain(p.source)])
    return ["## Published",
            "Printed figures beside what the spec gives by arithmetic, without a simulation; – where that gives none.",
            _tabled(Table(["figure", "printed", "here", "error", "note", "source"], rows, 6))]


def _assumed(a: Architecture) -> list[str]:
    found: dict[str, list[str]] = {}
    for place, text in _texts(a, ""):
        if re.search(r"\b(assumed|assumption)\b", text, re.I):
            found.setdefault(text, []).append(place)
    if not found:
        return []
    bullets = [fill(f"- {', '.join(f'`{p}`' for p in places)}: {plain(text)}", _WIDE, subsequent_indent="  ",
                    break_long_words=False, break_on_hyphens=False) for text, places in found.items()]
    return ["## Assumed", "What the sources and notes of the spec say is assumed, in part or as a whole.",
            "\n".join(bullets)]


def _texts(value: object, at: str) -> Iterator[tuple[str, str]]:
    """(place, text) of every source and note."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            inner = getattr(value, name)
            if name in ("source", "note") and isinstance(inner, str):
                yield f"{at}.{name}".lstrip("."), inner
            else:
                yield from _texts(inner, f"{at}.{name}".lstrip("."))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{at}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{at}.{number}")


def _parts(a: Architecture, built: Architecture) -> str:
    rows = []
    for name, c in built.components.items():
        model = a.components[name].scaling_model or model_of(a.components[name])
        rows.append([f"`{name}`", c.level, c.count, _power(full_power(built, c)), _area(c.area),
                     f"{numbers.energy(c.energy_aj)} per `{c.action}`" if c.action else "constant power",
                     plain(c.source) + (f"; price follows `{model}`" if model else "")])
    return _tabled(Table(["part", "in a", "count", "power", "area", "action", "source"], rows, 7))


def _power(uw: int | None) -> str:
    if uw is None:
        return "unknown"
    return f"{uw / 1e6:.4g} W" if uw >= 10**6 else f"{uw / 1e3:.4g} mW"


def _area(nm2: int) -> str:
    return f"{nm2 / 1e6:.4g} µm²" if 0 < nm2 < 10**9 else numbers.area(nm2)


def plain(text: str) -> str:
    """A text of a spec as Markdown; underscores escaped too, as names in it begin and end with them."""
    return escaped(text).replace("_", r"\_")


def _tabled(table: Table) -> str:
    return "\n".join(lines_of(table))


def _joined(parts: Sequence[str]) -> str:
    """Paragraphs, tables and lists; paragraphs folded, all else as it is."""
    kept = ("#", "|", "- ", "```", "![")
    return "\n\n".join(p if p.startswith(kept) or "\n" in p else fill(p, _WIDE, break_long_words=False,
                                                                         break_on_hyphens=False) for p in parts) + "\n"
