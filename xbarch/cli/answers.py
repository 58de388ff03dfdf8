"""The answers of `list` and `validate`, kept as long as nothing that they depend on changes. Most of their time goes
into loading the modules that read specs and build machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarch.support import bundled, cache, packages

if TYPE_CHECKING:
    from xbarch.specs.architecture import Architecture
    from xbarch.specs.load import Document

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = ("architectures", "workloads", "studies", "noise")
Entries = dict[str, list[dict[str, str]]]


def entries() -> Entries:
    """Return `xbarch.cli.catalog.entries`, from the cache if possible. Only without files registered as plugins."""
    name = _key("list", *map(bundled.folder, _FOLDERS))
    if (known := cache.get(name)) is not None:
        found: Entries = json.loads(known)
        return found
    from xbarch.cli import catalog

    found = catalog.entries()
    if _alone():
        cache.put(name, json.dumps(found).encode())
    return found


def checked(source: str | Path, overrides: Sequence[str], plugins: bool) -> list[str]:
    """Check a file with `xbarch.specs.kinds`, architectures also by building them; say in words what each document is.

    Args:
        source: path or bundled name.
        overrides: changes of an architecture.
        plugins: whether files were registered as plugins; then nothing is taken from the cache.

    Raises:
        InputError: as there.
    """
    from xbarch.specs import kinds

    found = []
    for document in kinds.read(source):
        name = "" if plugins else _key("valid", file=document.file, data=document.data, overrides=tuple(overrides))
        known = cache.get(name)
        text = _checked(document, overrides) if known is None else known.decode()
        if known is None and _alone():
            cache.put(name, text.encode())
        found.append(text)
    return found


def _checked(document: Document, overrides: Sequence[str]) -> str:
    from xbarch.specs.kinds import checked
    from xbarch.workload.zoo import SyntheticRecipe

    return str(checked(document, overrides, {"synthetic": SyntheticRecipe}, _buildable))


def _buildable(architecture: Architecture) -> None:
    from xbarch.machine.build import buildable

    buildable(architecture)


def _key(*parts: Any, **named: Any) -> str:
    """Return the name of an answer that depends on `parts` (for a path, on all files below it), on xbarch and on the
    installed packages; empty if any of these files is younger than this process."""
    found = sha256(repr((named, [p for p in parts if not isinstance(p, Path)])).encode())
    for line in (*_stamps(_PACKAGE), *(s for p in parts if isinstance(p, Path) for s in _stamps(p)), *_installed()):
        if not line:
            return ""
        found.update(line.encode())
    return cache.key("answer", found.hexdigest())


def _stamps(folder: Path | str) -> Iterator[str]:
    """Yield path, size and time of every file below a folder; an empty text for one younger than this process."""
    with os.scandir(folder) as listed:
        for entry in sorted(listed, key=lambda e: e.name):
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _stamps(entry.path)
            else:
                yield cache.stamp(entry.path)


def _installed() -> Iterator[str]:
    """Yield stamps of the lists of entry points of all installed packages."""
    for place in dict.fromkeys(map(os.path.abspath, sys.path)):
        with suppress(OSError):
            if not os.path.isdir(place):
                yield cache.stamp(place)
                continue
            for name in sorted(os.listdir(place)):
                if name.endswith((".dist-info", ".egg-info", ".egg-link")):
                    with suppress(OSError):
                        yield cache.stamp(os.path.join(place, name, "entry_points.txt"))


def _alone() -> bool:
    """Tell whether all plugins are built in: the source text of others is not watched."""
    from importlib.metadata import entry_points

    from xbarch.plugins.kinds import KINDS

    groups = [*(f"xbarch.{folder}" for folder in _FOLDERS), *(kind.group for kind in KINDS)]
    return all(packages.origin(point) == packages.OWN for group in groups for point in entry_points(group=group))
