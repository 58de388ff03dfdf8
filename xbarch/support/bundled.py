"""Where architectures, workloads and studies lie: those that come with xbarch, installed or in a checkout; those that
installed packages offer; and files registered by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from xbarch.errors import InputError
from xbarch.support.packages import OWN, origin, points

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_PACKAGE = Path(__file__).resolve().parents[1]
_WORDS = {"architectures": "architecture", "workloads": "workload", "studies": "study", "noise": "noise preset"}


class Files:
    """Files registered by name, as if they were bundled. Part of a `xbarch.plugins.registry.Registry`."""

    def __init__(self) -> None:
        self.paths: dict[str, dict[str, Path]] = {}  # by kind and name

    def register(self, kind: str, name: str, path: Path) -> None:
        """Make the file `path` known as `name` of the kind "architectures", "workloads" or "studies".

        Raises:
            InputError: another one has the name.
        """
        path = path.resolve()
        with self.active():
            taken = known(kind).get(name, str(path))
        if taken != str(path):
            raise InputError(f"the {_WORDS[kind]} name {name!r} is taken by {taken}", file=path)
        self.paths.setdefault(kind, {})[name] = path

    @contextmanager
    def active(self) -> Iterator[None]:
        """Look names up among these files in this context."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)


_DEFAULT = Files()
_active: ContextVar[Files] = ContextVar("xbarch_files")


def files() -> Files:
    """The files registered by name in this context."""
    return _active.get(_DEFAULT)


def folder(kind: str) -> Path:
    """The bundled folder `kind` ("architectures", "workloads" or "studies")."""
    installed = _PACKAGE / "_data" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def names(kind: str) -> list[str]:
    """Sorted names of what is bundled: YAML files and stored folders."""
    return sorted({p.stem for p in folder(kind).iterdir() if p.suffix == ".yaml" or (p / "manifest.json").is_file()})


def known(kind: str) -> dict[str, str]:
    """Every known name with the package or file that provides it: bundled names first, then those of packages and
    registered files, sorted.

    Raises:
        InputError: two provide the same name.
    """
    found = dict.fromkeys(names(kind), OWN)
    for name, place in sorted([*((n, origin(p)) for n, p in _points(kind).items()),
                               *((n, str(p)) for n, p in files().paths.get(kind, {}).items())]):
        if name in found:
            raise InputError(f"{found[name]} and {place} both provide the {_WORDS[kind]} {name!r}; remove or rename "
                             "one of them")
        found[name] = place
    return found


def find(name: str, kind: str, suffixes: tuple[str, ...]) -> Path | None:
    """The path `name` itself if it is one of those, else the entry of that name, else whatever is at the path.

    `suffixes` are tried in order on the stem; "" means a folder with a manifest. Other folders, such as the
    results of an earlier run, hide no name. Workloads of a grid are named GRID/NAME.

    Raises:
        InputError: a package offers the name, but not the file.
    """
    given = Path(name)
    if given.is_file() or ("" in suffixes and (given / "manifest.json").is_file()):
        return given
    stem = name.removesuffix(".yaml")
    if stem and given.as_posix() == name and not given.is_absolute() and ".." not in given.parts:  # "./x" is a path
        entry = _entry(folder(kind), stem, suffixes) or _other(kind, stem, suffixes)
        if entry is not None:
            return entry
    return given if name and given.exists() else None


def entry(name: str, kind: str, suffixes: tuple[str, ...]) -> Path:
    """The file or folder of a name of `known`, whatever lies under that name in the working directory.

    Raises:
        InputError: as `find`.
    """
    found = _entry(folder(kind), name, suffixes) or _other(kind, name, suffixes)
    assert found is not None, name
    return found


def _entry(place: Path, stem: str, suffixes: tuple[str, ...]) -> Path | None:
    """The first of a folder's entries of that stem that is a file, or a stored folder."""
    for candidate in (place / (stem + suffix) for suffix in suffixes):
        if candidate.is_file() or (candidate / "manifest.json").is_file():
            return candidate
    return None


def _other(kind: str, stem: str, suffixes: tuple[str, ...]) -> Path | None:
    """What was registered as `stem`, or what the package that offers it has."""
    if (path := files().paths.get(kind, {}).get(stem)) is not None:
        return path
    if (point := _points(kind).get(stem)) is None:
        return None
    for place in _places(kind, point):
        if (found := _entry(place, stem, suffixes)) is not None:
            return found
    raise InputError(f"{_WORDS[kind]} plugin {stem!r} ({point.value}) has no file {stem}.yaml in the folder of "
                     f"{point.value}; {origin(point)} offers it")


def _places(kind: str, point: EntryPoint) -> list[Path]:
    """The folders of the module an entry point names: as its package was installed, else where Python finds it."""
    below = Path(*point.module.split("."))
    places = [Path(str(point.dist.locate_file(below)))] if point.dist is not None else []
    try:
        spec = importlib.util.find_spec(point.module)
    except BaseException as error:  # a package above it is imported, and may do anything
        raise InputError(f"{_WORDS[kind]} plugin {point.name!r} ({point.value}) cannot be imported: "
                         f"{type(error).__name__}: {error}") from error
    if spec is not None:
        places += [Path(p) for p in spec.submodule_search_locations or []]
        places += [Path(spec.origin).parent] if spec.origin and spec.origin.endswith(".py") else []
    return places


def _points(kind: str) -> dict[str, EntryPoint]:
    """What packages offer, by name: the value of an entry point is the module in whose folder NAME.yaml lies.

    Raises:
        InputError: two packages offer the same name.
    """
    return points(f"xbarch.{kind}", _WORDS[kind])
