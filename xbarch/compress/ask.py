"""What can be asked of a training recipe before torch is loaded, so that a wrong one is refused at once."""

from __future__ import annotations

from pathlib import Path

from xbarch.errors import InputError
from xbarch.files import writable
from xbarch.spec.recipe import Recipe
from xbarch.workload.find import read_recipe

REFERENCE = ("resnet18", "resnet20", "vgg7", "vgg16", "lenet5")


def ask(source: str | Path, out: Path | None = None) -> tuple[Recipe, Path]:
    """The training recipe `source` means (path or bundled name), and the folder its workload goes to.

    Raises:
        InputError: no training recipe; its model, checkpoint or data are not there; the folder cannot be written.
    """
    recipe = read_recipe(source)
    if not isinstance(recipe, Recipe):
        raise InputError("is a synthetic recipe, made on the fly; allowed kind: trained", file=source)
    place, _, factory = recipe.model.rpartition(":")
    if recipe.model not in REFERENCE and not (place and factory):
        raise InputError(f"found {recipe.model[:60]!r}, allowed {', '.join(REFERENCE)}, path.py:factory or "
                         "module:factory", file=source, field="model")
    if place.endswith(".py"):
        _file(place, "model", source)
    if recipe.checkpoint is not None:
        _file(recipe.checkpoint, "checkpoint", source)
    if recipe.data.path is not None and not _is(recipe.data.path, "dir"):
        raise InputError(f"found no folder {recipe.data.path[:80]!r}", file=source, field="data.path")
    if out is None:
        out = Path(source).with_suffix("") if Path(source).exists() else Path(Path(source).stem)
    writable(out)
    return recipe, out


def _file(name: str, field: str, source: str | Path) -> None:
    if not _is(name, "file"):
        raise InputError(f"found no file {name[:80]!r}", file=source, field=field)


def _is(name: str, kind: str) -> bool:
    try:
        return Path(name).is_dir() if kind == "dir" else Path(name).is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False
