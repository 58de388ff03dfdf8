"""The straight road, and the Python interface: load, pack, plan, compile, simulate, cost, record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from xbarch.cost.nameplate import nameplate
from xbarch.datapaths.base import DataPath
from xbarch.errors import CapacityError, InputError
from xbarch.functional.execute import verify as functional_verify
from xbarch.machine.compile import compile_graph
from xbarch.machine.egress import compile_leaving
from xbarch.machine.machine import Machine, buildable
from xbarch.machine.supervise import attended, paid
from xbarch.machine.variant import variant
from xbarch.mapping import barriers
from xbarch.mapping.pack import Packed, dense_crossbars, least_crossbars
from xbarch.mapping.packings import kept
from xbarch.mapping.placement import arrange, parse_placement
from xbarch.mapping.plan import Plan, parse_policy, plan
from xbarch.mapping.segments import cut, goes_on
from xbarch.mapping.traffic import traffic
from xbarch.plugins import checked, registry
from xbarch.result.joined import joined
from xbarch.result.ledger import ledger
from xbarch.result.record import record
from xbarch.result.result import Result
from xbarch.result.run import Run
from xbarch.result.tracing import placed, tracing
from xbarch.sim.bounds import conserve
from xbarch.sim.check import check
from xbarch.sim.engines import ENGINES
from xbarch.sim.engines import simulate as run
from xbarch.sim.modes import MODES, arranged, settled
from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import guess, shown
from xbarch.specs.load import load
from xbarch.specs.text import brief
from xbarch.workload.find import resolve
from xbarch.workload.graph import Workload

Progress = Callable[[int, int], None]


def simulate(
    arch: str | Path | Architecture, workload: str | Path | Workload, *, policy: str = "fit", images: int = 8,
    chips: int = 1, datapath: str | None = None, options: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (), batch: int | None = None, placement: str = "row_major",
    mode: str = "pipelined", engine: str = "auto", reload: bool = False, trace: str | Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run `workload` on `arch` and measure it.

    Args:
        arch: path or bundled name of an architecture, or a loaded one.
        workload: path or bundled name of a stored workload or recipe, or a loaded one.
        policy: how many copies of each layer (see `xbarch.mapping.plan.POLICIES`).
        images: images in flight, at least 1.
        chips: chips in a chain, at least 1.
        datapath: data path to pack with; None takes the workload's own. options: its options.
        overrides: changes of the architecture, "a.b.c=value".
        batch: images between two programmings of the crossbars, over which one is shared; None: not said.
        placement: which tile of the chip takes which of the plan's (see `xbarch.mapping.placement.PLACEMENTS`).
        mode: what may run at a time (see `xbarch.sim.modes.MODES`).
        engine: what interprets the stage graph, with the same result (see `xbarch.sim.engines.ENGINES`).
        reload: whether a network larger than the machine runs in segments, whose weights replace one another every
            `batch` images (see `xbarch.mapping.segments`).
        trace: a file (.csv or .csv.gz) to write every token's times at every stage to, as the simulation goes on (see
            `xbarch.result.tracing.COLUMNS`).
        progress: called with (windows done, windows in all).

    Raises:
        InputError: bad input; CapacityError: it does not fit; StuckError: the simulation cannot go on.
    """
    given: dict[str, Any] = {"policy": policy, "images": images, "chips": chips, "datapath": datapath,
                             "options": options, "overrides": overrides, "batch": batch, "placement": placement,
                             "mode": mode, "engine": engine, "progress": progress}
    if not reload:
        return Result(record(execute(arch, workload, **given, trace=trace)))
    if trace is not None:
        raise InputError("found one with reload, allowed without: segments are runs of their own", field="trace")
    if batch is None:
        raise InputError("found none with reload, allowed --batch N (batch=N): the images that a segment runs before "
                         "the next is loaded", field="batch")
    return Result(joined(reloaded(arch, workload, **given), batch))


