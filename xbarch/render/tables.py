"""Readable tables of one run and of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from xbarch.render import numbers

if TYPE_CHECKING:
    from xbarch.render.document import Section
    from xbarch.result.result import Result


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> Table:
    """A table whose first `words` columns are text and whose others are aligned right."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="")
    for i, head in enumerate(heads):
        made.add_column(Text(numbers.plain(head)), justify="left" if i < words else "right", overflow="fold",
                        no_wrap=i == 0)
    for row in rows:
        made.add_row(*(Text(numbers.plain(cell)) for cell in row))
    return made


def _processes(result: Result) -> dict[str, str]:
    """Kinds of units that are processes, and which; older records do not say."""
    return dict(result["architecture"].get("processes", {}))


def summary(result: Result) -> list[tuple[str, str]]:
    """The head figures of a run as (what, value with unit)."""
    r = result
    rows = [
        ("workload", f"{r['workload.name']} ({_weights(r)})"),
        ("architecture", ", ".join([f"{r['architecture.name']}, {numbers.count(r['architecture.chips'], 'chip')}",
                                   *(f"{kind}: {unit}" for kind, unit in _processes(r).items()),
                                   *r["architecture.overrides"]])),
        ("data path", numbers.path(r["datapath.name"], r["datapath.provenance"])),
        ("policy", r["policy"]),
        ("crossbars", f"{numbers.number(r['mapping.crossbars'])} on {numbers.count(r['mapping.tiles'], 'tile')} "
                      f"(one copy: {numbers.number(r['mapping.one_copy_crossbars'])}, "
                      f"dense: {numbers.number(r['mapping.dense_crossbars'])})"),
        ("throughput", f"{numbers.number(r['throughput.images_per_second'])} images/s"),
        ("interval", f"{numbers.time(r['latency.interval_ps'])} an image"
                     + ("" if r["latency.steady"] else _mean(r.data["latency"].get("interval_95_ps")))),
        ("first image", numbers.time(r["latency.first_image_ps"])),
        ("energy an image", ", ".join(f"{k} {numbers.energy(r['energy.scopes_aj'][k])}"
                                       for k in ("compute", "chip", "whole"))),
        ("power", f"average {r['power.average_w']:.4g} W, nameplate {r['power.peak_w']:.4g} W"),
        ("area", f"used {r['area.used_mm2']:.4g} mm², chip {r['area.total_mm2']:.4g} mm²"),
        ("effective, whole chip", _rates(r["effective"]) + " (kept weights)"),
        ("dense-equivalent, whole", _rates(r["dense_equivalent"])),
        ("utilization", ", ".join(f"{said} {_TIME.said(r[f'utilization.{key}'])}" for key, said in (
            ("cells", "cells"), ("crossbar_time", "crossbar time"), ("adc_time", "ADC time")))),
        ("busiest server", f"{r['utilization.busiest.name']}, {r['utilization.busiest.share']:.1%} of the run"),
    ]
    if net := r.data.get("interconnect"):
        worst = net["busiest"]
        rows.append(("busiest link", f"{worst['name']}, {worst['busy']:.1%} of the interval, needs "
                     f"{worst['need_gbs']:.3g} of {net['link_gbs']:.3g} GB/s (placement {net['placement']})"))
    if writes := r.data.get("programming"):
        cells, energy, time = writes["cells"], writes["energy_aj"], writes["time_ps"]
        rows.append(("programming, apart",
                     f"{numbers.number(cells)} cells, {numbers.energy(energy)}, {numbers.time(time)}"))
    accuracy = r["workload.accuracy"]
    if accuracy:
        # measured when the workload was made: what this machine's converters make of it only `verify` can tell
        told = {"crossbars": "on its recipe's crossbars"}
        rows.append(("accuracy, as stored", ", ".join(f"{told.get(k, k)} {v:.2%}" if v <= 1 else f"{k} {v:g}"
                                                      for k, v in accuracy.items())))
    return rows


def _mean(spread: float | None) -> str:
    return " (mean: no exact steady state" + (")" if spread is None else f"; ± {numbers.time(spread)} at 95 %)")


def _rates(rates: Mapping[str, float]) -> str:
    return f"{rates['tops']:.4g} TOPS, {rates['tops_per_w']:.4g} TOPS/W, {rates['tops_per_mm2']:.4g} TOPS/mm²"


def _weights(result: Result) -> str:
    trained = result["workload.trained_on"]
    return f"trained on {trained}" if trained else "SYNTHETIC weights, never trained"


