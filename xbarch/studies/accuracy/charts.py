"""The charts of the accuracy report's page. What is picked is a method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xbarch.kept.measured import Measured
from xbarch.render.interactive.charts import ZOOM, points
from xbarch.render.interactive.pages import Chart
from xbarch.studies.accuracy.axes import ACROSS, SAID
from xbarch.studies.accuracy.rows import Row
from xbarch.studies.drawn import ends

_TIPS = {"key": "method", "point": "point", "told": "change in accuracy, points", "across": "gain, ×"}


def draw(rows: Sequence[Row]) -> list[Chart]:
    """Return for each network the change in accuracy (points) with its 95 % interval against compression ratio and
    crossbar saving."""
    return [_chart(network, [r for r in rows if r.network == network], *axis)
            for network in dict.fromkeys(r.network for r in rows if r.measured) for axis in ACROSS]


def _chart(network: str, rows: Sequence[Row], title: str, across: Callable[[Measured], float]) -> Chart:
    values: list[dict[str, Any]] = [{
        "key": r.title, "point": r.point, "across": across(m), "change": 100 * m.change, "low": 100 * m.change_low,
        "high": 100 * m.change_high,
        "told": f"{100 * m.change:+.2f} ({100 * m.change_low:+.2f} to {100 * m.change_high:+.2f})"}
        for r in rows if (m := r.measured) is not None]
    return Chart(points(values, ("across", f"{title}, ×"), ("change", "change in accuracy, points"), "key", _TIPS,
                        (True, False), ("low", "high"), ends([v["change"] for v in values])),
                 f"{network}: change in accuracy with its 95 % interval against {title}. {SAID} {ZOOM}")