def execute(
    arch: str | Path | Architecture, workload: str | Path | Workload, *, policy: str = "fit", images: int = 8,
    chips: int = 1, datapath: str | None = None, options: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (), batch: int | None = None, placement: str = "row_major",
    mode: str = "pipelined", engine: str = "auto", trace: str | Path | None = None, progress: Progress | None = None,
) -> Run:
    """`simulate` with everything it made on the way: plan, stage graph, trace, ledger."""
    _kinds(trace=trace)
    file = None if trace is None else placed(Path(trace))
    machine, network, path, how = _prepared(
        arch, workload, policy=policy, images=images, chips=chips, datapath=datapath, options=options,
        overrides=overrides, batch=batch, placement=placement, mode=mode, engine=engine, progress=progress)
    _room(network, machine)
    return _perform(machine, network, path, fit(network, path, machine), replace(how, trace=file))


def reloaded(
    arch: str | Path | Architecture, workload: str | Path | Workload, *, policy: str = "fit", images: int = 8,
    chips: int = 1, datapath: str | None = None, options: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (), batch: int | None = None, placement: str = "row_major",
    mode: str = "pipelined", engine: str = "auto", progress: Progress | None = None,
) -> list[Run]:
    """A run of each segment of a network (see `xbarch.mapping.segments`), a single one where the machine holds it
    all."""
    machine, network, path, how = _prepared(
        arch, workload, policy=policy, images=images, chips=chips, datapath=datapath, options=options,
        overrides=overrides, batch=batch, placement=placement, mode=mode, engine=engine, progress=progress)
    known: dict[tuple[str, int], Packed] = {}  # parts of a layer are told apart by how large they are

    def packed(segment: Workload) -> dict[str, Packed]:
        for layer in segment.compute_layers:
            if (layer.name, layer.filters) not in known:
                known[layer.name, layer.filters] = fit(replace(segment, layers=(layer,)), path, machine)[layer.name]
        return {layer.name: known[layer.name, layer.filters] for layer in segment.compute_layers}

    def fits(segment: Workload) -> str:
        if not segment.compute_layers:
            return ""
        try:
            _room(segment, machine)
            _planned(machine, segment, packed(segment), replace(how, policy="one_copy", placement="row_major"))
        except CapacityError as error:
            return error.message
        return ""

    segments = cut(network, fits)
    return [_perform(machine, segment, path, packed(segment), how, goes_on(network, segment)) for segment in segments]


@dataclass(frozen=True)
class _How:
    """How a network is run."""

    policy: str
    images: int
    chips: int
    overrides: tuple[str, ...]
    batch: int | None
    placement: str
    mode: str
    engine: str
    progress: Progress | None
    trace: Path | None = None


def _prepared(
    arch: str | Path | Architecture, workload: str | Path | Workload, *, policy: str, images: int, chips: int,
    datapath: str | None, options: Mapping[str, Any] | None, overrides: Sequence[str], batch: int | None,
    placement: str, mode: str, engine: str, progress: Progress | None,
) -> tuple[Machine, Workload, DataPath, _How]:
    """Everything looked over and loaded, the machine built."""
    _kinds(arch=arch, workload=workload, policy=policy, images=images, chips=chips, datapath=datapath,
           options=options, overrides=overrides, batch=batch, placement=placement, mode=mode, engine=engine)
    for field, value, most in (("images", images, 10_000), ("chips", chips, 10_000), ("batch", batch, 10**9)):
        if value is not None and not 1 <= value <= most:
            raise InputError(f"found {value}, allowed 1 to {most:,}", field=field)
    parse_policy(policy)
    parse_placement(placement)
    for field, chosen, known in (("mode", mode, MODES), ("engine", engine, ENGINES)):
        if chosen not in known:
            raise InputError(f"found {brief(chosen)!r}, allowed {', '.join(known)}{guess(chosen, list(known))}",
                             field=field)
    architecture = arch if isinstance(arch, Architecture) else load(arch, Architecture, overrides, check=buildable)
    network = workload if isinstance(workload, Workload) else resolve(workload)
    windows = sum(layer.windows for layer in network.layers)
    if images * windows > _WINDOWS:
        raise InputError(f"found {images:,} images of {windows:,} windows each, allowed {_WINDOWS:,} windows in all: "
                         f"{_WINDOWS // windows:,} images", field="images")
    path = choose(network, datapath, options)
    machine = build(architecture, network, path, policy, chips)
    return machine, network, path, _How(policy, images, chips, tuple(overrides), batch, placement, mode, engine,
                                           progress)


