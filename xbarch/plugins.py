"""Data paths by name. The ones that come with xbarch are registered exactly as an outside package's would be."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from xbarch.datapaths.base import DataPath
from xbarch.errors import InputError

GROUP = "xbarch.datapaths"
_loaded: dict[str, type[DataPath]] = {}


def datapaths() -> dict[str, type[DataPath]]:
    """Every registered data path by name, sorted: entry points of installed packages and loaded files.

    Raises:
        InputError: one cannot be imported, or two have the same name.
    """
    found = {name: _imported(point) for name, point in _points().items()}
    return dict(sorted({**found, **_loaded}.items()))


def datapath(name: str, options: Mapping[str, Any] | None = None) -> DataPath:
    """The data path `name` with its options.

    Raises:
        InputError: no such data path, or an option it does not take.
    """
    points = _points()
    if name not in points and name not in _loaded:
        known = sorted({*points, *_loaded})
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"found {name[:40]!r}, allowed {', '.join(known) or 'none: is xbarch installed?'}{hint}",
                         field="datapath")
    kind = _loaded[name] if name in _loaded else _imported(points[name])
    try:
        return kind(dict(options or {}))
    except ValidationError as error:
        raise _refused(name, kind, error) from None


def load_file(path: str | Path) -> list[str]:
    """Register the data paths a Python file defines; their names.

    Raises:
        InputError: no such file, it does not import, it defines none, one is incomplete, or a name is taken.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise InputError("no such plugin file", file=path)
    module = _executed(file)
    kinds = dict.fromkeys(k for k in vars(module).values() if isinstance(k, type) and issubclass(k, DataPath)
                          and k.__module__ == module.__name__ and "name" in vars(k))
    if not kinds:
        raise InputError("defines no data path, allowed a file with a subclass of DataPath that has a name", file=path)
    found: dict[str, type[DataPath]] = {}
    for kind in kinds:
        if not isinstance(kind.name, str):
            raise InputError(f"the name of data path {kind.__name__} is {kind.name!r}, allowed a text", file=path)
        taken = _loaded.get(kind.name)
        if kind.name in _points() or kind.name in found or (
                taken is not None and taken.__module__ != module.__name__):
            raise InputError(f"the data path name {kind.name!r} is taken", file=path)
        if isabstract(kind):
            raise InputError(f"the data path {kind.name!r} {_lacks(kind)}", file=path)
        found[kind.name] = kind
    _loaded.update(found)
    return list(found)


def _lacks(kind: type[DataPath]) -> str:
    return f"does not define {', '.join(sorted(kind.__abstractmethods__))}"


def _points() -> dict[str, EntryPoint]:
    """Entry points by name.

    Raises:
        InputError: two packages offer the same name.
    """
    points: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        if points.get(point.name, point).value != point.value:
            raise InputError(f"the data path {point.name!r} is offered twice, as {points[point.name].value} and as "
                             f"{point.value}; uninstall one")
        points[point.name] = point
    return points


def _imported(point: EntryPoint) -> type[DataPath]:
    try:
        kind = point.load()
    except Exception as error:  # whatever an outside package raises is reported by its name
        raise InputError(f"data path plugin {point.name!r} ({point.value}) cannot be imported: "
                         f"{type(error).__name__}: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, DataPath)):
        raise InputError(f"data path plugin {point.name!r} ({point.value}) is not a subclass of DataPath")
    if isabstract(kind):
        raise InputError(f"data path plugin {point.name!r} ({point.value}) {_lacks(kind)}")
    return kind


def _executed(file: Path) -> ModuleType:
    """The module of a file, under a name that depends on its path alone."""
    name = f"xbarch_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError("not a Python file, allowed a name that ends in .py", file=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's file raises is reported by its name
        del sys.modules[name]
        raise InputError(f"cannot be imported: {type(error).__name__}: {error}", file=file) from error
    return module


def _refused(name: str, kind: type[DataPath], error: ValidationError) -> InputError:
    """The first complaint about options as one sentence."""
    first = error.errors()[0]
    place = ".".join(str(p) for p in first["loc"])
    allowed = ", ".join(kind.Options.model_fields) or "no options"
    if first["type"] == "extra_forbidden":
        near = get_close_matches(place, list(kind.Options.model_fields), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        text = f"data path {name} has no such option, allowed {allowed}{hint}"
    else:
        text = f"found {str(first.get('input'))[:40]!r}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return InputError(text, field=f"options.{place}" if place else "options")
