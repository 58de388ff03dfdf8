"""What a finding about the field rests on: curves of accuracy, and runs of the networks that lie on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xbarch.errors import InputError
from xbarch.specs.load import load
from xbarch.specs.study import Study
from xbarch.studies.accuracy.rows import GRID, Measured, Reach, reach
from xbarch.studies.accuracy.rows import Row as Point
from xbarch.studies.accuracy.rows import rows as points
from xbarch.studies.comparison.rows import Row
from xbarch.studies.comparison.rows import rows as ran
from xbarch.studies.runs.bench import Progress
from xbarch.support import bundled

STUDY = "field"       # at about one ratio, on the large network
NETWORK = "vgg7"      # of the grid whose points make the curves
BUDGET = "crossbars:4"
LOSSES = (0.01, 0.02)  # of accuracy


@dataclass(frozen=True)
class Method:
    """A method of the grid. reaches: ratio of weights at each of `LOSSES`. runs: by loss, its trained point of the
    highest ratio within the loss, run under `BUDGET`; None where no point is. measured: of that point."""

    name: str
    points: int
    reaches: tuple[Reach, ...]
    runs: tuple[Row | None, ...]
    measured: tuple[Measured | None, ...]


@dataclass(frozen=True)
class Field:
    """methods: at equal loss, on the small network. curves: every trained point's run, dense ones too. large, asked:
    the study of the large network, and its rows."""

    methods: list[Method]
    curves: list[Row]
    large: list[Row]
    asked: Study
    small: Study


def measured(folder: Path | None = None, study: str | Path = STUDY, progress: Progress | None = None,
             store: Path | None = None, processes: int | None = None) -> Field:
    """Measure the points of the grid in `folder` and run them and the study; workloads that are not stored are left
    out. store, processes: as of a comparison.

    Raises:
        InputError: nothing is stored there; the study is refused.
    """
    home = bundled.folder("workloads") / GRID if folder is None else folder
    found = [p for p in points(home, progress) if p.network == NETWORK and p.measured is not None and not p.longer]
    if not found:
        raise InputError(f"found no stored workload {NETWORK}_METHOD_POINT, allowed after `xbarch compress {GRID}`",
                         file=home)
    asked = load(str(study), Study, kind="studies")
    asked = asked.model_copy(update={"workloads": [w for w in asked.workloads if _stored(w)]})
    small = asked.model_copy(update={"workloads": [str(home / p.name) for p in found], "policies": [BUDGET],
                                     "title": "Points at equal crossbars"})
    curves = ran(small, progress, store=store, processes=processes)
    runs = {Path(r.workload).name: r for r in curves}  # after the dense row of a workload comes its method's
    methods = [_method(name, [p for p in found if p.method == name], runs)
               for name in dict.fromkeys(p.method for p in found)]
    large = ran(asked, progress, store=store, processes=processes) if asked.workloads else []
    return Field(methods, curves, large, asked, small)


def _stored(name: str) -> bool:
    return (bundled.folder("workloads") / name).is_dir() or Path(name).is_dir()


def _method(name: str, found: Sequence[Point], runs: dict[str, Row]) -> Method:
    each = [p.measured for p in found if p.measured is not None]
    chosen = [within(found, loss) for loss in LOSSES]
    return Method(name, len(each), tuple(reach(each, loss, lambda m: m.ratio) for loss in LOSSES),
                  tuple(runs[p.name] if p else None for p in chosen), tuple(p.measured if p else None for p in chosen))


def within(found: Sequence[Point], loss: float) -> Point | None:
    """The point of the highest ratio whose change is no worse than the loss."""
    good = [p for p in found if p.measured is not None and p.measured.change >= -loss]
    return max(good, key=lambda p: p.measured.ratio if p.measured else 0, default=None)
