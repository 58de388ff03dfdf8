"""What every data path promises, checked on layers and crossbars drawn at random; for those who write one.

    for options in variants(Mine):
        conform(Mine(options))

The first broken promise is raised as one sentence. Every check is also a function of its own, of one `Case`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Block, Geometry, Ints, Projection, Stream
from xbarch.errors import InputError
from xbarch.functional.execute import Executed
from xbarch.functional.proof import broken, executed, lawful, same
from xbarch.plugins import checked, counts, laws
from xbarch.plugins.guard import asking
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer, Workload

_TRIES = 5_000  # draws until one is accepted


def conform(path: DataPath, layers: int = 50, seed: int = 0) -> int:
    """Every check on `layers` random layers and on the extreme ones that the data path accepts; how many there were.

    Exact: the blocks, executed with ADCs that lose nothing, give the integers of the layer, for extreme inputs too and
    weight by weight, and for signed ones. Conserving: every kept weight is held, no cell twice, promised caps and ADC
    bits suffice. Actions: what `work` counts is what the blocks are, sums that fan out are counted, unpruned nothing
    is gained over `dense`, and known inputs save reads, but none that is needed. Prices: what is counted beyond that
    has one, and one that hardware can have. Training: a projection, if there is one, gives weights that pack, at the
    density asked for. The same layers for the same seed.

    Raises:
        InputError: the first broken promise, with the data path, the layer and its crossbar.
    """
    rng = np.random.default_rng(seed)
    cases = [*extremes(path), *(draw(rng, path) for _ in range(layers))]
    for case in cases:
        packed = case.packed()
        lawful(case, packed, checked.work(path, packed, case.layer, case.geometry))
        exact(case, packed)
        retrieved(case, packed)
        signed(case, packed)
        promised(case, packed)
        skipped(case, packed)
        even(case, packed)
        priced(case, packed)
        projected(case, float(rng.uniform(0.3, 0.9)))
    thinned(path)
    return len(cases)


def variants(kind: type[DataPath]) -> list[dict[str, Any]]:
    """Options to check a data path with: its defaults, then each other value of every bool or Literal, alone."""
    fields = kind.Options.model_fields.items()
    return [{}, *({name: value} for name, info in fields for value in values(info.annotation) if value != info.default)]


def values(annotation: Any) -> list[Any]:
    """All values of a Literal or bool option."""
    if annotation is bool:
        return [False, True]
    return list(get_args(annotation)) if get_origin(annotation) is Literal else []


# -- layers and crossbars -------------------------------------------------------------------------------------

@dataclass
class Case(laws.Asked):
    """A data path, a layer and a crossbar that it accepts, and input vectors x [windows, groups * rows]."""

    x: Ints

    def packed(self) -> Sequence[Block]:
        """The blocks of one copy, lawful in themselves: inside their crossbars, no cell used twice."""
        return checked.blocks(self.path, self.layer, self.geometry)


def draw(rng: np.random.Generator, path: DataPath) -> Case:
    """A random layer on a random crossbar that the data path accepts, and input vectors for it.

    Raises:
        InputError: it accepts none of thousands.
    """
    reason = ""
    for _ in range(_TRIES):
        layer = _layer(rng, path)
        geometry = Geometry(int(rng.integers(16, 145)), int(rng.integers(16, 161)), int(rng.integers(1, 5)),
                            dac_bits=int(rng.choice([1, 1, 2, 4])), adc_bits=8, unit_column=bool(rng.integers(2)),
                            gated=bool(rng.integers(2)))
        if _needs(path, Geometry(128, 128, 2), ou_rows=16, ou_columns=128) or rng.random() < 0.15:
            geometry = _with_units(rng, path, geometry)
        if rng.random() < 0.15:
            geometry = replace(geometry, signed=True)
        if not (reason := _refused(path, layer, geometry)):
            break
    else:
        raise InputError(f"accepts none of {_TRIES:,} random layers and crossbars, the last one not because {reason}",
                         field=f"data path {path.name}")
    most, size = (1 << layer.input_bits) - 1, layer.groups * layer.rows
    x = rng.integers(0, most + 1, (5, size))
    x[0], x[1] = most, 0                            # every word line driven in every phase; none
    x[2] = most * (rng.random(size) < 0.5)
    return Case(path, replace(layer, name=_described(layer, geometry)), geometry, x)


def extremes(path: DataPath) -> Iterator[Case]:
    """Layers that drive bit lines as hard as any can: inputs all at their largest, weights all high, all low, or
    high and low in equal shares (the worst case of flipped bit lines), whole and with segments removed; cells that
    hold a sign too."""
    rng = np.random.default_rng(3)
    for rows, cell_bits, dac_bits, unit, signed in (
            (128, 2, 1, True, False), (128, 1, 1, True, False), (64, 2, 2, False, False), (36, 3, 1, True, False),
            (64, 4, 3, False, True)):
        geometry = Geometry(rows, 128, cell_bits, dac_bits=dac_bits, adc_bits=8, unit_column=unit, signed=signed)
        if _needs(path, geometry, ou_rows=rows // 4, ou_columns=128):
            geometry = replace(geometry, ou_rows=rows // 4, ou_columns=128)
        for style in ("high", "low", "halves"):
            for pruning in (False, True):
                low, high = path.levels(8)
                shape = (24, 32, 3, 3)
                weights = np.full(shape, low if style == "low" else high, np.int32)
                if style == "halves":
                    weights.reshape(24, -1)[:, ::2] = low
                mask = np.repeat(rng.random((24, 2)) < 0.5, 16, axis=1)[:, :, None, None] & np.ones(shape, bool)
                layer = _held(Layer(
                    name=f"with weights all {style}", op="conv", inputs=("input",), in_shape=(32, 3, 3),
                    out_shape=(24, 1, 1), kernel=(3, 3), weight_bits=8,
                    input_bits=4), weights * mask if pruning else weights, mask if pruning else None)
                if not _refused(path, layer, geometry):
                    yield Case(path, layer, geometry, np.full((1, 288), 15))


def _layer(rng: np.random.Generator, path: DataPath) -> Layer:
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    channels, filters = groups * int(rng.integers(1, 40)), groups * int(rng.integers(1, 40))
    linear = rng.random() < 0.15
    height, width = (1, 1) if linear else (int(k) for k in rng.choice([1, 2, 3, 3, 5], 2))
    groups = 1 if linear else groups
    weight_bits, input_bits = int(rng.choice([2, 3, 4, 5, 6, 7, 8, 16])), int(rng.integers(1, 9))
    shape = (filters, channels // groups, height, width)
    weights = _weights(rng, *path.levels(weight_bits), shape)
    style = rng.choice(["groups"] * 8 + ["elements"] * 3 + ["all"])
    mask = None if rng.random() < 0.2 else _mask(rng, shape, str(style))
    stride, dilation = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    return _held(Layer(
        name="layer", op="linear" if linear else "conv", inputs=("input",),
        in_shape=(channels, 1, 1) if linear else (channels, 9, 9), out_shape=(filters, 1, 1), kernel=(height, width),
        stride=(stride, stride), dilation=(dilation, dilation), groups=groups, weight_bits=weight_bits,
        input_bits=input_bits), weights if mask is None else weights * mask, mask)


def _held(layer: Layer, weights: NDArray[Any], mask: NDArray[np.bool_] | None) -> Layer:
    """The layer with these weights; mask None: all kept."""
    return replace(layer, weights=lambda: weights, mask=None if mask is None else lambda: mask)


def _mask(rng: np.random.Generator, shape: tuple[int, int, int, int], style: str) -> NDArray[np.bool_]:
    """Whole groups of 16, 8 or 4 channels, single weights, or nothing left at all."""
    if style == "elements":
        return rng.random(shape) < 0.4
    if style == "all":
        return np.zeros(shape, bool)
    channels = int(rng.choice([16, 8, 4]))
    keep = rng.random((shape[0], -(-shape[1] // channels))) < rng.choice([0.1, 0.5])
    return np.broadcast_to(np.repeat(keep, channels, axis=1)[:, :shape[1], None, None], shape)


def _weights(rng: np.random.Generator, low: int, high: int, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Random over all levels, all the largest, all the smallest, or a mixture of extremes."""
    style = rng.integers(6)
    if style < 2:
        return np.full(shape, high if style else low, np.int32)
    if style == 2:
        return rng.choice([low, high], shape).astype(np.int32)
    return rng.integers(low, high + 1, shape, dtype=np.int32)


