"""Data paths, sensing units and other classes by name. Those that come with xbarch are registered exactly as an outside
package's would be. Architectures and workloads, which are files, are `xbarch.support.bundled`'s."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from xbarch.datapaths.base import DataPath, Options
from xbarch.errors import InputError, XbarchError
from xbarch.parts.processes.base import UnitProcess
from xbarch.parts.scaling.base import Scaling
from xbarch.parts.sensing.base import Array, Sensing
from xbarch.parts.topologies.base import Topology
from xbarch.plugins import limits
from xbarch.specs.architecture import Architecture, Crossbar, NetworkSpec, Scaled, Served
from xbarch.specs.explain import explain
from xbarch.specs.load import load
from xbarch.specs.text import brief, dotted
from xbarch.support import bundled
from xbarch.support.files import read

Plugin = Any  # a class of one of the kinds
GROUP = "xbarch.datapaths"
UNITS = "xbarch.sensing"
WIRES = "xbarch.topologies"
MODELS = "xbarch.scaling"
SERVING = "xbarch.processes"
_MOST = 2**24  # bytes of a plugin file
_loaded: dict[str, dict[str, Plugin]] = {}  # of files, by group and name


@dataclass(frozen=True)
class Kind:
    """What may be plugged in: the group of its entry points, the class it extends, what it is called."""

    group: str
    base: type[Any]
    noun: str
    field: str


PATHS = Kind(GROUP, DataPath, "data path", "datapath")
SENSING = Kind(UNITS, Sensing, "sensing unit", "crossbar.sensing.unit")
SCALING = Kind(MODELS, Scaling, "scaling model", "scaling")
TOPOLOGIES = Kind(WIRES, Topology, "topology", "network.topology")
PROCESSES = Kind(SERVING, UnitProcess, "unit process", "processes")
KINDS = (PATHS, SENSING, SCALING, TOPOLOGIES, PROCESSES)


def classes(kind: Kind) -> dict[str, Plugin]:
    """Every registered class of a kind by name, sorted.

    Raises:
        InputError: as `datapaths`.
    """
    return _all(kind)


def find(kind: Kind, name: str) -> Plugin | None:
    """The class of a kind that is registered under a name, if one is; no other is imported.

    Raises:
        InputError: it cannot be imported, or is none of the kind.
    """
    if (found := _loaded.get(kind.group, {}).get(name)) is not None:
        return found
    point = _points(kind).get(name)
    return None if point is None else _imported(kind, point)


def origin(kind: Kind, name: str) -> str:
    """Where a registered class is from: "xbarch", the package with its version, or the file."""
    if (found := _loaded.get(kind.group, {}).get(name)) is not None:
        return _file(found) or "this program"
    return bundled.whose(_points(kind)[name])


def packages() -> list[str]:
    """Installed packages, with their versions, that offer parts of machines beside xbarch's own, sorted."""
    points = [point for kind in KINDS if kind is not PATHS for point in _points(kind).values()]
    return sorted({bundled.whose(point) for point in points} - {"xbarch"})


def files() -> list[Path]:
    """The plugin files that were loaded, in their order: what another process loads to know the same plugins."""
    found = [_file(plugin) for plugins in _loaded.values() for plugin in plugins.values()]
    named = [path for names in bundled._named.values() for path in names.values()]
    return list(dict.fromkeys([*(Path(f) for f in found if f is not None), *named]))


def digests() -> list[str]:
    """SHA-256 of every plugin file that was loaded, sorted."""
    return sorted(hashlib.sha256(read(path, _MOST)).hexdigest() for path in files())


def datapaths() -> dict[str, type[DataPath]]:
    """Every registered data path by name, sorted: entry points of installed packages and loaded files.

    Raises:
        InputError: one cannot be imported, or two have the same name.
    """
    return _all(PATHS)


def sensing() -> dict[str, type[Sensing]]:
    """Every registered sensing unit by name, sorted.

    Raises:
        InputError: as `datapaths`.
    """
    return _all(SENSING)


def datapath(name: str, options: Mapping[str, Any] | None = None) -> DataPath:
    """The data path `name` with its options.

    Raises:
        InputError: no such data path, or an option it does not take.
    """
    path: DataPath = _made(PATHS, name, dict(options or {}), "options", lambda kind, asked: kind(asked))
    return path


def sense(name: str, options: Mapping[str, Any], array: Array) -> Sensing:
    """The sensing unit `name` with its options, for an array.

    Raises:
        InputError: no such unit, or an option it does not take.
    """
    unit: Sensing = _made(SENSING, name, dict(options), "crossbar.sensing.options",
                          lambda kind, asked: kind(array, asked))
    return unit


