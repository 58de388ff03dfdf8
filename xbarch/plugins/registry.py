"""Plugins by name. Those that come with xbarch are registered by entry points, exactly as an outside package's are.

The functions of this module look plugins up in the active `Registry`. There is one by default; `with
Registry().active():` uses another one in its body, so that two programs in one process do not share what they load.
A thread begins with the default one, as with any context variable (`contextvars.copy_context().run` hands the active
one on).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from xbarch.datapaths.base import DataPath
from xbarch.errors import InputError
from xbarch.parts.effects.base import STAGES, Effect
from xbarch.parts.processes.base import UnitProcess
from xbarch.parts.scaling.base import Scaling
from xbarch.parts.sensing.base import Array, Sensing
from xbarch.parts.topologies.base import Topology
from xbarch.plugins import definitions
from xbarch.plugins.guard import described, file_of, restrained
from xbarch.plugins.kinds import EFFECTS, KINDS, PATHS, PROCESSES, SCALING, SENSING, TOPOLOGIES, Kind, P
from xbarch.plugins.made import make
from xbarch.specs.architecture import Architecture
from xbarch.specs.chip import Encoding, NetworkSpec, Served
from xbarch.specs.component import Scaled
from xbarch.specs.explain import unknown
from xbarch.specs.load import load
from xbarch.specs.noise import Noise
from xbarch.support import bundled
from xbarch.support import packages as installed
from xbarch.support.files import read

_MOST = 2**24  # bytes of a plugin file


class Registry:
    """The plugins of installed packages, and those of files that were loaded; architectures loaded from files too."""

    def __init__(self, offers: installed.Offers | None = None, named: bundled.Files | None = None) -> None:
        """offers: the entry points of a group; None: those of the installed packages. named: files registered by name;
        None: none yet."""
        self._offers = offers
        self._named = bundled.Files() if named is None else named
        self._loaded: definitions.Found = {}

    @contextmanager
    def active(self) -> Iterator[Registry]:
        """Use this registry in the body, and in what the body calls."""
        token = _active.set(self)
        try:
            with self._named.active():
                yield self
        finally:
            _active.reset(token)

    def names(self, kind: Kind[Any]) -> list[str]:
        """Sorted names of a kind; nothing is imported.

        Raises:
            InputError: two packages offer the same name.
        """
        return sorted({*self._points(kind), *self._loaded.get(kind, {})})

    def classes(self, kind: Kind[P]) -> dict[str, type[P]]:
        """Every class of a kind by name, sorted.

        Raises:
            InputError: one cannot be imported, or two packages offer the same name.
        """
        found = {name: _imported(kind, point) for name, point in self._points(kind).items()}
        return dict(sorted({**found, **self._loaded.get(kind, {})}.items()))

    def find(self, kind: Kind[P], name: str) -> type[P] | None:
        """The class of that name, if there is one; no other is imported.

        Raises:
            InputError: it cannot be imported, or is not of the kind.
        """
        found: type[P] | None = self._loaded.get(kind, {}).get(name)
        if found is not None:
            return found
        point = self._points(kind).get(name)
        return None if point is None else _imported(kind, point)

    def make(self, kind: Kind[P], name: str, *before: Any, options: Mapping[str, Any], named: str = "",
             field: str = "options") -> P:
        """The plugin of that name with its options. before: what its constructor takes before them. named, field: where
        a user names it and states its options, for messages.

        Raises:
            InputError: no such plugin, or an option that it does not take.
        """
        named = named or kind.field
        found = self.find(kind, name)
        if found is None:
            raise InputError(unknown(kind.noun, name, self.names(kind)), field=named)
        return make(kind, found, before, options, named=named, field=field)

    def origin(self, kind: Kind[Any], name: str) -> str:
        """Where a class is from: "xbarch", the package with its version, or the file."""
        found = self._loaded.get(kind, {}).get(name)
        if found is not None:
            return file_of(found) or "this program"
        return installed.origin(self._points(kind)[name])

    def packages(self) -> list[str]:
        """Installed packages, with their versions, that offer parts of machines, xbarch itself excepted; sorted."""
        points = [point for kind in KINDS if kind is not PATHS for point in self._points(kind).values()]
        return sorted({installed.origin(point) for point in points} - {installed.OWN})

    def files(self) -> list[Path]:
        """The plugin files that were loaded, in their order: what another process loads to know the same plugins."""
        found = [file_of(plugin) for plugins in self._loaded.values() for plugin in plugins.values()]
        named = [path for paths in self._named.paths.values() for path in paths.values()]
        return list(dict.fromkeys([*(Path(f) for f in found if f is not None), *named]))

    def load_file(self, path: str | Path) -> list[str]:
        """Register the plugins that a Python file defines, or the architecture in a YAML file. Returns their names.

        Raises:
            InputError: there is no such file, it cannot be imported, it defines no plugin or an incomplete one, or a
                name is taken.
        """
        read(Path(path), _MOST)
        if Path(path).suffix == ".yaml":
            with self.active():
                name = load(path, Architecture).name
            self._named.register("architectures", name, Path(path))
            return [name]
        found = definitions.defined(Path(path).resolve())
        for kind, plugins in found.items():
            for name, plugin in plugins.items():
                taken = self._loaded.get(kind, {}).get(name)
                if name in self._points(kind) or (taken is not None and taken.__module__ != plugin.__module__):
                    raise InputError(f"the {kind.noun} name {name!r} is taken", file=path)
        for kind, plugins in found.items():
            self._loaded.setdefault(kind, {}).update(plugins)
        return [name for plugins in found.values() for name in plugins]

    def _points(self, kind: Kind[Any]) -> dict[str, EntryPoint]:
        return installed.points(kind.group, kind.noun, self._offers)


_DEFAULT = Registry(named=bundled.files())
_active: ContextVar[Registry] = ContextVar("xbarch_registry")


def active() -> Registry:
    """The registry in use."""
    return _active.get(_DEFAULT)


def load_file(path: str | Path) -> list[str]:
    """`Registry.load_file` of the active registry."""
    return active().load_file(path)


def classes(kind: Kind[P]) -> dict[str, type[P]]:
    """`Registry.classes` of the active registry."""
    return active().classes(kind)


def find(kind: Kind[P], name: str) -> type[P] | None:
    """`Registry.find` of the active registry."""
    return active().find(kind, name)


def origin(kind: Kind[Any], name: str) -> str:
    """`Registry.origin` of the active registry."""
    return active().origin(kind, name)


def packages() -> list[str]:
    """`Registry.packages` of the active registry."""
    return active().packages()


def files() -> list[Path]:
    """`Registry.files` of the active registry."""
    return active().files()


def digests() -> list[str]:
    """SHA-256 of every plugin file that was loaded, sorted."""
    return sorted(sha256(read(path, _MOST)).hexdigest() for path in files())


def sensing() -> dict[str, type[Sensing[Any]]]:
    """Every sensing unit by name, sorted. Raises as `datapaths`."""
    return active().classes(SENSING)


def scaling() -> dict[str, type[Scaling[Any]]]:
    """Every scaling model by name, sorted. Raises as `datapaths`."""
    return active().classes(SCALING)


def datapaths() -> dict[str, type[DataPath[Any]]]:
    """Every data path by name, sorted.

    Raises:
        InputError: one cannot be imported, or two packages offer the same name.
    """
    return active().classes(PATHS)


def datapath(name: str, options: Mapping[str, Any] | None = None) -> DataPath[Any]:
    """The data path `name` with its options.

    Raises:
        InputError: no such data path, or an option that it does not take.
    """
    return active().make(PATHS, name, options=options or {})


def encoded(asked: Encoding) -> DataPath[Any]:
    """The data path that an architecture names, with its options.

    Raises:
        InputError: no such data path, or an option that it does not take.
    """
    return active().make(PATHS, asked.name, options=asked.options, named="datapath.name", field="datapath.options")


def sense(name: str, options: Mapping[str, Any], array: Array) -> Sensing[Any]:
    """The sensing unit `name` with its options, for an array.

    Raises:
        InputError: no such sensing unit, or an option that it does not take.
    """
    return active().make(SENSING, name, array, options=options, field="crossbar.sensing.options")


def sensed(a: Architecture, *, slot: int | None = None, elsewhere: bool = False) -> Sensing[Any]:
    """The sensing unit of an architecture's crossbar. slot: length of a slot in ps (0: no slots) in place of the
    machine's. elsewhere: whether a stage of its own converts.

    Raises:
        InputError: as `sense`.
    """
    x, array = a.crossbar, Array.of(a.crossbar, a.pipeline.slot if slot is None else slot)
    return sense(x.sensing.unit, x.sensing.options,
                 replace(array, elsewhere=elsewhere, converters=array.converters * a.stack))


def scaled(asked: Scaled, field: str) -> Scaling[Any]:
    """The scaling model that a component names, with its options. field: where it names it, for messages.

    Raises:
        InputError: no such model, or an option that it does not take.
    """
    return active().make(SCALING, asked.model, options=asked.options, named=field, field=field)


def wired(network: NetworkSpec, tiles: int) -> Topology[Any]:
    """The topology of an architecture's network, for a chip of so many tiles.

    Raises:
        InputError: no such topology, or an option that it does not take.
    """
    return active().make(TOPOLOGIES, network.topology, tiles, options=network.options, field="network.options")


def served(asked: Served, field: str) -> UnitProcess[Any]:
    """The process that an architecture names for one of the machine's units. field: where it does, for messages.

    Raises:
        InputError: no such process, or an option that it does not take.
    """
    return active().make(PROCESSES, asked.unit, options=asked.options, named=f"{field}.unit", field=f"{field}.options")


def effects(noise: Noise) -> list[Effect[Any]]:
    """The effects of a noise block, in the order in which they change cells.

    Raises:
        InputError: no such effect, or an option that it does not take.
    """
    found = [active().make(EFFECTS, name, options=options, named="noise.effects", field=f"noise.effects.{name}")
             for name, options in sorted(noise.effects.items())]
    return sorted(found, key=lambda effect: STAGES.index(effect.stage))


def _imported(kind: Kind[P], point: EntryPoint) -> type[P]:
    """The class that an entry point names.

    Raises:
        InputError: it cannot be imported, is not of the kind, or is incomplete.
    """
    outside = point.module.partition(".")[0] != installed.OWN
    place = f"{kind.noun} plugin {point.name!r} ({point.value})"
    try:
        with restrained() if outside else nullcontext():
            found: type[P] = point.load()
    except BaseException as error:  # whatever an outside package raises is reported by its name
        raise InputError(f"{place} cannot be imported: {described(error)}") from error
    if not (isinstance(found, type) and issubclass(found, kind.base)):
        raise InputError(f"{place} is not a subclass of {kind.base.__name__}")
    if reason := definitions.lacking(kind, found):
        raise InputError(f"{place}: {reason}")
    return found
