"""The data behind the field report: accuracy curves of the methods, and runs of the networks on these curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xbarch.errors import InputError
from xbarch.kept.measured import Measured
from xbarch.kept.rows import FILE
from xbarch.specs.load import load
from xbarch.specs.study import Study
from xbarch.studies.accuracy.rows import GRID, Reach, method_title, reach
from xbarch.studies.accuracy.rows import Row as Point
from xbarch.studies.accuracy.rows import rows as points
from xbarch.studies.accuracy.seeds import averaged
from xbarch.studies.comparison.rows import Row
from xbarch.studies.comparison.rows import rows as compare
from xbarch.studies.field.evidence import Evidence, gather
from xbarch.support import bundled
from xbarch.support.defaults import Scope
from xbarch.support.progress import Progress

STUDY = "field"       # the large network, at about one compression ratio
LARGE = "VGG-16"      # its name in `reports/ranks.py`
SEEDS = "seeds"       # the grid whose points have several seeds
NETWORK = "vgg7"      # the network of the grid whose points make the curves
BUDGET = "crossbars:4"
LOSSES = (0.01, 0.02)  # of accuracy


@dataclass(frozen=True)
class Method:
    """A method of the grid."""

    name: str
    """As in the names of its recipes."""
    points: int
    """How many points were trained."""
    reaches: tuple[Reach, ...]
    """Compression ratio at each loss of `LOSSES`."""
    runs: tuple[Row | None, ...]
    """For each loss, the run under `BUDGET` of its trained point with the highest ratio within the loss, if any."""
    measured: tuple[Measured | None, ...]
    """What these points keep, and their accuracy."""

    @property
    def title(self) -> str:
        """The name in print."""
        return method_title(self.name)


@dataclass(frozen=True)
class Field:
    """All methods on both networks."""

    methods: list[Method]
    """At equal loss, on the small network."""
    curves: list[Row]
    """Runs of every trained point of the small network, and of dense."""
    large: list[Row]
    """Runs of the large network."""
    asked: Study
    """The study of the large network."""
    small: Study
    """The study of the small network."""
    points: list[Point]
    """The trained points of the small network."""
    seeds: list[Point]
    """Means over the seeds of the grid that has some, of the same kind of network."""
    evidence: Evidence
    """What other reports measured of the same networks."""


def run(folder: Path | None = None, study: str | Path = STUDY, progress: Progress | None = None,
        *, store: Path | None = None, processes: int | None = None, scope: Scope | None = None,
        periphery: str | None = None, beside: Path | None = None) -> Field:
    """Measure the grid's points in `folder`, run them and the study. Workloads that are not stored are left out.

    store: file that keeps the answers. processes: worker processes; None: one per CPU. scope: of energies;
    periphery: of machines; both instead of the study's. beside: folder of the reports on devices and peripheries.

    Raises:
        InputError: no workload is stored there, or the study is refused.
    """
    home = bundled.folder("workloads") / GRID if folder is None else folder
    found = [p for p in points(home, progress) if p.network == NETWORK and p.measured is not None and not p.longer]
    if not found:
        raise InputError(f"no workload {NETWORK}_METHOD_POINT is stored here; `xbarch compress {GRID}` trains them",
                         file=home)
    asked = load(str(study), Study, kind="studies")
    asked = asked.model_copy(update={"workloads": [w for w in asked.workloads if _stored(w)],
                                     "scope": asked.scope if scope is None else scope,
                                     "periphery": asked.periphery if periphery is None else periphery})
    small = asked.model_copy(update={"workloads": [str(home / p.name) for p in found], "policies": [BUDGET],
                                     "title": "Points at equal crossbars"})
    curves = compare(small, progress, store=store, processes=processes)
    runs = {Path(r.workload).name: r for r in curves}  # a workload's dense row comes first, so its method's row stays
    methods = [_method(name, [p for p in found if p.method == name], runs)
               for name in dict.fromkeys(p.method for p in found)]
    large = compare(asked, progress, store=store, processes=processes) if asked.workloads else []
    several = bundled.folder("workloads") / SEEDS
    seeds = [r for r in averaged(points(several)) if r.network == NETWORK] if (several / FILE).is_file() else []
    return Field(methods, curves, large, asked, small, found, seeds,
                 gather(beside, LARGE) if beside is not None else Evidence())


def _stored(name: str) -> bool:
    return (bundled.folder("workloads") / name).is_dir() or Path(name).is_dir()


def _method(name: str, found: Sequence[Point], runs: dict[str, Row]) -> Method:
    each = [p.measured for p in found if p.measured is not None]
    chosen = [best_within(found, loss) for loss in LOSSES]
    return Method(name, len(each), tuple(reach(each, loss, lambda m: m.ratio) for loss in LOSSES),
                  tuple(runs[p.name] if p else None for p in chosen), tuple(p.measured if p else None for p in chosen))


def best_within(found: Sequence[Point], loss: float) -> Point | None:
    """Return the point with the highest compression ratio whose accuracy falls by no more than the loss."""
    good = [p for p in found if p.measured is not None and p.measured.change >= -loss]
    return max(good, key=lambda p: p.measured.ratio if p.measured else 0, default=None)
