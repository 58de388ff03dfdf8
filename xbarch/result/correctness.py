"""Whether a machine's converters suffice: by the largest sums that its packings can reach, else on stored inputs."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Literal, get_args

import numpy as np

from xbarch.datapaths.base import DataPath, Geometry
from xbarch.functional.sums import WIDEST, Seen, seen
from xbarch.machine.machine import Machine
from xbarch.mapping.kinds import part
from xbarch.mapping.pack import Packed
from xbarch.mapping.packings import name_of
from xbarch.plugins import checked, guard
from xbarch.result import schema
from xbarch.result.run import Run
from xbarch.support import cache
from xbarch.workload.graph import Workload

_log = logging.getLogger(__name__)
_KEPT = 64  # networks of which what was seen stays in memory
_memory: OrderedDict[str, bytes] = OrderedDict()
Proof = Literal["bound", "stored activations", "none"]
PROOFS: tuple[Proof, ...] = get_args(Proof)  # the strongest first


def correctness(run: Run) -> schema.Correctness:
    """Of a run. The bound follows from the packing and costs nothing. Where it does not fit the converters, or low bits
    are dropped, cells are made, which give a closer bound, and the stored activations are driven through them, once;
    that is remembered by the packing's digest and serves converters of any resolution. Sums of crossbars above one
    another are not executed, so of them there is the bound alone.

    Raises:
        InputError: a data path's contents break its contract.
    """
    on = {name: run.machine.of(name).geometry for name in run.packed}
    stack = {name: min(run.machine.of(name).stack, p.crossbars) for name, p in run.packed.items()}
    needed = {name: on[name].lossless_bits(p.layout.largest_sum(on[name]) * stack[name])
              for name, p in run.packed.items()}
    drops = any(drops_bits(p, on[name]) for name, p in run.packed.items())
    proven = not drops and all(bits <= on[name].adc_bits for name, bits in needed.items())
    found = {} if proven or max(stack.values(), default=1) > 1 else _seen(run, drops)
    needed |= {name: on[name].lossless_bits(s.largest) for name, s in found.items()}
    proven = not drops and all(bits <= on[name].adc_bits for name, bits in needed.items())
    layers = [_layer(name, needed[name], on[name].adc_bits, proven, found.get(name)) for name in run.packed]
    said = summed(layers, "bound" if proven else "stored activations" if found else "none", drops,
                  sum(s.drops for s in found.values()))
    noisy = any(machine.imperfect is not None for machine in run.machine.each)
    return said.model_copy(update={"noise": True}) if noisy else said


def summed(layers: list[schema.Sufficient], proof: Proof, drops: bool,
           dropped: int = 0) -> schema.Correctness:
    """Layers together. dropped: conversions that were seen to lose low bits."""
    converted = sum(la.conversions or 0 for la in layers)
    clipped = sum((la.clipped_share or 0) * (la.conversions or 0) for la in layers)
    known = proof != "none"
    share = (clipped / converted if converted else 0.0) if known else None
    return schema.Correctness(
        exact=known and not clipped and not dropped, proof=proof, clipped_share=share, drops_low_bits=drops,
        layers=layers)


def _layer(name: str, needed: int, built: int, proven: bool, found: Seen | None) -> schema.Sufficient:
    share = 0.0 if proven else None if found is None else found.clips(built) / found.conversions
    return schema.Sufficient(
        layer=name, adc_bits_built=built, adc_bits_needed=needed, adc_bits_seen=None if found is None else found.bits,
        clipped_share=share, conversions=None if found is None else found.conversions)


def drops_bits(packed: Packed, geometry: Geometry) -> bool:
    """Whether the layer's sensing unit drops low bits of a sum that is worth least."""
    low = checked.dropped(packed.sensing, np.zeros(1, np.int64), geometry.adc_bits)
    return low is not None and bool(low.any())


def _seen(run: Run, drops: bool) -> dict[str, Seen]:
    """What stored activations need, layer by layer; nothing where not all layers have some."""
    network, packed = run.workload, run.packed
    stored = network.activations
    if not all(n in stored and prod(stored[n].shape[1:]) == prod(p.layer.in_shape) for n, p in packed.items()):
        return {}
    found: dict[str, Seen] = {}
    for machine in run.machine.each:
        own = {name: p for name, p in packed.items() if run.machine.of(name) is machine}
        found |= _seen_on(machine, part(network, run.machine.on, machine.kind), run.path, own, drops) if own else {}
    return {name: found[name] for name in packed}


def _seen_on(machine: Machine, network: Workload, path: DataPath, packed: Mapping[str, Packed],
             drops: bool) -> dict[str, Seen]:
    """`_seen` of the layers on tiles of one kind."""
    stored, sensing = network.activations, machine.sensing
    # No data path packs for a resolution, so that one look serves all; what a unit drops depends on it.
    geometry = machine.geometry if drops else replace(machine.geometry, adc_bits=1)
    unit = (sensing.name, dict(sensing.options), sensing.array) if drops else ()
    own = guard.is_builtin(sensing) or not drops
    name = name_of("seen", network, path, geometry, unit) if own else ""
    kept = _memory.get(name) or cache.get(name)
    if kept is None or (found := _read(kept, packed)) is None:
        _log.info("driving the stored activations of %s through the crossbars", network.name)
        with guard.asking(path, "contents", limited=False):
            found = {n: seen(p.make(), p.layer, machine.geometry, stored[n], p.sensing if drops else None)
                     for n, p in packed.items()}
        kept = np.array([[*s.needed, s.drops, s.largest] for s in found.values()], np.int64).tobytes()
        if name:
            cache.put(name, kept)
    if name:
        _memory[name] = kept
        while len(_memory) > _KEPT:
            _memory.popitem(last=False)
    return found


def _read(kept: bytes, packed: Mapping[str, Packed]) -> dict[str, Seen] | None:
    """What `_seen` kept; None where it is not that."""
    if len(kept) != len(packed) * (WIDEST + 3) * 8:
        return None
    table = np.frombuffer(kept, np.int64).reshape(len(packed), WIDEST + 3)
    return {name: Seen(row[:-2], int(row[-2]), int(row[-1])) for name, row in zip(packed, table, strict=True)}
