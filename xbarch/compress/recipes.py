"""What can be asked of a training recipe before torch is loaded, so that a wrong one is refused at once."""

from __future__ import annotations

import re
import symtable
import warnings
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.specs.grid import Grid, members
from xbarch.specs.load import Document, document, validate
from xbarch.specs.recipe import Data, Pruning, Recipe
from xbarch.specs.text import brief
from xbarch.support import files
from xbarch.support.files import read, writable
from xbarch.workload.find import recipe
from xbarch.workload.store import MANIFEST, TENSORS

REFERENCE = ("resnet18", "resnet20", "vgg7", "vgg16", "lenet5")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_MOST = 2**24  # bytes of a user's Python file


@dataclass(frozen=True)
class Asked:
    """name: of the workload. out: the folder it goes to. cache: of checkpoints. document: the recipe's, for errors.
    grid: whether it is one of a grid's."""

    recipe: Recipe
    name: str
    out: Path
    cache: Path
    document: Document
    grid: bool = False


def ask(source: str | Path, out: Path | None = None, cache: Path | None = None, only: str = "*") -> list[Asked]:
    """The training recipes that `source` (path or bundled name) means, one or those of a grid, and where their results
    go.

    Args:
        out: default: a folder of the recipe's name beside it, or here for a bundled one. The recipes of a grid go to
            folders of their names in it.
        cache: default: $XBARCH_CACHE or ~/.cache/xbarch.
        only: recipes of a grid whose names match this pattern (`fnmatch`); of a single recipe, its own name.

    Raises:
        InputError: no training recipe, or none that matches; its model, checkpoint, data or method are not there or
            not what they should be; a folder cannot be written.
    """
    found = document(source, kind="workloads")
    name = Path(source).stem
    if out is None:
        out = Path(source).with_suffix("") if Path(source).exists() else Path(name)
    cache = cache or files.cache()
    if found.data.get("kind") != "grid":
        asked = [_asked(found, name, out, cache)]
    else:
        asked = [_asked(each, key, out / key, cache, grid=True)
                 for key, each in members(validate(found, Grid), found).items()]
    names = [each.name for each in asked]
    asked = [each for each in asked if fnmatchcase(each.name, only)]
    if not asked:
        raise InputError(f"found {brief(only)!r}, which matches none of {brief(', '.join(names), 400)}", field="only")
    for each in asked:
        writable(each.out, TENSORS, MANIFEST)
    writable(cache / "train")
    return asked


def _asked(found: Document, name: str, out: Path, cache: Path, grid: bool = False) -> Asked:
    asked = recipe(found)
    if not isinstance(asked, Recipe):
        raise found.error("found synthetic, made on the fly, allowed trained", "kind")
    if not NAME.fullmatch(name):
        raise InputError(f"found the name {brief(name)!r}, allowed letters, digits, '_', '.' and '-'", file=found.file)
    with found.blamed():
        _model(asked)
        if asked.checkpoint is not None:
            _checkpoint(asked.checkpoint)
        if asked.data.path is not None:
            _images(asked.data, Path(asked.data.path))
        if asked.pruning is not None:
            _method(asked.pruning)
    return Asked(asked, name, out, cache, found, grid)


# -- the model ----------------------------------------------------------------------------------------------------

def _model(asked: Recipe) -> None:
    if asked.model in REFERENCE:
        return
    place, _, factory = asked.model.rpartition(":")
    if not (place and factory):
        raise InputError(f"found {brief(asked.model)!r}, allowed {', '.join(REFERENCE)}, path.py:factory or "
                         "module:factory", field="model")
    if asked.width is not None:
        raise InputError(f"found {asked.width}, allowed only for reference models", field="width")
    file = python(place)
    if file is not None:
        _defined(file, factory)


def python(place: str) -> Path | None:
    """The Python file of "path.py" or "package.module"; None for a module that is not Python. Runs none of it.

    Raises:
        InputError: there is none.
    """
    if place.endswith(".py"):
        _file(place, "model")
        return Path(place)
    spec = _spec(place.split("."))
    if spec is None:
        raise InputError(f"found no module {brief(place, 80)!r}", field="model")
    return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None


def _spec(parts: list[str]) -> ModuleSpec | None:
    """Of a module, each package looked up in the folders of the one before."""
    try:
        spec = find_spec(parts[0])
    except ValueError:  # an empty name, or a module made by hand
        return None
    for end in range(2, len(parts) + 1):
        below = spec.submodule_search_locations if spec is not None else None
        spec = PathFinder.find_spec(".".join(parts[:end]), below or [])
    return spec


def _defined(file: Path, factory: str) -> None:
    """Whether the top level of a Python file defines or imports a name; a star or `__getattr__` may."""
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
        own = brief(", ".join(n for n in names if not n.startswith("_")) or "nothing", 200)
        raise InputError(f"found no {brief(factory)!r} in {brief(file, 200)}, allowed what it defines: {own}",
                         field="model")


# -- files --------------------------------------------------------------------------------------------------------

def _checkpoint(name: str) -> None:
    """A file as `torch.save` writes it: a zip archive, or a pickle of before version 1.6."""
    _file(name, "checkpoint")
    try:
        with Path(name).open("rb") as stream:
            good = stream.read(1) == b"\x80" or zipfile.is_zipfile(stream)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=name) from None
    if not good:
        raise InputError("found no archive or a truncated one, allowed a state dict that torch.save wrote", file=name)


def _images(data: Data, place: Path) -> None:
    """The files or folders that `xbarch.compress.training.data` reads are there."""
    if not _is(place, "dir"):
        raise InputError(f"found no folder {brief(place, 80)!r}", field="data.path")
    try:
        if data.name == "cifar10":
            for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
                if not any((place / f"{name}{end}").is_file() for end in ("", ".bin")):
                    raise InputError(f"found neither {name} nor {name}.bin in {brief(place, 80)}, allowed CIFAR-10's "
                                     "python or binary files", field="data.path")
            return
        train, test = ([p.name for p in (place / part).iterdir() if p.is_dir()] if (place / part).is_dir() else []
                       for part in ("train", "test"))
    except OSError as error:
        raise InputError(f"{brief(place, 80)} cannot be read: {error.strerror}", field="data.path") from None
    if len(train) < 2 or not set(train) & set(test):
        raise InputError(f"found {len(train)} classes in {brief(place, 80)}/train and {len(set(train) & set(test))} of "
                         "them in test, allowed train/CLASS/* of two or more classes and test/CLASS/*",
                         field="data.path")


def _method(pruning: Pruning) -> None:
    try:
        registry.datapath(pruning.method, pruning.options)
    except InputError as error:
        if error.file is not None or not error.field:  # the fault of a plugin
            raise
        field = {"datapath": "pruning.method"}.get(error.field, f"pruning.{error.field}")
        raise InputError(error.message, field=field) from None


def _file(name: str, field: str) -> None:
    if not _is(Path(name), "file"):
        raise InputError(f"found no file {brief(name, 80)!r}", field=field)


def _is(place: Path, kind: str) -> bool:
    try:
        return place.is_dir() if kind == "dir" else place.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False