def _with_units(rng: np.random.Generator, path: DataPath, geometry: Geometry) -> Geometry:
    """The same crossbar with operation units, of all its bit lines where the data path takes no others."""
    whole = _needs(path, Geometry(128, 128, 2, ou_rows=16, ou_columns=16), ou_columns=128)
    wide = geometry.columns if whole else int(rng.integers(1, min(geometry.columns, 24) + 1))
    return replace(geometry, ou_rows=int(rng.integers(1, min(geometry.rows, 20) + 1)), ou_columns=wide)


def _needs(path: DataPath, geometry: Geometry, **change: Any) -> bool:
    """Whether a crossbar is refused without such units and accepted with them."""
    layer = Layer(name="layer", op="linear", inputs=("input",), in_shape=(8, 1, 1), out_shape=(4, 1, 1), weight_bits=4,
                  input_bits=4)
    return bool(_refused(path, layer, geometry)) and not _refused(path, layer, replace(geometry, **change))


def _refused(path: DataPath, layer: Layer, geometry: Geometry) -> str:
    return checked.reason(path, Workload(name="random", layers=(layer,)), geometry)


def _described(layer: Layer, geometry: Geometry) -> str:
    """What the layer and its crossbar are, as a name."""
    height, width = layer.kernel
    return (f"{layer.op} {height}x{width} {layer.in_shape[0]} to {layer.filters} in {layer.groups} of "
            f"{layer.weight_bits} and {layer.input_bits} bits on {geometry.rows}x{geometry.columns}x"
            f"{geometry.cell_bits}" + " with signs" * geometry.signed
            + f" by {geometry.ou_rows}x{geometry.ou_columns}" * geometry.operation_units)


