"""Where a model comes from: a reference network's name or a user's "path.py:factory". Runs none of the user's code."""

from __future__ import annotations

import symtable
import sys
import warnings
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from xbarch.errors import InputError
from xbarch.specs.explain import guess, listed
from xbarch.specs.text import brief
from xbarch.support.files import is_file, read

REFERENCE = ("resnet18", "resnet20", "vgg7", "vgg16", "lenet5", "keyword_dnn", "keyword_cnn")
PROGRAMS = (".onnx", ".pt2")  # files that hold a network with its weights
_MOST = 2**24  # bytes of a user's Python file


def is_program(model: str) -> bool:
    """Whether a model is named by a file that holds it with its weights, an ONNX file or an exported program.

    Raises:
        InputError: there is no such file.
    """
    if not model.endswith(PROGRAMS):
        return False
    if not is_file(model):
        raise InputError(f"no such file: {brief(model, 80)}", field="model")
    return True


def split(model: str) -> tuple[str, str]:
    """(place, factory) of "path.py:factory" or "module:factory".

    Raises:
        InputError: it is neither, or names a module of Python itself, which has no models but functions that end or
            stop this process (`os:abort`, `builtins:breakpoint`).
    """
    place, _, factory = model.rpartition(":")
    if not (place and factory):
        raise InputError(f"must be {', '.join(REFERENCE)}, path.py:factory, module:factory, or a file "
                         f"{' or '.join(PROGRAMS)}, not "
                         f"{brief(model)!r}{guess(model, REFERENCE)}", field="model")
    if not place.endswith(".py") and place.split(".")[0] in sys.stdlib_module_names:
        raise InputError(f"must name a model of your own; {brief(place, 80)!r} is a module of Python's standard "
                         "library", field="model")
    return place, factory


def check_model(model: str, width: int | None) -> None:
    """Refuse a model that is not there.

    Raises:
        InputError: no reference network, no such file or module, or nothing of the factory's name in it.
    """
    if model in REFERENCE or is_program(model):
        return
    place, factory = split(model)
    if width is not None:
        raise InputError(f"is for reference models ({listed(REFERENCE)}); a model of your own sets its width itself",
                         field="width")
    file = python_file(place)
    if file is not None:
        _check_defined(file, factory)


def python_file(place: str) -> Path | None:
    """The Python file of "path.py" or "package.module"; None for a module that is not written in Python.

    Raises:
        InputError: there is none.
    """
    if place.endswith(".py"):
        if not is_file(place):
            raise InputError(f"no such file: {brief(place, 80)}", field="model")
        return Path(place)
    spec = _find_module(place.split("."))
    if spec is None:
        raise InputError(f"no module named {brief(place, 80)!r}", field="model")
    return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None


def _find_module(parts: list[str]) -> ModuleSpec | None:
    """The spec of a module, each package looked up in the folders of the one before without importing it."""
    try:
        spec = PathFinder.find_spec(parts[0], [str(Path.cwd())]) or find_spec(parts[0])  # as under `python -m`
    except ValueError:  # an empty name, or a module made by hand
        return None
    for end in range(2, len(parts) + 1):
        below = spec.submodule_search_locations if spec is not None else None
        spec = PathFinder.find_spec(".".join(parts[:end]), below or [])
    return spec


def _check_defined(file: Path, factory: str) -> None:
    """The top level of the file must define or import the name; `import *` and `__getattr__` may provide any."""
    text = read(file, _MOST)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come when it is run
            top = symtable.symtable(text, str(file), "exec")  # type: ignore[arg-type]  # takes bytes, coding lines obeyed
    except SyntaxError as error:
        raise InputError(f"is not Python: {brief(error.msg, 120)}", file=file, line=error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:  # a NUL, or nesting without end
        raise InputError(f"is not Python: {brief(error, 120) or 'nested too deeply'}", file=file) from None
    names = [s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()]
    if not {factory, "__getattr__"} & set(names) and b"import *" not in text:
        public = [n for n in names if not n.startswith("_")]
        raise InputError(f"{brief(file, 200)} defines no {brief(factory)!r}; it defines "
                         f"{brief(', '.join(public) or 'nothing', 200)}{guess(factory, public)}", field="model")
