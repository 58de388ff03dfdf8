"""The laws of a data path's packing, each in one place. `xbarch.conformance` applies them to layers drawn at random, a
run (`xbarch.functional.proof`) to the layers that it really packs.

`xbarch.plugins.checked` has looked at every answer by itself before: kinds, ranges, places inside the crossbar. The
laws here are about what answers say of one another: blocks and weights, blocks and their contents; those of `Work` and
hardware are in `xbarch.plugins.counts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.records import INPUT_SUM, Block, Contents, Geometry, Ints
from xbarch.errors import ContractError
from xbarch.plugins.guard import asking, called, file_of, is_builtin
from xbarch.workload.graph import Layer


@dataclass
class Asked:
    """A data path, a layer and the crossbar that it is packed for."""

    path: DataPath[Any]
    layer: Layer
    geometry: Geometry

    def wrong(self, says: str) -> ContractError:
        """A broken law as one sentence with file, data path and layer."""
        kind = type(self.path)
        file = None if is_builtin(kind) else file_of(kind)
        return ContractError(f"layer {self.layer.name}: {says}", file=file, field=called(kind))

    @property
    def matrix(self) -> Ints:
        """The whole unrolled matrix [groups * rows, filters], zero between groups: the oracle's weights."""
        return self._whole(self.layer.matrix, np.int64)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """The mask in the form of `matrix`."""
        return self._whole(self.layer.kept, np.bool_)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Where `matrix` is not zero."""
        return self._whole(self.layer.matrix != 0, np.bool_)

    def _whole(self, unrolled: NDArray[Any], kind: Any) -> NDArray[Any]:
        layer = self.layer
        full = np.zeros((layer.groups * layer.rows, layer.filters), kind)
        wide = layer.filters // layer.groups
        for g in range(layer.groups):
            mine = slice(g * wide, (g + 1) * wide)
            full[g * layer.rows:(g + 1) * layer.rows, mine] = unrolled[:, mine]
        return full


# -- places ---------------------------------------------------------------------------------------------------

def grouped(asked: Asked, packed: Sequence[Block]) -> None:
    """Blocks that are read together drive each word line by one input and share no bit line."""
    names = np.array([(b.crossbar, b.group) for b in packed], np.int64)
    keys, which = np.unique(names, axis=0, return_inverse=True)
    together = np.flatnonzero(np.bincount(which.ravel())[which.ravel()] > 1)
    if not together.size:
        return
    some, group = [packed[n] for n in together.tolist()], which.ravel()[together]
    group_of, line = _spread(group, [b.col0 for b in some], [b.columns for b in some])
    order = np.lexsort((line, group_of))
    same = np.flatnonzero((np.diff(group_of[order]) == 0) & (np.diff(line[order]) == 0))
    if same.size:
        crossbar, number = keys[group_of[order[same[0]]]]
        raise asked.wrong(f"two blocks of the activation group {number} of crossbar {crossbar} share the bit line "
                          f"{line[order[same[0]]]}; blocks that share bit lines must be of different groups")
    group_of, line = _spread(group, [b.row0 for b in some], [b.rows for b in some])
    driver, order = np.concatenate([b.inputs for b in some]), np.lexsort((line, group_of))
    same = np.flatnonzero((np.diff(group_of[order]) == 0) & (np.diff(line[order]) == 0)
                          & (np.diff(driver[order]) != 0))
    if same.size:
        crossbar, number = keys[group_of[order[same[0]]]]
        raise asked.wrong(f"the word line {line[order[same[0]]]} of crossbar {crossbar} would be driven by two inputs "
                          f"at once; blocks of the activation group {number} that share a word line must have the same "
                          "input there")


def _spread(group: Ints, first: Sequence[int], count: Sequence[int]) -> tuple[Ints, Ints]:
    """Every line of blocks that start at `first` and have `count` lines: (its block's group, its number)."""
    sizes = np.asarray(count, np.int64)
    begins = np.cumsum(sizes) - sizes
    line = np.repeat(np.asarray(first, np.int64) - begins, sizes) + np.arange(int(sizes.sum()))
    return np.repeat(group, sizes), line


# -- weights --------------------------------------------------------------------------------------------------

def covered(asked: Asked, packed: Sequence[Block]) -> NDArray[np.int16]:
    """Every kept weight other than zero lies between inputs and targets of a block; cells that hold kept weights are
    counted. Returns how many blocks hold each weight, [groups * rows, filters]."""
    kept = asked.kept
    needed = kept & asked.alive
    found = np.zeros(kept.shape, np.int16)
    for number, b in enumerate(packed):
        found[np.ix_(b.inputs, b.targets)] += 1
        if b.kept > b.rows * b.columns:
            raise asked.wrong(f"block {number} must keep at most its {b.rows * b.columns} cells, not {b.kept}")
    weights, cells = int(kept.sum()), sum(b.kept for b in packed)
    if lost := int((found[needed] == 0).sum()):
        raise asked.wrong(f"{lost} of {int(needed.sum())} kept weights other than zero are in no block")
    if not weights and cells:
        raise asked.wrong(f"{cells} cells are counted as holding kept weights, but none is kept")
    with asking(asked.path, "cells_per_weight", asked.layer.name):
        each, once = asked.path.cells_per_weight(asked.layer.weight_bits, asked.geometry), asked.path.stores_once
    if each is not None and cells != weights * each:
        raise asked.wrong(f"blocks must keep {weights * each} cells, {each} for each of {weights} kept weights as "
                          f"cells_per_weight says, not {cells}")
    least = weights if once else int(needed.any(axis=1).sum())  # an input with a weight has a cell on its word line
    if cells < least:
        raise asked.wrong(f"blocks must keep at least {least} cells for {weights} kept weights, not {cells}"
                          + "; where weights share cells, stores_once must be false" * once)
    return found


def shared(asked: Asked, number: int, block: Block, contents: Contents) -> None:
    """Where weights may share cells, a block keeps at most the cells that hold a digit of a kept weight: those whose
    bit line is decoded into an output for which the weight of their input is kept."""
    decoded = np.zeros((block.columns, len(block.targets)), bool)
    on = contents.coefficient != 0
    order = np.argsort(block.targets)
    decoded[contents.column[on], order[np.searchsorted(block.targets, contents.output[on], sorter=order)]] = True
    holds = asked.kept[np.ix_(block.inputs, block.targets)].astype(np.float32) @ decoded.T.astype(np.float32)
    if block.kept > (most := int(np.count_nonzero(holds))):
        raise asked.wrong(f"block {number} must keep at most {most} cells, those that hold kept weights, each counted "
                          f"once, not {block.kept}")


def made(asked: Asked, number: int, block: Block) -> Contents:
    """The contents of a block: cells of its size that a cell can hold, and a decode list that reads bit lines which it
    has into outputs which it names."""
    geometry, shape = asked.geometry, (block.rows, block.columns)
    with asking(asked.path, "contents", asked.layer.name) as wrong:
        found = block.contents()
        if not isinstance(found, Contents):
            raise wrong(f"must return a Contents, not {type(found).__name__}")
    arrays = {name: getattr(found, name) for name in ("cells", "column", "output", "coefficient", "summed", "factor")}
    for name, values in arrays.items():
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu":
            raise asked.wrong(f"block {number} must have {name} as an array of whole numbers, not "
                              f"{getattr(values, 'dtype', type(values).__name__)}")
    if found.cells.shape != shape:
        raise asked.wrong(f"block {number} must store {shape} cells, not {found.cells.shape}")
    most = (1 << geometry.cell_bits) - 1
    low, high = int(found.cells.min(initial=0)), int(found.cells.max(initial=0))
    if low < (least := -most if geometry.signed else 0) or high > most:
        raise asked.wrong(f"block {number} must store cells from {least} to {most}, not {low if low < least else high}")
    if found.column.ndim != 1 or not found.column.shape == found.output.shape == found.coefficient.shape:
        raise asked.wrong(f"block {number} must have a decode list of equal length, not {found.column.shape} columns, "
                          f"{found.output.shape} outputs and {found.coefficient.shape} coefficients")
    if found.column.size and not 0 <= int(found.column.min()) <= int(found.column.max()) < block.columns:
        raise asked.wrong(f"block {number} must decode its bit lines 0 to {block.columns - 1}, not {found.column.min()}"
                          f" to {found.column.max()}")
    if found.summed.ndim != 1 or found.summed.shape != found.factor.shape:
        raise asked.wrong(f"block {number} must have as many factors of digital terms as outputs, not "
                          f"{found.factor.shape} and {found.summed.shape}")
    if strange := np.setdiff1d(np.concatenate([found.output, found.summed]), block.targets).tolist():
        raise asked.wrong(f"block {number} adds to output {strange[0]}, which is not one of its targets")
    return found


def capped(asked: Asked, number: int, block: Block, contents: Contents) -> None:
    """A cap bounds the bit lines when every word line is driven as hard as it can be."""
    if block.cap is None:
        return
    cells, step = contents.cells.astype(np.int64), asked.geometry.ou_rows or block.rows
    drive = (1 << asked.geometry.dac_bits) - 1
    largest = drive * max(int(np.add.reduceat(np.maximum(part, 0), np.arange(0, block.rows, step), axis=0).max(
        initial=0)) for part in (cells, -cells))
    if largest > block.cap:
        raise asked.wrong(f"a bit line of block {number} can sum to {largest}, more than its cap of {block.cap}")


def fanned(block: Block, contents: Contents) -> int:
    """Outputs of a block that get a bit line's sum which another output gets first, where the decode list is longer
    than bit lines and one reference for every output explain; else 0."""
    on = contents.coefficient != 0
    pairs = np.unique(np.stack([contents.column[on], contents.output[on]]), axis=1)
    again = np.flatnonzero(np.diff(pairs[0]) == 0) + 1
    return len(np.unique(pairs[1][again])) if len(again) > block.outputs else 0


def contained(asked: Asked, packed: Sequence[Block], extra: dict[str, Ints], most: int = 2**62) -> None:
    """The contents of every block keep the laws above, and what their decode lists fan out is counted: sums that go to
    several outputs take hardware, which `Work.extra` counts. most: of more
    blocks, about so many are looked at, evenly spread."""
    summed = dict[bytes, int]()  # sets of inputs that digital terms sum, and how many
    fan, step, once = 0, -(-len(packed) // most), asked.path.stores_once
    for number, block in list(enumerate(packed))[::step]:
        contents = made(asked, number, block)
        capped(asked, number, block, contents)
        if not once:
            shared(asked, number, block, contents)
        fan += fanned(block, contents)
        if len(contents.summed):
            summed[np.sort(block.inputs).tobytes()] = block.rows
    added = int(extra[INPUT_SUM].sum()) if INPUT_SUM in extra else 0
    if added < sum(summed.values()):
        raise asked.wrong(f"digital terms sum {sum(summed.values())} inputs; work must count each at least once per "
                          f"output pixel, as extra[{INPUT_SUM!r}], not {added}")
    if fan and not any(counts.any() for counts in extra.values()):
        raise asked.wrong(f"bit lines fan out to {fan} outputs beside their first ones; work must count what that "
                          "takes in extra, which counts nothing")