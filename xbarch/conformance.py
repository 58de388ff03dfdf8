"""What every data path promises, checked on layers and crossbars drawn at random; for those who write one.

    for options in variants(Mine):
        conform(Mine(options))

The first broken promise is raised as one sentence. Every check is also a function of its own, of one `Case`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Block, Geometry, Ints, Projection
from xbarch.errors import InputError, XbarchError
from xbarch.functional.execute import Executed, Resolution, ceiling, run
from xbarch.plugins import checked
from xbarch.plugins.guard import asking
from xbarch.workload.graph import Layer, Workload

_TRIES = 5_000  # draws until one is accepted


def conform(path: DataPath, layers: int = 50, seed: int = 0) -> int:
    """Every check on `layers` random layers and on the extreme ones that the data path accepts; how many there were.

    Exact: the blocks, executed with ADCs that lose nothing, give the integers of the layer, for extreme inputs too and
    weight by weight. Conserving: every kept weight is held, no cell twice, promised caps and ADC bits suffice. Actions:
    what `work` counts is what the blocks are, and unpruned nothing is gained over `dense`. Prices: what is counted
    beyond that has one. Training: a projection, if there is one, gives weights that pack. The same layers for the same
    seed.

    Raises:
        InputError: the first broken promise, with the data path, the layer and its crossbar.
    """
    rng = np.random.default_rng(seed)
    cases = [*extremes(path), *(draw(rng, path) for _ in range(layers))]
    for case in cases:
        packed = case.packed()
        exact(case, packed)
        retrieved(case, packed)
        conserved(case, packed)
        bounded(case, packed)
        counted(case, packed)
        even(case, packed)
        priced(case, packed)
        projected(case, float(rng.uniform(0.3, 0.9)))
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
class Case:
    """A data path, a layer and a crossbar that it accepts, and input vectors x [windows, groups * rows]."""

    path: DataPath
    layer: Layer
    geometry: Geometry
    x: Ints

    def packed(self) -> Sequence[Block]:
        """The blocks of one copy, lawful in themselves: inside their crossbars, no cell used twice."""
        return checked.blocks(self.path, self.layer, self.geometry)

    @property
    def matrix(self) -> Ints:
        """The whole unrolled matrix [groups * rows, filters], zero between groups: the oracle's weights."""
        return self._whole(self.layer.matrix)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """The mask in the form of `matrix`."""
        return self._whole(self.layer.kept).astype(bool)

    def _whole(self, unrolled: NDArray[Any]) -> Ints:
        layer = self.layer
        full = np.zeros((layer.groups * layer.rows, layer.filters), np.int64)
        for f in range(layer.filters):
            g = f // (layer.filters // layer.groups)
            full[g * layer.rows:(g + 1) * layer.rows, f] = unrolled[:, f]
        return full

    def wrong(self, says: str) -> InputError:
        """A broken promise as one sentence."""
        return InputError(f"layer {self.layer.name}: {says}", field=f"data path {self.path.name}")


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
    done = _executed(case, packed, case.x, "lossless")
    _same(case, done, case.x @ case.matrix, "the outputs")
    return done


def retrieved(case: Case, packed: Sequence[Block]) -> None:
    """One input alone at one: the outputs are that row of the matrix, so each weight is stored, and stored once."""
    _same(case, _executed(case, packed, np.eye(len(case.matrix), dtype=np.int64), "lossless"), case.matrix,
          "the weights read back one by one")


def conserved(case: Case, packed: Sequence[Block]) -> Ints:
    """Blocks lie beside one another, store what they say, and hold every kept weight between inputs and targets.
    Returns how many blocks hold each weight, [groups * rows, filters]."""
    geometry = case.geometry
    painted = np.zeros((1 + max(b.crossbar for b in packed), geometry.rows, geometry.columns + geometry.unit_column),
                       np.int64)
    covered = np.zeros(case.matrix.shape, np.int64)
    for number, b in enumerate(packed):
        painted[b.crossbar, b.row0:b.row0 + b.rows, b.col0:b.col0 + b.columns] += 1
        covered[np.ix_(b.inputs, b.targets)] += 1
        with asking(case.path, "contents", case.layer.name):
            contents = b.contents()
        if contents.cells.shape != (b.rows, b.columns):
            raise case.wrong(f"block {number} must store {(b.rows, b.columns)} cells, not {contents.cells.shape}")
        if strange := sorted(set(contents.output.tolist()) - set(b.targets.tolist())):
            raise case.wrong(f"block {number} adds to output {strange[0]}, which is not one of its targets")
        if b.kept > b.rows * b.columns:
            raise case.wrong(f"block {number} must keep at most its {b.rows * b.columns} cells, not {b.kept}")
    if painted.max() > 1 or not painted.any(axis=(1, 2)).all():
        raise case.wrong("a crossbar is empty, or two blocks share a cell")
    if lost := int((covered[case.kept] == 0).sum()):
        raise case.wrong(f"{lost} of {int(case.kept.sum())} kept weights are in no block")
    if not case.kept.any() and (cells := sum(b.kept for b in packed)):
        raise case.wrong(f"{cells} cells are counted as holding kept weights, but none is kept")
    return covered


