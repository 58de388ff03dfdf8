"""Which pixels of its producer a window needs, and when a pixel is no longer needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from xbarch.mapping.reads import Slide
from xbarch.mapping.shares import Share
from xbarch.workload.graph import VIEWS, Layer, Workload

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Input:
    """One input of a layer, views skipped. need, release: see `xbarch.sim.graph.Edge`. moved: whether a view lies
    between, that gives the producer's values other places.

    `words` is the number of activations a producer window holds, `bits` the size of each. summed: producer windows are
    added up as they come, so that one at a time must be held, beside `sums` bits of running sums.
    """

    producer: str
    need: Ints
    release: Ints
    words: int
    bits: int
    summed: bool = False
    sums: int = 0
    moved: bool = False

    @property
    def ahead(self) -> int:
        """Buffer, in producer windows beyond `least`, with which both go on at an even speed: the consumer begins when
        all that it will need is made in time, and the producer is then so far ahead of what has been released."""
        windows = len(self.need)
        made = np.arange(windows + 1, dtype=np.int64) * int(self.release[-1])  # in 1 / windows of a producer window
        before = np.concatenate(([0], self.release[:-1]))
        start, kept = (windows * self.need - made[:-1]).max(), (made[1:] - windows * before).max()
        return max(0, -(-int(start + kept) // windows) - int((self.need - before).max()))

    @property
    def least(self) -> int:
        """Smallest buffer, in producer windows, with which no single window can wait for ever.

        For a convolution this is ISAAC's line buffer, (W * (Ky - 1) + Kx) windows (Shafiee et al., ISCA 2016).
        """
        if self.summed:
            return 1
        before = np.concatenate(([0], self.release[:-1]))
        return int((self.need - before).max())


@lru_cache(maxsize=1024)
def footprint(slide: Slide, source: Share, share: Share) -> tuple[Ints, Ints]:
    """(need, release) of each output window over a producer's pixels, both in the order in which they are computed.
    source: how the producer is shared among its copies; share: the layer."""
    return reaching(slide, (source.rank, source.rank), source.height * source.width, share)


def reaching(slide: Slide, ranks: tuple[Ints, Ints], pixels: int, share: Share) -> tuple[Ints, Ints]:
    """(need, release) of each output window over a map [height, width] of which each pixel is made of a producer's:
    when the first and the last of them are computed, of `pixels` in all."""
    if slide.whole:
        last, first = (np.full(share.height * share.width, edge) for edge in (ranks[1].max(), ranks[0].min()))
    else:
        # Taps outside the image count as its nearest pixel, which some window near them needs anyway.
        down, across = (np.clip(slide.taps(axis), 0, size - 1) for axis, size in enumerate(ranks[0].shape))
        last, first = (most(most(rank[down], axis=1)[:, across], axis=2).ravel()[share.order]
                       for most, rank in ((np.max, ranks[1]), (np.min, ranks[0])))
    need = np.maximum.accumulate(last + 1)
    # A pixel is released once no later window reaches back to it.
    later = np.minimum.accumulate(first[::-1])[::-1]
    return need, np.append(np.minimum(later[1:], need[:-1]), pixels)


def renamed(view: Layer, ranks: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """When the first and the last of the producer's pixels are computed of which each pixel of a view is made, from
    those of its input. Zeros wait for none."""
    if view.index is None:  # flattened
        return np.array([[ranks[0].min()]]), np.array([[ranks[1].max()]])
    sources, zero = view.index % (view.in_shape[1] * view.in_shape[2]), view.index < 0
    first = np.where(zero, ranks[0].max(), ranks[0].ravel()[sources]).min(axis=0)
    last = np.where(zero, ranks[1].min(), ranks[1].ravel()[sources]).max(axis=0)
    return np.minimum(first, last), last


def running_sums(layer: Layer, bits: int) -> int:
    """Bits of a `summed` layer's running sums, of inputs of `bits` bits: one a channel, with the carries of all pixels,
    in whole bytes; none of other layers."""
    carries = (layer.in_shape[1] * layer.in_shape[2] - 1).bit_length()
    return layer.out_shape[0] * -(-(bits + carries) // 8) * 8 if layer.summed else 0


def inputs(workload: Workload, shares: Mapping[str, Share] | None = None) -> dict[str, list[Input]]:
    """Inputs of every layer except views, which only rename their producer. shares: of the layers; those that are not
    among them compute their pixels along the rows."""
    def share(layer: Layer) -> Share:
        return (shares or {}).get(layer.name) or Share(*layer.out_shape[1:])

    views: dict[str, tuple[Layer, tuple[Ints, Ints]]] = {}  # who makes their values, and when
    result: dict[str, list[Input]] = {}
    for layer in workload.layers:
        if layer.op in VIEWS:
            maker = workload[layer.inputs[0]]
            producer, ranks = views.get(maker.name) or (maker, (share(maker).rank, share(maker).rank))
            views[layer.name] = producer, renamed(layer, ranks)
            continue
        entries = []
        for name in layer.inputs:
            producer, slide = views[name][0] if name in views else workload[name], Slide.of(layer)
            need, release = footprint(slide, share(producer), share(layer)) if name not in views else reaching(
                slide, views[name][1], producer.windows, share(layer))
            words, bits = producer.out_shape[0], producer.output_bits
            entries.append(Input(producer.name, need, release, words, bits, layer.summed, running_sums(layer, bits),
                                 name in views))
        result[layer.name] = entries
    return result


@dataclass(frozen=True)
class _Path:
    """The way from a layer to a later one. progress: how many windows of the former each window of the latter needs.
    share: of the former's paths, how many lead through the latter, if a path parts evenly wherever it forks."""

    progress: Ints
    share: Fraction


