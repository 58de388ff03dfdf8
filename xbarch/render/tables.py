"""Tables for the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.style import Style
from rich.text import Text

from xbarch.render.compared import comparison, headings, unequal
from xbarch.render.grid import Column, Grid
from xbarch.result import words
from xbarch.result.summary import COLUMNS, components, details, speed
from xbarch.support import numbers
from xbarch.support.defaults import SCOPE, Scope
from xbarch.support.wrapping import wrapped

if TYPE_CHECKING:
    from xbarch.render.document import Section
    from xbarch.result.accuracy import Accuracy
    from xbarch.result.devices import Devices
    from xbarch.result.result import Result

_WIDE = 120  # columns where no terminal and no COLUMNS says how many there are


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1, group: int = 1) -> Grid:
    """A table whose first `words` columns are text and whose others are values, in groups of columns that stay
    together if it has to be split."""
    lines = [[numbers.plain(cell) for cell in row] for row in rows]
    return Grid(numbers.plain(title), tuple(
        Column(numbers.plain(head), tuple(line[i] for line in lines), i < words) for i, head in enumerate(heads)),
        words, group)


def show(result: Result, scope: Scope = SCOPE, full: bool = False, on: Console | None = None) -> None:
    """Print a run: its summary; full: also further figures, energy by component, waiting by kind of server, layers, and
    segments of a network that was reloaded. scope: of energies."""
    echo(on, Text(result.summary(scope, min(COLUMNS, (on or console()).width))),
         *(_tables(result, scope) if full else []))


def _tables(result: Result, scope: Scope) -> list[Grid]:
    scope, by_component = components(result.record, scope)
    layers = result.energy.layers_by_scope_aj
    by_layer = layers[scope] if layers else result.energy.by_layer_aj
    whole = sum(by_component.values()) or 1
    energies = sorted(by_component.items(), key=lambda item: (-item[1], item[0]))
    rows = [(m.name, numbers.number(m.crossbars), m.copies, numbers.number(m.windows),
             numbers.time(m.occupancy_ps), f"{m.busy:.1%}", numbers.energy(by_layer[m.name]))
            for m in result.mapping.layers]
    return [
        table("Further figures", ["", ""], details(result.record, scope), 2),
        table(f"Energy per image by component (scope {scope})", ["component", "energy", "share"],
              [(name, numbers.energy(energy), f"{energy / whole:.1%}") for name, energy in energies]),
        *_waiting(result),
        table("Layers", ["layer", "crossbars per copy", "copies", "windows", "time per window", "busy",
                         f"dynamic energy (scope {scope if layers else 'whole'})"], rows),
        *_segments(result, scope)]


def _waiting(result: Result) -> list[Grid]:
    waits = sorted((result.waiting.by_kind_ps if result.waiting else {}).items(), key=lambda item: (-item[1], item[0]))
    whole = sum(waited for _, waited in waits) or 1
    rows = [(kind, numbers.time(waited), f"{waited / whole:.1%}") for kind, waited in waits]
    return [table("Waiting per image, all windows together", ["kind of server", "time", "share"], rows)] if rows else []


def _segments(result: Result, scope: Scope) -> list[Grid]:
    rows = [(f"{s.layers[0]} to {s.layers[-1]}", numbers.number(s.crossbars), numbers.time(s.pipeline_interval_ps),
             numbers.time(s.programming_ps), numbers.time(s.time_ps),
             numbers.energy(s.scopes_aj[scope] if s.scopes_aj else s.energy_aj), numbers.energy(s.programming_aj))
            for s in result.segments or []]
    heads = ["layers", "crossbars", "pipeline interval", "programming", "time per image",
             f"energy per image (scope {scope})", "programming per image"]
    return [table("Segments", heads, rows)] if rows else []


def show_comparison(results: Sequence[Result], scope: Scope = SCOPE, on: Console | None = None) -> None:
    """Print `comparison`: every value, followed by its gain over the first result."""
    echo(on, table("Comparison", headings(results), [line.cells() for line in comparison(results, scope)], group=2))
    for text in unequal(results):
        echo(on, Text(text))


def show_verification(rows: Sequence[Mapping[str, Any]], on: Console | None = None) -> None:
    """Print what `verify` found, layer by layer."""
    heads = ["layer", "windows", "mismatches", "error", "clipped conversions", "with bits dropped", "largest sum",
             "ADC bits"]
    made = table("Packed crossbars against int64", heads, [
        (r["layer"], numbers.number(r["windows"]), numbers.number(r["mismatches"]), f"{r['error']:.2%}",
         numbers.number(r["clips"]), numbers.number(r["drops"]), r["max_sum"], r["adc_bits"]) for r in rows])
    wrong = sum(1 for r in rows if r["mismatches"])
    verdict = f"{len(rows) - wrong} of {len(rows)} layers exact"
    if any(r["drops"] for r in rows):
        verdict += "; conversions drop low bits (exact with --lossless)"
    elif any(r["clips"] for r in rows):
        needed = max(int(r["max_sum"]) for r in rows).bit_length()
        verdict += f"; no conversion clips with {needed}-bit ADCs (--set crossbar.adc_bits={needed}, or --lossless)"
    echo(on, made, Text(verdict, style="bold red" if wrong else "bold green"))


def show_accuracy(found: Accuracy, on: Console | None = None) -> None:
    """Print the accuracy on a machine, and what clips, layer by layer."""
    echo(on, Text(f"{found.workload} · {found.datapath} · {found.architecture}, test images of {found.data}"),
         Text(f"{found.measure.label} {words.measured(found.part)}"))
    if found.same_class is not None:
        what = "images" if found.measure.name == "top1" else "pixels"
        echo(on, Text(f"{found.same_class:.2%} of the {what} get the integer network's class"))
    if found.devices is not None:
        _show_devices(found, found.devices, on)
    if found.proven:
        echo(on, Text("exact: no conversion can clip or lose a bit, so that the integer network is the machine's"))
        return
    echo(on, table("Clipping", ["layer", "conversions that clip"], [
        (name, words.share(value)) for name, value in found.clipped_share.items()]))


def _show_devices(found: Accuracy, devices: Devices, on: Console | None) -> None:
    """Print what draws of devices gave."""
    if devices.spread is None:
        echo(on, Text(f"one device was drawn (seed {devices.seed}), so the interval is over images alone"))
        return
    low, high, spread, half = map(found.measure.text, (
        min(devices.values), max(devices.values), devices.spread, devices.half_width or 0))
    echo(on, Text(f"{len(devices.values)} devices (seed {devices.seed}): {low} to {high}, standard deviation {spread}; "
                  f"the interval, ±{half}, is over devices and images"))


def show_retention(found: Mapping[str, Any]) -> None:
    """Print how long a network holds (`Retention.plain`), and what programming it again costs."""
    written, points = found["programming"], f"{100 * found['loss']:.3g} points"
    echo(None, Text(f"{found['workload']} on {found['architecture']}"))
    echo(None, table("Accuracy since programming", ["time", "accuracy"],
                     [(_long(seconds), f"{value:.2%}") for seconds, value in found["curve"]], 0))
    if found["seconds"] is None:
        echo(None, Text(f"{points} are not lost within {_long(found['longest'])}"))
    else:
        echo(None, Text(f"{points} are lost after {_long(found['seconds'])}"))
    again = f"programming takes {numbers.time(written['time_ps'])} and {numbers.energy(written['energy_aj'])} for " \
            f"{numbers.number(written['cells'])} cells"
    echo(None, Text(again if found["power_uw"] is None else f"{again}, {found['power_uw']:.3g} µW if repeated by then"))
    if found["lifetime_s"] is not None:
        echo(None, Text(f"cells that survive {found['writes']:.3g} pulses then last {_long(found['lifetime_s'])}"))


def show_reproduction(found: Mapping[str, Any], most: int) -> None:
    """Print the outcome of running a bundle again (`Reproduction.plain`), of each run at most so many differences."""
    for note in found["notes"]:
        echo(None, Text(numbers.plain(f"note: {note}")))
    for run in found["runs"]:
        changed = run["differences"]
        if not changed:
            echo(None, Text(numbers.plain(f"same: {run['name']} ({run['result']})")))
            continue
        shown = [(d["field"], *(str(d[when])[:40] for when in ("before", "now"))) for d in changed[:most]]
        echo(None, table(f"different: {run['name']} ({run['result']})", ["field", "in the bundle", "now"], shown, 1))
        if len(changed) > most:
            echo(None, Text(f"and {numbers.count(len(changed) - most, 'more field')}"))
    same = sum(not run["differences"] for run in found["runs"])
    echo(None, Text(f"{same} of {numbers.count(len(found['runs']), 'result')} equal to the bit",
                    style="bold green" if found["same"] else "bold red"))


def _long(seconds: float) -> str:
    """A time of seconds to years."""
    sizes = (("years", 365.25 * 86400.0), ("days", 86400.0), ("h", 3600.0), ("min", 60.0))
    unit, size = next(((u, s) for u, s in sizes if seconds >= s), ("s", 1.0))
    return f"{seconds / size:.3g} {unit}"


def show_study(rows: Sequence[Mapping[str, Any]], warnings: Sequence[str] = ()) -> None:
    """Print the gains of a comparison over its base, what a reader must know of them, and what did not run."""
    scope = rows[0]["scope"]
    parts = [k for k in ("workload", "datapath", "architecture", "policy", "variant")
             if len({r.get(k, "") for r in rows}) > 1 or (k == "datapath" and any(r.get("options") for r in rows))]

    def name(row: Mapping[str, Any]) -> str:
        return ", ".join(numbers.path(row[k], row["provenance"], row.get("options")) if k == "datapath" else row[k]
                         for k in parts or ["datapath"])

    measured = any(not r["why"] and r["figures"]["on_this_machine"] for r in rows)
    ran = [[name(r), f"{f['ratio']:.3g}×", numbers.number(f["used"]), f"{f['copies']:.3g}", numbers.number(f["tiles"]),
            speed(f["images_per_second"]), numbers.time(f["first_image_ps"]),
            *(_times(r["gains"]["base"][k]) for k in ("speed", f"energy_{scope}", "area")),
            " / ".join(r["bound_by"]["base"]), f["converters"] or "–", *_accuracy(f, measured)]
           for r in rows if not r["why"] for f in [r["figures"]]]
    echo(None, table(f"Gains over dense on the first architecture (energy: scope {scope})",
                       ["", "compression ratio", "crossbars", "copies", "tiles", "images/s", "first image", "speed-up",
                        "energy saving", "area saving", "bound by (dense / this)", "converters",
                        *(["accuracy on this machine"] if measured else [])], ran))
    for text in warnings:
        echo(None, Text(numbers.plain(text)))
    refused = [[name(r), r["why"]] for r in rows if r["why"]]
    if refused:
        echo(None, table("Not simulated", ["", "why"], refused, 2))


def _accuracy(figures: Mapping[str, Any], measured: bool) -> list[str]:
    found = figures["on_this_machine"]
    if not measured:
        return []
    text = words.worth(found["value"], found.get("measure", "top1")) if found else ""
    return [f"{text} (n = {numbers.number(found['images'])})" if found else "–"]


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}×"


def show_sections(sections: Sequence[Section]) -> None:
    """Print the tables and bullets of a report's sections."""
    parts: list[Text | Grid] = []
    for section in sections:
        if section.table is not None:
            parts.append(table(section.title, section.table.heads, section.table.rows, section.table.words))
        parts += [Text(numbers.plain(text)) for text in section.bullets]
    echo(None, *parts)


def console() -> Console:
    """A console as wide as the terminal; where there is none, as COLUMNS says, or of 120 columns."""
    made = Console(highlight=False)
    if made.is_terminal or os.environ.get("COLUMNS", "").isdecimal():
        return made
    return Console(width=_WIDE, highlight=False)


def echo(on: Console | None, *what: Text | Grid) -> None:
    """Print to a console, by default `console`, in its width: text wrapped, a line before each table but a first."""
    made = on or console()
    for place, part in enumerate(what):
        if isinstance(part, Grid):
            lines = [""] * (place > 0) + wrapped(part.title, made.width)
            made.print(Text("\n".join(lines), style="bold"))
            for number, table in enumerate(part.tables(made.width)):
                _print(made, [""] * (number > 0) + table)
        else:
            lines = [line for text in part.plain.split("\n") for line in wrapped(text, made.width)]
            _print(made, lines, part.style)


def _print(on: Console, lines: Sequence[str], style: str | Style = "") -> None:
    on.print(Text("\n".join(lines), style=style, no_wrap=True, overflow="ignore"), crop=False)