def _segments(result: Result) -> list[Table]:
    """Of a network that was reloaded: a table of its segments."""
    rows = [(f"{s['layers'][0]} to {s['layers'][-1]}", numbers.number(s["crossbars"]), numbers.time(s["interval_ps"]),
             numbers.time(s["programming_ps"]), numbers.time(s["time_ps"]), numbers.energy(s["energy_aj"]),
             numbers.energy(s["programming_aj"])) for s in result.data.get("segments") or []]
    heads = ["layers", "crossbars", "interval", "programming", "an image's share", "energy", "programming an image"]
    return [table("Segments", heads, rows)] if rows else []


def show(result: Result, console: Console | None = None) -> None:
    """Print a run: head figures, energy by component, layers."""
    r = result
    compute = r["energy.by_component_aj"]
    total = sum(compute.values()) or 1
    energies = sorted(compute.items(), key=lambda kv: (-kv[1], kv[0]))
    by_layer = r["energy.by_layer_aj"]
    layers = [
        (m["name"], numbers.number(m["crossbars"]), m["copies"], numbers.number(m["windows"]),
         numbers.time(m["occupancy_ps"]), f"{m['busy']:.1%}", numbers.energy(by_layer[m["name"]]))
        for m in r["mapping.layers"]
    ]
    _print(console, Group(
        table("Result", ["", "value"], summary(r)),
        table("Energy an image, by component", ["component", "energy", "share"],
              [(k, numbers.energy(v), f"{v / total:.1%}") for k, v in energies]),
        table("Layers", ["layer", "crossbars a copy", "copies", "windows", "a window", "busy", "energy"], layers),
        *_segments(r),
    ))


@dataclass(frozen=True)
class Figure:
    """A line of a comparison. large: more is better. gains: whether the ratio of two values means anything."""

    key: str
    label: str
    large: bool
    text: Callable[[float], str] = numbers.number
    gains: bool = True

    def said(self, value: float | None) -> str:
        return "not known" if value is None else self.text(value)


def _percent(value: float) -> str:
    return f"{value:.1%}"


_TIME = Figure("utilization.crossbar_time", "crossbar time utilized", True, _percent, False)
FIGURES = [
    Figure("mapping.one_copy_crossbars", "crossbars, one copy", False),
    Figure("mapping.window_weighted_ps", "crossbar time an image (bound)", False, numbers.time),
    Figure("mapping.crossbars", "crossbars used", False),
    Figure("mapping.tiles", "tiles used", False),
    Figure("throughput.images_per_second", "images/s", True),
    Figure("latency.interval_ps", "interval", False, numbers.time),
    Figure("latency.first_image_ps", "first image", False, numbers.time),
    Figure("energy.scopes_aj.compute", "energy an image, compute", False, numbers.energy),
    Figure("energy.scopes_aj.chip", "energy an image, chip", False, numbers.energy),
    Figure("energy.scopes_aj.whole", "energy an image, whole", False, numbers.energy),
    Figure("area.used_mm2", "area used (mm²)", False),
    Figure("dense_equivalent.tops_per_w", "dense-equivalent TOPS/W", True),
    Figure("utilization.cells", "cells utilized", True, _percent, False),
    _TIME,
    Figure("utilization.adc_time", "ADC time utilized", True, _percent, False),
]


@dataclass(frozen=True)
class Line:
    """values: one a result. gains: over the first result, one for every other; above 1 is better, None where it
    has no meaning. A value that should be large is divided by the first's, one that should be small divides it."""

    figure: Figure
    values: list[float | None]
    gains: list[float | None]

    def cells(self) -> list[str]:
        """Label, first value, then value and gain of every other."""
        made = [self.figure.label, self.figure.said(self.values[0])]
        for value, gain in zip(self.values[1:], self.gains, strict=True):
            made += [self.figure.said(value), "" if gain is None else f"{gain:.3g}×"]
        return made


def comparison(results: Sequence[Result]) -> list[Line]:
    """Every figure of `FIGURES` for all results, with gains over the first."""
    lines = []
    for figure in FIGURES:
        base, *others = values = [None if (found := r[figure.key]) is None else float(found) for r in results]
        gains: list[float | None] = []
        for value in others:
            top, bottom = (value, base) if figure.large else (base, value)
            gains.append(top / bottom if top is not None and bottom and figure.gains else None)
        lines.append(Line(figure, values, gains))
    return lines


def headings(results: Sequence[Result]) -> list[str]:
    """Over the columns of `Line.cells`."""
    first, *others = (f"{r.name} ({_weights(r)})" for r in results)
    return ["", first, *(head for title in others for head in (title, "gain"))]


def show_comparison(results: Sequence[Result], console: Console | None = None) -> None:
    """Print `comparison`: every value, and after it the gain over the first result."""
    _print(console, table("Comparison", headings(results), [line.cells() for line in comparison(results)]))


