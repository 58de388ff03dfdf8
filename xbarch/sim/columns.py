"""The stages of a graph as columns: an array per attribute, over all stages at once.

Stages are objects for those who make and read them. What looks at all of them, before a run, for it and after it, would
spend its time on gathering the same attributes, so that is done once. Nothing is refused here: a malformed graph has
columns too, by which `xbarch.sim.check` finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_MOST = 2**62  # beyond anything that a number may be


@dataclass(frozen=True, eq=False, kw_only=True)
class Columns:
    """Stages are numbered through flows, copies and stages, which is their port, and copies through flows.

    Of copies: first [copies + 1], the first stage of each, and how many stages there are; flow [copies].
    Of stages, [stages] each: copy, server, gate; occupancy and latency as places in `times`, whose numbers are all
    different and whose arrays are different objects.
    Of what stages wait for: stage `later` comes after stage `after`, in the order of `later` and then as it is given.
    Of what they take: stage `taker` takes `amount` from `pool`, in the same order.
    Numbers beyond 2**62 stand here as 2**62.
    """

    first: Ints
    flow: Ints
    copy: Ints
    server: Ints
    gate: NDArray[np.bool_]
    occupancy: Ints
    latency: Ints
    times: tuple[int | Ints, ...]
    later: Ints
    after: Ints
    taker: Ints
    pool: Ints
    amount: Ints


def columns(flows: Sequence[Sequence[Sequence[Any]]]) -> Columns:
    """The columns of all stages (`xbarch.sim.graph.Stage`), given by flow and copy."""
    copies = [stages for flow in flows for stages in flow]
    stages = list(chain.from_iterable(copies))
    first = starts(lengths(copies))
    copy = np.repeat(np.arange(len(copies)), np.diff(first))
    after, room = [stage.after for stage in stages], [stage.room for stage in stages]
    later, taker = owners(after), owners(room)
    taken = ints(list(chain.from_iterable(chain.from_iterable(room)))).reshape(-1, 2)
    times, place = distinct([stage.occupancy for stage in stages] + [stage.latency for stage in stages])
    return Columns(
        first=first, flow=owners(flows), copy=copy,
        server=ints([stage.server for stage in stages]), gate=np.array([stage.gate for stage in stages], bool),
        occupancy=place[:len(stages)], latency=place[len(stages):], times=times,
        later=later, after=ints(list(chain.from_iterable(after))) + first[copy[later]],
        taker=taker, pool=taken[:, 0], amount=taken[:, 1])


def distinct(values: Sequence[Any]) -> tuple[tuple[Any, ...], Ints]:
    """The distinct of these numbers and arrays, and each one's place among them. An array is itself alone: those that
    copies share are found, and none is looked into."""
    keys = [value if type(value) is int else (id(value),) for value in values]
    found = dict(zip(keys, values, strict=True))
    place = {key: at for at, key in enumerate(found)}
    return tuple(found.values()), np.fromiter(map(place.__getitem__, keys), np.int64, len(keys))


def starts(sizes: Ints) -> Ints:
    """[n + 1]: where each of n parts begins, and the end of the last."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)))


def lengths(lists: Sequence[Sequence[Any]]) -> Ints:
    return np.fromiter(map(len, lists), np.int64, len(lists))


def owners(lists: Sequence[Sequence[Any]]) -> Ints:
    """The number of the list that each entry of all these lists, side by side, comes from."""
    return np.repeat(np.arange(len(lists)), lengths(lists))


def ints(values: list[int]) -> Ints:
    """The numbers, those beyond 2**62 as 2**62."""
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return np.array([max(-_MOST, min(value, _MOST)) for value in values], np.int64)