def scaling() -> dict[str, type[Scaling]]:
    """Every registered scaling model by name, sorted.

    Raises:
        InputError: as `datapaths`.
    """
    return _all(SCALING)


def scaled(asked: Scaled, field: str) -> Scaling:
    """The scaling model that a component names, with its options. field: where it names it, for messages.

    Raises:
        InputError: no such model, or an option it does not take.
    """
    model: Scaling = _made(replace(SCALING, field=field), asked.model, asked.options, field,
                           lambda kind, options: kind(options))
    return model


def sensed(crossbar: Crossbar, slot: int) -> Sensing:
    """The sensing unit of an architecture's crossbar, on a machine with slots of `slot` ps (0: none).

    Raises:
        InputError: as `sense`.
    """
    unit = crossbar.operation_unit
    return sense(crossbar.sensing.unit, crossbar.sensing.options, Array(
        crossbar.columns, unit.read if unit else crossbar.read, crossbar.conversion,
        Fraction(crossbar.adcs_per_crossbar), crossbar.adc_bits, slot, unit.rows if unit else crossbar.rows,
        crossbar.cell_bits, crossbar.dac_bits))


def wired(network: NetworkSpec, tiles: int) -> Topology:
    """The topology of an architecture's network, for a chip of so many tiles.

    Raises:
        InputError: no such topology, or an option it does not take.
    """
    made: Topology = _made(TOPOLOGIES, network.topology, dict(network.options), "network.options",
                           lambda kind, asked: kind(tiles, asked))
    return made


def served(asked: Served, field: str) -> UnitProcess:
    """The process that an architecture names for a kind of unit, with its options. field: where it does, for messages.

    Raises:
        InputError: no such process, or an option it does not take.
    """
    made: UnitProcess = _made(replace(PROCESSES, field=f"{field}.unit"), asked.unit, dict(asked.options),
                              f"{field}.options", lambda kind, options: kind(options))
    return made


def is_builtin(plugin: Plugin) -> bool:
    """Whether something made of a plugin's class comes with xbarch."""
    return type(plugin).__module__.partition(".")[0] == "xbarch"


def _all(kind: Kind) -> dict[str, Any]:
    found = {name: _imported(kind, point) for name, point in _points(kind).items()}
    return dict(sorted({**found, **_loaded.get(kind.group, {})}.items()))


def _made(kind: Kind, name: str, asked: dict[str, Any], field: str, make: Callable[[Any, dict[str, Any]], Any]) -> Any:
    """One plugin of a kind with its options; whatever it raises is reported by its name."""
    found = find(kind, name)
    if found is None:
        known = sorted({*_points(kind), *_loaded.get(kind.group, {})})
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"found {name[:40]!r}, allowed {', '.join(known) or 'none: is xbarch installed?'}{hint}",
                         field=kind.field)
    with asking(found, "__init__") as wrong:
        try:
            made = make(found, asked)
        except ValidationError as error:
            message, trail = explain(error, asked, found.Options)
            chosen = f"{field}.model" if kind.group == MODELS else kind.field
            away = f"; inherited ones go with `options: null` in a file or --set {field}={{}}" if (
                "unknown key" in message and field.endswith(".options")) else ""
            raise InputError(f"{message} ({chosen} is {name}{away})", field=dotted((field, *trail))) from None
        if not isinstance(getattr(made, "options", None), Options):
            raise wrong(f"made no options, allowed those that {kind.base.__name__}.__init__ makes")
    return made


@contextmanager
def asking(path: Any, method: str, layer: str = "", *, limited: bool = True) -> Iterator[Callable[[str], InputError]]:
    """Calls `method` of a plugin, a class or one made of it: whatever it raises becomes one sentence with its file,
    method and layer. Gives what makes such a sentence of what the method did wrong ("returned ..., allowed ...").

    limited: the body is one call, which ends or is ended by `xbarch.plugins.limits`; not, where it is many.

    Raises:
        InputError: the method raised something that is no error of xbarch, or did not end.
    """
    found: Plugin = path if isinstance(path, type) else type(path)
    noun = next((kind.noun for kind in KINDS if issubclass(found, kind.base)), "plugin")

    def wrong(does: str) -> InputError:
        where = f" of layer {brief(layer)}" if layer else ""
        return InputError(f"{method}{where} {does}", file=_file(found), field=f"{noun} {brief(found.name)}")

    try:
        with limits.limited() if limited else nullcontext():
            yield wrong
    except XbarchError:
        raise
    except limits.OverrunError as error:
        raise wrong(str(error)) from None
    except (Exception, SystemExit) as error:
        raise wrong(f"raised {_said(error)}, allowed no error") from error


def _file(kind: Plugin) -> str | None:
    try:
        return inspect.getfile(kind)
    except (TypeError, OSError):  # made in no file
        return None


