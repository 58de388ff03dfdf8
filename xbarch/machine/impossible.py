"""What is refused before anything is packed: networks that cannot fit on a machine, or would take too long to pack."""

from __future__ import annotations

from math import ceil

from xbarch.datapaths.base import DataPath
from xbarch.errors import CapacityError, InputError
from xbarch.machine.machine import Machine
from xbarch.mapping.kinds import part
from xbarch.mapping.pack import dense_crossbars, distinct, least_crossbars
from xbarch.workload.graph import Workload

_CROSSBARS = 2 * 10**6  # most that are packed one by one, of layers that differ: some twenty seconds, a gigabyte
_ALL = 10**7  # most in all: some fifteen minutes and 25 gigabytes to compile and simulate


def refuse_impossible(network: Workload, machine: Machine, path: DataPath) -> None:
    """Refuse, before anything is packed, a network that cannot fit on the machine or would take too long to pack.

    Raises:
        CapacityError: one copy of each layer needs more crossbars than the machine has.
        InputError: the crossbars are so small that a dense copy takes more of them than can be packed.
    """
    for each in machine.each:
        _refuse_impossible(part(network, machine.on, each.kind), each, path)


def _refuse_impossible(network: Workload, machine: Machine, path: DataPath) -> None:
    """`refuse_impossible` of the layers on tiles of one kind."""
    where = f" of kind {machine.kind}" if machine.kind else ""
    least = least_crossbars(network, machine.geometry)
    if least > machine.crossbars:
        raise CapacityError(f"one copy of each layer needs at least {least:,} crossbars{where}, but the machine has "
                            f"{machine.crossbars:,}; {ceil(least / machine.crossbars):,} times as many tiles (or "
                            "--chips) would hold it")
    g, dense = machine.geometry, dense_crossbars(network, machine.geometry)
    if dense <= _CROSSBARS:
        return
    alone = dense_crossbars(distinct(network, path), g)
    for found, most, of in ((alone, _CROSSBARS, " for layers that differ"), (dense, _ALL, "")):
        if found > most:
            raise InputError(f"one dense copy of {network.name} takes {found:,} crossbars of {g.rows} x {g.columns} "
                             f"cells{of}; use larger crossbars, so that at most {most:,} hold it", field="crossbar")
