"""The table behind a comparison: one row an architecture, workload, data path and policy, run or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.dense import Sign, largest
from xbarch.errors import InputError, XbarchError
from xbarch.machine.machine import Machine
from xbarch.mapping.plan import parse_policy
from xbarch.plugins import registry
from xbarch.result.record import record
from xbarch.result.result import Result
from xbarch.result.run import Run
from xbarch.run import choose, execute
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.study import Study
from xbarch.support import numbers
from xbarch.workload.find import resolve
from xbarch.workload.graph import Workload
from xbarch.workload.infer import multiplies

Progress = Callable[[int, int, str], None]
SCOPES = ("compute", "chip", "whole")
GAINS = ("speed", "energy", "area", "density", "crossbars")
DENSE = "dense"


@dataclass(frozen=True)
class Job:
    """One simulation. datapath: with the workload's own options where it is the workload's own."""

    architecture: str
    workload: str
    datapath: str
    policy: str
    options: tuple[tuple[str, str], ...] = ()
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """What a run measured. energies in aJ an image by scope; area of the occupied tiles in mm²; added area: share of it
    that the data path's own hardware takes; index_bits: stored beside the weights of one copy."""

    weights: int
    kept: int
    crossbars: int
    images_per_second: float
    energy: dict[str, int]
    components: dict[str, int]
    area: float
    added: float
    adc_bits: int
    index_bits: int
    conversions: int
    layers: list[dict[str, Any]] = field(repr=False)

    @property
    def ratio(self) -> float:
        """Times fewer weights."""
        return self.weights / max(1, self.kept)


@dataclass(frozen=True)
class Row:
    """job: what was asked, its architecture as `called`. why: empty if it ran. base: dense on the study's first
    architecture; own: dense on this one, with the method's cells and signs. trained: what the workload was trained on,
    "" if its weights are random. accuracy: shares by phase. provenance: of the data path."""

    job: Job
    why: str
    figures: Figures | None = None
    base: Figures | None = None
    own: Figures | None = None
    trained: str = ""
    accuracy: dict[str, float] = field(default_factory=dict)
    provenance: str = ""

    @property
    def label(self) -> str:
        """The data path's name in tables."""
        return numbers.path(self.job.datapath, self.provenance)

    def gain(self, what: str, over: str = "base") -> float | None:
        """Over a base, above 1 is better: speed, energy (scope compute), area, crossbars, density (speed at equal
        area of the occupied tiles)."""
        rival: Figures | None = getattr(self, over)
        if self.figures is None or rival is None:
            return None
        a, b = rival, self.figures
        return {"speed": b.images_per_second / a.images_per_second, "energy": a.energy["compute"] / b.energy["compute"],
                "area": a.area / b.area, "crossbars": a.crossbars / b.crossbars,
                "density": b.images_per_second / b.area / (a.images_per_second / a.area)}[what]


@dataclass
class Bench:
    """Runs each job once; architectures and workloads are read once. Dense packing looks at no weight, so networks of
    equal layers share their dense runs."""

    images: int
    _architectures: dict[tuple[str, tuple[str, ...]], Architecture] = field(default_factory=dict)
    _workloads: dict[str, Workload] = field(default_factory=dict)
    _done: dict[Job, Figures | str] = field(default_factory=dict)
    _dense: dict[tuple[Any, ...], Figures] = field(default_factory=dict)

    def architecture(self, name: str, overrides: tuple[str, ...] = ()) -> Architecture:
        key = (name, overrides)
        if key not in self._architectures:
            self._architectures[key] = load(name, Architecture, overrides)
        return self._architectures[key]

    def workload(self, name: str) -> Workload:
        if name not in self._workloads:
            self._workloads[name] = resolve(name)
        return self._workloads[name]

    def figures(self, job: Job) -> Figures | str:
        """What the run measured, or why it does not take place."""
        if job not in self._done:
            try:
                self._done[job] = self._dense_run(job) if job.datapath == DENSE else self._run(job)
            except XbarchError as error:
                self._done[job] = _reason(error, job)
        return self._done[job]

    def _run(self, job: Job) -> Figures:
        network = self.workload(job.workload)
        return measured(execute(
            self.architecture(job.architecture, job.overrides), network, policy=job.policy, images=self.images,
            datapath=None if job.datapath == network.datapath else job.datapath, options=dict(job.options)))

    def _dense_run(self, job: Job) -> Figures:
        """The run of equal layers with equal need of multipliers, if there was one."""
        network = self.workload(job.workload)
        own = network.options if network.datapath == DENSE else {}
        key = (replace(job, workload=""), network.layers, tuple(map(multiplies, network.layers)), repr(own))
        if key not in self._dense:
            self._dense[key] = self._run(job)
        return replace(self._dense[key], kept=sum(la.kept_weights for la in network.compute_layers))


def measured(run: Run) -> Figures:
    """The figures of a run."""
    r, machine, layers, path = Result(record(run)), run.machine, run.workload.compute_layers, run.path
    tiles, _, by = machine.areas(machine.tiles)
    added = sum(by[a.name] for a in path.components(machine.geometry)) / tiles
    with registry.asking(path, "index_bits"):
        index = sum(path.index_bits(p.blocks, p.layer, machine.geometry) for p in run.packed.values())
    return Figures(
        sum(la.rows * la.filters for la in layers), sum(la.kept_weights for la in layers),
        r["mapping.one_copy_crossbars"], r["throughput.images_per_second"],
        {s: int(r["energy.scopes_aj"][s]) for s in SCOPES}, {k: int(v) for k, v in r["energy.by_component_aj"].items()},
        r["area.used_mm2"], added, machine.geometry.adc_bits,
        index, r["counts.conversions"], r["mapping.layers"])


