"""Ratios and hardware gains at equal loss of accuracy, which no recipe sets.

A curve over a method's trained points says at which ratio it loses so much; the hardware is that of a network trained
at this ratio (`xbarch.studies.accuracy.equal`), whose own loss is measured in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path

from xbarch.errors import CapacityError
from xbarch.kept.facts import read_facts
from xbarch.kept.measured import Measured, machine_for, measure
from xbarch.kept.rows import read
from xbarch.request import Request
from xbarch.result import words
from xbarch.studies.accuracy.equal import LOSSES, point_name
from xbarch.studies.accuracy.rows import LONGER, Reach, Row, named, reach, rows
from xbarch.studies.accuracy.seeds import averaged
from xbarch.studies.claims.desk import Desk
from xbarch.support.progress import Progress
from xbarch.workload.store import MANIFEST

GRIDS = ("digit_pairs", "seeds")  # of one seed and 10,000 test images; of up to five seeds
TRAINED = "seeds_equal"           # a network for each method and loss
NETWORK = "vgg7"
METHODS = ("meng", "huai", "segprune", "xue", "forms", "hybrid_p")
RIVALS = (("segprune", "hybrid_p", 14.6), ("segprune", "forms", 3.6))  # the first over the second, as published


@dataclass(frozen=True)
class At:
    """The compression ratio of a method at a loss, on one grid."""

    method: str
    loss: float
    grid: str
    reach: Reach


@dataclass(frozen=True)
class Quotient:
    """The compression ratio of a method over another's at a loss, on one grid."""

    method: str
    over: str
    published: float
    """Of the abstract, at unequal loss."""
    loss: float
    grid: str
    ratio: float | None
    """None: one of the curves does not lose so much."""
    low: float
    """The lower end of the one over the upper end of the other, so wider than a 95 % interval; 0: no bound."""
    high: float
    """The upper end of the one over the lower end of the other; inf: no bound."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A network that was trained for a loss, over the dense one that trained as long."""

    method: str
    loss: float
    """That it was trained for."""
    measured: Measured
    """Means over the seeds; its change is against the dense network of the same seed."""
    seeds: int
    energy: float
    """Per image, scope compute, policy fit."""
    crossbars: float
    """Of one copy of each layer."""
    speed: float | None
    """Policy crossbars:2, balanced periphery; None: one copy of the pruned network takes more crossbars."""
    bound_by: str
    """What binds the two runs that the speed is of; empty where there is none."""


@dataclass(frozen=True)
class Equal:
    """Everything at equal loss."""

    ratios: Sequence[At]
    quotients: Sequence[Quotient]
    gains: Sequence[Gain]


def at_equal_loss(desk: Desk, progress: Progress | None = None) -> Equal:
    """Return ratios, their quotients and gains of what is stored in the desk's folder."""
    found = [At(method, loss, grid, reach(points, loss, lambda m: m.ratio))
             for grid in GRIDS for method, points in _curves(desk.folder / grid).items() for loss in LOSSES]
    return Equal(found, quotients(found), _gains(desk, progress))


def quotients(found: Sequence[At]) -> list[Quotient]:
    """Return the quotients of the rivals' ratios on every grid that has both."""
    by_place = {(a.grid, a.loss, a.method): a.reach for a in found}
    made = []
    for method, over, published in RIVALS:
        for grid, loss in dict.fromkeys((a.grid, a.loss) for a in found):
            one, other = (by_place.get((grid, loss, name)) for name in (method, over))
            if one is not None and other is not None:
                ratio = one.ratio / other.ratio if isfinite(one.ratio) and isfinite(other.ratio) else None
                low = one.low / other.high if isfinite(one.low) and isfinite(other.high) else 0.0
                high = one.high / other.low if isfinite(other.low) else inf
                made.append(Quotient(method, over, published, loss, grid, ratio, low, high))
    return made


def _curves(folder: Path) -> dict[str, list[Measured]]:
    """Return the trained points of each method; of a grid with seeds, means over them."""
    found = _rows(folder)
    shown = averaged(found) if any(r.seed is not None for r in found) else found
    return {method: points for method in METHODS
            if (points := [r.measured for r in shown if r.method == method and r.measured is not None])}


def _rows(folder: Path) -> list[Row]:
    """Return the points that are needed here, alone: to measure a network is to pack it."""
    if not folder.is_dir():
        return []
    if read(folder):
        return [r for r in rows(folder) if r.network == NETWORK]
    found = []
    for place in sorted(folder.glob(f"{NETWORK}_*/{MANIFEST}")):
        parts = named(place.parent.name)
        if parts is not None and parts[1] in METHODS:
            found.append(Row(*parts[:3], measure(place.parent), parts[3]))
    return found


def _gains(desk: Desk, progress: Progress | None) -> list[Gain]:
    shown = {(r.method, r.point): r for r in averaged(_rows(desk.folder / TRAINED))}
    seed = next((parts[3] for place in sorted((desk.folder / TRAINED).glob(f"{NETWORK}_{LONGER}_s*"))
                 if (parts := named(place.name)) is not None), None)
    wanted = [(method, loss, r) for method in METHODS for loss in LOSSES
              if (r := shown.get((method, point_name(loss)))) is not None]
    dense = f"{TRAINED}/{NETWORK}_{LONGER}_s{seed}"
    runs = {(method, loss): _runs(desk, dense, f"{TRAINED}/{NETWORK}_{method}_{point_name(loss)}_s{seed}")
            for method, loss, _ in wanted}
    runs = {key: asked for key, asked in runs.items() if asked}
    desk.run((request for asked in runs.values() for request in asked), progress)
    return [_gain(desk, method, loss, r, runs[method, loss]) for method, loss, r in wanted if (method, loss) in runs]


def _runs(desk: Desk, dense: str, name: str) -> list[Request]:
    """Return the runs behind a gain: dense and pruned for energy, then for speed; none if one is not stored."""
    network = desk.network(name)
    if network is None or desk.network(dense) is None:
        return []
    pruning = read_facts(network).recipe.pruning
    assert pruning is not None
    whole = machine_for(pruning.geometry.model_copy(update={"operation_unit": None}))
    places = [(dense, "dense", *whole), (name, "", *machine_for(pruning.geometry))]
    return [desk.request(workload, machine, datapath=path, overrides=tuple(changes), policy=policy, periphery=periphery,
                         replication=replication)
            for policy, periphery, replication in (("fit", "", ""), ("crossbars:2", "balanced", "stripes"))
            for workload, path, machine, changes in places]


def _gain(desk: Desk, method: str, loss: float, row: Row, asked: Sequence[Request]) -> Gain:
    (before, after), pace = map(desk.result, asked[:2]), asked[2:]
    assert row.measured is not None
    speed, bound_by = _speed(desk, *pace)

    def gain(key: str) -> float:
        return float(before[key]) / float(after[key])

    return Gain(method=method, loss=loss, measured=row.measured, seeds=row.seeds,
                energy=gain("energy.scopes_aj.compute"), crossbars=gain("mapping.one_copy_crossbars"),
                speed=speed, bound_by=bound_by)


def _speed(desk: Desk, dense: Request, pruned: Request) -> tuple[float | None, str]:
    """Return the speed-up and what binds both runs; nothing where the pruned network does not fit."""
    try:
        slow, fast = desk.result(dense), desk.result(pruned)
    except CapacityError:
        return None, ""
    return (float(fast["throughput.images_per_second"]) / float(slow["throughput.images_per_second"]),
            " / ".join(words.bound(r.bound) for r in (slow, fast)))