def bounded(case: Case, packed: Sequence[Block]) -> None:
    """Caps bound the bit lines when every word line is driven as hard as it can be; where ADC bits are promised they
    lose nothing (of layers whose weights keep what the method promises)."""
    geometry, drive = case.geometry, (1 << case.geometry.dac_bits) - 1
    for number, block in enumerate(packed):
        cells, step = block.contents().cells.astype(np.int64) * drive, geometry.ou_rows or block.rows
        largest = max(int(part[r:r + step].sum(axis=0).max(initial=0)) for r in range(0, block.rows, step)
                      for part in (np.maximum(cells, 0), np.maximum(-cells, 0)))
        if largest > ceiling(block, geometry):
            raise case.wrong(f"a bit line of block {number} can sum to {largest}, more than its cap of {block.cap}")
    bits = checked.adc_bits(case.path, case.layer, geometry)
    if bits is not None and not _broken(case):
        _same(case, _executed(case, packed, case.x, bits), case.x @ case.matrix, f"the outputs at {bits} ADC bits")


def counted(case: Case, packed: Sequence[Block]) -> None:
    """What `work` says of an activation group is what its blocks are, while no inputs are known to skip.

    Read as a whole, a group has one entry: its word lines, its bit lines (all of the array where nothing gates them),
    its partial sums, one read or more. In operation units all entries together sense what
    the group tiled into units does.
    """
    geometry, phases = case.geometry, case.geometry.phases(case.layer.input_bits)
    work = checked.work(case.path, packed, case.layer, geometry)
    keys = sorted({(b.crossbar, b.group) for b in packed})
    members = [[b for b in packed if (b.crossbar, b.group) == key] for key in keys]
    driven = [len({row for b in m for row in range(b.row0, b.row0 + b.rows)}) for m in members]
    used = [sum(b.columns for b in m) for m in members]
    charged = [u if all(b.gated for b in m) else geometry.converted(u) for u, m in zip(used, members, strict=True)]
    checks: list[tuple[str, Any, Any]]
    if geometry.operation_units:
        high, wide, tiled = geometry.ou_rows, geometry.ou_columns, list(zip(driven, charged, strict=True))
        stacked = [(-(-r // high) * phases, c) for r, c in tiled]  # phases times units above one another
        checks = [("reads", int(work.reads.sum()), sum(n * -(-c // wide) for n, c in stacked)),
                  ("conversions", int((work.reads * work.columns).sum()), sum(n * c for n, c in stacked)),
                  ("cells sensed", int((work.reads * work.cells).sum()), phases * sum(r * c for r, c in tiled)),
                  ("units of too many rows", int((work.rows > high).sum()), 0)]
    else:
        sums = [sum(len(set(b.targets.tolist())) for b in m) for m in members]
        checks = [("crossbars of the groups", work.crossbar.tolist(), [crossbar for crossbar, _ in keys]),
                  ("rows", work.rows.tolist(), driven), ("columns", work.columns.tolist(), charged),
                  ("cells", work.cells.tolist(), [r * c for r, c in zip(driven, charged, strict=True)]),
                  ("outputs", work.outputs.tolist(), sums), ("groups never read", int((work.reads < 1).sum()), 0)]
    for name, found, allowed in checks:
        if found != allowed:
            raise case.wrong(f"work must count {name} {_short(allowed)}, as the blocks are, not {_short(found)}")


def even(case: Case, packed: Sequence[Block]) -> None:
    """Nothing is gained unpruned: without its mask, and with no inputs known, a layer takes at least 99 % of the
    conversions that `dense` takes in the method's signs, where a weight takes as many cells on both. Which bit lines
    are converted is the machine's matter (`Geometry.gated`), unless the method adds, and pays for, what picks them."""
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
    mine, plain = (int((work.reads * work.columns).sum()) for work in (
        checked.work(of, checked.blocks(of, layer, geometry), layer, geometry) for of in (path, base)))
    if mine < 0.99 * plain:
        raise case.wrong(f"unpruned it must take at least 99 % of the {plain} conversions of dense, not {mine}")


def priced(case: Case, packed: Sequence[Block]) -> None:
    """Actions of its own and hardware of its own belong together; each part has a number, area, energy, a source."""
    added = checked.hardware(case.path, case.geometry)
    extra = checked.work(case.path, packed, case.layer, case.geometry).extra
    if odd := sorted({a.action for a in added} ^ set(extra)):
        raise case.wrong(f"the action {odd[0]!r} is counted but not priced, or priced but not counted")
    for a in added:
        if not (a.area and a.energy and a.count and a.source):
            raise case.wrong(f"the part {a.name!r} must have a count, an area, an energy and a source")


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
    if broken := _broken(pruned):
        raise case.wrong(f"the projection to {density:.0%} breaks the method's own promise: {broken}")
    exact(pruned, pruned.packed())
    return True


def _broken(case: Case) -> str:
    with asking(case.path, "check", case.layer.name):
        return case.path.check(case.layer, case.geometry)


def _executed(case: Case, packed: Sequence[Block], x: Ints, bits: Resolution) -> Executed:
    with asking(case.path, "contents", case.layer.name):
        try:
            return run(packed, case.layer, case.geometry, x, bits)
        except XbarchError as error:  # says what contradicts what, but not whose blocks they are
            raise case.wrong(str(error)) from None


def _same(case: Case, done: Executed, expected: Ints, what: str) -> None:
    if wrong := np.argwhere(done.out != expected).tolist():
        row, output = wrong[0]
        raise case.wrong(f"{what} differ in {len(wrong)} of {expected.size}: output {output} for input vector {row} "
                         f"must be {expected[row, output]}, not {done.out[row, output]}")
    if done.clips:
        raise case.wrong(f"{what} clip {done.clips} conversions; none may")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
