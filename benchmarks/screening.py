"""How many points of a grid are run where screening finds its front (`xbarch sweep --screen`), and what that takes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import Goal, goals, number, table
from benchmarks.spent import cpu
from benchmarks.sweeps import QUICK, SMALL, STUDY, VARIED
from xbarch.machine import kept
from xbarch.specs.load import document
from xbarch.specs.sweep import Sweep
from xbarch.studies.sweep import Swept, sweep

TITLE = "Screening"
TOGETHER = (1, 10, 100)  # points that run at a time
MIXED = {"crossbar.adc_bits": [5, 6, 7, 8], **VARIED["buffers"], "hierarchy.tiles": [120, 168]}


def measure(asked: Any, say: Any) -> dict[str, Any]:
    whole = document(STUDY, kind="studies").data
    grids = {"small": {**whole, **QUICK}} if asked.quick else {
        f"{STUDY}.yaml": whole, "vgg7_pruned": {**SMALL, "images": 2, "workloads": ["vgg7_pruned"], "axes": MIXED}}
    rows = []
    for name, grid in grids.items():
        with TemporaryDirectory() as folder:
            rows.append(_row(name, Sweep.model_validate(grid), Path(folder), say))
    return {"rows": rows}


def _row(name: str, grid: Sweep, folder: Path, say: Any) -> dict[str, Any]:
    """A grid in full and screened, each in a folder of its own; packings are kept from the first sweep on, which is not
    timed."""
    def timed(out: str, screen: int | None = None) -> tuple[float, Swept]:
        say(f"{name}: {'all points' if screen is None else f'screened, {screen} at a time'}")
        for each in (kept.plans, kept.machines, kept.shapes, kept.graphs, kept.runs):
            each.clear()
        return cpu(lambda: sweep(grid, folder / out, processes=1, screen=screen))

    timed("packed", max(TOGETHER))
    spent, full = timed("full")
    front = [(row.name, dict(row.figures)) for row in full.front()]
    found: dict[str, Any] = {"grid": name, "points": len(full.rows), "ran": full.totals.ran, "front": len(front),
                             "candidates": full.totals.ran - full.totals.left_out, "cpu_s": spent, "screened": {}}
    for most in TOGETHER:
        spent, some = timed(f"by_{most}", most)
        if [(row.name, dict(row.figures)) for row in some.front()] != front:
            raise RuntimeError(f"{name}: screening, {most} at a time, found another front")
        found["screened"][most] = {"ran": some.totals.ran, "cpu_s": spent}
    return found


def lines(found: dict[str, Any]) -> list[str]:
    rows = found["rows"]
    together = list(rows[0]["screened"])
    return [
        "Grids run in full and by `--screen N` in one process; the fronts were equal in every figure. *Candidates* are",
        "exact points, which alone may be on the front. CPU time includes the bounds of all points.",
        *table(["grid", "points", "that can run", "candidates", "on the front", "CPU s",
                *(text for most in together for text in (f"{most} at a time: points run", "CPU s"))], [
            [row["grid"], f"{row['points']:,}", f"{row['ran']:,}", f"{row['candidates']:,}", row["front"],
             number(row["cpu_s"]),
             *(each for most in together for each in (row["screened"][most]["ran"],
                                                      number(row["screened"][most]["cpu_s"])))] for row in rows]),
        *goals([Goal(f"{row['grid']}: points run, one at a time", row["screened"][together[0]]["ran"] / row["points"],
                     0.1, "of all") for row in rows])]
