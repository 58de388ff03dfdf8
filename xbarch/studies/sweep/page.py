"""The page of a sweep: its points to look through, and the tables that the command prints."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from xbarch.plugins import registry
from xbarch.render.document import Document
from xbarch.render.interactive.documents import document_page
from xbarch.render.interactive.explorer import Amount, Explorer, Place
from xbarch.render.interactive.pages import Page, Part
from xbarch.studies.runs.commands import command
from xbarch.studies.sweep.rows import Row, chosen
from xbarch.studies.sweep.sheet import AREA, EXACT, LARGER, LATENCY, SHARE, Swept, sections
from xbarch.studies.sweep.totals import ACCURACY, RUN, SPEED
from xbarch.support import numbers
from xbarch.support.defaults import SCOPES

MOST = 1_500  # points of a page, besides those on the front
_TITLES = {  # of figures, with the unit where the value does not show it
    SPEED: "images/s", LATENCY: "first image", AREA: "area used, mm²", ACCURACY: "accuracy on this machine",
    "latency.pipeline_interval_ps": "pipeline interval", "area.total_mm2": "area of the chip, mm²",
    "power.average_w": "average power, W", "mapping.crossbars": "crossbars",
    "mapping.one_copy_crossbars": "crossbars, one copy", "mapping.tiles": "tiles",
    "utilization.cells": "cells utilized", "utilization.crossbar_time": "crossbar time utilized",
    "utilization.adc_time": "ADC time utilized", "counts.conversions": "conversions",
    "correctness.clipped_share": "conversions clipped",
    **{f"energy.scopes_aj.{scope}": f"energy per image, scope {scope}" for scope in SCOPES},
    **{f"{kind}.tops_per_w_by_scope.{scope}": f"{title} TOPS/W, scope {scope}" for scope in SCOPES
       for kind, title in (("effective", "effective"), ("dense_equivalent", "dense-equivalent"))}}
_ENERGIES = {scope: f"energy.scopes_aj.{scope}" for scope in SCOPES}


def page(found: Swept) -> Page:
    """Return the page. Of a sweep with more than `MOST` points it has the front and every n-th of the others."""
    ran = found.totals.ran
    step = max(1, ceil(ran / MOST))
    rows = list(_chosen(found, step))
    text = ["Choose axes and filters; the front is that of the points that pass the filters: no other equals or "
            f"surpasses them in {'images per second' if found.rated else 'latency'}, energy per image in the chosen "
            f"scope{', accuracy' if found.totals.measured else ''} and area. A point, in the chart or the table, names "
            "the command that runs it again. Zoom with Ctrl and the wheel, move with the pointer."]
    if len(rows) < ran:
        text.append(f"These are {numbers.number(len(rows))} of {numbers.number(ran)} points that ran: the front and "
                    f"one in {numbers.number(step)} of the others; sweep.csv has all.")
    beside = document_page(Document(found.asked.title, "xbarch sweep", [], sections(found)))
    points = [Part("Points", text, explorer=_explorer(found, rows))] if rows else []
    return Page(found.asked.title, [*points, *beside.parts],
                notes=["Written by `xbarch sweep`."])


def _chosen(found: Swept, step: int) -> Iterable[Row]:
    """The rows of the front and every n-th of the others that ran."""
    front, ran = set(found.passed.front), (at for at, did in enumerate(found.passed.ran) if did)
    return chosen(found.rows, [at for number, at in enumerate(ran) if at in front or number % step == 0])


def _explorer(found: Swept, rows: list[Row]) -> Explorer:
    varied = [i for i in range(len(RUN)) if len(found.totals.runs[i]) > 1]
    amounts, files = _amounts(found, rows), [str(file) for file in registry.files()]
    places = [Place([*(row.point.run[i] for i in varied), *row.point.values],
                    [row.figures.get(amount.name) for amount in amounts],
                    None if EXACT not in row.figures else bool(row.figures[EXACT]), row.converters,
                    command(row.point.request, files), not found.leaves_out(row)) for row in rows]
    objectives = [SPEED if found.rated else LATENCY, "energy", AREA, *([ACCURACY] if found.totals.measured else [])]
    return Explorer([*(RUN[i] for i in varied), *found.changed], amounts, places, objectives, found.asked.scope,
                    "Points of the sweep; the table below has the same")


def _amounts(found: Swept, rows: list[Row]) -> list[Amount]:
    """Return the figures of a point: those that the front compares, then whatever else the sweep asks for."""
    share = all(row.figures.get(SHARE, True) for row in rows)
    larger = all(row.figures.get(LARGER, True) for row in rows)
    made = [*([Amount(SPEED, title_of(SPEED), "number", "more")] if found.rated else []),
            Amount(LATENCY, title_of(LATENCY), "time", "less"), Amount(AREA, title_of(AREA), "number", "less"),
            *([Amount(ACCURACY, title_of(ACCURACY), "share" if share else "number",
                      "more" if larger else "less")] if found.totals.measured else []),
            *(Amount(name, title_of(name), "energy", "less", scope)
              for scope, name in _ENERGIES.items())]
    known = {amount.name for amount in made} | {
        name for name in found.asked.figures if any(isinstance(row.figures.get(name), bool) for row in rows)}
    return made + [Amount(name, title_of(name), kind_of(name)) for name in found.asked.figures if name not in known]


def title_of(name: str) -> str:
    """Return what a figure is called: its path without the unit that its values carry, if it has no other name."""
    return _TITLES.get(name) or name.removesuffix("_ps").removesuffix("_aj")


def kind_of(name: str) -> str:
    """Return how a figure is shown, which its path says."""
    if name.startswith("utilization.") or name.endswith("_share"):
        return "share"
    return "energy" if "_aj" in name else "time" if name.endswith("_ps") else "number"

