"""The charts of the field report's page. What is picked is a method."""

from __future__ import annotations

from math import isfinite

from xbarch.render.interactive.charts import forest
from xbarch.render.interactive.pages import Chart
from xbarch.studies.accuracy.pages import format_reach
from xbarch.studies.comparison import charts as comparison
from xbarch.studies.comparison.rows import Row
from xbarch.studies.field.rows import LOSSES, Field
from xbarch.support import numbers


def method(row: Row) -> str:
    """Return what is picked with a run: its data path as in tables."""
    return row.method


def draw(found: Field) -> dict[str, list[Chart]]:
    """Return the charts by the name of the picture that shows the same."""
    curves = comparison.draw(found.curves, method)
    large = comparison.draw([r for r in found.large if r.policy == found.asked.policies[-1]], method)
    return {"reach": [_reach(found)], **{name: chart for name, chart in curves.items() if name != "energy"},
            **{f"large_{name}": charts for name, charts in large.items()}}


def _reach(found: Field) -> Chart:
    values = [{
        "key": each.title, "loss": f"{numbers.count(round(100 * loss), 'point')} lost", "told": format_reach(reach),
        **{name: value if isfinite(value) and value > 0 else reach.most
           for name, value in (("ratio", reach.ratio), ("low", reach.low), ("high", reach.high))}}
        for each in found.methods for loss, reach in zip(LOSSES, each.reaches, strict=True)]
    return Chart(forest(values, "key", "ratio", ("low", "high"), "loss", "compression ratio, ×", {
        "key": "method", "loss": "loss", "told": "compression ratio"}),
        "Compression ratio of each method at equal loss of accuracy, with its 95 % interval; values beyond the trained "
        "range stand at its end", full=True)
