"""Plugins of a Python file: the file is executed, and what it defines of each kind is checked."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from xbarch.errors import InputError
from xbarch.plugins.guard import described, restrained
from xbarch.plugins.kinds import KINDS, PATHS, Kind
from xbarch.specs.explain import listed
from xbarch.specs.text import brief

Found = dict[Kind[Any], dict[str, type[Any]]]  # classes by kind and name


def defined(file: Path) -> Found:
    """The plugins that a Python file defines; those that it imports do not count.

    Raises:
        InputError: it cannot be imported, defines none, two of a name, or an incomplete one.
    """
    module = _executed(file)
    found: Found = {}
    for kind, plugin in _defined_in(module):
        if reason := lacking(kind, plugin):
            raise InputError(reason, file=file)
        if found.setdefault(kind, {}).setdefault(plugin.name, plugin) is not plugin:
            raise InputError(f"the {kind.noun} name {plugin.name!r} is taken", file=file)
    if not found:
        others = listed([kind.base.__name__ for kind in KINDS if kind is not PATHS])
        raise InputError(f"defines no data path: write a subclass of DataPath (or of {others}) that has a name",
                         file=file)
    return found


def lacking(kind: Kind[Any], plugin: type[Any]) -> str:
    """What a subclass lacks to be a plugin; empty if nothing."""
    if not isinstance(getattr(plugin, "name", ""), str):
        return f"the name of {kind.noun} {plugin.__name__} must be text, not {brief(plugin.name)}"
    emits = getattr(plugin, "emits", ())
    if not isinstance(emits, tuple) or not all(isinstance(action, str) for action in emits):
        return f"the emits of {kind.noun} {plugin.__name__} must be a tuple of names of actions, not {brief(emits)}"
    absent = [name for name in ("name", "summary", "provenance") if not isinstance(getattr(plugin, name, None), str)]
    absent = sorted(plugin.__abstractmethods__) or absent
    name = getattr(plugin, "name", plugin.__name__)
    return f"the {kind.noun} {name!r} does not define {', '.join(absent)}" if absent else ""


def _defined_in(module: ModuleType) -> list[tuple[Kind[Any], type[Any]]]:
    """The named plugin classes that a module defines itself."""
    classes = dict.fromkeys(k for k in vars(module).values() if isinstance(k, type)
                            and k.__module__ == module.__name__ and "name" in vars(k))
    return [(kind, k) for k in classes for kind in KINDS if issubclass(k, kind.base)]


def _executed(file: Path) -> ModuleType:
    """The module of a file, under a name that depends on its path alone."""
    name = f"xbarch_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError("not a Python file: the name must end in .py", file=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with restrained():
            spec.loader.exec_module(module)
    except BaseException as error:  # whatever the user's file raises, an interrupt too, is reported by its name
        sys.modules.pop(name, None)
        raise InputError(f"cannot be imported: {described(error)}", file=file) from error
    return module
