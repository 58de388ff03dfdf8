"""What a data path promises of its blocks, their work and its hardware, one function per promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.conformance.cases import Case, refused
from xbarch.datapaths.base import DataPath
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.records import INPUT_SUM, Block, Stream
from xbarch.functional.execute import Executed
from xbarch.functional.proof import broken, executed, same
from xbarch.plugins import checked, counts, laws
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Workload


def exact(case: Case, packed: Sequence[Block]) -> Executed:
    """The blocks, executed with ADCs that lose nothing, give the integers of the layer, and nothing clips."""
    done = executed(case, packed, case.x, "lossless")
    same(case, done, case.x @ case.matrix, "the outputs")
    return done


def retrieved(case: Case, packed: Sequence[Block]) -> None:
    """One input alone at one: the outputs are that row of the matrix, so each weight is stored, and stored once."""
    done = executed(case, packed, np.eye(len(case.matrix), dtype=np.int64), "lossless")
    same(case, done, case.matrix, "the weights read back one by one")


def signed(case: Case, packed: Sequence[Block]) -> None:
    """Inputs that may be negative, in two's complement or with an offset, give the integers of the layer too."""
    half = 1 << case.layer.input_bits - 1
    other = Case(case.path, replace(case.layer, signed_in=True),
                 replace(case.geometry, offset_inputs=case.layer.filters % 2 == 0), case.x[:3] - half)
    done = executed(other, packed, other.x, "lossless")
    same(other, done, other.x @ other.matrix, "the outputs for signed inputs")


def conserved(case: Case, packed: Sequence[Block]) -> NDArray[np.int16]:
    """Blocks that are read together can be; they store what they say, and hold every kept weight between inputs and
    targets. Returns how many blocks hold each weight, [groups * rows, filters]."""
    laws.grouped(case, packed)
    return laws.covered(case, packed)


def bounded(case: Case, packed: Sequence[Block]) -> None:
    """Contents are lawful, caps bound the bit lines when every word line is driven as hard as it can be, and sums that
    fan out are counted; promised ADC bits suffice."""
    laws.contained(case, packed, checked.work(case.path, packed, case.layer, case.geometry).extra)
    promised(case, packed)


def promised(case: Case, packed: Sequence[Block]) -> None:
    """Where ADC bits are promised they lose nothing (of layers whose weights keep what the method promises)."""
    bits = checked.adc_bits(case.path, case.layer, case.geometry)
    if bits is not None and not broken(case):
        same(case, executed(case, packed, case.x, bits), case.x @ case.matrix, f"the outputs at {bits} ADC bits")


def counted(case: Case, packed: Sequence[Block]) -> None:
    """What `work` and `index_bits` count is what the blocks are, while no inputs are known to skip."""
    counts.counted(case, packed, checked.work(case.path, packed, case.layer, case.geometry))
    checked.index_bits(case.path, packed, case.layer, case.geometry)


def skipped(case: Case, packed: Sequence[Block]) -> None:
    """Known inputs cost nothing, and save no read that they need: on the case's own and on ones with many zeros."""
    windows = case.layer.windows
    x = np.resize(case.x, (windows, case.x.shape[1])) * (np.random.default_rng(7).random(case.x.shape[1]) < 0.3)
    x[:len(case.x)] = case.x[:windows]
    stream = Stream(1, case.layer.input_bits, lambda: x.astype(np.uint8))
    whole, work = (checked.work(case.path, packed, case.layer, case.geometry, given) for given in (None, stream))
    counts.skipped(case, packed, whole, work, stream)


def even(case: Case, packed: Sequence[Block]) -> None:
    """Nothing is gained unpruned: without its mask, and with no inputs known, a layer takes at least 99 % of the
    conversions that `dense` takes in the method's signs, where a weight takes as many cells on both. Which bit lines
    are converted is the machine's matter (`Geometry.gated`), unless the method adds, and pays for, what picks them.
    Groups that are read in several ways (`Work.group`) may gain by that, sums of inputs that adders make replace
    reference bit lines."""
    path, layer, geometry = case.path, replace(case.layer, mask=None), case.geometry
    options, changes = path.matched()
    base: DataPath[Any] = Dense(options)
    each = path.cells_per_weight(layer.weight_bits, geometry)
    alone = Workload(name="whole", layers=(layer,))
    if changes or each != base.cells_per_weight(layer.weight_bits, geometry) or refused(path, layer, geometry) \
            or base.accepts(alone, geometry):
        return
    if any(block.gated for block in packed) and checked.hardware(path, geometry):
        return
    own, dense = (checked.work(of, checked.blocks(of, layer, geometry), layer, geometry) for of in (path, base))
    mine, plain = (int((work.reads * work.columns).sum()) for work in (own, dense))
    if own.group is None and INPUT_SUM not in own.extra and mine < 0.99 * plain:
        raise case.wrong(f"unpruned it must take at least 99 % of the {plain} conversions of dense, not {mine}")


def priced(case: Case, packed: Sequence[Block]) -> None:
    """Actions of its own and hardware of its own belong together; each part has a number, a source, an area and an
    energy that hardware can have, and a name that no component of `isaac_like` has."""
    names, actions = _machine()
    counts.hardware(case.path, case.geometry, names)
    extra = checked.work(case.path, packed, case.layer, case.geometry).extra
    counts.priced(case, extra, {*actions, *case.path.emits})  # those an architecture may have components for


@cache
def _machine() -> tuple[frozenset[str], frozenset[str]]:
    """Names and actions of the components of a machine that stands for all."""
    components = load("isaac_like", Architecture).components
    return frozenset(components), frozenset(
        action for c in components.values() for action in (c.action, *c.covers) if action is not None)
