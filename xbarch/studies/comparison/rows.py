"""The table behind a comparison: one row an architecture, workload, data path and policy, run or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from xbarch.datapaths.dense import Sign, largest
from xbarch.datapaths.records import Geometry
from xbarch.errors import InputError
from xbarch.machine.build import buildable
from xbarch.mapping.plan import parse_policy
from xbarch.plugins import guard, registry
from xbarch.request import Contents, Request, choose_datapath
from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import unknown
from xbarch.specs.study import Study
from xbarch.studies.runs.answer import Answer
from xbarch.studies.runs.axes import Variant, at, merged, names, variants
from xbarch.studies.runs.bench import Bench, Progress
from xbarch.support import numbers
from xbarch.workload.graph import Workload
from xbarch.workload.infer import multiplies

SCOPES = ("compute", "chip", "whole")
GAINS = ("speed", "energy", "area", "density", "crossbars")
DENSE = "dense"


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class Row:
    """request: what was asked. architecture: its name, as `called`. variant: what the axes set. why: empty if it ran.
    base: dense on the study's first architecture; own: dense on this one, with the method's cells and signs. trained:
    what the workload was trained on, "" if its weights are random. accuracy: shares by phase. provenance: of the data
    path."""

    request: Request
    architecture: str
    variant: str = ""
    why: str
    figures: Figures | None = None
    base: Figures | None = None
    own: Figures | None = None
    trained: str = ""
    accuracy: dict[str, float] = field(default_factory=dict)
    provenance: str = ""

    @property
    def workload(self) -> str:
        """The workload, as it was asked for."""
        return str(self.request.workload)

    @property
    def datapath(self) -> str:
        """The data path's name."""
        return self.request.datapath or ""

    @property
    def policy(self) -> str:
        """The policy, and what the axes set."""
        return f"{self.request.policy}, {self.variant}" if self.variant else self.request.policy

    @property
    def label(self) -> str:
        """The data path's name in tables."""
        return numbers.path(self.datapath, self.provenance)

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


def rows(asked: Study, progress: Progress | None = None, *, store: Path | None = None,
         processes: int | None = None) -> list[Row]:
    """Run the study.

    store: file that answers are kept in and read from. processes: worker processes; None: one per CPU.

    Raises:
        InputError: what it names is not there or not what it should be.
    """
    bench = Bench(store, processes)
    shared = _Shared(bench)
    found = lines(asked, bench.contents)
    bench.run((shared.of(r) for line in found for r in (line.request, line.base, line.own)), progress)
    own = called(asked, bench.contents.spec)
    return [_row(line, own[str(line.request.arch)], shared) for line in found]


@dataclass(frozen=True)
class Line:
    """The requests of a row: its own, the dense run on the base machine, and the dense run on its own machine. variant:
    what the axes set."""

    request: Request
    base: Request
    own: Request
    variant: str


def lines(asked: Study, contents: Contents) -> list[Line]:
    """Every combination, dense ones first. Everything that is named is looked over.

    Raises:
        InputError: an architecture, workload, data path or policy that there is not.
    """
    known = registry.datapaths()
    for number, name in enumerate(asked.datapaths):
        if name not in ("own", "all") and name not in known:
            raise InputError(unknown("data path", name, ["own", "all", *known]), field=f"datapaths.{number}")
    for name in asked.machines:
        if name not in known:
            raise InputError(unknown("data path", name, known), field="machines")
    for number, policy in enumerate(asked.policies):
        with at(f"policies.{number}"):
            parse_policy(policy)
    for name in machines(asked):
        _buildable(name, contents)
    every = list(variants(asked.axes))
    found: dict[Request, Line] = {}
    for workload in asked.workloads:
        network = contents.workload(workload)
        paths = dict.fromkeys([DENSE, *(n for given in asked.datapaths for n in (
            known if given == "all" else [network.datapath] if given == "own" else [given]))])
        for path in paths:
            for arch in [asked.machines[path]] if path in asked.machines else asked.architectures:
                for policy in asked.policies:
                    for variant in every:
                        request = Request(arch=arch, workload=workload, datapath=path, policy=policy,
                                          **variant.changed(asked.choices))
                        found[request] = _line(asked, request, variant, contents)
    return list(found.values())


def _buildable(name: str, contents: Contents) -> None:
    """Refuse an architecture that no machine can be made of, by its file and line."""
    found = contents.document(name)
    with found.blamed():
        buildable(contents.spec(name))


