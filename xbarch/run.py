"""The straight road, and the Python interface: load, pack, plan, compile, simulate, cost, record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from xbarch import plugins
from xbarch.cost.ledger import ledger
from xbarch.cost.nameplate import nameplate
from xbarch.datapaths.base import DataPath
from xbarch.errors import CapacityError, InputError
from xbarch.functional.execute import verify as functional_verify
from xbarch.hw.compile import compile_graph
from xbarch.hw.machine import Machine
from xbarch.hw.variant import variant
from xbarch.mapping import lawful
from xbarch.mapping.pack import Packed, dense_crossbars, least_crossbars, pack, stream
from xbarch.mapping.plan import parse_policy, plan
from xbarch.report.record import Run, record
from xbarch.report.result import Result
from xbarch.sim.bounds import conserve, lower, upper
from xbarch.sim.check import check
from xbarch.sim.engine import run
from xbarch.sim.steady import steady
from xbarch.spec.architecture import Architecture
from xbarch.spec.load import load
from xbarch.spec.text import brief
from xbarch.spec.words import shown
from xbarch.workload.find import resolve
from xbarch.workload.graph import Workload

Progress = Callable[[int, int], None]


def simulate(
    arch: str | Path | Architecture, workload: str | Path | Workload, *, policy: str = "fit", images: int = 8,
    chips: int = 1, datapath: str | None = None, options: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (), progress: Progress | None = None,
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
        progress: called with (windows done, windows in all).

    Raises:
        InputError: bad input; CapacityError: it does not fit; StuckError: the simulation cannot go on.
    """
    return Result(record(execute(arch, workload, policy=policy, images=images, chips=chips, datapath=datapath,
                                 options=options, overrides=overrides, progress=progress)))


def execute(
    arch: str | Path | Architecture, workload: str | Path | Workload, *, policy: str = "fit", images: int = 8,
    chips: int = 1, datapath: str | None = None, options: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (), progress: Progress | None = None,
) -> Run:
    """`simulate` with everything it made on the way: plan, stage graph, trace, ledger."""
    _kinds(arch=arch, workload=workload, policy=policy, images=images, chips=chips, datapath=datapath,
           options=options, overrides=overrides)
    for field, value in (("images", images), ("chips", chips)):
        if not 1 <= value <= 10_000:
            raise InputError(f"found {value}, allowed 1 to 10,000", field=field)
    parse_policy(policy)
    architecture = arch if isinstance(arch, Architecture) else load(arch, Architecture, overrides)
    network = workload if isinstance(workload, Workload) else resolve(workload)
    windows = sum(layer.windows for layer in network.layers)
    if images * windows > _WINDOWS:
        raise InputError(f"found {images:,} images of {windows:,} windows each, allowed {_WINDOWS:,} windows in all: "
                         f"{_WINDOWS // windows:,} images", field="images")
    path = choose(network, datapath, options)
    machine = build(architecture, network, path, policy, chips)
    _room(network, machine)
    packed = fit(network, path, machine)
    dense = dense_crossbars(network, machine.geometry)
    paces = {la.name: machine.pace(la, packed.get(la.name)) for la in network.layers}
    planned = plan(network, packed, paces, dense, machine.room(), policy, machine.ahead)
    graph = compile_graph(machine, network, packed, planned, images)
    check(graph)
    trace = run(graph, progress=progress)
    conserve(graph, trace)
    return Run(machine, network, path, packed, planned, graph, trace, steady(graph, trace),
               (lower(graph), upper(graph)), ledger(graph, trace, machine.prices()),
               nameplate(machine.architecture, *machine.precision(network)), tuple(overrides))


def choose(network: Workload, datapath: str | None, options: Mapping[str, Any] | None) -> DataPath:
    """The data path asked for, or the workload's own with its own options."""
    name = network.datapath if datapath is None else datapath
    if name != network.datapath:
        return plugins.datapath(name, options)
    try:
        own = plugins.datapath(name, network.options)
    except InputError as error:  # the fault of who stored it
        if error.file is not None or not network.file:
            raise
        raise InputError(error.message, file=network.file, field=error.field) from None
    return plugins.datapath(name, {**network.options, **options}) if options else own


def build(architecture: Architecture, network: Workload, path: DataPath, policy: str = "", chips: int = 1) -> Machine:
    """The machine with what workload and data path need, after asking both whether they take each other."""
    published = Machine(architecture, chips)
    published.accept(network)
    reason = lawful.reason(path, network, published.geometry)
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
    packed = {layer.name: pack(layer, path, machine.geometry, machine.occupancy, stream(network, layer))
              for layer in network.compute_layers}
    prices = machine.prices()
    for name, layer in packed.items():
        with plugins.asking(path, "work", name) as wrong:
            if free := [action for action in layer.work.extra if action not in prices]:
                raise wrong(f"returned the action {brief(free[0])!r}, allowed those that a component pays for: "
                            f"{', '.join(prices)}")
    return packed


def verify(
    arch: str | Path | Architecture, workload: str | Path | Workload, *, datapath: str | None = None,
    options: Mapping[str, Any] | None = None, overrides: Sequence[str] = (), lossless: bool = False,
) -> list[dict[str, Any]]:
    """Execute the packed blocks on the stored activations and compare with int64 arithmetic.

    Args:
        lossless: ADCs of sufficient resolution instead of the architecture's.

    Returns:
        One row a layer: layer, windows, mismatches (outputs that differ), clips (conversions that saturated),
        max_sum (largest bit-line sum), adc_bits.

    Raises:
        InputError: as `simulate`; the workload stores no activations.
    """
    _kinds(arch=arch, workload=workload, datapath=datapath, options=options, overrides=overrides)
    architecture = arch if isinstance(arch, Architecture) else load(arch, Architecture, overrides)
    network = workload if isinstance(workload, Workload) else resolve(workload)
    path = choose(network, datapath, options)
    machine = build(architecture, network, path)
    _room(network, machine)
    fit(network, path, machine)
    with plugins.asking(path, "contents"):
        return functional_verify(network, machine.geometry, path, lossless=lossless)


_WINDOWS = 5 * 10**7  # of all layers and images: some minutes
_CROSSBARS = 10**6  # packed one by one: some seconds

_NUMBER = "a whole number from 1 to 10,000"
_ALLOWED: dict[str, tuple[Any, str]] = {
    "arch": (str | Path | Architecture, "a path, a bundled name or a loaded architecture"),
    "workload": (str | Path | Workload, "a path, a bundled name or a loaded workload"),
    "policy": (str, "a text such as 'fit'"), "images": (int, _NUMBER), "chips": (int, _NUMBER),
    "datapath": (str | None, "a name or None"), "options": (Mapping | None, "a dict of names and values or None"),
    "overrides": (list | tuple, "a list of texts 'a.b.c=value'"),
}


def _kinds(**given: object) -> None:
    """Refuse arguments that are not of the kinds the signature says."""
    for field, value in given.items():
        kind, allowed = _ALLOWED[field]
        inside = {"options": value or (), "overrides": value}.get(field, ()) if isinstance(value, kind) else ()
        if not isinstance(value, kind) or isinstance(value, bool) or not all(isinstance(t, str) for t in inside):
            raise InputError(f"found {shown(value)}, allowed {allowed}", field=field)
