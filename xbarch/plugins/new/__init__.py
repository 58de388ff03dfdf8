"""Skeletons of what users add: working packages with their tests, copied under a new name.

Every folder beside this file is a kind; its files are a package named `skeleton`, or a single file of that name, which
works as it lies here.
"""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from xbarch.errors import InputError
from xbarch.plugins import kinds, registry
from xbarch.specs.text import brief
from xbarch.support import bundled
from xbarch.support.files import write

_HERE = Path(__file__).resolve().parent
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 60
_WORDS = {"datapath": "a data path", "unit": "a sensing unit", "process": "a unit process", "noise": "an effect",
          "architecture": "an architecture", "study": "a study", "sweep": "a sweep"}
_TAKEN: dict[str, Callable[[], Iterable[str]]] = {  # names there are of a kind
    "datapath": registry.datapaths, "unit": registry.sensing, "process": partial(registry.classes, kinds.PROCESSES),
    "noise": partial(registry.classes, kinds.EFFECTS),
    "architecture": partial(bundled.names, "architectures"),
    "study": partial(bundled.names, "studies"), "sweep": partial(bundled.names, "studies")}
_FILES = ("architecture", "study", "sweep")  # kinds that are a file, not a package


def new(kind: str, name: str, out: Path | None = None) -> Path:
    """Write the package `name` of a kind ("datapath", "unit", "process", "noise") to the folder `out` (NAME here),
    whole or not at all; an "architecture", "study" or "sweep" to the file `out` (NAME.yaml here).

    Returns:
        The folder, or the file.

    Raises:
        InputError: the name is not valid or taken, or `out` exists or cannot be written.
    """
    _check(kind, name)
    contents = _named(kind, name)
    single = len(contents) == 1
    place = Path(next(iter(contents)) if single else name) if out is None else out
    if os.path.lexists(place):
        raise InputError(f"exists already; choose another {'file' if single else 'folder'}", file=place)
    if single:
        return write(place, next(iter(contents.values())))
    _write(place, contents)
    return place


def _named(kind: str, name: str) -> dict[str, str]:
    """The files of a kind, with the name in place of the skeleton's."""
    camel, source = "".join(word.capitalize() for word in name.split("_")), _HERE / kind
    return {file.relative_to(source).as_posix().replace("skeleton", name):
            file.read_text(encoding="utf-8").replace("skeleton", name).replace("Skeleton", camel)
            for file in sorted(source.rglob("*")) if file.is_file() and "__pycache__" not in file.parts}


def _check(kind: str, name: str) -> None:
    """Refuse names that are not Python's, or not free."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > _LONGEST:
        raise InputError(f"must be lower-case letters, digits and single underscores between them, a letter first, at "
                         f"most {_LONGEST} characters and not a Python keyword, not {brief(name)!r}", field="name")
    if name in _TAKEN[kind]():
        raise InputError(f"{name!r} is {_WORDS[kind]} already; choose another name", field="name")
    found = None if kind in _FILES else importlib.util.find_spec(name)
    if found is not None and found.origin is not None:  # a mere folder of that name in the way is no module
        raise InputError(f"{name!r} is a Python module already; choose another name", field="name")


def _write(folder: Path, contents: dict[str, str]) -> None:
    """Folder and files appear at once: they are made beside the first folder that is not there yet, then renamed."""
    target = Path(os.path.abspath(folder))
    missing = target
    temporary = None
    try:
        while not os.path.lexists(missing.parent):
            missing = missing.parent
        staged = missing.with_name(f".{missing.name}.{os.getpid()}.tmp")
        staged.mkdir()
        temporary = staged
        for name, text in contents.items():
            file = staged / target.relative_to(missing) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        os.rename(staged, missing)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error  # ValueError: a NUL in the name
        raise InputError(f"cannot be written ({reason}); choose a place that you may write to", file=folder) from None
    finally:  # an interrupt too leaves nothing behind
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
