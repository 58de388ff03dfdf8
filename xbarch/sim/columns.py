"""The stages of a graph as columns: one array per attribute, over all stages.

Stages are objects for the code that makes and reads them. Code that examines all of them, before, during and after a
run, would spend its time gathering the same attributes, so they are gathered once. Nothing is refused here: a malformed
graph has columns too, from which `xbarch.sim.check` finds the fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_MOST = 2**62  # larger than any valid number


@dataclass(frozen=True, eq=False, kw_only=True)
class Columns:
    """Stages are numbered through flows, copies and stages (the number is their port), and copies through flows.

    Per copy: first [copies + 1], the first stage of each copy, and the number of stages; flow [copies].
    Per stage, [stages] each: copy, server, gate; occupancy and latency as indices into `times`, whose numbers are all
    different and whose arrays are different objects.
    Per dependence: stage `later` comes after stage `after`; ordered by `later`, then as given.
    Per amount of room: stage `taker` takes `amount` from `pool`, in the same order.
    Numbers beyond 2**62 are stored as 2**62.
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
    """The columns of all stages (`xbarch.sim.graph.Stage`), which are given by flow and copy."""
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
    """The distinct numbers and arrays among `values`, and the index of each value in them. Arrays are compared by
    identity: those that copies share are found, and no contents are compared."""
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
    """For each entry of these lists, joined end to end, the number of the list from which it comes."""
    return np.repeat(np.arange(len(lists)), lengths(lists))


def ints(values: list[int]) -> Ints:
    """The numbers as an array; those beyond 2**62 become 2**62."""
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return np.array([max(-_MOST, min(value, _MOST)) for value in values], np.int64)
