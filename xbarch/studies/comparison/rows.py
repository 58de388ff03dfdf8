"""The table behind a comparison: one row per architecture, workload, data path and policy, whether it ran or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xbarch.choice import choose_datapath, chosen_options
from xbarch.datapaths.base import title_of
from xbarch.errors import ContractError
from xbarch.request import Request
from xbarch.result import words
from xbarch.specs.architecture import Architecture
from xbarch.specs.study import Study
from xbarch.studies.comparison.lines import DENSE, Line, lines, machines
from xbarch.studies.runs.answer import Answer
from xbarch.studies.runs.bench import Bench
from xbarch.support import numbers
from xbarch.support.defaults import SCOPE, SCOPES, Scope
from xbarch.support.pairs import with_options
from xbarch.support.progress import Progress
from xbarch.workload.graph import Workload, image_counts
from xbarch.workload.infer import multiplies
from xbarch.workload.measures import TOP_ONE

GAINS = ("speed", *(f"energy_{scope}" for scope in SCOPES), "area", "density", "crossbars")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a run measured."""

    weights: int
    kept: int
    """Weights that the mask keeps."""
    crossbars: int
    """Of one copy of each layer."""
    used: int
    """Crossbars of all copies."""
    budget: int
    """Crossbars that the policy grants."""
    tiles: int
    """Occupied."""
    images_per_second: float | None
    """None where a single image ran."""
    first_image_ps: int
    energy: dict[str, int]
    """Energy per image (aJ) by scope."""
    components: dict[str, dict[str, int]]
    """Energy per image (aJ) by component, for each scope."""
    bound: str
    """What binds the run: crossbars, a kind of server, waiting; a dash where that is not known."""
    area: float
    """Of the occupied tiles (mm²)."""
    added: float
    """Share of the tiles' area that the data path's own hardware takes."""
    adc_bits: int
    index_bits: int
    """Stored with the weights of one copy."""
    conversions: int
    converters: str
    """Whether they suffice, in words; empty if not known."""
    exact: bool | None
    """Whether they do; None if not known."""
    clipped_share: float | None
    """Of the conversions; None if not known."""
    on_this_machine: dict[str, Any] | None
    """Accuracy on this machine: value, images, interval_95, integer_network; None if not asked for."""
    layers: list[dict[str, Any]] = field(repr=False)

    @property
    def ratio(self) -> float:
        """Compression ratio: all weights over those kept."""
        return self.weights / max(1, self.kept)

    @property
    def copies(self) -> float:
        """Weight replication: crossbars of all copies over those of one."""
        return self.used / max(1, self.crossbars)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run with the two dense runs it is compared with."""

    request: Request
    architecture: str
    """Name in tables (`name_architectures`)."""
    variant: str = ""
    """What the axes set."""
    scope: Scope = SCOPE
    """Of the energies in gains."""
    why: str
    """Why it did not run; empty if it did."""
    figures: Figures | None = None
    base: Figures | None = None
    """Dense on the study's first architecture."""
    own: Figures | None = None
    """Dense on this architecture, with the method's cells and signs."""
    trained: str = ""
    """What the workload was trained on; empty if its weights are random."""
    accuracy: dict[str, float] = field(default_factory=dict)
    """Shares by phase of the training, or another measure."""
    measure: str = "top1"
    tested: dict[str, int] = field(default_factory=dict)
    """Test images of each phase."""
    title: str = ""
    """The data path's name for readers."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the data path: those that were asked for, without those of the axes."""
    instead: tuple[str, ...] = ()
    """Data paths that did not run, since the architecture requires this one."""
    provenance: str = ""
    """Where the data path's definition comes from."""

    @property
    def workload(self) -> str:
        """The workload as given in the study."""
        return str(self.request.workload)

    @property
    def datapath(self) -> str:
        """The data path's registered name."""
        return self.request.datapath or ""

    @property
    def policy(self) -> str:
        """The policy and what the axes set."""
        return f"{self.request.policy}, {self.variant}" if self.variant else self.request.policy

    @property
    def label(self) -> str:
        """The data path's name in tables, with its options, marked if its definition is assumed as a whole."""
        given = with_options("", self.options)[1:].replace(":", ", ")
        return f"{self.method} ({given})" if given else self.method

    @property
    def method(self) -> str:
        """The data path's name in tables without its options."""
        return numbers.path(self.title or self.datapath, self.provenance)

    @property
    def dense(self) -> bool:
        """Whether it is dense packing as it stands for comparison, without options."""
        return self.datapath == DENSE and not self.options

    @property
    def assumed(self) -> bool:
        """Whether the data path's definition is assumed as a whole."""
        return self.provenance.startswith("assumed")

    def gain(self, what: str, over: str = "base") -> float | None:
        """Return a gain over a base, better if above 1: one of `GAINS` (density: speed at equal area of the occupied
        tiles), or energy, in the row's scope. None where one of them did not run, or has no rate."""
        rival: Figures | None = getattr(self, over)
        if self.figures is None or rival is None:
            return None
        a, b = rival, self.figures
        if what.startswith("energy"):
            scope = what.partition("_")[2] or self.scope
            return a.energy[scope] / b.energy[scope] if b.energy[scope] else None
        speed = speed_up(a, b)
        return {"speed": speed, "area": a.area / b.area, "crossbars": a.crossbars / b.crossbars,
                "density": None if speed is None else speed * a.area / b.area}[what]


    def sides(self, over: str = "base") -> tuple[str, str] | None:
        """Return what binds the base and the run, of which a speed-up is; None where one of them did not run."""
        rival: Figures | None = getattr(self, over)
        return None if self.figures is None or rival is None else (rival.bound, self.figures.bound)


