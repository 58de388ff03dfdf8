"""What a YAML file is, by its `kind`: architecture, recipe, grid, study, sweep, search. Reads and checks any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarch.errors import InputError
from xbarch.specs.explain import guess, listed, shown
from xbarch.specs.load import Document, document, validate
from xbarch.specs.text import brief
from xbarch.support import bundled

if TYPE_CHECKING:
    from pydantic import BaseModel

    from xbarch.specs.architecture import Architecture

_FOLDERS = ("architectures", "workloads", "studies")
_STUDY = {"architectures", "workloads"}  # keys that a study must have and no other file may
_MODELS = {"architecture": "Architecture", "grid": "Grid", "study": "Study", "sweep": "Sweep", "search": "Search",
           "recipe": "Recipe"}
_KINDS = {"grid": "grid", "study": "study", "sweep": "sweep", "search": "search",
          "trained": "recipe"}  # and the module of each


@dataclass(frozen=True)
class Checked:
    """A file that its model takes. kind: "architecture", "trained", "grid", "study", "sweep", "search" or another
    that was asked for. name: an architecture's own, else the file's. recipes: of a grid, how many."""

    kind: str
    name: str
    recipes: int = 0

    def __str__(self) -> str:
        if self.kind == "architecture":
            return self.name
        what = {"grid": f"a grid of {self.recipes} recipes", "study": "a study", "sweep": "a sweep",
                "search": "a search"}
        return what.get(self.kind, f"a {self.kind} recipe")


def check(source: str | Path, overrides: Sequence[str] = (),
          more: Mapping[str, type[BaseModel]] | None = None,
          buildable: Callable[[Architecture], object] | None = None) -> list[Checked]:
    """Check the YAML file `source`, a path or the name of bundled ones (a path wins), of whatever kind; of a grid
    every recipe in it. What a recipe or a study names elsewhere (methods, models, workloads) is not looked up.

    Args:
        source: path or bundled name.
        overrides: changes "a.b.c=value", of an architecture alone.
        more: models of further kinds, by kind.
        buildable: what else may refuse an architecture, by an error with a field.

    Returns:
        One for a path; for a name one of every folder that bundles it.

    Raises:
        InputError: no such file, not the YAML accepted, of no known kind, or refused by its model.
    """
    return [checked(found, overrides, more, buildable) for found in read(source)]


def checked(found: Document, overrides: Sequence[str] = (), more: Mapping[str, type[BaseModel]] | None = None,
            buildable: Callable[[Architecture], object] | None = None) -> Checked:
    """`check` of a file that was read."""
    models: dict[str, Any] = {**_KINDS, **(more or {})}
    kind = found.data.get("kind", "study" if found.data.keys() >= _STUDY else "architecture")
    if kind == "architecture" and "kind" not in found.data:
        return Checked(kind, validate(found, _model("architecture"), overrides, buildable).name)
    if not isinstance(kind, str) or kind not in models:
        raise found.error(f"must be {listed(sorted(models))} (left out for an architecture), not {shown(kind)}"
                          f"{guess(kind, sorted(models))}", "kind")
    if overrides:
        raise InputError(f"changes architectures only, and the file is of kind {kind}: {brief(overrides[0])!r}",
                         field="--set")
    model = models[kind]
    made: Any = validate(found, _model(model) if isinstance(model, str) else model)
    recipes = import_module("xbarch.specs.grid").members(made, found) if kind == "grid" else {}
    for name, recipe in recipes.items():
        _member(name, recipe)
    return Checked(kind, Path(found.file).stem, len(recipes))


def _model(module: str) -> Any:
    """Of a module of this package; only those that are asked for are loaded."""
    return getattr(import_module(f"xbarch.specs.{module}"), _MODELS[module])


def _member(name: str, recipe: Document) -> None:
    """Check a recipe of a grid; the error names it, since the line is that of a part that many share."""
    try:
        validate(recipe, _model("recipe"))
    except InputError as error:
        raise InputError(f"{error.message} (recipe {name})", file=error.file, line=error.line,
                         field=error.field) from None


def read(source: str | Path) -> list[Document]:
    """The YAML file `source`, which may extend a bundled one of any kind, or the bundled ones of that name."""
    try:
        places = {folder: path for folder in _FOLDERS if (path := bundled.find(str(source), folder, (".yaml",)))}
    except (OSError, ValueError):  # a name too long, or with a NUL
        places = {}
    if not places:
        names = [name for folder in _FOLDERS for name in bundled.names(folder)]
        raise InputError(f"no such file; the bundled ones are {brief(', '.join(names), 1000)}"
                         f"{guess(Path(source).stem, names)}", file=brief(source, 200))
    own = [document(source, kind=f) for f, path in places.items() if path.parent == bundled.folder(f)]
    if own and not Path(source).is_file():
        return own
    refused: list[InputError] = []
    for folder in _FOLDERS:
        try:
            return [document(source, kind=folder)]
        except InputError as error:
            refused.append(error)
    raise refused[0]