def _said(error: BaseException) -> str:
    """An error in one line."""
    text = brief(error, 300)
    if isinstance(error, limits.OverrunError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def load_file(path: str | Path) -> list[str]:
    """Register the data paths and sensing units a Python file defines, or the architecture in a YAML file; their names.

    Raises:
        InputError: no such file, it does not import, it defines none, one is incomplete, or a name is taken.
    """
    read(Path(path), _MOST)
    if Path(path).suffix == ".yaml":
        name = load(path, Architecture).name
        bundled.register("architectures", name, Path(path))
        return [name]
    file = Path(path).resolve()
    module = _executed(file)
    found: dict[str, dict[str, Plugin]] = {}
    for kind, plugin in _own(module):
        if lacks := _lacks(kind, plugin):
            raise InputError(lacks, file=path)
        taken = _loaded.get(kind.group, {}).get(plugin.name)
        if plugin.name in _points(kind) or plugin.name in found.get(kind.group, {}) or (
                taken is not None and taken.__module__ != module.__name__):
            raise InputError(f"the {kind.noun} name {plugin.name!r} is taken", file=path)
        found.setdefault(kind.group, {})[plugin.name] = plugin
    if not found:
        raise InputError("defines no data path, allowed a file with a subclass of DataPath (or of "
                         f"{', '.join(k.base.__name__ for k in KINDS if k is not PATHS)}) that has a name", file=path)
    for group, plugins in found.items():
        _loaded.setdefault(group, {}).update(plugins)
    return [name for plugins in found.values() for name in plugins]


def _own(module: ModuleType) -> list[tuple[Kind, Plugin]]:
    """What a module defines itself of every kind."""
    classes = dict.fromkeys(k for k in vars(module).values() if isinstance(k, type)
                            and k.__module__ == module.__name__ and "name" in vars(k))
    return [(kind, k) for k in classes for kind in KINDS if issubclass(k, kind.base)]


def _lacks(kind: Kind, plugin: Plugin) -> str:
    """What a subclass lacks to be a plugin; empty if nothing."""
    if not isinstance(getattr(plugin, "name", ""), str):
        return f"the name of {kind.noun} {plugin.__name__} is {brief(plugin.name)}, allowed a text"
    absent = [name for name in ("name", "summary", "provenance") if not isinstance(getattr(plugin, name, None), str)]
    absent = sorted(plugin.__abstractmethods__) or absent
    name = getattr(plugin, "name", plugin.__name__)
    return f"the {kind.noun} {name!r} does not define {', '.join(absent)}" if absent else ""


def _points(kind: Kind) -> dict[str, EntryPoint]:
    """Entry points of a kind by name.

    Raises:
        InputError: two packages offer the same name.
    """
    points: dict[str, EntryPoint] = {}
    for point in _offered(kind.group, tuple((place, _changed(place)) for place in sys.path)):
        if points.get(point.name, point).value != point.value:
            raise InputError(f"the {kind.noun} {point.name!r} is offered twice, as {points[point.name].value} and as "
                             f"{point.value}; uninstall one")
        points[point.name] = point
    return points


@lru_cache(maxsize=32)
def _offered(group: str, places: tuple[tuple[str, int], ...]) -> list[EntryPoint]:
    """Entry points of a group, sorted. places: where they are looked for, each with when it last changed; reading the
    lists of every installed package takes milliseconds, and a run asks for a dozen plugins."""
    return sorted(entry_points(group=group), key=lambda p: (p.name, p.value))


def _changed(place: str) -> int:
    """When a folder's entries last changed; 0: there is none. Packages that come or go change it."""
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0


def _imported(kind: Kind, point: EntryPoint) -> Any:
    try:
        with limits.limited():
            found = point.load()
    except BaseException as error:  # whatever an outside package raises is reported by its name
        raise InputError(f"{kind.noun} plugin {point.name!r} ({point.value}) cannot be imported: "
                         f"{_said(error)}") from error
    if not (isinstance(found, type) and issubclass(found, kind.base)):
        raise InputError(f"{kind.noun} plugin {point.name!r} ({point.value}) is not a subclass of "
                         f"{kind.base.__name__}")
    if lacks := _lacks(kind, found):
        raise InputError(f"{kind.noun} plugin {point.name!r} ({point.value}): {lacks}")
    return found


def _executed(file: Path) -> ModuleType:
    """The module of a file, under a name that depends on its path alone."""
    name = f"xbarch_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError("not a Python file, allowed a name that ends in .py", file=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with limits.limited():
            spec.loader.exec_module(module)
    except BaseException as error:  # whatever the user's file raises, an interrupt too, is reported by its name
        sys.modules.pop(name, None)
        raise InputError(f"cannot be imported: {_said(error)}", file=file) from error
    return module
