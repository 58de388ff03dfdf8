"""What the plan, the stage graph and the times of a run follow from, beside its network: a machine without its prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xbarch.datapaths.base import DataPath
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.plugins import guard
from xbarch.specs.architecture import Architecture

_PRICED = {"name", "summary", "source", "technology", "node", "node_model", "noise", "components", "crossbar", "kinds"}
"""Fields that have prices, or words, or errors of cells; what times follow from in them is added one by one."""


def comparable(machine: Machine, path: DataPath) -> bool:
    """Whether all that runs follow from can be compared: code that does not come with xbarch may look at anything."""
    return not machine.processes and all(guard.is_builtin(each) for each in (
        path, machine.network.topology, *(m.sensing for m in machine.each)))


def timed(machine: Machine) -> list[object]:
    """Values whose texts are equal where machines differ in nothing but prices, errors of cells and the resolution of
    converters; what this does to the times of a packed layer is in `read`."""
    return [machine.chips, machine.on, *(each for m in dict.fromkeys((machine, *machine.each)) for each in _machine(m))]


def _machine(machine: Machine) -> Iterator[object]:
    a = machine.architecture
    yield machine.kind
    yield a.crossbar.model_copy(update={"adc_bits": 1})
    yield [getattr(a, name) for name in Architecture.model_fields if name not in _PRICED]
    yield [(name, c.level, c.action, c.covers, c.actions, c.per) for name, c in a.components.items()]


def read(packed: Mapping[str, Packed]) -> list[object]:
    """What reading the crossbars of each packed layer takes, and how often it does what."""
    return [(name, p.sensing.conversion, p.occupancy.shape, p.occupancy.tobytes(),
             [(action, counts.shape, counts.tobytes()) for action, counts in p.actions.items()])
            for name, p in packed.items()]
