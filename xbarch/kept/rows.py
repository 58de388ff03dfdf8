"""Rows of trained networks that are not stored: a line of JSON each, in the file `results.jsonl` of a grid's folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from xbarch.errors import InputError
from xbarch.kept.measured import Measured, measure
from xbarch.specs.recipe import Recipe
from xbarch.specs.text import brief, dotted
from xbarch.support.files import read as read_file
from xbarch.workload.store import read_manifest

FILE = "results.jsonl"
_MOST = 2**26  # bytes


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A trained network, without its weights."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    name: str
    """Of the recipe in its grid."""
    recipe: str
    """Digest of the recipe, by which a changed one is trained again."""
    tensors: str
    """SHA-256 of the network's tensors, which the same recipe makes again on such a machine."""
    validation: float | None
    """Accuracy on the validation images after the last epoch."""
    versions: Mapping[str, str]
    measured: Measured


_KEPT = TypeAdapter(Kept)


def of_recipe(recipe: Recipe) -> str:
    """The digest that names a recipe."""
    return hashlib.sha256(json.dumps(recipe.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def made(folder: Path, name: str) -> Kept:
    """The row of a network that is stored in `folder`.

    Raises:
        InputError: it is damaged, or was not trained dense and then pruned.
    """
    manifest = read_manifest(folder)
    last = manifest.history[-1] if manifest.history else {}
    return Kept(name=name, recipe=of_recipe(Recipe.model_validate(manifest.recipe)), tensors=manifest.sha256,
                validation=last.get("val_accuracy"), versions=manifest.versions, measured=measure(folder))


def add(folder: Path, kept: Kept) -> None:
    """Write a row behind those that are there, in one piece, so that several processes may.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / FILE).open("ab") as file:
            file.write(_KEPT.dump_json(kept) + b"\n")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=folder / FILE) from None


def read(folder: Path) -> dict[str, Kept]:
    """The rows of a folder by name, of several of one name the last; none where there is no file.

    Raises:
        InputError: a line is not such a row.
    """
    path = folder / FILE
    found: dict[str, Kept] = {}
    for number, line in enumerate(read_file(path, _MOST).splitlines() if path.exists() else (), 1):
        try:
            kept = _KEPT.validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise InputError(brief(first["msg"], 200), file=path, line=number, field=dotted(first["loc"])) from None
        found[kept.name] = kept
    return found
