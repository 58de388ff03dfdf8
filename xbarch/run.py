"""The straight road, and the Python interface: load, pack, plan, compile, simulate, cost, record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xbarch import plugins
from xbarch.cost.ledger import ledger
from xbarch.cost.nameplate import nameplate
from xbarch.datapaths.base import DataPath
from xbarch.errors import InputError
from xbarch.functional.execute import verify as functional_verify
from xbarch.hw.compile import compile_graph
from xbarch.hw.machine import Machine
from xbarch.hw.variant import variant
from xbarch.mapping.pack import Packed, dense_crossbars, pack
from xbarch.mapping.plan import plan
from xbarch.report.record import Run, record
from xbarch.report.result import Result
from xbarch.sim.bounds import conserve, lower, upper
from xbarch.sim.check import check
from xbarch.sim.engine import run
from xbarch.sim.steady import steady
from xbarch.spec.architecture import Architecture
from xbarch.spec.load import load
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
    for field, value in (("images", images), ("chips", chips)):
        if not 1 <= value <= 10_000:
            raise InputError(f"found {value}, allowed 1 to 10,000", field=field)
    architecture = arch if isinstance(arch, Architecture) else load(arch, Architecture, overrides)
    network = workload if isinstance(workload, Workload) else resolve(workload)
    path = choose(network, datapath, options)
    machine = build(architecture, network, path, policy, chips)
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
    name = datapath or network.datapath
    own = network.options if name == network.datapath else {}
    return plugins.datapath(name, {**own, **(options or {})})


def build(architecture: Architecture, network: Workload, path: DataPath, policy: str = "", chips: int = 1) -> Machine:
    """The machine with what workload and data path need, after asking both whether they take each other."""
    published = Machine(architecture, chips)
    published.accept(network)
    reason = path.accepts(network, published.geometry)
    if reason:
        raise InputError(f"data path {path.name} does not take workload {network.name} here: {reason}")
    return Machine(variant(architecture, network, path, published.geometry, policy), chips)


def fit(network: Workload, path: DataPath, machine: Machine) -> dict[str, Packed]:
    """Every compute layer packed."""
    return {layer.name: pack(layer, path, machine.geometry, machine.occupancy) for layer in network.compute_layers}


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
    architecture = arch if isinstance(arch, Architecture) else load(arch, Architecture, overrides)
    network = workload if isinstance(workload, Workload) else resolve(workload)
    path = choose(network, datapath, options)
    machine = build(architecture, network, path)
    fit(network, path, machine)
    return functional_verify(network, machine.geometry, path, lossless=lossless)
