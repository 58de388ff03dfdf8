"""Which input channels of a layer are kept, from what they add to its sums: selections as their authors describe them,
as plain functions of arrays."""

from __future__ import annotations

import numpy as np

from xbarch.datapaths.records import Bools, Ints, Reals


def thinet(parts: Reals, keep: int) -> Bools:
    """Remove the channel that changes the sums least together with those already removed, until `keep` are left.

    Luo et al., ThiNet, ICCV 2017, equation 6 and algorithm 1: the removed set T grows by argmin over c of
    Σ_m (Σ_{t in T + c} parts[m, t])².

    Args:
        parts: what each channel adds to each of the sums looked at [sums, channels].

    Returns:
        Whether a channel is kept [channels].
    """
    gram = parts.T @ parts
    alone, kept = np.diag(gram).copy(), np.ones(len(gram), bool)
    with_removed = np.zeros(len(gram))  # inner products with the sum of the removed channels
    for _ in range(len(gram) - keep):
        cost = np.where(kept, alone + 2 * with_removed, np.inf)
        worst = int(cost.argmin())
        kept[worst] = False
        with_removed += gram[worst]
    return kept


def factors(parts: Reals, sums: Reals) -> Reals:
    """A factor for each of the channels that are left, with which they rebuild the sums best (Luo et al., equation 7).

    Args:
        parts: [sums, channels left]. sums: [sums].
    """
    return np.asarray(np.linalg.lstsq(parts, sums, rcond=None)[0], np.float64)


def lasso(gram: Reals, against: Reals, sums: int, keep: int) -> Bools:
    """The `keep` channels with factors b that are not zero on the path of the lasso min ‖y − Z b‖² / 2 + λ ‖b‖₁, at the
    smallest λ that leaves no more of them (He et al., Channel Pruning, ICCV 2017, equation 3 and section 3.1.1; the
    path is found exactly, by least angles). Where fewer are left there, those that enter next fill up.

    Args:
        gram: ZᵀZ [channels, channels]; Z: what each channel adds to each of the sums. against: Zᵀy [channels], y the
            sums to rebuild. sums: how many.
    """
    from sklearn.linear_model import lars_path_gram

    _, _, path = lars_path_gram(against, gram, n_samples=sums, method="lasso", alpha_min=0)
    counts = (path != 0).sum(axis=0)
    last = int(np.flatnonzero(counts <= keep)[-1])
    entered = [path.shape[1] if not row[last:].any() else int(np.flatnonzero(row[last:])[0]) for row in path]
    order = np.lexsort((np.arange(len(path)), -np.abs(path[:, last]), np.array(entered)))
    return chosen(order, keep)


def rebuilt(patches: Reals, sums: Reals) -> Reals:
    """Weights [filters, rows] with which the inputs of the channels that are left rebuild the sums best (He et al.,
    section 3.1.2: least squares).

    Args:
        patches: [windows, rows]. sums: [windows, filters].
    """
    return np.asarray(np.linalg.lstsq(patches, sums, rcond=None)[0].T, np.float64)


def chosen(order: Ints, keep: int) -> Bools:
    """True for the first `keep` of an order."""
    found = np.zeros(len(order), bool)
    found[order[:keep]] = True
    return found
