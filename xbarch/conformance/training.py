"""What a data path promises of its projections: weights that train and pack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xbarch.conformance.cases import Case, held, refused
from xbarch.conformance.promises import exact
from xbarch.datapaths.base import DataPath
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Geometry, Projection, Reals
from xbarch.datapaths.tools.ties import averaged
from xbarch.errors import InputError
from xbarch.functional.proof import broken
from xbarch.plugins import checked
from xbarch.plugins.guard import asking
from xbarch.workload.graph import Layer


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
        if found.ties is not None:
            _tied(found, wrong)
    for when, reals in (("", found.weights), (" and retraining", retrained(found, high))):
        if when and found.ties is None:
            break
        levels = np.rint(reals).clip(low, high).astype(np.int32)
        pruned = Case(path, replace(held(layer, levels, found.mask), side=found.side), case.geometry, case.x)
        if breaks := broken(pruned):
            raise case.wrong(f"the projection to {density:.0%}{when} breaks the method's own promise: {breaks}")
        exact(pruned, pruned.packed())
    return True


def _tied(found: Projection, wrong: checked.Wrong) -> None:
    """Ties are numbers of the weights' shape, and weights are equal, kept and allowed alike where they are tied."""
    ties = found.ties
    if not isinstance(ties, np.ndarray) or ties.dtype.kind != "i" or ties.shape != found.mask.shape or ties.min() < -1:
        raise wrong(f"must return ties as whole numbers from -1 of the shape {found.mask.shape}")
    for what, values in (("weights", found.weights), ("masks", found.mask), ("allowed levels", found.allowed)):
        if values is not None and np.abs(averaged(values.astype(float), ties) - values).max(initial=0) > 1e-9:
            raise wrong(f"must return equal {what} where weights are tied")


def retrained(found: Projection, high: int) -> Reals:
    """Weights of a projection as training may leave them: moved at random, then zero, equal and of the levels that it
    asks for."""
    moved = found.weights + np.random.default_rng(6).normal(0, high / 4, found.weights.shape)
    levels = np.rint(averaged(np.where(found.mask, moved, 0.0), np.full(moved.shape, -1) if found.ties is None
                              else found.ties)).clip(-high, high)
    if found.allowed is None:
        return levels
    sign = np.sign(found.allowed).astype(np.int64)
    size = np.maximum(levels * sign, 0).astype(np.int64) & np.abs(found.allowed.astype(np.int64))
    return (size * sign).astype(np.float64)


def thinned(path: DataPath) -> bool:
    """A projection of a larger layer keeps about the share of the weights that it is asked to keep, at most a fifth of
    them more; weights that are tied to each other count once. Returns whether there was one: the data path prunes, and
    takes such a layer on one of four crossbars."""
    shape = (128, 64, 3, 3)
    layer = Layer(name="conv 3x3 64 to 128", op="conv", inputs=("input",), in_shape=(64, 9, 9), out_shape=(128, 9, 9),
                  kernel=(3, 3), weight_bits=4, input_bits=4, weights=lambda: np.ones(shape, np.int32))
    whole = (Geometry(64, 64, 2), Geometry(128, 128, 2))
    units = (replace(whole[0], ou_rows=8, ou_columns=8), replace(whole[1], ou_rows=16, ou_columns=128))
    geometry = next((g for g in (*whole, *units) if not refused(path, layer, g)), None)
    if geometry is None or not isinstance(path, Pruning):
        return False
    low, high = path.levels(layer.weight_bits)
    reals = np.random.default_rng(5).normal(0, high / 2, shape).clip(low, high)
    with asking(path, "project", layer.name) as wrong:
        if not path.prunes(layer):
            return False
        for density in (0.3, 0.5):
            try:
                found = path.project(reals, layer, geometry, density)
            except InputError:  # none, or not at that density
                continue
            free = int(np.count_nonzero(found.mask if found.ties is None else found.mask & (found.ties < 0)))
            share = (free + (0 if found.ties is None else len(np.unique(found.ties[found.ties >= 0])))) / reals.size
            if share > density + 0.2:
                raise wrong(f"must keep about {density:.0%} of the weights, as asked, not {share:.0%}")
    return True
