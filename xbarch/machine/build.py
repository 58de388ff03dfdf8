"""Build the one machine of a run from an architecture: refuse what cannot run, add what the workload needs."""

from __future__ import annotations

from xbarch.cost.nameplate import full
from xbarch.cost.pricing import reprice
from xbarch.datapaths.base import DataPath, Geometry
from xbarch.errors import IncompatibleError, InputError
from xbarch.machine.machine import Machine
from xbarch.machine.payers import always, refuse_unemitted
from xbarch.machine.periphery import PUBLISHED, Periphery
from xbarch.machine.variant import variant
from xbarch.plugins import checked, guard, registry
from xbarch.specs.architecture import Architecture
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
    published = Geometry.of(architecture.crossbar)
    if reason := checked.reason(path, network, published):
        raise IncompatibleError(f"data path {path.name} cannot run workload {network.name} on "
                                f"{architecture.name}", reason=reason)
    refuse_unemitted(architecture, path)
    return Machine(variant(architecture, network, path, published, policy, periphery.of), chips, periphery)


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
    machine = Machine(reprice(architecture))
    if guard.is_builtin(machine.sensing):
        done = checked.actions(machine.sensing, full(architecture, architecture.precision.input_bits))
        if lacks := machine.find_unpriced(done):
            raise InputError(lacks, field="components")
    paid = machine.prices()
    for action in always(architecture):
        if action not in paid:
            raise InputError(f"no component prices the action {action!r}, which every network needs; add one with "
                             f"action: {action}", field="components")
    path = None if architecture.datapath is None else registry.encoded(architecture.datapath)
    refuse_unemitted(architecture, path)
