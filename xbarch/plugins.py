"""Data paths by name. The ones that come with xbarch are registered exactly as an outside package's would be."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from xbarch.datapaths.base import DataPath, Options
from xbarch.errors import InputError, XbarchError
from xbarch.files import read
from xbarch.spec.text import brief, dotted
from xbarch.spec.words import explain

GROUP = "xbarch.datapaths"
_MOST = 2**24  # bytes of a plugin file
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
    asked = dict(options or {})
    with asking(kind, "__init__") as wrong:
        try:
            path = kind(asked)
        except ValidationError as error:
            message, trail = explain(error, asked, kind.Options)
            raise InputError(message, field=dotted(("options", *trail))) from None
        if not isinstance(getattr(path, "options", None), Options):
            raise wrong("made no options, allowed those that DataPath.__init__ makes")
    return path


@contextmanager
def asking(path: DataPath | type[DataPath], method: str, layer: str = "") -> Iterator[Callable[[str], InputError]]:
    """Calls `method` of a data path: whatever it raises becomes one sentence with its file, method and layer. Gives
    what makes such a sentence of what the method did wrong ("returned ..., allowed ...").

    Raises:
        InputError: the method raised something that is no error of xbarch.
    """
    kind = path if isinstance(path, type) else type(path)

    def wrong(does: str) -> InputError:
        where = f" of layer {brief(layer)}" if layer else ""
        return InputError(f"{method}{where} {does}", file=_file(kind), field=f"data path {brief(kind.name)}")

    try:
        yield wrong
    except XbarchError:
        raise
    except (Exception, SystemExit) as error:
        raise wrong(f"raised {_said(error)}, allowed no error") from error


def _file(kind: type[DataPath]) -> str | None:
    try:
        return inspect.getfile(kind)
    except (TypeError, OSError):  # made in no file
        return None


def _said(error: BaseException) -> str:
    """An error in one line."""
    text = brief(error, 300)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def load_file(path: str | Path) -> list[str]:
    """Register the data paths a Python file defines; their names.

    Raises:
        InputError: no such file, it does not import, it defines none, one is incomplete, or a name is taken.
    """
    read(Path(path), _MOST)
    file = Path(path).resolve()
    module = _executed(file)
    kinds = dict.fromkeys(k for k in vars(module).values() if isinstance(k, type) and issubclass(k, DataPath)
                          and k.__module__ == module.__name__ and "name" in vars(k))
    if not kinds:
        raise InputError("defines no data path, allowed a file with a subclass of DataPath that has a name", file=path)
    found: dict[str, type[DataPath]] = {}
    for kind in kinds:
        if lacks := _lacks(kind):
            raise InputError(lacks, file=path)
        taken = _loaded.get(kind.name)
        if kind.name in _points() or kind.name in found or (
                taken is not None and taken.__module__ != module.__name__):
            raise InputError(f"the data path name {kind.name!r} is taken", file=path)
        found[kind.name] = kind
    _loaded.update(found)
    return list(found)


def _lacks(kind: type[DataPath]) -> str:
    """What a subclass lacks to be a data path; empty if nothing."""
    if not isinstance(getattr(kind, "name", ""), str):
        return f"the name of data path {kind.__name__} is {brief(kind.name)}, allowed a text"
    absent = [name for name in ("name", "summary", "provenance") if not isinstance(getattr(kind, name, None), str)]
    absent = sorted(kind.__abstractmethods__) or absent
    name = getattr(kind, "name", kind.__name__)
    return f"the data path {name!r} does not define {', '.join(absent)}" if absent else ""


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
    except BaseException as error:  # whatever an outside package raises is reported by its name
        raise InputError(f"data path plugin {point.name!r} ({point.value}) cannot be imported: "
                         f"{_said(error)}") from error
    if not (isinstance(kind, type) and issubclass(kind, DataPath)):
        raise InputError(f"data path plugin {point.name!r} ({point.value}) is not a subclass of DataPath")
    if lacks := _lacks(kind):
        raise InputError(f"data path plugin {point.name!r} ({point.value}): {lacks}")
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
    except BaseException as error:  # whatever the user's file raises, an interrupt too, is reported by its name
        sys.modules.pop(name, None)
        raise InputError(f"cannot be imported: {_said(error)}", file=file) from error
    return module