def _reason(error: XbarchError, job: Job) -> str:
    text = str(error)
    marker = f"data path {job.datapath} does not take workload"
    return text.split(" here: ", 1)[1] if marker in text and " here: " in text else text


def jobs(asked: Study, bench: Bench) -> list[Job]:
    """Every combination, dense ones first.

    Raises:
        InputError: an architecture, workload, data path or policy that there is not.
    """
    known = registry.datapaths()
    for number, name in enumerate(asked.datapaths):
        if name not in ("own", "all") and name not in known:
            raise InputError(f"found {name[:60]!r}, allowed own, all, {', '.join(known)}", field=f"datapaths.{number}")
    for name in asked.machines:
        if name not in known:
            raise InputError(f"found data path {name[:60]!r}, allowed {', '.join(known)}", field="machines")
    for policy in asked.policies:
        parse_policy(policy)
    for architecture in machines(asked):
        bench.architecture(architecture)
    found: dict[Job, None] = {}
    for workload in asked.workloads:
        network = bench.workload(workload)
        names = dict.fromkeys([DENSE, *(n for asked_for in asked.datapaths for n in (
            known if asked_for == "all" else [network.datapath] if asked_for == "own" else [asked_for]))])
        for name in names:
            for architecture in [asked.machines[name]] if name in asked.machines else asked.architectures:
                for policy in asked.policies:
                    found[Job(architecture, workload, name, policy)] = None
    return list(found)


def machines(asked: Study) -> list[str]:
    """Every architecture of a study, the base first."""
    return list(dict.fromkeys([*asked.architectures, *asked.machines.values()]))


def called(asked: Study, spec: Callable[[str], Architecture]) -> dict[str, str]:
    """What each of a study's architectures is called in its rows: by its own name, or, where another has the same, as
    it was asked for. spec: reads one."""
    own = {asked_for: spec(asked_for).name for asked_for in machines(asked)}
    return {k: name if list(own.values()).count(name) == 1 else k for k, name in own.items()}


def rows(asked: Study, progress: Progress | None = None) -> list[Row]:
    """Run the study.

    Raises:
        InputError: what it names is not there or not what it should be.
    """
    bench = Bench(asked.images)
    todo = jobs(asked, bench)
    found = []
    for number, job in enumerate(todo):
        if progress is not None:
            progress(number, len(todo), f"{job.workload}, {job.datapath}, {job.architecture}, {job.policy}")
        found.append(_row(asked, bench, job))
    if progress is not None:
        progress(len(todo), len(todo), "done")
    names = called(asked, bench.architecture)
    return [replace(row, job=replace(row.job, architecture=names[row.job.architecture])) for row in found]


def _row(asked: Study, bench: Bench, job: Job) -> Row:
    network = bench.workload(job.workload)
    path = choose(network, None if job.datapath == network.datapath else job.datapath, None)
    accuracy = {k: v for k, v in network.accuracy.items() if v <= 1}
    done = bench.figures(job)
    why = done if isinstance(done, str) else ""
    base, own = (None if why else _ran(bench.figures(j)) for j in bases(asked, job, path, bench))
    return Row(job, why, _ran(done), base, own, network.trained_on or "", accuracy, path.provenance)


def bases(asked: Study, job: Job, path: DataPath, bench: Bench) -> Iterator[Job]:
    """The two dense runs that a row is compared with: on the base machine; and on the row's own with the method's
    cells and signs, and with ADCs of as many bits as lose nothing of these, where its own have fewer."""
    yield Job(asked.architectures[0], job.workload, DENSE, job.policy)
    with registry.asking(path, "matched"):
        options, overrides = path.matched()
    geometry = Machine(bench.architecture(job.architecture, tuple(overrides))).geometry
    needed = geometry.lossless_bits(largest(geometry.ou_rows or geometry.rows, geometry,
                                            cast(Sign, options.get("sign", "offset"))))
    if needed > geometry.adc_bits:
        overrides = [*overrides, f"crossbar.adc_bits={needed}"]
    yield Job(job.architecture, job.workload, DENSE, job.policy, tuple(options.items()), tuple(overrides))


def _ran(done: Figures | str) -> Figures | None:
    return done if isinstance(done, Figures) else None


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as JSON values; None where nothing was run."""
    found = []
    for r in rows:
        f, job = r.figures, r.job
        found.append({
            "architecture": job.architecture, "workload": job.workload, "datapath": job.datapath, "policy": job.policy,
            "provenance": r.provenance, "why": r.why, "trained_on": r.trained, "accuracy": r.accuracy,
            "figures": f and {"ratio": f.ratio, **{k: v for k, v in asdict(f).items() if k != "layers"}},
            "gains": f and {over: {what: r.gain(what, over) for what in GAINS} for over in ("base", "own")}})
    return found


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that none surpasses in both coordinates (larger is better), by the first coordinate."""
    best, found = float("-inf"), []
    for i in sorted(range(len(points)), key=lambda i: (-points[i][0], -points[i][1])):
        if points[i][1] > best:
            best = points[i][1]
            found.append(i)
    return found[::-1]
