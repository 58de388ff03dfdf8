"""How much of a grid's front a search finds, and with how few simulations: `studies/resnet18_search.yaml` against all
1,008 points of `studies/resnet18_sweep.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import Goal, goals, table
from benchmarks.spent import cpu
from xbarch.specs.load import document
from xbarch.specs.search import Search
from xbarch.specs.sweep import Sweep
from xbarch.studies.search import search
from xbarch.studies.search.volume import Values, volume
from xbarch.studies.sweep import sweep

TITLE = "Searches"
GRID, STUDY = "resnet18_sweep", "resnet18_search"
SAMPLERS, SEEDS = ("model", "tpe", "nsga2", "random"), range(10, 15)  # `model` was made with seeds 0 to 8
GOAL, TRIALS = 0.98, 150  # share of the hypervolume, in so many simulations
QUICK = {"workloads": ["resnet18_pruned"], "axes": {"crossbar.rows, crossbar.columns": [64, 128],
                                                    "crossbar.adc_bits": [6, 7, 8]}}


def measure(asked: Any, say: Any) -> dict[str, Any]:
    part = QUICK if asked.quick else {}
    trials = 12 if asked.quick else TRIALS
    with TemporaryDirectory() if asked.swept is None else nullcontext(asked.swept) as folder:
        say("the whole grid")
        grid = Sweep.model_validate({**document(GRID, kind="studies").data, **part})
        swept = sweep(grid, folder)
        study = {**document(STUDY, kind="studies").data, **part, "trials": trials}
        space = Search.model_validate(study)
        exact = [row for row in swept.rows if not row.why and row.figures["correctness.exact"]]
        every = [values(space, row.figures) for row in exact]
        rows = []
        with TemporaryDirectory() as storages:
            for sampler in SAMPLERS:
                for seed in (0,) if asked.quick else SEEDS:
                    say(f"{sampler}, seed {seed}")
                    one = Search.model_validate({**study, "sampler": sampler, "seed": seed})
                    spent, found = cpu(lambda one=one, seed=seed: search(
                        one, folder, storage=str(Path(storages) / f"{one.sampler}{seed}"), processes=1))
                    shares = progress(every, [values(one, t.figures) if found.counts(t) else None
                                              for t in found.points])
                    reached = next((n for n, share in enumerate(shares, 1) if share >= GOAL), None)
                    rows.append({"sampler": sampler, "seed": seed, "share": shares[-1], "reached": reached,
                                 "cpu_s": spent})
    return {"points": len(swept.rows), "exact": len(exact), "front": len(swept.front()), "trials": trials, "rows": rows}


def values(asked: Search, figures: Any) -> Values:
    """Return the objectives, less is better."""
    return tuple(figures[name] * (1 if way == "min" else -1) for name, way in asked.objectives.items())


def progress(every: Sequence[Values], tried: Sequence[Values | None]) -> list[float]:
    """Return the share of the hypervolume of all points that the tried ones have after each of them. The reference is
    the worst value of each objective among all, the scale from there to the best one. None: no candidate."""
    low, high = ([pick(axis) for axis in zip(*every, strict=True)] for pick in (min, max))

    def scaled(point: Values) -> Values:
        return tuple((v - a) / ((b - a) or 1) for v, a, b in zip(point, low, high, strict=True))

    whole, found, shares = volume(map(scaled, every)), list[Values](), list[float]()
    for point in tried:
        if point is not None:
            found.append(scaled(point))
        shares.append(volume(found) / whole if point is not None or not shares else shares[-1])
    return shares


def lines(found: dict[str, Any]) -> list[str]:
    rows, trials = found["rows"], found["trials"]
    best, seeds = [row for row in rows if row["sampler"] == SAMPLERS[0]], sorted({row["seed"] for row in rows})

    def text(sampler: str, key: str) -> list[str]:
        kept = [row[key] for row in rows if row["sampler"] == sampler]
        return ["not" if each is None else f"{each:.1%}" if key == "share" else f"{each:.3g}" for each in kept]

    return [
        f"`studies/{STUDY}.yaml` tries {trials} of the {found['points']:,} points of `studies/{GRID}.yaml`, of which",
        f"{found['exact']:,} are exact. Share of the hypervolume of all exact points that a search has in the end",
        "(images per second, energy, area; between each one's best and worst value), and simulations until",
        f"{GOAL:.0%}, for each of the seeds {seeds[0]} to {seeds[-1]}; CPU time is the optimizer's alone, as all",
        "answers were there. The sampler `model` was made while looking at this grid, with seeds 0 to 8.",
        *table(["sampler", f"hypervolume after {trials}", f"simulations to {GOAL:.0%}", "CPU s"], [
            [sampler, *(", ".join(text(sampler, key)) for key in ("share", "reached", "cpu_s"))]
            for sampler in SAMPLERS if text(sampler, "share")]),
        *goals([Goal(f"`{SAMPLERS[0]}`: least share of the hypervolume", min(row["share"] for row in best), GOAL, "",
                     least=True)])]
