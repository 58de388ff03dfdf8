"""What running many points costs beside the points themselves: a sweep whose answers are ready-made.

    python -m benchmarks.ready POINTS OUT.json

measures one size in a process of its own, since memory that was once taken does not come back.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import Goal, goals, number, table
from benchmarks.spent import xbarch
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs import batch
from xbarch.studies.runs.answer import Answer, names_of
from xbarch.studies.runs.bench import AHEAD, STORE
from xbarch.studies.runs.store import Store
from xbarch.studies.sweep import sweep
from xbarch.studies.sweep.rows import BYTES
from xbarch.studies.sweep.sheet import EXACT, table_figures

TITLE = "Many points"
SIZES, QUICK = (10_000, 100_000, 1_000_000), (1_000, 2_000)
STUDY = {"kind": "sweep", "architectures": ["isaac_like"], "workloads": ["vgg7_pruned"],
         "policies": ["one_copy", "fit", "crossbars:1", "crossbars:2"]}
GOALS = {100_000: (20, 300, 5), 1_000_000: (300, 300, 60)}  # points: CPU s, MB, s to go on with a finished one
MOST = 1_000  # bytes a point in the store
_KINDS = 997  # different answers


def measure(asked: Any, say: Any) -> dict[str, Any]:
    rows = []
    with TemporaryDirectory() as folder:
        for size in QUICK if asked.quick else SIZES:
            say(f"{size:,} points")
            out = Path(folder) / "one.json"
            cost = xbarch(str(size), out, module="benchmarks.ready")
            rows.append({"points": size, "peak_mb": cost.peak_mb, **json.loads(out.read_text())})
    return {"rows": rows}


def one(size: int) -> dict[str, float]:
    """CPU and wall seconds of a sweep of so many points, of the same again, and of one that was killed when all was
    answered; and the bytes of its store."""
    axes = {"buffer.size": [f"{48 + i} KB" for i in range(25)], "network.queue": list(range(64, 64 + size // 100))}
    asked = Sweep.model_validate({**STUDY, "axes": axes})
    answers = made(asked)
    batch.answer = lambda request, contents=None, wanted=None: next(answers)
    found = {}
    with TemporaryDirectory() as folder:
        for name in ("first", "again", "resumed"):
            if name == "resumed":  # all answers are there, as after a kill before the end
                unfinish(Path(folder, STORE))
            cpu, wall = time.process_time(), time.monotonic()
            swept = sweep(asked, folder, processes=1)
            assert len(swept.rows) == size
            found |= {f"{name}_cpu_s": time.process_time() - cpu, f"{name}_wall_s": time.monotonic() - wall}
        found["store_b"] = Path(folder, STORE).stat().st_size / size
    return found


def unfinish(path: Path) -> None:
    """Leave the store of a finished sweep as a kill leaves it when all points have answers: their names are noted."""
    with Store(path) as store:
        (name, names), = store.base.execute("SELECT name, answers FROM finished").fetchall()
        store.base.execute("DELETE FROM finished")
        each = [names[at:at + BYTES].hex() for at in range(0, len(names), BYTES)]
        for at in range(0, len(each), AHEAD):
            store.note(name, at, each[at:at + AHEAD])


def made(asked: Sweep) -> Any:
    """Answers of as many figures as a run has, over and over."""
    names = names_of(tuple(table_figures(asked)))
    some = [Answer.of_values([True if name == EXACT else None if name.startswith("accuracy")
                              else (10**9 + 7919 * number * place) % 10**12 for place, name in enumerate(names[:-1])],
                             "exact", names) for number in range(1, _KINDS)]
    while True:
        yield from some


def lines(found: dict[str, Any]) -> list[str]:
    rows = found["rows"]
    text = ["A sweep of VGG-7 in one process whose runs take no time, since their answers are ready-made: naming",
            "points, looking them up, storing answers, table, front and page. *Again*: the same call when it has",
            "finished; *resumed*: when all answers are there, but it was killed before it wrote the table. Memory is",
            "the most that the process held, imports and all.",
            *table(["points", "CPU s", "wall s", "ms a point", "again, CPU s", "resumed, CPU s", "MB",
                    "bytes a point in the store"], [
                [f"{row['points']:,}", number(row["first_cpu_s"]), number(row["first_wall_s"]),
                 number(1000 * row["first_cpu_s"] / row["points"]), number(row["again_cpu_s"]),
                 number(row["resumed_cpu_s"]), number(row["peak_mb"]), number(row["store_b"])] for row in rows])]
    kept = []
    for row in rows:
        if row["points"] in GOALS:
            spent, memory, again = GOALS[row["points"]]
            size = f"{row['points']:,} points"
            kept += [Goal(f"{size}: CPU", row["first_cpu_s"], spent, "s"),
                     Goal(f"{size}: memory", row["peak_mb"], memory, "MB"),
                     Goal(f"{size}: again", row["again_cpu_s"], again, "s"),
                     Goal(f"{size}: resumed", row["resumed_cpu_s"], again, "s"),
                     Goal(f"{size}: store", row["store_b"], MOST, "bytes a point")]
    return [*text, *(goals(kept) if kept else [])]


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(one(int(sys.argv[1]))), encoding="utf-8")
