"""What this installation has: versions, extras, the compiled kernel, the cache, threads and plugins."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Literal, NamedTuple

from xbarch.errors import InputError, XbarchError
from xbarch.plugins import kinds, registry
from xbarch.support import bundled, cache, files, numbers
from xbarch.support.about import __version__
from xbarch.support.extras import EXTRAS
from xbarch.support.packages import OWN

_NAMES = {"sklearn": "scikit-learn", "PIL": "pillow", "google": "protobuf"}  # where a package has another name
_BASE = ("numpy", "pydantic", "simpy", "numba", "matplotlib")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
State = Literal["ok", "missing", "wrong"]


class Finding(NamedTuple):
    """What was looked at. state: "missing" is what may be left out, "wrong" is what makes something fail or slow."""

    part: str
    what: str
    value: str
    state: State = "ok"
    cure: str = ""


def doctor() -> list[Finding]:
    """Look at the installation; nothing is changed and nothing heavy is imported."""
    return [*_versions(), *_extras(), _kernel(), _cache(), *_threads(), *_bundled(), *_plugins()]


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "xbarch", __version__)
    yield Finding("versions", "Python", f"{platform.python_version()}, {sys.executable}")
    yield Finding("versions", "system", f"{platform.system()} {platform.machine()}")
    for name in _BASE:
        yield Finding("versions", name, _version(name) or "not installed", "ok" if _version(name) else "wrong",
                      "" if _version(name) else "install xbarch again: the package is needed")


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        found = {name: _version(name) for name in packages}
        absent = [packages[name] for name, version in found.items() if not version]
        shown = ", ".join(f"{packages[name]} {version}" for name, version in found.items() if version)
        yield Finding("extras", extra, f"not installed: {', '.join(absent)}" if absent else shown,
                      "missing" if absent else "ok",
                      f"pip install -c constraints.txt '.[{extra}]' in a checkout of xbarch" if absent else "")


def _kernel() -> Finding:
    """Whether the fast engine has machine code, or has to make it before its first run."""
    try:
        from xbarch.sim import build

        triple = build.target().triple
        key = build.key(triple)
        file = build.shipped(triple)
        if file.exists() and build.unseal(key, file.read_bytes()):
            return Finding("kernel", "fast engine", f"compiled with the installation, for {triple}")
        return Finding("kernel", "fast engine", "not compiled for this source", "wrong",
                       "the first run compiles it in some seconds; installing xbarch again does so once for all")
    except (ImportError, OSError, RuntimeError) as error:
        return Finding("kernel", "fast engine", f"not available ({type(error).__name__}): runs take SimPy", "wrong",
                       "install xbarch again with Numba")


def _cache() -> Finding:
    try:
        most = cache.limit()
        if not most:
            return Finding("cache", "kept answers", f"off ({cache.VARIABLE} is 0)", "missing")
        folder = files.cache()
        kept = [file.stat() for file in (folder / "kept").glob("*") if file.is_file()]
    except (InputError, OSError) as error:
        return Finding("cache", "kept answers", str(error), "wrong",
                       f"set {cache.VARIABLE}, or make the folder writable")
    used = sum(file.st_size for file in kept)
    return Finding("cache", "kept answers", f"{used / 1e6:,.1f} of {most / 1e6:,.0f} MB in "
                   f"{numbers.count(len(kept), 'file')}, {folder}")


def _threads() -> Iterator[Finding]:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("threads", "CPUs of this process", str(cpus))
    given = ", ".join(f"{name}={os.environ[name]}" for name in _THREADS if name in os.environ)
    yield Finding("threads", "set by the environment", given or "none")


def _bundled() -> Iterator[Finding]:
    for kind in ("architectures", "workloads", "studies"):
        known = bundled.known(kind)
        other = sorted({origin for origin in known.values() if origin != OWN})
        yield Finding("bundled", kind, f"{len(known)}" + (f", some from {', '.join(other)}" if other else ""))


def _plugins() -> Iterator[Finding]:
    """Plugins of other packages, each imported, and what is wrong with those that cannot be."""
    for kind in kinds.KINDS:
        try:
            names = list(registry.classes(kind))
        except XbarchError as error:
            yield Finding("plugins", kind.label, str(error), "wrong")
            continue
        other = [name for name in names if registry.origin(kind, name) != OWN]
        yield Finding("plugins", kind.label, f"{len(names)}" + (f"; of other packages: {', '.join(other)}" if other
                                                                else ""))


def _version(name: str) -> str:
    try:
        return metadata.version(_NAMES.get(name, name))
    except metadata.PackageNotFoundError:
        return ""
