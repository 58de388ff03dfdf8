"""The page of a search: the points that were tried to look through, and the tables that the command prints."""

from __future__ import annotations

from xbarch.render.document import Document
from xbarch.render.interactive.documents import document_page
from xbarch.render.interactive.explorer import Amount, Explorer, Place
from xbarch.render.interactive.pages import Page, Part
from xbarch.studies.runs.axes import list_fields
from xbarch.studies.search.found import Found, sections
from xbarch.studies.sweep.page import kind_of, title_of
from xbarch.studies.sweep.sheet import EXACT
from xbarch.studies.sweep.totals import RUN

_BETTER = {"min": "less", "max": "more"}


def page(found: Found) -> Page:
    """Return the page."""
    text = ["Choose axes and filters; the front is that of the points that pass the filters and break no constraint: "
            "no other equals or surpasses them in every objective. A point, in the chart or the table, names the "
            "command that runs it again. Zoom with Ctrl and the wheel, move with the pointer."]
    beside = document_page(Document(found.asked.title, "xbarch search", [], sections(found)))
    ran = any(not each.why for each in found.points)
    points = [Part("Points", text, explorer=_explorer(found))] if ran else []
    return Page(found.asked.title, [*points, *beside.parts], notes=["Written by `xbarch search`."])


def _explorer(found: Found) -> Explorer:
    ran = [each for each in found.points if not each.why]
    varied = [i for i in range(len(RUN)) if len({each.point.run[i] for each in ran}) > 1]
    flags = {name for each in ran for name, value in each.figures.items() if isinstance(value, bool)}
    amounts = [Amount(name, title_of(name), kind_of(name), _BETTER.get(found.asked.objectives.get(name, ""), ""))
               for name in found.columns if name not in flags]
    places = [Place([*(each.point.run[i] for i in varied), *each.point.values, ", ".join(each.broken)],
                    [each.figures.get(amount.name) for amount in amounts],
                    None if EXACT not in each.figures else bool(each.figures[EXACT]), each.converters, each.command,
                    found.counts(each)) for each in ran]
    return Explorer([*(RUN[i] for i in varied), *list_fields(found.asked.axes), "breaks"], amounts, places,
                    list(found.asked.objectives), "", "Points that were tried; the table below has the same")