def speed_up(before: Figures, after: Figures) -> float | None:
    """Return the ratio of the images per second; None where one of them ran a single image."""
    if before.images_per_second is None or after.images_per_second is None:
        return None
    return after.images_per_second / before.images_per_second


def rows(asked: Study, progress: Progress | None = None, *, store: Path | None = None,
         processes: int | None = None) -> list[Row]:
    """Run the study.

    store: file that keeps the answers. processes: worker processes; None: one per CPU.

    Raises:
        InputError: something the study names does not exist or is wrong.
    """
    bench = Bench(store, processes)
    shared = _Shared(bench)
    found = lines(asked, bench.contents)
    bench.run((shared.of(r) for line in found for r in (line.request, line.base, line.own) if r is not None), progress)
    own = name_architectures(asked, bench.contents.spec)
    return [_row(line, own[str(line.request.arch)], shared, asked.scope) for line in found]


class _Shared:
    """Dense packing does not depend on weights, so networks with equal layers share their dense runs."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._first: dict[tuple[Any, ...], Request] = {}
        self._figures: dict[Request, Figures | str] = {}

    def of(self, request: Request) -> Request:
        """Return the request that is run in place of this one."""
        network = self.bench.contents.workload(request.workload)
        if request.datapath != DENSE or request.accuracy is not None:
            return request
        own = network.options if network.datapath == DENSE else {}
        key = (request.changed(workload=""), network.layers, tuple(map(multiplies, network.layers)), repr(own))
        return self._first.setdefault(key, request)

    def figures(self, request: Request) -> Figures | str:
        """Return what a request measured, or why it did not run.

        Raises:
            ContractError: a plugin is broken: its other figures would mean as little.
        """
        if request not in self._figures:
            ran = self.of(request)
            answer = self.bench.answer(ran)
            if answer.error == ContractError.__name__:
                raise ContractError(answer.why)
            self._figures[request] = answer.short if answer.why else to_figures(
                answer, self.bench.contents.workload(request.workload), ran.workload == request.workload)
        return self._figures[request]


def to_figures(answer: Answer, network: Workload, own: bool = True) -> Figures:
    """Return the figures of a run; weights kept are counted in the network itself, whose dense run may be shared. own:
    whether the run's weights are the network's: of others only the bound on sums holds for it."""
    r, facts, layers = answer.result, answer.facts, network.compute_layers
    said = r.correctness if own or (r.correctness and r.correctness.proof == "bound") else None
    measured = r.accuracy.on_this_machine if r.accuracy else None
    return Figures(
        weights=sum(la.rows * la.filters for la in layers), kept=sum(la.kept_weights for la in layers),
        crossbars=r["mapping.one_copy_crossbars"], used=r["mapping.crossbars"], budget=r["mapping.budget"],
        tiles=r["mapping.tiles"], images_per_second=r["throughput.images_per_second"],
        first_image_ps=r["latency.first_image_ps"], energy={s: int(r["energy.scopes_aj"][s]) for s in SCOPES},
        components={s: dict(r["energy.by_scope_aj"][s]) for s in SCOPES}, area=r["area.used_mm2"],
        bound=words.bound(r.bound), added=facts["added"], adc_bits=facts["adc_bits"], index_bits=facts["index_bits"],
        conversions=r["counts.conversions"], converters=words.exactness(said), exact=said.exact if said else None,
        clipped_share=said.clipped_share if said else None, on_this_machine=measured.model_dump() if measured else None,
        layers=r["mapping.layers"])


def images(asked: Study) -> int:
    """Return the images of every run of a study."""
    default: int = Request.model_fields["images"].default
    return default if asked.images is None else asked.images


def name_architectures(asked: Study, spec: Callable[[str], Architecture]) -> dict[str, str]:
    """Return the name in tables of each architecture of a study: its own, or, if two have the same, as given in the
    study. spec: reads one."""
    own = {given: spec(given).name for given in machines(asked)}
    return {given: name if list(own.values()).count(name) == 1 else given for given, name in own.items()}


def _row(line: Line, machine: str, shared: _Shared, scope: Scope) -> Row:
    request, network = line.request, shared.bench.contents.workload(line.request.workload)
    path = choose_datapath(network, request.datapath, request.options, shared.bench.contents.encoding(request))
    done = shared.figures(request)
    why = done if isinstance(done, str) else ""
    base, own = (None if why or r is None else _ran(shared.figures(r)) for r in (line.base, line.own))
    axes = {name: value for name, value in request.options.items() if name not in line.variant.options}
    given = choose_datapath(network, request.datapath, axes, shared.bench.contents.encoding(request))
    chosen = chosen_options(given, network, request.datapath, shared.bench.contents.encoding(request))
    return Row(request=request, architecture=machine, variant=str(line.variant), scope=scope, why=why,
               figures=_ran(done), options=chosen, instead=line.instead,
               base=base, own=own, trained=network.trained_on or "",
               accuracy={k: v for k, v in network.accuracy.items() if v <= 1 or network.measure != "top1"},
               measure=network.measure, tested=image_counts(network),
               title=title_of(path), provenance=path.provenance)


def _ran(done: Figures | str) -> Figures | None:
    return done if isinstance(done, Figures) else None


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as JSON values; figures are None for rows that did not run."""
    found = []
    for r in rows:
        f = r.figures
        found.append({
            "architecture": r.architecture, "workload": r.workload, "datapath": r.datapath,
            **({"options": dict(r.options)} if r.options else {}), "policy": r.request.policy,
            **({"variant": r.variant} if r.variant else {}),
            "provenance": r.provenance, "why": r.why, "trained_on": r.trained, "accuracy": r.accuracy,
            **({} if r.measure == TOP_ONE.name else {"measure": r.measure}),
            "scope": r.scope, "tested": r.tested,
            "figures": f and {"ratio": f.ratio, "copies": f.copies,
                              **{k: v for k, v in asdict(f).items() if k != "layers"}},
            "bound_by": f and {over: list(r.sides(over) or ()) for over in ("base", "own")},
            "gains": f and {over: {what: r.gain(what, over) for what in GAINS} for over in ("base", "own")}})
    return found


def run_names(rows: Sequence[Row]) -> Callable[[Row], str]:
    """Return a function that names a row by its data path and whatever else differs between rows."""
    parts = [(r.label, r.architecture, r.workload, r.policy) for r in rows]
    differ = [place for place in range(1, 4) if len({each[place] for each in parts}) > 1]
    return lambda r: ", ".join((r.label, *((r.label, r.architecture, r.workload, r.policy)[i] for i in differ)))


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the Pareto front of points (larger is better), by the first coordinate."""
    best, found = float("-inf"), []
    for i in sorted(range(len(points)), key=lambda i: (-points[i][0], -points[i][1])):
        if points[i][1] > best:
            best = points[i][1]
            found.append(i)
    return found[::-1]