def slack_needed(edges: dict[str, list[Input]]) -> dict[tuple[str, int], int]:
    """Smallest buffer of every edge (consumer, index), joins of branches taken into account.

    Where paths from one layer meet again (a residual block), the short path must not block their common ancestor
    while the long path still needs more of its windows. So the short path's last buffer, in front of the join, holds
    everything that the short path makes from the ancestor's windows that the other paths need for the join's next
    window: the receptive field of the long path, less what the join has released.

    Of the ancestors only the producer's own inputs and the open forks are looked at: layers with several readers, as
    long as not all of their paths have met again. Any other ancestor has all of its paths lead through one of those,
    whose windows limit the short path at least as much. So a chain of blocks is examined block by block.
    """
    reach: dict[str, dict[str, _Path]] = {}  # layer -> fork -> the way from there
    readers = Counter(edge.producer for entries in edges.values() for edge in entries)
    least: dict[tuple[str, int], int] = {}
    for layer, entries in edges.items():
        ways = [_ways(edge, reach, readers) for edge in entries]
        total, others = _together(ways), _others(ways)
        for index, edge in enumerate(entries):
            before = np.concatenate(([0], edge.release[:-1]))
            ahead = total[edge.producer].progress
            if len(entries) > 1:
                ahead = np.maximum(ahead, _ties(edges[edge.producer], ahead))
                if (most := _possible(edge.producer, reach, others[index], {})) is not None:
                    ahead = np.maximum(ahead, most)
            least[layer, index] = 1 if edge.summed else int((ahead - before).max())
        reach[layer] = {name: path for name, path in total.items() if readers[name] > 1 and path.share < 1}
    return least


def _ways(edge: Input, reach: dict[str, dict[str, _Path]], readers: Mapping[str, int]) -> dict[str, _Path]:
    """The ways to a layer by one of its inputs, from this one's producer and from each open fork."""
    part = Fraction(1, readers[edge.producer])
    return {edge.producer: _Path(edge.need, part)} | {
        fork: _Path(path.progress[edge.need - 1], path.share * part) for fork, path in reach[edge.producer].items()}


def _together(ways: list[dict[str, _Path]]) -> dict[str, _Path]:
    """The ways by all inputs."""
    total: dict[str, _Path] = {}
    for way in ways:
        for name, path in way.items():
            known = total.get(name)
            total[name] = path if known is None else _Path(
                np.maximum(known.progress, path.progress), known.share + path.share)
    return total


def _others(ways: list[dict[str, _Path]]) -> list[dict[str, Ints]]:
    """For each input, how many windows of producers and forks all others together need."""
    def most(one: dict[str, Ints], other: dict[str, Ints]) -> dict[str, Ints]:
        return one | {name: np.maximum(one[name], need) if name in one else need for name, need in other.items()}

    needs = [{name: path.progress for name, path in way.items()} for way in ways]
    none = dict[str, Ints]()
    before = list(accumulate(needs, most, initial=none))[:-1]
    after = list(accumulate(reversed(needs), most, initial=none))[-2::-1]
    return [most(*each) for each in zip(before, after, strict=True)]


def _ties(inputs: list[Input], windows: Ints) -> Ints:
    """The number of windows that can be computed from the inputs that a layer's first `windows` windows need anyway."""
    found = [np.searchsorted(edge.need, edge.need[windows - 1], side="right") for edge in inputs]
    return np.min(found, axis=0) if found else windows


def _possible(layer: str, reach: Mapping[str, Mapping[str, _Path]], others: Mapping[str, Ints],
              known: dict[str, Ints | None]) -> Ints | None:
    """The number of windows of a layer that can be computed once its open forks have made what the other paths to a
    join (`others`) need of them. A fork on the layer's own path makes as much as the forks before it allow. None: the
    other paths share no fork with the layer. known: results for these `others`, since in a dense block every layer is
    a fork of all later ones."""
    if layer not in known:
        found = []
        for fork, path in reach[layer].items():
            made = [m for m in (_possible(fork, reach, others, known), others.get(fork)) if m is not None]
            if made:
                found.append(np.searchsorted(path.progress, np.max(made, axis=0), side="right"))
        known[layer] = np.min(found, axis=0) if found else None
    return known[layer]