def _planned(machine: Machine, network: Workload, packed: Mapping[str, Packed], how: _How) -> Plan:
    """Copies and places of every layer."""
    paces = {la.name: machine.pace(la, packed.get(la.name)) for la in network.layers}
    found = plan(network, packed, paces, dense_crossbars(network, machine.geometry), machine.room(), how.policy,
                 machine.ahead)
    return arrange(found, how.placement, machine.network, how.chips,
                   lambda p: traffic(network, packed, p, machine.sum_bits))


def _perform(machine: Machine, network: Workload, path: DataPath, packed: Mapping[str, Packed], how: _How,
             leaving: bool = False) -> Run:
    """Plan, compile, simulate, cost. leaving: whether the outputs go off the chip."""
    planned = _planned(machine, network, packed, how)
    if how.mode != "pipelined":
        barriers.refuse(planned, network, machine.room().buffer, how.images if how.mode == "batch" else 1)
    plain = (compile_leaving if leaving else compile_graph)(machine, network, packed, planned, how.images)
    graph = arranged(plain, how.mode)
    check(graph)
    windows = {flow.name: flow.windows for flow in (*graph.flows, *plain.flows)}
    traced = nullcontext() if how.trace is None else tracing(how.trace, graph, windows)
    with traced as sink, attended(machine.processes, graph) as beat:
        ran = run(graph, how.engine, how.progress, sink, beat)
        paid(machine.processes, graph, ran.trace, machine.prices())
    trace, bounds = ran.trace, conserve(graph, ran.trace)
    told = plain if how.mode == "batch" else graph
    return Run(machine=machine, workload=network, path=path, packed=packed, plan=planned, graph=told, trace=trace,
               steady=settled(graph, plain, trace, how.mode), bounds=bounds,
               ledger=ledger(told, trace, machine.prices()),
               nameplate=nameplate(machine.architecture, *machine.precision(network)), overrides=how.overrides,
               batch=how.batch, mode=how.mode, engine=ran.engine, why=ran.why)


def choose(network: Workload, datapath: str | None, options: Mapping[str, Any] | None) -> DataPath:
    """The data path asked for, or the workload's own with its own options."""
    name = network.datapath if datapath is None else datapath
    if name != network.datapath:
        return registry.datapath(name, options)
    try:
        own = registry.datapath(name, network.options)
    except InputError as error:  # the fault of who stored it
        if error.file is not None or not network.file:
            raise
        raise InputError(error.message, file=network.file, field=error.field) from None
    return registry.datapath(name, {**network.options, **options}) if options else own


def build(architecture: Architecture, network: Workload, path: DataPath, policy: str = "", chips: int = 1) -> Machine:
    """The machine with what workload and data path need, after asking both whether they take each other."""
    published = Machine(architecture, chips)
    published.accept(network)
    reason = checked.reason(path, network, published.geometry)
    if reason:
        raise InputError(f"data path {path.name} does not take workload {network.name} here: {reason}")
    return Machine(variant(architecture, network, path, published.geometry, policy), chips)


def _room(network: Workload, machine: Machine) -> None:
    """Refuse a network that no packing brings onto the machine, or whose packing would not end, before any is made."""
    least = least_crossbars(network, machine.geometry)
    if least > machine.crossbars:
        raise CapacityError(f"one copy of each layer needs at least {least:,} crossbars, the machine has "
                            f"{machine.crossbars:,}; {ceil(least / machine.crossbars):,} times as many tiles (or "
                            "--chips) would hold it")
    g, dense = machine.geometry, dense_crossbars(network, machine.geometry)
    if dense > _CROSSBARS:
        raise InputError(f"found {g.rows} x {g.columns} cells, of which one dense copy of {network.name} takes "
                         f"{dense:,} crossbars, allowed crossbars so large that {_CROSSBARS:,} hold it",
                         field="crossbar")


