"""What installed packages offer to xbarch, by entry point; its own plugins are offered the same way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from xbarch.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OWN = "xbarch"
Offers = Callable[[str], "Sequence[EntryPoint]"]


def points(group: str, noun: str, offers: Offers | None = None) -> dict[str, EntryPoint]:
    """The entry points of a group by name. offers: lists those of a group; None: those of the installed packages.

    Raises:
        InputError: two packages offer the same name.
    """
    found: dict[str, EntryPoint] = {}
    for point in (offers or offered)(group):
        if found.get(point.name, point).value != point.value:
            raise InputError(f"two packages offer the {noun} {point.name!r}, as {found[point.name].value} and as "
                             f"{point.value}; uninstall one of them")
        found[point.name] = point
    return found


def offered(group: str) -> Sequence[EntryPoint]:
    """The entry points of a group that installed packages offer, sorted."""
    return _listed(group, tuple((place, _changed(place)) for place in sys.path))


def origin(point: EntryPoint) -> str:
    """The package that offers an entry point: `OWN`, or its name and version."""
    if point.dist is None:
        return point.value
    name = point.dist.name
    return OWN if name == OWN else f"package {name} {point.dist.version}"


@lru_cache(maxsize=32)
def _listed(group: str, places: tuple[tuple[str, int], ...]) -> Sequence[EntryPoint]:
    """places: the folders that are searched, each with the time of its last change: reading the lists of every
    installed package takes milliseconds, and a run looks up a dozen plugins."""
    from importlib.metadata import entry_points  # slower to load than everything else here

    return sorted(entry_points(group=group), key=lambda point: (point.name, point.value))


def _changed(place: str) -> int:
    """When a folder's entries last changed, which installing or removing a package does; 0: there is no such folder."""
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0
