"""Where the architectures and workloads that come with xbarch lie, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(kind: str) -> Path:
    """The bundled folder `kind` ("architectures", "workloads" or "studies")."""
    installed = _PACKAGE / "_data" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def names(kind: str) -> list[str]:
    """Sorted names of what is bundled: YAML files and stored folders."""
    return sorted({p.stem for p in folder(kind).iterdir() if p.suffix == ".yaml" or (p / "manifest.json").is_file()})


def find(name: str, kind: str, suffixes: tuple[str, ...]) -> Path | None:
    """The path `name` itself if it is one of those, else the bundled entry of that name, else whatever is at the path.

    `suffixes` are tried in order on the bundled stem; "" means a folder with a manifest. Other folders, such as the
    results of an earlier run, hide no bundled name. Workloads of a grid are named GRID/NAME.
    """
    given = Path(name)
    if given.is_file() or ("" in suffixes and (given / "manifest.json").is_file()):
        return given
    stem = name.removesuffix(".yaml")
    if stem and given.as_posix() == name and not given.is_absolute() and ".." not in given.parts:  # "./x" is a path
        for suffix in suffixes:
            candidate = folder(kind) / (stem + suffix)
            if candidate.is_file() or (candidate / "manifest.json").is_file():
                return candidate
    return given if name and given.exists() else None
