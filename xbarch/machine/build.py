"""Build the one machine of a run from an architecture: refuse what cannot run, add what the workload needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from xbarch.cost.nameplate import full
from xbarch.cost.pricing import reprice
from xbarch.datapaths.base import DataPath, Geometry
from xbarch.errors import IncompatibleError, InputError
from xbarch.machine.machine import Machine
from xbarch.machine.payers import always, refuse_unemitted
from xbarch.machine.periphery import PUBLISHED, Periphery
from xbarch.machine.variant import variant
from xbarch.mapping.kinds import assign, part
from xbarch.plugins import checked, guard, registry
from xbarch.plugins.registry import wired
from xbarch.specs.architecture import Architecture
from xbarch.specs.tile_kinds import kinds as tile_kinds
from xbarch.specs.tile_kinds import placed
from xbarch.workload.graph import Workload


def build(architecture: Architecture, network: Workload, path: DataPath, policy: str = "", chips: int = 1,
          periphery: Periphery = PUBLISHED) -> Machine:
    """Build the machine with what the workload and the data path need, its shared parts sized by `periphery`.

    Raises:
        InputError: the workload is wider than the registers, or a part of the machine cannot be built, or
            nothing emits the action of a component.
        IncompatibleError: the data path cannot run the workload on these crossbars.
    """
    refuse_wide(network, architecture)
    if not architecture.kinds:
        return Machine(_built(architecture, network, path, policy, periphery), chips, periphery)
    kinds = tile_kinds(architecture)
    on, machines = assign(network, architecture, kinds), dict[str, Machine]()
    for name, kind in kinds.items():
        with _of_kind(architecture, name):
            own = part(network, on, name)
            machines[name] = Machine(_built(kind, own, path, policy, where=f", on tiles of kind {name}"), chips)
    return Machine(_together(reprice(architecture), machines), chips, kinds=machines, on=on)


def _built(a: Architecture, network: Workload, path: DataPath, policy: str, periphery: Periphery = PUBLISHED,
           where: str = "") -> Architecture:
    """The architecture of tiles of one kind with what their layers and the data path need."""
    published = Geometry.of(a.crossbar)
    if network.compute_layers and (reason := checked.reason(path, network, published)):
        raise IncompatibleError(f"data path {path.name} cannot run workload {network.name} on {a.name}{where}",
                                reason=reason)
    refuse_unemitted(a, path)
    return variant(a, network, path, published, policy, periphery.of)


def _together(architecture: Architecture, kinds: Mapping[str, Machine]) -> Architecture:
    """What tiles of several kinds share: as many tiles as all kinds have, and a network for them."""
    tiles = sum(machine.architecture.hierarchy.tiles for machine in kinds.values())
    h, network = architecture.hierarchy, architecture.network
    options = wired(network, h.tiles).grown(tiles) if tiles > h.tiles else network.options
    return architecture.model_copy(update={
        "hierarchy": h.model_copy(update={"tiles": tiles}),
        "network": network.model_copy(update={"options": options})})


@contextmanager
def _of_kind(a: Architecture, name: str) -> Iterator[None]:
    """Errors about a field of one kind of tile are placed where the kind changes it."""
    try:
        yield
    except InputError as error:
        if error.file is not None or not error.field or not name:
            raise
        raise type(error)(error.message, field=placed(a, name, error.field)) from None


def refuse_wide(network: Workload, architecture: Architecture) -> None:
    """Refuse a workload whose values are too wide for the registers.

    Raises:
        InputError: a layer's weights or inputs have more bits than the architecture's precision, or no layer has
            weights.
    """
    if not network.compute_layers:
        raise InputError("no layer has weights; one or more is needed", file=f"workload {network.name}")
    limits = architecture.precision
    for layer in network.compute_layers:
        for what, found, most in (("weight_bits", layer.weight_bits, limits.weight_bits),
                                  ("input_bits", layer.input_bits, limits.input_bits)):
            if found > most:
                raise InputError(f"must be at most {most} on {architecture.name}, not {found} as in layer {layer.name}",
                                 file=f"workload {network.name}", field=what)


def buildable(architecture: Architecture) -> None:
    """Refuse an architecture from which no machine can be built: a part, scaling model, topology, data path or option
    is wrong, no component prices an action that every network or the bundled sensing unit needs, or a component prices
    one that nothing emits. (The actions of a plugin's sensing unit are known only when layers are packed.)

    Raises:
        InputError: which one, and why.
    """
    if architecture.kinds:
        Machine(reprice(architecture))  # the network holds all tiles
    for name, kind in tile_kinds(architecture).items():
        with _of_kind(architecture, name):
            _refuse_unbuildable(kind)


def _refuse_unbuildable(architecture: Architecture) -> None:
    """`buildable` of tiles of one kind."""
    machine = Machine(reprice(architecture))
    path = None if architecture.datapath is None else registry.encoded(architecture.datapath)
    refuse_unemitted(architecture, path)  # first: a misspelt action leaves another unpaid
    if guard.is_builtin(machine.sensing):
        done = checked.actions(machine.sensing, full(architecture, architecture.precision.input_bits))
        if lacks := machine.find_unpriced(done):
            raise InputError(lacks, field="components")
    paid = machine.prices()
    for action in always(architecture):
        if action not in paid:
            raise InputError(f"no component prices the action {action!r}, which every network needs; add one with "
                             f"action: {action}", field="components")
