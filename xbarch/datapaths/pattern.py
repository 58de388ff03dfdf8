"""Yu et al.: every kernel of a layer keeps one of a few patterns of positions. Kernels are reordered by pattern, so
rows that are zero in a pattern need no word line. With one set of patterns for the whole network it is PatDNN."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from xbarch.datapaths import dense
from xbarch.datapaths.records import Block, Bools, Geometry, Ints, Project, Projection, Reals
from xbarch.datapaths.segprune.voting import ballots
from xbarch.datapaths.tools import packing
from xbarch.datapaths.tools.packing import Piece
from xbarch.datapaths.tools.pieces import Pieces, PiecesOptions, unit
from xbarch.errors import InputError
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer

_PATDNN = 4  # positions of a pattern, where layers share patterns: Niu et al., PatDNN, ASPLOS 2020


class PatternOptions(PiecesOptions):
    """Options of `pattern`."""

    patterns: int = Field(8, ge=1, le=256, description="patterns to choose from, not counting the empty one")
    channels: int = Field(0, ge=0, le=1024, description="consecutive input channels whose kernels of a filter keep the "
                          "same pattern; 0: as many as fill the word lines read together")
    scope: Literal["layer", "channel", "network"] = Field(
        "layer", description="patterns are elected once for a layer, for every `channels` input channels, or for all "
        "kernels of one size in the trained network before anything is pruned (PatDNN)")
    positions: int = Field(0, ge=0, le=65_536, description="positions of a pattern; 0: as few as the density allows "
                           "without removing kernels, or with scope network 4 (PatDNN)")
    centre: bool = Field(False, description="every pattern of a kernel with a centre keeps it (PatDNN)")
    importance: Literal["l2", "l1"] = Field("l2", description="what elections and the choice of patterns maximize: "
                                            "kept squares (the Euclidean projection) or kept absolute values")


class Pattern(Pieces[PatternOptions]):
    """A segment is the kernels of `channels` consecutive input channels of one filter, all with one pattern. Segments
    of the same channels are reordered by pattern; the segments of one pattern form a dense piece of the positions that
    it keeps. Inputs are chosen by pattern; sums are added to the filter that an index names.

    Patterns are found in the mask. Where reordering takes more crossbars, reads or conversions than the dense packing,
    the layer is packed as on `dense`: patterns of few positions that do not fill an operation unit cost extra reads.
    """

    name: ClassVar[str] = "pattern"
    title: ClassVar[str] = "Yu et al."
    summary: ClassVar[str] = "few patterns of kernel positions, kernels reordered by pattern (Yu et al. 2020)"
    provenance: ClassVar[str] = (
        "Yu et al., arXiv 2010.06156, 2020, abstract (kernel-reordering weight mapping, pattern pruning, operation "
        "units); voting as in the public code of PRAP-PIM (every kernel proposes its largest positions, the most "
        "frequent shapes win, channels that share a pattern fill an operation unit). Assumed, as the full text could "
        "not be read: one layer-wide election of 8 patterns. This project's reading: whole segments removed for what "
        "positions cannot express, the choice of channels, shelf packing, index storage, all prices. Scope network: "
        "Niu et al., PatDNN, ASPLOS 2020, recalled")
    Options: ClassVar[type[Options]] = PatternOptions

    def __init__(self, options: PatternOptions | Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self.common: dict[tuple[int, int], Bools] = {}  # patterns elected by the network, by the kernels' size

    def prunes(self, layer: Layer) -> bool:
        """Kernels of more than one position."""
        return layer.kernel != (1, 1)

    # -- training ---------------------------------------------------------------------------------------

    def learned(self, weights: Sequence[Reals], layers: Sequence[Layer], geometry: Geometry) -> Self:
        """With scope network, the path with one set of patterns for all kernels of a size, which the kernels of all
        layers elect together (PatDNN)."""
        made = type(self)(self.options)
        if self.options.scope == "network":
            for kernel in dict.fromkeys(layer.kernel for layer in layers):
                keep = self._keep(kernel, 1)
                sums = [_segments(self._value(w, layer), self._together(layer, geometry, keep))
                        for w, layer in zip(weights, layers, strict=True) if layer.kernel == kernel]
                every = np.concatenate([each.reshape(-1, each.shape[2]) for each in sums])
                made.common[kernel] = self._elected(every, keep, kernel)
        return made

    def project(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Elect patterns, give every segment the pattern that keeps most of it, and remove the weakest segments.

        With a kernel of K positions each pattern keeps k = `positions` of them, or ceil(density * K). Segments of
        largest importance per weight stay, as many as hold no more than `density` of the weights.

        Args:
            weights: (F, C / groups, kh, kw). density: above 0 (one segment) to 1.

        Returns:
            side: channels of a segment; positions, k; weights, the most that are kept; patterns, the lists of
            positions for each election.

        Raises:
            InputError: a density out of reach, or weights of another shape.
        """
        value = self._value(weights, layer)
        if not 0 < density <= 1:
            raise InputError(f"must be above 0 and at most 1 for layer {layer.name}, not {density:g}", field="density")
        keep = self._keep(layer.kernel, density)
        together = self._together(layer, geometry, keep)
        sums = _segments(value, together)
        most, least = int(density * value.size + 1e-6), keep * int(_sizes(value.shape[1], together).min())
        if most < least:
            raise InputError(f"must be at least {least}/{value.size} for layer {layer.name}, not {density:g}, which "
                             f"keeps no segment of {together} channels", field="density")
        elected = ([self.common[layer.kernel]] if layer.kernel in self.common else
                   [self._elected(part, keep, layer.kernel) for part in self._electorates(sums)])
        return self._chosen(weights, sums, elected, {"channels": together, "positions": keep, "weights": most})

    def projections(self) -> Sequence[Project]:
        """With scope network, patterns and connectivity apart (PatDNN); else the one projection."""
        return [self.patterned, self.connected] if self.options.scope == "network" else super().projections()

    def patterned(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Every segment takes its best pattern; none is removed. Arguments as of `project`."""
        return self.project(weights, layer, geometry, 1)

    def connected(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> Projection:
        """The segments of largest importance stay whole, as many as `project` keeps. Arguments as of `project`."""
        keep = self._keep(layer.kernel, density)
        sums = _segments(self._value(weights, layer), self._together(layer, geometry, keep))
        side = {"channels": self._together(layer, geometry, keep), "positions": keep,
                "weights": int(density * np.size(weights) + 1e-6)}
        return self._chosen(weights, sums, [np.ones((1, sums.shape[2]), bool)], side)

    def refit(self, weights: Reals, layer: Layer, geometry: Geometry, before: Projection) -> Projection:
        """The nearest weights with the patterns of an earlier projection and as many segments."""
        side = before.side
        sums = _segments(self._value(weights, layer), side["channels"])
        elected = [_shapes(lists, sums.shape[2]) for lists in side["patterns"]]
        return self._chosen(weights, sums, elected, {k: side[k] for k in ("channels", "positions", "weights")})

    def check(self, layer: Layer, geometry: Geometry) -> str:
        """By how much the patterns of an election exceed `patterns`, not counting the empty one; empty if none does."""
        if not self.prunes(layer):
            return ""
        area = layer.kernel[0] * layer.kernel[1]
        kernels = layer.kept.T.reshape(layer.filters, -1, area)
        parts = np.split(kernels, kernels.shape[1], axis=1) if self.options.scope == "channel" else [kernels]
        found = max(int(np.unique(part.reshape(-1, area), axis=0).any(axis=1).sum()) for part in parts)
        return "" if found <= self.options.patterns else (
            f"layer {layer.name} has {found} patterns; option patterns allows {self.options.patterns}")

    def _value(self, weights: Reals, layer: Layer) -> Reals:
        """Importance of every weight, [F, C / groups, positions]."""
        area = layer.kernel[0] * layer.kernel[1]
        expected = (layer.filters, layer.rows // area, *layer.kernel)
        if np.shape(weights) != expected:
            raise InputError(f"weights of layer {layer.name} must have the shape {expected}, not {np.shape(weights)}")
        exact = np.asarray(weights, np.float64).reshape(*expected[:2], area)
        return np.abs(exact) if self.options.importance == "l1" else np.square(exact)

    def _keep(self, kernel: tuple[int, int], density: float) -> int:
        """Positions of a pattern."""
        area = kernel[0] * kernel[1]
        shared = _PATDNN if self.options.scope == "network" else 0
        return min(area, self.options.positions or shared or max(1, int(np.ceil(density * area - 1e-9))))

    def _together(self, layer: Layer, geometry: Geometry, keep: int) -> int:
        """Channels of a segment."""
        channels = layer.rows // (layer.kernel[0] * layer.kernel[1])
        return min(self.options.channels or max(1, unit(geometry) // keep), channels)

    def _electorates(self, sums: Reals) -> list[Reals]:
        """Importance of the segments that elect patterns together, one array [segments, positions] per election."""
        if self.options.scope == "channel":
            return [sums[:, c] for c in range(sums.shape[1])]
        return [sums.reshape(-1, sums.shape[2])]

    def _elected(self, value: Reals, keep: int, kernel: tuple[int, int]) -> Bools:
        """The most frequent ballots [patterns, positions]; among equally frequent ones, those that keep more."""
        wished = value
        if self.options.centre and kernel[0] % 2 and kernel[1] % 2:
            wished = value.copy()
            wished[:, value.shape[1] // 2] = np.inf
        cast = ballots(wished, keep)
        _, first, kind = np.unique(np.packbits(cast, axis=1), axis=0, return_index=True, return_inverse=True)
        votes = np.bincount(kind.ravel())
        kept = np.bincount(kind.ravel(), (cast * value).sum(axis=1))
        order = np.lexsort((first, -kept, -votes))
        return np.asarray(cast[first[order[:self.options.patterns]]], np.bool_)

    def _chosen(self, weights: Reals, sums: Reals, elected: list[Bools], side: dict[str, Any]) -> Projection:
        """Give every segment its best pattern and keep the best segments, at most `side["weights"]` weights."""
        filters, bands, _ = sums.shape
        channels = weights.shape[1]
        shapes = np.empty(sums.shape, bool)
        worth = np.empty((filters, bands))
        for number, patterns in enumerate(elected):
            here = slice(None) if len(elected) == 1 else slice(number, number + 1)
            kept = sums[:, here] @ patterns.T.astype(np.float64)
            shapes[:, here], worth[:, here] = patterns[kept.argmax(axis=2)], kept.max(axis=2)
        size = np.broadcast_to(_sizes(channels, side["channels"]), worth.shape)
        order = np.argsort(-worth / size, axis=None, kind="stable")
        stay = np.zeros(worth.size, bool)
        stay[order] = np.cumsum(size.ravel()[order]) * side["positions"] <= side["weights"]
        shapes &= stay.reshape(filters, bands, 1)
        mask = np.repeat(shapes, side["channels"], axis=1)[:, :channels].reshape(weights.shape)
        lists = [[np.flatnonzero(p).tolist() for p in patterns] for patterns in elected]
        return Projection(np.where(mask, weights, 0.0), mask, {**side, "patterns": lists})

    # -- packing ----------------------------------------------------------------------------------------

    def ways(self, layer: Layer, geometry: Geometry) -> Iterable[list[Block]]:
        """Bands with the number of channels that promises the fewest conversions; patterns are distinguished band by
        band."""
        per = layer.filters // layer.groups
        masks = [layer.kept.T[g * per:(g + 1) * per] for g in range(layer.groups)]
        if not any(mask.any() for mask in masks):
            yield self.blocks(self.shelved([], layer, geometry), layer, geometry)
            return
        each = dense.per_weight(layer.weight_bits, geometry, self.options.sign)
        own, wide = dense.reference(geometry, self.options.sign), self.per(layer, geometry)
        area, lines = layer.kernel[0] * layer.kernel[1], unit(geometry)
        whole = -(-layer.rows // lines) * layer.filters * (each + own)
        promise = {h: sum(_conversions(mask, h * area, lines, each, own, wide) for mask in masks)
                   for h in self._heights(layer, geometry)}
        for height in sorted(promise, key=lambda h: (promise[h], h))[:2]:
            if promise[height] <= whole:
                yield self.blocks(self.shelved(self._pieces(masks, height * area, layer, geometry), layer, geometry),
                                  layer, geometry)

    def _heights(self, layer: Layer, geometry: Geometry) -> list[int]:
        """Numbers of channels that a band may have: the option's, or those with which patterns of some size fill a
        read."""
        channels = layer.rows // (layer.kernel[0] * layer.kernel[1])
        if self.options.channels:
            return [min(self.options.channels, channels)]
        area, lines = layer.kernel[0] * layer.kernel[1], unit(geometry)
        return sorted({min(max(1, lines // k), channels) for k in range(1, area + 1)})

    def _pieces(self, masks: list[Bools], height: int, layer: Layer, geometry: Geometry) -> Iterator[Piece]:
        """Dense pieces, one set for each pattern of each band of `height` rows."""
        for g, mask in enumerate(masks):
            for piece in packing.cut(packing.shapes(mask, height), unit(geometry), self.per(layer, geometry)):
                yield Piece(piece.rows + g * layer.rows, piece.filters + g * len(mask))


def _segments(value: Reals, together: int) -> Reals:
    """Importance of the positions of segments, [F, bands, positions]."""
    return np.asarray(np.add.reduceat(value, np.arange(0, value.shape[1], together), axis=1))


def _sizes(channels: int, together: int) -> Ints:
    """Channels of every band."""
    return np.diff(np.arange(0, channels, together), append=channels)


def _shapes(lists: list[list[int]], area: int) -> Bools:
    """Patterns [patterns, positions] from their lists of positions."""
    shapes = np.zeros((len(lists), area), bool)
    for shape, positions in zip(shapes, lists, strict=True):
        shape[positions] = True
    return shapes


def _conversions(mask: Bools, height: int, lines: int, each: int, own: int, wide: int) -> int:
    """Conversions per phase when mask [F, R] is cut into bands of `height` rows: the sum over shapes of
    ceil(rows / lines) * (filters * each + own * ceil(filters / wide)). Shapes are distinguished by a hash; a collision
    could at worst choose a less suitable height."""
    filters, rows = mask.shape
    bands = -(-rows // height)
    padded = np.zeros((filters, bands * height), bool)
    padded[:, :rows] = mask
    padded = padded.reshape(filters, bands, height)
    packed = np.packbits(padded, axis=2).astype(np.uint64)
    salt = np.random.default_rng(0).integers(1, 1 << 63, packed.shape[2], np.uint64) * 2 + 1
    name = (packed * salt).sum(axis=2).T
    order = np.argsort(name, axis=1)
    name, kept = (np.take_along_axis(a, order, axis=1) for a in (name, padded.sum(axis=2).T))
    first = np.ones(name.shape, bool)
    first[:, 1:] = name[:, 1:] != name[:, :-1]
    at = np.flatnonzero(first)
    members = np.diff(at, append=name.size)
    return int((-(-kept.ravel()[at] // lines) * (members * each + own * -(-members // wide))).sum())
