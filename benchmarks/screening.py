"""How many points of a grid are run where screening finds its front (`xbarch sweep --screen`), what that takes, and how
long a grid that no one would run in full takes to rank."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.page import Goal, goals, number, table
from benchmarks.points import SMALL, VARIED
from benchmarks.spent import cpu
from benchmarks.sweeps import QUICK, STUDY
from xbarch.machine import kept
from xbarch.specs.load import document
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.bench import STORE, Bench
from xbarch.studies.sweep import Points, sweep
from xbarch.studies.sweep.front import Front
from xbarch.studies.sweep.prices import Families
from xbarch.studies.sweep.screen import Screen, Values, ordered, run_candidates
from xbarch.studies.sweep.sheet import table_figures

TITLE = "Screening"
TOGETHER = (1, 10, 100)  # points that run at a time
MIXED = {"crossbar.adc_bits": [5, 6, 7, 8], **VARIED["buffers"], "hierarchy.tiles": [120, 168]}
DESIGNED = {"adc": (2, 0.0096), "edram": (20.7, 0.083), "router": (42, 0.151), "crossbar": (2.4, 0.0002)}  # mW, mm^2
SIZES = {"buffer.size": ["64 KB", "96 KB", "48 KB", "80 KB", "128 KB"], "hierarchy.tiles": [168, 120, 96, 144, 192]}
RANK = 60.0  # most CPU seconds to rank the largest grid
AT_ONCE = 10  # points of it that run at a time


def designs(sizes: int, each: int) -> dict[str, Any]:
    """Axes: 4 resolutions of converters, so many sizes of buffers and of chips, and `each` designs of four components,
    of which one that takes less power takes more area."""
    axes: dict[str, Any] = {"crossbar.adc_bits": [5, 6, 7, 8], **{name: some[:sizes] for name, some in SIZES.items()}}
    for name, (power, area) in DESIGNED.items():
        factors = 2 ** np.linspace(-1, 1, each)
        axes[f"components.{name}.power, components.{name}.area"] = [
            [f"{power * factor:.4g} mW", f"{area / factor:.4g} mm^2"] for factor in factors]
    return {**SMALL, "images": 2, "policies": ["fit"], "workloads": ["vgg7_pruned"], "axes": axes}


def measure(asked: Any, say: Any) -> dict[str, Any]:
    whole = document(STUDY, kind="studies").data
    grids = {"small": {**whole, **QUICK}} if asked.quick else {
        "vgg7_pruned": {**SMALL, "images": 2, "workloads": ["vgg7_pruned"], "axes": MIXED},
        "designs of components": designs(2, 5), f"{STUDY}.yaml": whole}
    rows = []
    for name, grid in grids.items():
        there = asked.swept if name.startswith(STUDY) else None
        with TemporaryDirectory() if there is None else nullcontext(there) as folder:
            row = _row(name, Sweep.model_validate(grid), Path(folder), say)
        rows.append(row if there is None else {**row, "ran_s": None, "bound_s": None})  # answers were there
    return {"rows": rows, "large": _large(designs(1, 2) if asked.quick else designs(5, 10), say)}


def _large(study: dict[str, Any], say: Any) -> dict[str, Any]:
    """CPU seconds to rank a grid in this process, packed before, and to screen it to the end."""
    grid = Sweep.model_validate(study)
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / STORE, 1, wanted=tuple(table_figures(grid)))
        bench.answer(Points(grid)[0].request)
        every = Points(grid, bench.contents)
        say(f"{len(every):,} points: their bounds")
        screen = Screen(grid, every, bench, Path(folder) / STORE, AT_ONCE, [])
        rank_s, ranked = cpu(lambda: ordered(screen.bounds()))
        say(f"{len(every):,} points: those that run, and the table")
        rest_s, found = cpu(lambda: sweep(grid, folder, processes=1, screen=AT_ONCE))
    return {"points": len(every), "bounded": Families(every).stars.size, "candidates": len(ranked), "rank_s": rank_s,
            "rest_s": rest_s, "ran": found.totals.ran, "front": len(found.passed.front)}


def _row(name: str, grid: Sweep, folder: Path, say: Any) -> dict[str, Any]:
    """A grid run in full, and bounded; then the points that screening runs, by what is known of all."""
    say(f"{name}: all points")
    ran_s, full = cpu(lambda: sweep(grid, folder, processes=1))
    say(f"{name}: their bounds")
    for each in (kept.plans, kept.machines, kept.shapes, kept.graphs, kept.runs):
        each.clear()
    bench = Bench(folder / STORE, 1, wanted=tuple(table_figures(grid)))
    every = Points(grid, bench.contents)
    bound_s, bounds = cpu(Screen(grid, every, bench, folder / STORE, 1, []).bounds)
    rows = list(full.rows)
    may = {place: np.array(full.objectives(row, full.rated)) for place, row in enumerate(rows)
           if not row.why and not full.leaves_out(row)}
    return {"grid": name, "points": len(rows), "ran": full.totals.ran, "candidates": len(may),
            "front": len(full.front()), "ran_s": ran_s, "bound_s": bound_s,
            "screened": {most: _screened(bounds, may, most, full.passed.front) for most in TOGETHER}}


def _screened(bounds: Values, may: dict[int, Values], most: int, front: list[int]) -> int:
    """How many points run where `most` run at a time.

    Raises:
        RuntimeError: the front of those is another.
    """
    ran, found = list[int](), Front[int]()

    def run(numbers: list[int], left: int) -> Any:
        ran.extend(numbers)
        return [(each, may[each]) for each in numbers if each in may]

    run_candidates(bounds, most, run)
    for each in sorted(ran):
        if each in may:
            found.add(each, tuple(may[each]))
    if found.found() != front:
        raise RuntimeError(f"screening, {most} at a time, finds another front")
    return len(ran)


def lines(found: dict[str, Any]) -> list[str]:
    rows = found["rows"]
    together = list(rows[0]["screened"])
    return [
        "Grids run in full, and which of their points `--screen N` runs; the front of those is that of all, in",
        "every figure. Points without bounds run too, such as one that does not fit, for all that differ from it",
        "in prices alone; *candidates* are exact points, which alone may be on the front. CPU time in one process:",
        "*all*, to pack and run every point; *bounds*, to know the bounds of every point, packed before; not",
        "measured where answers were there (`--swept`).",
        *table(["grid", "points", "that can run", "candidates", "on the front", "all, CPU s", "bounds, CPU s",
                *(f"run, {most} at a time" for most in together)], [
            [row["grid"], f"{row['points']:,}", f"{row['ran']:,}", f"{row['candidates']:,}", row["front"],
             *("–" if row[key] is None else number(row[key]) for key in ("ran_s", "bound_s")),
             *(f"{row['screened'][most]:,}" for most in together)]
            for row in rows]),
        *_of_large(found["large"])]


def _of_large(found: dict[str, Any]) -> list[str]:
    return [
        f"A grid of {found['points']:,} points, *designs of components* with more of everything, of which",
        f"{found['bounded']:,} are bounded: the others' bounds follow from theirs. CPU time in one process, packed",
        "before: *rank*, until all points are in the order in which they would run; *rest*, to run what can be on the",
        f"front, {AT_ONCE} at a time, and to write a table with a line for every point.",
        *table(["points", "bounded", "candidates", "rank, CPU s", "run", "on the front", "rest, CPU s"], [
            [f"{found[key]:,}" if isinstance(found[key], int) else number(found[key])
             for key in ("points", "bounded", "candidates", "rank_s", "ran", "front", "rest_s")]], 0),
        *goals([Goal(f"rank {found['points']:,} points", found["rank_s"], RANK, "CPU s")])]