def fit(network: Workload, path: DataPath, machine: Machine) -> dict[str, Packed]:
    """Every compute layer packed."""
    packed = kept.packed(network, path, machine.geometry, machine.sensing)
    prices = machine.prices()
    for name, layer in packed.items():
        with registry.asking(path, "work", name) as wrong:
            if free := [action for action in layer.work.extra if action not in prices]:
                raise wrong(f"returned the action {brief(free[0])!r}, allowed those that a component pays for: "
                            f"{', '.join(prices)}")
        with registry.asking(machine.sensing, "actions", name) as wrong:
            done = checked.actions(layer.sensing, layer.work)
            if registry.own(machine.sensing) and (lacks := machine.lacking(done)):
                raise InputError(lacks, file=f"architecture {machine.architecture.name}", field="components")
            if free := [action for action in done if action not in prices]:
                raise wrong(f"returned the action {brief(free[0])!r}, allowed those that a component of "
                            f"{machine.architecture.name} pays for: {', '.join(prices)}")
    return packed


def verify(
    arch: str | Path | Architecture, workload: str | Path | Workload, *, datapath: str | None = None,
    options: Mapping[str, Any] | None = None, overrides: Sequence[str] = (), lossless: bool = False,
) -> list[dict[str, Any]]:
    """Execute the packed blocks on the stored activations and compare with int64 arithmetic.

    Args:
        lossless: ADCs of sufficient resolution instead of the architecture's.

    Returns:
        One row a layer: layer, windows, mismatches (outputs that differ), error (the differences' magnitudes over the
        outputs', both summed), clips (conversions that saturated), drops (that lost low bits), max_sum (largest
        magnitude of a bit line's sum), adc_bits.

    Raises:
        InputError: as `simulate`; the workload stores no activations.
    """
    _kinds(arch=arch, workload=workload, datapath=datapath, options=options, overrides=overrides)
    architecture = arch if isinstance(arch, Architecture) else load(arch, Architecture, overrides, check=buildable)
    network = workload if isinstance(workload, Workload) else resolve(workload)
    path = choose(network, datapath, options)
    machine = build(architecture, network, path)
    _room(network, machine)
    fit(network, path, machine)
    with registry.asking(path, "contents", limited=False):
        return functional_verify(network, machine.geometry, path, lossless=lossless, sensing=machine.sensing)


_WINDOWS = 5 * 10**7  # of all layers and images: some minutes
_CROSSBARS = 10**6  # packed one by one: some seconds

_NUMBER = "a whole number from 1 to 10,000"
_ALLOWED: dict[str, tuple[Any, str]] = {
    "arch": (str | Path | Architecture, "a path, a bundled name or a loaded architecture"),
    "workload": (str | Path | Workload, "a path, a bundled name or a loaded workload"),
    "policy": (str, "a text such as 'fit'"), "mode": (str, "a text such as 'pipelined'"),
    "images": (int, _NUMBER), "chips": (int, _NUMBER),
    "batch": (int | None, "a whole number from 1 to 1,000,000,000 or None"),
    "placement": (str, "a name such as 'snake'"), "engine": (str, "a name such as 'fast'"),
    "datapath": (str | None, "a name or None"), "options": (Mapping | None, "a dict of names and values or None"),
    "overrides": (list | tuple, "a list of texts 'a.b.c=value'"), "trace": (str | Path | None, "a path or None"),
}


def _kinds(**given: object) -> None:
    """Refuse arguments that are not of the kinds the signature says."""
    for field, value in given.items():
        kind, allowed = _ALLOWED[field]
        inside = {"options": value or (), "overrides": value}.get(field, ()) if isinstance(value, kind) else ()
        if not isinstance(value, kind) or isinstance(value, bool) or not all(isinstance(t, str) for t in inside):
            raise InputError(f"found {shown(value)}, allowed {allowed}", field=field)
