"""Lin et al.: filters are clustered by the support of their weights, and whole crossbars with few weights are
removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xbarch.datapaths.records import Block, Bools, Geometry, Ints, Projection, Reals
from xbarch.datapaths.tools.cuts import by_layer
from xbarch.datapaths.tools.packing import Piece, Placed
from xbarch.datapaths.tools.pieces import Pieces, PiecesOptions
from xbarch.errors import InputError
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer

_ROUNDS = 10 # of Lloyd's algorithm


class LinOptions(PiecesOptions):
    """Options of `lin`."""

    theta: float = Field(0.0, ge=0, le=1, description="crossbars are removed, whatever the density, if less than this "
                         "share of their cells belongs to the layer's largest weights")


class Lin(Pieces[LinOptions]):
    """Filters change places so that filters with weights in the same rows share crossbars. Recursive k-means clusters
    the supports of filters; each cluster gives the filters nearest to its centre, enough to fill a crossbar. Crossbars
    that hold nothing are removed; rows in which a cluster has no weight are left out. Index units name the filters of
    each crossbar and the inputs that are left.
    """

    name: ClassVar[str] = "lin"
    title: ClassVar[str] = "Lin et al."
    summary: ClassVar[str] = "filters clustered, whole sparse crossbars removed (Lin et al. 2019)"
    provenance: ClassVar[str] = (
        "Lin et al., Learning the sparsity for ReRAM, ASP-DAC 2019 (recursive k-means over weight columns, the most "
        "concentrated columns of a cluster on a crossbar, column exchange, crossbars of low utilization pruned, "
        "index units), as described in public notes. Assumed, as the full text could not be read: features are "
        "supports. This project's reading: the largest weights as support while training, crossbars ranked by energy, "
        "rows left out inside a cluster, deterministic start of k-means, all prices")
    Options: ClassVar[type[Options]] = LinOptions

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Cluster filters by the positions of the layer's largest weights (`density` of them). Then keep the crossbars
        of most energy per weight whole, as many as hold no more than `density` of the weights, at least one.

        side: clusters, the filters of each for every group of the convolution; crossbars, how many are kept; of, how
        many there are.

        Raises:
            InputError: a density that not even one crossbar reaches, or weights of another shape.
        """
        energy = self._energy(weights, layer, density)
        support = np.zeros(energy.size, bool)
        support[np.argsort(-energy, axis=None, kind="stable")[:max(1, round(density * energy.size))]] = True
        found = [clusters(part, self.per(layer, geometry))
                 for part in np.split(support.reshape(energy.shape), layer.groups)]
        return self._cut(weights, support.reshape(energy.shape), found, layer, geometry, density)

    def refit(self, weights: Reals, layer: Layer, geometry: Geometry, before: Projection) -> Projection:
        """The nearest weights with the clusters of an earlier projection and the same density."""
        density = float(before.mask.mean())
        energy = self._energy(weights, layer, density)
        found = [[np.array(c) for c in group] for group in before.side["clusters"]]
        return self._cut(weights, np.ones(energy.shape, bool), found, layer, geometry, density)

    def _energy(self, weights: Reals, layer: Layer, density: float) -> Reals:
        """Squared weights [F, R]."""
        expected = (layer.filters, layer.rows // (layer.kernel[0] * layer.kernel[1]), *layer.kernel)
        if np.shape(weights) != expected:
            raise InputError(f"weights of layer {layer.name} must have the shape {expected}, not {np.shape(weights)}")
        if not 0 < density <= 1:
            raise InputError(f"must be above 0 and at most 1 for layer {layer.name}, not {density:g}", field="density")
        return np.square(np.asarray(weights, np.float64)).reshape(layer.filters, -1)

    def _cut(self, weights: Reals, support: Bools, found: list[list[Ints]], layer: Layer, geometry: Geometry,
             density: float) -> Projection:
        """Keep the weights on the crossbars of most energy of the clusters `found`, and no others."""
        energy = self._energy(weights, layer, density)
        starts, per = np.arange(0, layer.rows, geometry.rows), layer.filters // layer.groups
        owners = [cluster + g * per for g, group in enumerate(found) for cluster in group]
        tall = np.diff(starts, append=layer.rows)
        worth, used = (np.array([np.add.reduceat(a[own].sum(axis=0), starts) for own in owners])
                       for a in (energy, support))
        size = np.outer([len(own) for own in owners], tall)
        order = np.argsort(-(worth / size), axis=None, kind="stable")
        fits = np.cumsum(size.ravel()[order]) <= density * energy.size * (1 + 1e-9)
        fits &= used.ravel()[order] >= self.options.theta * size.ravel()[order]
        if not fits.any():
            least = int(size.min()) / energy.size
            raise InputError(f"{density:g} keeps none of the {size.size} crossbars of layer {layer.name}; it must be "
                             f"at least {least:g}, and option theta at most {float((used / size).max()):g}",
                             field="density")
        kept = np.zeros(size.size, bool)
        kept[order[fits]] = True
        mask = np.zeros(energy.shape, bool)
        for own, here in zip(owners, kept.reshape(size.shape), strict=True):
            mask[own] = np.repeat(here, tall)
        shaped = mask.reshape(weights.shape)
        return Projection(np.where(shaped, weights, 0.0), shaped, {
            "crossbars": int(kept.sum()), "of": kept.size,
            "clusters": [[c.tolist() for c in group] for group in found]})

    # -- packing ----------------------------------------------------------------------------------------

    def ways(self, layer: Layer, geometry: Geometry) -> Iterable[list[Block]]:
        """Clusters of filters found in the mask, each without its empty rows and cut at a crossbar's last row. Two
        ways: clustered by the row blocks in which filters keep a weight, and by the rows."""
        per, wide = layer.filters // layer.groups, self.per(layer, geometry)
        starts = np.arange(0, layer.rows, geometry.rows)
        for whole in (True, False):
            pieces: list[Piece] = []
            for g in range(layer.groups):
                own = layer.kept[:, g * per:(g + 1) * per]
                alive = np.flatnonzero(own.any(axis=0))
                if not len(alive):
                    continue
                support = np.logical_or.reduceat(own, starts, axis=0) if whole else own
                for cluster in clusters(support[:, alive].T, wide):
                    filters = np.sort(alive[cluster])
                    part = own[:, filters]
                    pieces += [Piece(p.rows + g * layer.rows, filters[p.filters] + g * per)
                               for p in by_layer(part, geometry.rows, wide)]
            alone = [Placed(piece, n, 0, 0, 0) for n, piece in enumerate(pieces or [Piece(np.arange(1), np.arange(1))])]
            yield self.blocks(alone, layer, geometry)


def clusters(support: Bools, size: int) -> list[Ints]:
    """Divide the filters with support [F, n] into clusters of `size`, the last one smaller.

    First, filters of equal support fill clusters as far as they go. The others are clustered by recursive k-means into
    as many clusters as are needed: each cluster with enough filters gives the `size` nearest to its centre; if none has
    enough, the largest cluster gives all its filters and the nearest others. The filters that are left are clustered
    again.
    """
    left, found = np.arange(len(support)), list[Ints]()
    _, kind = np.unique(np.packbits(support, axis=1), axis=0, return_inverse=True)
    order = np.argsort(kind.ravel(), kind="stable")
    rest = []
    for alike in np.split(order, np.cumsum(np.bincount(kind.ravel()))[:-1]):
        full = len(alike) // size * size
        found += [np.sort(c) for c in np.split(alike[:full], range(size, full, size)) if len(c)]
        rest.append(alike[full:])
    left = np.sort(np.concatenate(rest))
    while len(left) > size:
        features = support[left].astype(np.float32)
        distance, member = kmeans(features, -(-len(left) // size))
        counts = np.bincount(member, minlength=distance.shape[1])
        taken = np.zeros(len(left), bool)
        for c in np.flatnonzero(counts >= size) if counts.max() >= size else [int(counts.argmax())]:
            mine = np.where(member == c, distance[:, c] - distance.max() - 1, distance[:, c])
            chosen = np.argsort(mine, kind="stable")[:size]
            found.append(np.sort(left[chosen]))
            taken[chosen] = True
        left = left[~taken]
    return [*found, left] if len(left) else found


def kmeans(points: NDArray[np.float32], count: int) -> tuple[Reals, Ints]:
    """Lloyd's algorithm on points [n, d] from farthest-first centres: squared distances [n, count] to the centres and
    the cluster of each point. Deterministic: the first centre is the point of largest norm; ties go to the first."""
    norm = np.square(points).sum(axis=1, dtype=np.float64)
    near, start = np.full(len(points), np.inf), [int(norm.argmax())]
    for _ in range(count - 1):
        near = np.minimum(near, norm + norm[start[-1]] - 2 * (points @ points[start[-1]]))
        start.append(int(near.argmax()))
    centres, member = points[start], np.full(len(points), -1)
    for _ in range(_ROUNDS):
        distance = norm[:, None] + np.square(centres).sum(axis=1, dtype=np.float64) - 2 * (points @ centres.T)
        chosen = distance.argmin(axis=1)
        if (chosen == member).all():
            break
        member = chosen
        for c in np.unique(member):
            centres[c] = points[member == c].mean(axis=0)
    return np.asarray(distance, np.float64), member