def _line(asked: Study, request: Request, variant: Variant, contents: Contents) -> Line:
    """A request with the two dense runs that it is compared with: on the base machine; and on its own with the
    method's cells and signs, and with ADCs of as many bits as lose nothing of these, where its own have fewer."""
    base = request.changed(arch=asked.architectures[0], datapath=DENSE, options={})
    path = choose_datapath(contents.workload(request.workload), request.datapath, request.options)
    with guard.asking(path, "matched"):
        options, overrides = path.matched()
    changed = request.changed(overrides=merged(request.overrides, overrides))
    shape = Geometry.of(contents.architecture(changed)[0].crossbar)
    needed = shape.lossless_bits(largest(shape.ou_rows or shape.rows, shape, cast(Sign, options.get("sign", "offset"))))
    if needed > shape.adc_bits:
        overrides = [*overrides, f"crossbar.adc_bits={needed}"]
    own = request.changed(datapath=DENSE, options=options, overrides=merged(request.overrides, overrides))
    said = ", ".join(f"{name}={value}" for name, value in zip(names(asked.axes), variant.values, strict=True))
    return Line(request, base, own, said)


class _Shared:
    """Dense packing looks at no weight, so networks of equal layers share their dense runs."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._first: dict[tuple[Any, ...], Request] = {}
        self._figures: dict[Request, Figures | str] = {}

    def of(self, request: Request) -> Request:
        """The request that is run for this one."""
        network = self.bench.contents.workload(request.workload)
        if request.datapath != DENSE:
            return request
        own = network.options if network.datapath == DENSE else {}
        key = (request.changed(workload=""), network.layers, tuple(map(multiplies, network.layers)), repr(own))
        return self._first.setdefault(key, request)

    def figures(self, request: Request) -> Figures | str:
        """What a request measured, or why it did not run."""
        if request not in self._figures:
            answer = self.bench.answer(self.of(request))
            self._figures[request] = answer.short if answer.why else measured(
                answer, self.bench.contents.workload(request.workload))
        return self._figures[request]


def measured(answer: Answer, network: Workload) -> Figures:
    """The figures of a run; the unmasked weights are the network's own."""
    r, facts, layers = answer.result, answer.facts, network.compute_layers
    return Figures(
        weights=sum(la.rows * la.filters for la in layers), kept=sum(la.kept_weights for la in layers),
        crossbars=r["mapping.one_copy_crossbars"], images_per_second=r["throughput.images_per_second"],
        energy={s: int(r["energy.scopes_aj"][s]) for s in SCOPES},
        components={k: int(v) for k, v in r["energy.by_component_aj"].items()}, area=r["area.used_mm2"],
        added=facts["added"], adc_bits=facts["adc_bits"], index_bits=facts["index_bits"],
        conversions=r["counts.conversions"], layers=r["mapping.layers"])


def images(asked: Study) -> int:
    """Images in flight in every run of a study."""
    default: int = Request.model_fields["images"].default
    return default if asked.images is None else asked.images


def machines(asked: Study) -> list[str]:
    """Every architecture of a study, the base first."""
    return list(dict.fromkeys([*asked.architectures, *asked.machines.values()]))


def called(asked: Study, spec: Callable[[str], Architecture]) -> dict[str, str]:
    """What each of a study's architectures is called in its rows: by its own name, or, where another has the same, as
    it was asked for. spec: reads one."""
    own = {asked_for: spec(asked_for).name for asked_for in machines(asked)}
    return {k: name if list(own.values()).count(name) == 1 else k for k, name in own.items()}


def _row(line: Line, machine: str, shared: _Shared) -> Row:
    request, network = line.request, shared.bench.contents.workload(line.request.workload)
    path = choose_datapath(network, request.datapath, request.options)
    done = shared.figures(request)
    why = done if isinstance(done, str) else ""
    base, own = (None if why else _ran(shared.figures(r)) for r in (line.base, line.own))
    return Row(request=request, architecture=machine, variant=line.variant, why=why, figures=_ran(done), base=base,
               own=own, trained=network.trained_on or "",
               accuracy={k: v for k, v in network.accuracy.items() if v <= 1}, provenance=path.provenance)


def _ran(done: Figures | str) -> Figures | None:
    return done if isinstance(done, Figures) else None


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as JSON values; None where nothing was run."""
    found = []
    for r in rows:
        f = r.figures
        found.append({
            "architecture": r.architecture, "workload": r.workload, "datapath": r.datapath,
            "policy": r.request.policy, **({"variant": r.variant} if r.variant else {}),
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
