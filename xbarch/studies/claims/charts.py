"""The chart of the claims report's page: published and simulated gains."""

from __future__ import annotations

from collections.abc import Sequence

from xbarch.render.interactive.charts import ZOOM, forest
from xbarch.render.interactive.pages import Chart
from xbarch.studies.claims.figures import number
from xbarch.studies.claims.picture import lines
from xbarch.studies.claims.rows import Row

_PUBLISHED = "published"


def draw(rows: Sequence[Row]) -> Chart:
    """Return the chart: in a row the published gain, and for each base the simulated gain by which the claim is judged,
    with all gains that were simulated in the same scope."""
    values = []
    for (paper, figure, workload), group in lines(rows).items():
        row = {"row": f"{paper}: {figure}, {workload}"}
        for published in dict.fromkeys(r.published for r in group if r.published):
            values.append({**row, **_gains(published, published, published), "series": _PUBLISHED})
        for base in dict.fromkeys(r.base for r in group):
            found = [r.simulated for r in group if r.base == base and r.simulated]
            values.append({**row, **_gains(found[0], min(found), max(found)), "series": f"simulated, base {base}"})
    return Chart(forest(values, "row", "gain", ("low", "high"), "series",
                        "gain over the base, ×", {"row": "claim", "series": "gain", "told": "×"}, unity=True),
                 f"Published and simulated gains. {ZOOM}")


def _gains(gain: float, low: float, high: float) -> dict[str, float | str]:
    span = "" if low == high else f" ({number(low)} to {number(high)})"
    return {"gain": gain, "low": low, "high": high, "told": f"{number(gain)}{span}"}