def show_verification(rows: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Print what `verify` found, layer by layer."""
    made = table("Packed crossbars against int64", ["layer", "windows", "mismatches", "error",
                                                   "clipped conversions", "with bits dropped", "largest sum",
                                                   "ADC bits"],
                 [(r["layer"], numbers.number(r["windows"]), numbers.number(r["mismatches"]), f"{r['error']:.2%}",
                   numbers.number(r["clips"]), numbers.number(r["drops"]), r["max_sum"], r["adc_bits"]) for r in rows])
    wrong = sum(1 for r in rows if r["mismatches"])
    verdict = f"{len(rows) - wrong} of {len(rows)} layers exact"
    if any(r["drops"] for r in rows):
        verdict += "; conversions drop low bits (exact with --lossless)"
    elif any(r["clips"] for r in rows):
        needed = max(int(r["max_sum"]) for r in rows).bit_length()
        verdict += f"; no conversion clips with {needed}-bit ADCs (--set crossbar.adc_bits={needed}, or --lossless)"
    _print(console, made, Text(verdict, style="bold red" if wrong else "bold green"))


def show_study(rows: Sequence[Mapping[str, Any]]) -> None:
    """Gains of a comparison over its base, and what did not run."""
    ran = [r for r in rows if not r["why"]]
    parts = [k for k in ("workload", "datapath", "architecture", "policy", "variant")
             if len({r.get(k, "") for r in rows}) > 1]

    def name(row: Mapping[str, Any]) -> str:
        return ", ".join(numbers.path(row[k], row["provenance"]) if k == "datapath" else row[k]
                         for k in parts or ["datapath"])

    shown = [[name(r), f"{r['figures']['ratio']:.3g}×", numbers.number(r["figures"]["crossbars"]),
              numbers.number(r["figures"]["images_per_second"]),
              *(_times(r["gains"]["base"][k]) for k in ("speed", "energy", "area"))] for r in ran]
    _print(None, table("Gains over dense on the first architecture (energy: compute scope)",
                       ["", "ratio", "crossbars", "images/s", "speed", "energy", "area"], shown))
    refused = [[name(r), r["why"]] for r in rows if r["why"]]
    if refused:
        _print(None, table("Not simulated", ["", "why"], refused, 2))


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}×"


def show_sections(sections: Sequence[Section]) -> None:
    """Print the tables and bullets of a report's sections."""
    for section in sections:
        if section.table is not None:
            _print(None, table(section.title, section.table.heads, section.table.rows, section.table.words))
        for text in section.bullets:
            _print(None, Text(numbers.plain(text)))


def show_catalog(entries: dict[str, list[dict[str, str]]], console: Console | None = None) -> None:
    """Print what `list` names."""
    _print(console, Group(*(
        table(kind, ["name", "what", "source", "from"],
              [(e["name"], e["summary"], e["source"], e["from"]) for e in rows], 4)
        for kind, rows in entries.items())))


def show_described(found: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Print everything that has a name."""
    for each in found:
        if each["kind"] == "architecture":
            show_tree(each, console)
            continue
        parts: list[Any] = [Text(numbers.plain(f"{each['kind']} {each['name']}: {each['summary']} ({each['source']})")),
                            Text(numbers.plain(f"from {each['from']}"))]
        if each.get("options"):
            parts.append(table("Options", ["name", "default", "what"],
                               [(o["name"], o["default"], o["what"]) for o in each["options"]], 3))
        _print(console, Group(*parts))


def show_tree(tree: dict[str, Any], console: Console | None = None) -> None:
    """Print an architecture's components with counts, area and power."""
    components = [(r["component"], r["level"], r["action"], r["count"], r["instances"], f"{r['area_mm2']:.5g}",
                   f"{r['power_mw']:.5g}", numbers.energy(r["energy_aj"]) if r["energy_aj"] else "")
                  for r in tree["components"]]
    heads = ["component", "level", "action", "a level", "levels", "area mm²", "power mW", "energy an action"]
    _print(console, Group(
        Text(numbers.plain(f"{tree['name']}: {tree['summary']} ({tree['source']})")),
        Text(numbers.plain(f"from {tree['from']}")),
        *([table("Units that are processes", ["unit", "process"], list(tree["processes"].items()), 2)]
          if tree["processes"] else []),
        table("Components of a chip; area and power of all together", heads, components, 3),
        table("Nameplate (every unit at full activity)", ["", "value"],
              [(k, f"{v:.5g}") for k, v in tree["nameplate"].items()]),
        table("Sources", ["component", "source"], [(r["component"], r["source"]) for r in tree["components"]], 2)))


def _print(console: Console | None, *what: Any) -> None:
    """To the terminal's width; 120 columns where there is no terminal."""
    made = console or Console()
    if console is None and not made.is_terminal:
        made = Console(width=120)
    made.print(*what)
