"""Readable tables of one run and of several side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from xbarch.report import units
from xbarch.report.result import Result


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table whose first column is text and whose others are aligned right."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="")
    for i, head in enumerate(heads):
        made.add_column(head, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        made.add_row(*(Text(units.plain(cell)) for cell in row))
    return made


def summary(result: Result) -> list[tuple[str, str]]:
    """The head figures of a run as (what, value with unit)."""
    r = result
    rows = [
        ("workload", f"{r['workload.name']} ({_weights(r)})"),
        ("architecture", f"{r['architecture.name']}, {r['architecture.chips']} chip(s)"),
        ("data path", r["datapath.name"]),
        ("policy", r["policy"]),
        ("crossbars", f"{units.number(r['mapping.crossbars'])} on {units.number(r['mapping.tiles'])} tiles "
                      f"(one copy: {units.number(r['mapping.one_copy_crossbars'])}, "
                      f"dense: {units.number(r['mapping.dense_crossbars'])})"),
        ("throughput", f"{units.number(r['throughput.images_per_second'])} images/s"),
        ("interval", f"{units.time(r['latency.interval_ps'])} an image"
                     + ("" if r["latency.steady"] else " (mean: no exact steady state)")),
        ("first image", units.time(r["latency.first_image_ps"])),
        ("energy an image", ", ".join(f"{k} {units.energy(v)}" for k, v in r["energy.scopes_aj"].items())),
        ("power", f"average {r['power.average_w']:.4g} W, nameplate {r['power.peak_w']:.4g} W"),
        ("area", f"used {r['area.used_mm2']:.4g} mm², chip {r['area.total_mm2']:.4g} mm²"),
        ("effective", f"{r['effective.tops']:.4g} TOPS, {r['effective.tops_per_w']:.4g} TOPS/W, "
                      f"{r['effective.tops_per_mm2']:.4g} TOPS/mm² (kept weights)"),
        ("dense-equivalent", f"{r['dense_equivalent.tops']:.4g} TOPS, {r['dense_equivalent.tops_per_w']:.4g} TOPS/W, "
                             f"{r['dense_equivalent.tops_per_mm2']:.4g} TOPS/mm²"),
        ("utilization", f"cells {r['utilization.cells']:.1%}, crossbar time {r['utilization.crossbar_time']:.1%}, "
                        f"ADC time {r['utilization.adc_time']:.1%}"),
        ("busiest server", f"{r['utilization.busiest.name']}, {r['utilization.busiest.share']:.1%} of the interval"),
    ]
    accuracy = r["workload.accuracy"]
    if accuracy:
        rows.append(("accuracy", ", ".join(f"{k} {v:.2%}" if v <= 1 else f"{k} {v:g}" for k, v in accuracy.items())))
    return rows


def _weights(result: Result) -> str:
    trained = result["workload.trained_on"]
    return f"trained on {trained}" if trained else "SYNTHETIC weights, never trained"


def show(result: Result, console: Console | None = None) -> None:
    """Print a run: head figures, energy by component, layers."""
    r = result
    compute = r["energy.by_component_aj"]
    total = sum(compute.values()) or 1
    energies = sorted(compute.items(), key=lambda kv: -kv[1])
    by_layer = r["energy.by_layer_aj"]
    layers = [
        (m["name"], units.number(m["crossbars"]), m["copies"], units.number(m["windows"]),
         units.time(m["occupancy_ps"]), f"{m['busy']:.1%}", units.energy(by_layer[m["name"]]))
        for m in r["mapping.layers"]
    ]
    (console or Console()).print(Group(
        table("Result", ["", "value"], summary(r)),
        table("Energy an image, by component", ["component", "energy", "share"],
              [(k, units.energy(v), f"{v / total:.1%}") for k, v in energies]),
        table("Layers", ["layer", "crossbars a copy", "copies", "windows", "a window", "busy", "energy"], layers),
    ))


FIGURES: list[tuple[str, str, bool]] = [
    ("mapping.one_copy_crossbars", "crossbars, one copy", False),
    ("mapping.crossbars", "crossbars used", False),
    ("mapping.tiles", "tiles used", False),
    ("throughput.images_per_second", "images/s", True),
    ("latency.interval_ps", "interval (ps)", False),
    ("latency.first_image_ps", "first image (ps)", False),
    ("energy.scopes_aj.compute", "energy an image, compute (aJ)", False),
    ("energy.scopes_aj.chip", "energy an image, chip (aJ)", False),
    ("energy.scopes_aj.whole", "energy an image, whole (aJ)", False),
    ("area.used_mm2", "area used (mm²)", False),
    ("dense_equivalent.tops_per_w", "dense-equivalent TOPS/W", True),
    ("utilization.cells", "cells utilized", True),
    ("utilization.crossbar_time", "crossbar time utilized", True),
    ("utilization.adc_time", "ADC time utilized", True),
]


def comparison(results: Sequence[Result]) -> list[list[Any]]:
    """Rows of [figure, value of the first, (value, gain over the first) of the others ...].

    A gain above 1 is better than the first: values that should be large are divided by the first's, values
    that should be small divide it. None where the division has no meaning.
    """
    rows: list[list[Any]] = []
    for key, label, large in FIGURES:
        base = results[0][key]
        row: list[Any] = [label, base]
        for other in results[1:]:
            value = other[key]
            top, bottom = (value, base) if large else (base, value)
            row += [value, top / bottom if bottom else None]
        rows.append(row)
    return rows


def show_comparison(results: Sequence[Result], console: Console | None = None) -> None:
    """Print `comparison`: every value, and after it the gain over the first result."""
    heads = ["", results[0].name]
    for other in results[1:]:
        heads += [other.name, "gain"]
    rows = []
    for label, base, *rest in comparison(results):
        cells = [label, units.number(base)]
        for value, gain in zip(rest[::2], rest[1::2], strict=True):
            cells += [units.number(value), "–" if gain is None else f"{gain:.3g}×"]
        rows.append(cells)
    (console or Console()).print(table("Comparison", heads, rows))


def show_verification(rows: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Print what `verify` found, layer by layer."""
    made = table("Packed crossbars against int64", ["layer", "windows", "mismatches", "clipped conversions",
                                                   "largest sum", "ADC bits"],
                 [(r["layer"], units.number(r["windows"]), units.number(r["mismatches"]), units.number(r["clips"]),
                   r["max_sum"], r["adc_bits"]) for r in rows])
    wrong = sum(1 for r in rows if r["mismatches"])
    verdict = f"{len(rows) - wrong} of {len(rows)} layers exact"
    (console or Console()).print(made, Text(verdict, style="bold red" if wrong else "bold green"))


def show_catalog(entries: dict[str, list[dict[str, str]]], console: Console | None = None) -> None:
    """Print what `list` names."""
    (console or Console()).print(Group(*(
        table(kind, ["name", "what", "source"], [(e["name"], e["summary"], e["source"]) for e in rows])
        for kind, rows in entries.items())))


def show_tree(tree: dict[str, Any], console: Console | None = None) -> None:
    """Print an architecture's components with counts, area and power."""
    (console or Console()).print(Group(
        table(tree["name"], ["level", "component", "count", "area mm²", "power mW", "action", "energy", "source"],
              [(r["level"], r["component"], r["count"], f"{r['area_mm2']:.5g}", f"{r['power_mw']:.5g}", r["action"],
                units.energy(r["energy_aj"]) if r["energy_aj"] else "", r["source"]) for r in tree["components"]]),
        table("Nameplate (every unit at full activity)", ["", "value"],
              [(k, f"{v:.5g}") for k, v in tree["nameplate"].items()])))
