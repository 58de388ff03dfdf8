"""Fills tiles with copies: smaller and smaller budgets are tried until copies and buffers can be placed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from xbarch.errors import CapacityError
from xbarch.mapping.copies import ladder
from xbarch.mapping.site import Placement, Site

_log = logging.getLogger(__name__)

_LEAST = Fraction(1, 1000)
_HALVES = 6  # attempts at more than single copies where maps are spread over tiles


def smallest(site: Site) -> list[int]:
    """The fewest tiles of each kind that hold one copy of each layer and its buffers."""
    limits = [room.tiles for room in site.rooms]
    for roomy in (True, False):
        found = site.attempt(site.ones, limits, roomy)
        if found is not None:
            return [len(tiles.used) for tiles in found.floor.kinds]
    return limits


def fill(site: Site, budgets: Sequence[int], limits: Sequence[int]) -> Placement:
    """As many copies as the budgets allow and the tiles hold: parts of tiles may stay empty, or buffers be too small.
    So budgets are lowered percent by percent, further down in larger steps, until the copies fit. (Fewer copies of one
    layer may be more of another, so a lower budget may not fit where a higher one does; halves would miss some.)

    Raises:
        CapacityError: one copy of each layer does not fit.
    """
    if site.alone.spread:
        return _halve(site, budgets, limits)
    tried = set[tuple[int, ...]]()
    for shares in (_coarse(), _fine()):  # small steps near single copies take long, and few plans need them
        for share in shares:
            copies = balanced(site, [int(budget * share) for budget in budgets])
            if copies == site.ones:
                break
            if (key := tuple(copies.values())) in tried:
                continue
            tried.add(key)
            if (found := _tried(site, copies, limits)) is not None:
                return found
    return site.attempt(site.ones, limits, True) or _single(site, limits)


def _coarse() -> Iterator[Fraction]:
    """Shares of a budget percent by percent, further down in larger steps."""
    percent = 100
    while percent > 0:
        yield Fraction(percent, 100)
        percent -= 1 + (100 - percent) // 10


def _fine() -> Iterator[Fraction]:
    """Shares of a budget, each a percent less than the one before."""
    share = Fraction(1)
    while share > _LEAST:
        yield share
        share = share * 99 / 100


def _tried(site: Site, copies: dict[str, int], limits: Sequence[int]) -> Placement | None:
    """Places of these copies; None where some do not fit."""
    found = None
    if not site.too_large(copies) and site.fits(copies, limits):
        found = site.attempt(copies, limits, True)
    if found is None:
        _log.info("%s copies do not fit the tiles", f"{sum(copies.values()):,}")
    return found


def balanced(site: Site, budgets: Sequence[int]) -> dict[str, int]:
    """Copies of each layer within the crossbars of its kind; a kind does not run ahead of the slowest one."""
    copies, enough = dict[str, int](), Fraction(0)
    for last in (False, True) if len(site.rooms) > 1 else (True,):
        for room, budget in zip(site.rooms, budgets, strict=True):
            own = site.on(room)
            copies |= zip((d.name for d in own), ladder(tuple(own)).copies(budget, enough), strict=True)
        if not last:
            enough = max(d.time(copies[d.name]) for d in site.demands)
    return {d.name: copies[d.name] for d in site.demands}


def _halve(site: Site, budgets: Sequence[int], limits: Sequence[int]) -> Placement:
    """`fill` where maps are spread over tiles. There buffers rather than crossbars limit the copies, and an attempt
    takes long; so budgets between those of single copies and these are tried by halves."""
    best = site.attempt(site.ones, limits, True)
    if best is None:
        return _single(site, limits)
    low, high = [sum(d.crossbars for d in site.on(room)) for room in site.rooms], list(budgets)
    middle, placed = high, site.ones
    for _ in range(_HALVES):
        copies = balanced(site, middle)
        found = best if copies == placed else site.attempt(copies, limits, True)
        if found is None:
            high = middle
        else:
            best, placed, low = found, copies, middle
        if low == high:
            break
        middle = [(least + most) // 2 for least, most in zip(low, high, strict=True)]
    return best


def _single(site: Site, limits: Sequence[int]) -> Placement:
    """One copy of each layer with the smallest buffers.

    Raises:
        CapacityError: it does not fit.
    """
    found = site.attempt(site.ones, limits, False)
    if found is None:
        raise CapacityError("one copy of each layer and its line buffers do not fit " + " and ".join(
            f"{replace(room, tiles=limit).words} of {room.crossbars_per_tile} crossbars and {room.buffer // 8192} KB"
            for room, limit in zip(site.rooms, limits, strict=True)
        ) + "; more tiles (or --chips) or a larger buffer would hold them")
    return found