# -- promises -------------------------------------------------------------------------------------------------

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
    Groups that are read in several ways (`Work.group`) may gain by that."""
    path, layer, geometry = case.path, replace(case.layer, mask=None), case.geometry
    options, changes = path.matched()
    base: DataPath[Any] = Dense(options)
    each = path.cells_per_weight(layer.weight_bits, geometry)
    alone = Workload(name="whole", layers=(layer,))
    if changes or each != base.cells_per_weight(layer.weight_bits, geometry) or _refused(path, layer, geometry) \
            or base.accepts(alone, geometry):
        return
    if any(block.gated for block in packed) and checked.hardware(path, geometry):
        return
    own, dense = (checked.work(of, checked.blocks(of, layer, geometry), layer, geometry) for of in (path, base))
    mine, plain = (int((work.reads * work.columns).sum()) for work in (own, dense))
    if own.group is None and mine < 0.99 * plain:
        raise case.wrong(f"unpruned it must take at least 99 % of the {plain} conversions of dense, not {mine}")


def priced(case: Case, packed: Sequence[Block]) -> None:
    """Actions of its own and hardware of its own belong together; each part has a number, a source, an area and an
    energy that hardware can have, and a name that no component of `isaac_like` has."""
    names, actions = _machine()
    counts.hardware(case.path, case.geometry, names)
    extra = checked.work(case.path, packed, case.layer, case.geometry).extra
    counts.priced(case, extra, actions)


@cache
def _machine() -> tuple[frozenset[str], frozenset[str]]:
    """Names and actions of the components of a machine that stands for all."""
    components = load("isaac_like", Architecture).components
    return frozenset(components), frozenset(
        action for c in components.values() for action in (c.action, *c.covers) if action is not None)


def projected(case: Case, density: float) -> bool:
    """The projection at that density, if the method has one and reaches it, is zero where it is masked, keeps what the
    method promises and packs exactly. Returns whether there was one."""
    layer, path, low, high = case.layer, case.path, *case.path.levels(case.layer.weight_bits)
    if not isinstance(path, Pruning):
        return False
    shape = (layer.filters, layer.rows // (layer.kernel[0] * layer.kernel[1]), *layer.kernel)
    reals = np.random.default_rng(5).normal(0, high / 2, shape).clip(low, high)
    with asking(path, "project", layer.name) as wrong:
        if not path.prunes(layer):
            return False
        try:
            found = path.project(reals, layer, case.geometry, density)
        except InputError:  # none, or not at that density
            return False
        if not isinstance(found, Projection) or found.mask.shape != shape or found.weights.shape != shape:
            raise wrong(f"must return a Projection with weights and mask of the shape {shape}")
        if not np.isfinite(found.weights).all() or found.weights[~found.mask].any():
            raise wrong("must return finite weights that are zero where they are masked")
    levels = np.rint(found.weights).clip(low, high).astype(np.int32)
    pruned = Case(path, replace(_held(layer, levels, found.mask), side=found.side), case.geometry, case.x)
    if breaks := broken(pruned):
        raise case.wrong(f"the projection to {density:.0%} breaks the method's own promise: {breaks}")
    exact(pruned, pruned.packed())
    return True


def thinned(path: DataPath) -> bool:
    """A projection of a larger layer keeps about the share of the weights that it is asked to keep, at most a fifth of
    them more. Returns whether there was one: the data path prunes, and takes such a layer on one of four crossbars."""
    shape = (128, 64, 3, 3)
    layer = Layer(name="conv 3x3 64 to 128", op="conv", inputs=("input",), in_shape=(64, 9, 9), out_shape=(128, 9, 9),
                  kernel=(3, 3), weight_bits=4, input_bits=4, weights=lambda: np.ones(shape, np.int32))
    whole = (Geometry(64, 64, 2), Geometry(128, 128, 2))
    units = (replace(whole[0], ou_rows=8, ou_columns=8), replace(whole[1], ou_rows=16, ou_columns=128))
    geometry = next((g for g in (*whole, *units) if not _refused(path, layer, g)), None)
    if geometry is None or not isinstance(path, Pruning):
        return False
    low, high = path.levels(layer.weight_bits)
    reals = np.random.default_rng(5).normal(0, high / 2, shape).clip(low, high)
    with asking(path, "project", layer.name) as wrong:
        if not path.prunes(layer):
            return False
        for density in (0.3, 0.5):
            try:
                share = float(path.project(reals, layer, geometry, density).mask.mean())
            except InputError:  # none, or not at that density
                continue
            if share > density + 0.2:
                raise wrong(f"must keep about {density:.0%} of the weights, as asked, not {share:.0%}")
    return True
