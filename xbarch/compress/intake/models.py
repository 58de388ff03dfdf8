"""A model by its name: a reference network, or a user's own, whose factory is run here."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import nn

from xbarch.compress.factory import is_program, python_file, split
from xbarch.compress.forms.onnxfile import load_onnx
from xbarch.compress.forms.program import load_program
from xbarch.compress.intake.reference import MODELS, SIZED, Size
from xbarch.errors import InputError
from xbarch.specs.text import brief

_MOST = 2**28  # weights


def build(name: str, classes: int, width: int | None, seed: int, size: Size = (32, 32),
          stages: Mapping[str, Mapping[str, int]] = {}) -> nn.Module:
    """A reference model by name, or a user's: "path.py:factory", "package.module:factory", or a file that holds it with
    its weights.

    A user's module is imported and its factory called without arguments: both run with the rights of this process.
    The factory returns an `nn.Module`. Weights are drawn from `seed`. size: height and width of the images.
    stages: filters and kernels of a ResNet's stages, where they are not its own.

    Raises:
        InputError: no such model, file or factory; the factory fails, exits or returns something else.
    """
    torch.manual_seed(seed)
    if name in MODELS:
        if not classes:
            raise InputError(f"must be a model of your own: {name} returns scores of classes, and the answers of the "
                             "data are real numbers", field="model")
        return _reference(name, classes, width, seed, {**stages, **({"size": size} if name in SIZED else {})})
    if is_program(name):
        return load_onnx(name) if name.endswith(".onnx") else load_program(name)
    place, factory = split(name)
    try:
        with _neighbours(place):
            model = _callable(_module(place), name, factory)()
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # the user's code may do anything, leave the interpreter too
        raise InputError(f"{brief(name, 80)} failed{_line(error, place)} with {type(error).__name__}: "
                         f"{brief(' '.join(str(error).split()), 200)}", field="model") from None
    if not isinstance(model, nn.Module):
        raise InputError(f"{brief(name, 80)} must return a torch.nn.Module, not {type(model).__name__}", field="model")
    return model.float()


def _reference(name: str, classes: int, width: int | None, seed: int, more: Mapping[str, Any]) -> nn.Module:
    given: dict[str, Any] = {**({} if width is None else {"width": width}), **more}

    def make() -> nn.Module:
        return MODELS[name](classes, **given)

    with torch.device("meta"):  # shapes alone
        lazy = nn.parameter.UninitializedParameter
        count = sum(p.numel() for p in make().parameters() if not isinstance(p, lazy))
    if count > _MOST:
        raise InputError(f"must keep {name} at {_MOST:,} weights or fewer; {width} makes it {count:,}", field="width")
    torch.manual_seed(seed)
    return make()


def _callable(module: object, name: str, factory: str) -> Callable[[], object]:
    """The factory: written in Python, so that no function of the interpreter itself is called (os:abort)."""
    found = getattr(module, factory, None)
    if found is None:
        raise InputError(f"{brief(name, 80)}: the module defines no {brief(factory)!r}", field="model")
    if not callable(found) or isinstance(found, BuiltinFunctionType):
        raise InputError(f"{brief(name, 80)} must be a Python function or class that returns a torch.nn.Module, not "
                         f"{'a built-in function' if callable(found) else type(found).__name__}", field="model")
    return found


def _line(error: BaseException, place: str) -> str:
    """The last line of the user's own file that was run."""
    own = Path(str(python_file(place))).absolute()
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).absolute() == own]
    return f" in line {lines[-1]}" if lines else ""


@contextmanager
def _neighbours(place: str) -> Iterator[None]:
    """A model's file may import what lies beside it, as under `python file.py`, and a module what lies in the current
    folder, as under `python -m`. What another model's file imported under the same name is imported anew."""
    file = python_file(place)
    folder = str(file.absolute().parent) if file is not None and place.endswith(".py") else str(Path.cwd())
    for name in [name for name, beside in _BESIDE.items() if beside != folder]:
        sys.modules.pop(name, None)
        del _BESIDE[name]
    before = set(sys.modules)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
                _BESIDE[name] = folder


_BESIDE: dict[str, str] = {}  # modules imported from beside a model's file: the file's folder


def _module(place: str) -> object:
    path = python_file(place)
    if path is None or not place.endswith(".py"):
        return importlib.import_module(place)
    own = f"xbarch_model_{path.stem}"  # hides no module of that name, whoever imports it
    spec = importlib.util.spec_from_file_location(own, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[own] = module
    spec.loader.exec_module(module)
    return module
