"""Training recipes, resolved and checked before PyTorch is loaded, so that a wrong one is refused at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xbarch.compress.factory import check_model
from xbarch.compress.intake.archive import check_archive
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.specs.explain import explain
from xbarch.specs.grid import Grid, members
from xbarch.specs.load import Document, document, validate
from xbarch.specs.noise import Noise
from xbarch.specs.recipe import Data, Pruning, Recipe
from xbarch.specs.text import brief
from xbarch.support import files
from xbarch.support.files import is_file, is_folder, writable
from xbarch.workload.find import recipe
from xbarch.workload.names import check_name
from xbarch.workload.store import MANIFEST, TENSORS


@dataclass(frozen=True, kw_only=True)
class Job:
    """One workload to train."""

    recipe: Recipe
    name: str  # of the workload
    out: Path  # the folder it is stored in
    cache: Path  # the folder of checkpoints
    document: Document  # the recipe's file, for error messages
    grid: bool = False  # whether the recipe is a member of a grid
    row: bool = False  # whether a row of `results.jsonl` is all that stays of it


def resolve(source: str | Path, out: Path | None = None, cache: Path | None = None, only: str = "*",
            data: Mapping[str, Any] | None = None) -> list[Job]:
    """The training jobs that the recipe or grid `source` (a path or a bundled name) describes, checked.

    Args:
        out: default: a folder of the recipe's name beside it, or in the current folder for a bundled one. The members
            of a grid go to folders of their names inside it.
        cache: default: $XBARCH_CACHE or ~/.cache/xbarch.
        only: pattern (`fnmatch`) for names of a grid's members, or for the name of a single recipe.
        data: fields of `data` in place of those of every recipe.

    Raises:
        InputError: not a training recipe, or none matches; its model, checkpoint, data or method is missing or wrong;
            a folder cannot be written.
    """
    found = document(source, kind="workloads")
    name = Path(source).stem
    if out is None:
        out = Path(source).with_suffix("") if Path(source).exists() else Path(name)
    cache = cache or files.cache()
    if found.data.get("kind") != "grid":
        found = _on(found, data)
        jobs = [_job(Job(recipe=_trained(found), name=name, out=out, cache=cache, document=found))]
    else:
        grid = validate(found, Grid)
        each = {key: _on(one, data) for key, one in members(grid, found).items()}
        jobs = [_job(Job(recipe=_trained(one), name=key, out=out / key, cache=cache, document=one, grid=True,
                         row=not grid.stores(key))) for key, one in each.items()]
    names = [job.name for job in jobs]
    jobs = [job for job in jobs if fnmatchcase(job.name, only)]
    if not jobs:
        raise InputError(f"{brief(only)!r} matches none of {brief(', '.join(names), 400)}", field="only")
    for job in jobs:
        writable(job.out, TENSORS, MANIFEST)
    writable(cache / "train")
    return jobs


def _on(found: Document, data: Mapping[str, Any] | None) -> Document:
    """The document with other data, of which errors say that they were asked for."""
    if data is None:
        return found
    lines = {trail: line for trail, line in found.lines.items() if trail[:1] != ("data",)}
    return replace(found, data={**found.data, "data": dict(data)}, lines=lines,
                   overridden={**found.overridden, ("data",): "--data"})


def _trained(found: Document) -> Recipe:
    spec = recipe(found)
    if not isinstance(spec, Recipe):
        raise found.error("must be trained, not synthetic: a synthetic workload is made on the fly", "kind")
    return spec


def _job(job: Job) -> Job:
    """The job, once all that its recipe names was looked up."""
    spec = job.recipe
    check_name(job.name, "workload", file=job.document.file)
    with job.document.blamed():
        check_model(spec.model, spec.width)
        if spec.checkpoint is not None:
            check_archive(spec.checkpoint, "checkpoint")
        if spec.data.path is not None:
            _check_images(spec.data, Path(spec.data.path))
        if spec.pruning is not None:
            _check_method(spec.pruning)
        for name in spec.noise:
            _check_preset(name)
    return job


@cache  # all recipes of a grid name the same
def _check_preset(name: str) -> None:
    try:
        Noise.model_validate({"preset": name})
    except ValidationError as error:
        message, _ = explain(error, {"preset": name}, Noise)
        raise InputError(message, field="noise") from None


def _check_images(data: Data, place: Path) -> None:
    """The files or folders that `xbarch.compress.training.data` will read must be there."""
    if data.name == "arrays":
        if not is_file(place):
            raise InputError(f"no such file: {brief(place, 80)}", field="data.path")
        return
    if not is_folder(place):
        raise InputError(f"no such folder: {brief(place, 80)}", field="data.path")
    try:
        if data.name == "cifar10":
            for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
                if not any((place / f"{name}{end}").is_file() for end in ("", ".bin")):
                    raise InputError(f"must hold CIFAR-10's python or binary files; {brief(place, 80)} has neither "
                                     f"{name} nor {name}.bin", field="data.path")
        if data.name != "folder":
            return
        last = "test" if (place / "test").is_dir() else "val"
        train, test = ([p.name for p in (place / part).iterdir() if p.is_dir() and p.name[0] != "."]
                       if (place / part).is_dir() else [] for part in ("train", last))
    except OSError as error:
        raise InputError(f"{brief(place, 80)} cannot be read: {error.strerror}", field="data.path") from None
    if len(train) < 2 or not set(train) & set(test):
        raise InputError(f"must hold train/CLASS/* of two or more classes and test/CLASS/*; {brief(place, 80)} has "
                         f"{len(train)} classes in train, {len(set(train) & set(test))} of them in test",
                         field="data.path")


def _check_method(pruning: Pruning) -> None:
    try:
        registry.datapath(pruning.method, pruning.options)
    except InputError as error:
        if error.file is not None or not error.field:  # the fault of a plugin
            raise
        field = {"datapath": "pruning.method"}.get(error.field, f"pruning.{error.field}")
        raise InputError(error.message, field=field) from None
