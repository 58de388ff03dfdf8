"""Where the architectures and workloads that come with xbarch lie, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(kind: str) -> Path:
    """The bundled folder `kind` ("architectures" or "workloads")."""
    installed = _PACKAGE / "_data" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def names(kind: str) -> list[str]:
    """Sorted names of what is bundled: YAML files and stored folders."""
    return sorted({p.stem for p in folder(kind).iterdir() if p.suffix == ".yaml" or (p / "manifest.json").is_file()})


def find(name: str, kind: str, suffixes: tuple[str, ...]) -> Path | None:
    """The path `name` itself if it exists, else the bundled entry of that name, else None.

    `suffixes` are tried in order on the bundled stem; "" means a folder of that name.
    """
    given = Path(name)
    if given.exists():
        return given
    stem = given.name.removesuffix(".yaml")
    if given.parent != Path("."):
        return None
    for suffix in suffixes:
        candidate = folder(kind) / (stem + suffix)
        if candidate.exists():
            return candidate
    return None
