"""The workload that a path or a bundled name means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarch.errors import InputError
from xbarch.specs.explain import guess, runs, shown
from xbarch.specs.load import Document, document, overridden, validate
from xbarch.specs.text import brief
from xbarch.support import bundled
from xbarch.workload.graph import Workload
from xbarch.workload.store import MANIFEST, load, read_manifest

if TYPE_CHECKING:  # models of recipes take longer to load than a stored workload
    from xbarch.specs.recipe import Recipe
    from xbarch.workload.zoo import SyntheticRecipe

KINDS = ("trained", "synthetic")

_MODELS = {".py", ".pt", ".pth", ".safetensors", ".onnx"}


def resolve(source: str | Path) -> Workload:
    """The workload a path or bundled name means: a stored folder, a synthetic recipe, or a training recipe whose
    stored result lies beside it. A path wins over a bundled name.

    A synthetic recipe's name may end in other values of its fields, NAME:field=value, as of `changed`.

    Raises:
        InputError: nothing of that name, refused, or not trained yet.
    """
    name, values = _apart(source)
    path = _find(name)
    if values:
        return _other(path, values).build(f"{path.stem}:{':'.join(values)}")
    if path.is_dir():
        return load(path)
    if path.suffix in _MODELS:
        raise InputError("is not a workload but a model or its weights; `xbarch compress` trains a recipe with "
                         "`model: FILE.py:FACTORY`, `xbarch import` makes a workload of weights", file=path)
    found = document(path, kind="workloads")
    if found.data.get("kind") == "grid":
        own = sorted(p.parent.name for p in path.with_suffix("").glob(f"*/{MANIFEST}"))
        raise found.error(f"is a grid of recipes; name one of its stored workloads, as {path.stem}/NAME: "
                          f"{brief(', '.join(own), 400) or 'none yet'}", "kind")
    asked = recipe(found)
    if asked.kind == "synthetic":
        return asked.build(path.stem)
    stored = path.with_suffix("")
    if (stored / MANIFEST).is_file():
        return load(stored)
    raise InputError(f"is a training recipe whose workload is not stored yet: run `xbarch compress {path}`",
                     file=path)


def read_recipe(source: str | Path) -> SyntheticRecipe | Recipe:
    """The recipe in a YAML file or bundled under that name."""
    name, values = _apart(source)
    return _other(_find(name), values) if values else recipe(document(source, kind="workloads"))


def changed(workload: str, fields: Mapping[str, Any]) -> str:
    """The name of a synthetic recipe with other values of these fields, whose parts are named by dots."""
    return ":".join([workload, *(f"{name}={json.dumps(value)}" for name, value in fields.items())])


def plain(workload: str | Path | Workload) -> str:
    """The name of a workload without other values of its recipe's fields."""
    return str(_apart(workload)[0]) if isinstance(workload, str | Path) else str(workload)


def _apart(source: str | Path) -> tuple[str | Path, list[str]]:
    """A workload's name, and what follows it: field=value each."""
    name, *values = str(source).split(":")
    return (name, values) if values and all("=" in each for each in values) and not Path(source).exists() else (
        source, [])


def _other(path: Path, values: list[str]) -> SyntheticRecipe:
    """The synthetic recipe in a file with other values.

    Raises:
        InputError: it is another file, or a value is refused.
    """
    if path.is_dir() or path.suffix != ".yaml":
        raise InputError("only a synthetic recipe takes other values of its fields", file=path)
    found = document(path, kind="workloads")
    if found.data.get("kind") != "synthetic":
        raise found.error("must be synthetic: only such a recipe takes other values of its fields", "kind")
    try:
        asked = recipe(overridden(found, values))
    except InputError as error:
        raise InputError(error.message, file=f"{path.name}:{':'.join(values)}", field=error.field) from None
    assert asked.kind == "synthetic"
    return asked


def recipe(found: Document) -> SyntheticRecipe | Recipe:
    """The recipe in a document."""
    kind = found.data.get("kind")
    if kind == "synthetic":
        from xbarch.workload.zoo import SyntheticRecipe

        return validate(found, SyntheticRecipe)
    if kind == "trained":
        from xbarch.specs.recipe import Recipe

        return validate(found, Recipe)
    raise found.error(f"must be trained or synthetic, not {shown(kind)}{runs(kind) or guess(kind, KINDS)}", "kind")


def headline(name: str) -> tuple[str, str]:
    """(one line, source) of a workload known by name, for listings; reads no tensors."""
    path = bundled.entry(name, "workloads", ("", ".yaml"))
    if not path.is_dir():
        found = document(path, kind="workloads")
        if found.data.get("kind") == "grid":
            return _headline(found)
        asked = recipe(found)
        if asked.kind == "synthetic":
            return f"synthetic: {asked.description}", f"{asked.network} with random weights, seed {asked.seed}"
        if not (path.with_suffix("") / MANIFEST).is_file():
            return f"to be trained: {asked.description}", f"xbarch compress {path.name}"
        path = path.with_suffix("")
    manifest = read_manifest(path)
    return f"trained: {manifest.description}", manifest.source


def _headline(found: Document) -> tuple[str, str]:
    from xbarch.specs.grid import Grid, members

    grid, folder = validate(found, Grid), Path(found.file).with_suffix("")
    recipes = members(grid, found)
    stored = sum((folder / name / MANIFEST).is_file() for name in recipes)
    return f"grid: {grid.description}", f"{stored} of {len(recipes)} workloads stored, named {folder.name}/NAME"


def _find(source: str | Path) -> Path:
    try:
        path = bundled.find(str(source), "workloads", ("", ".yaml"))
    except (OSError, ValueError):
        path = None
    if path is None:
        names = list(bundled.known("workloads"))
        raise InputError(f"no such workload; give a path or one of {', '.join(names)}"
                         f"{guess(Path(source).stem, names)}",
                         file=brief(source, 200))
    return path
