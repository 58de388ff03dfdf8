"""A bundle, run again: what differs from the results that it holds."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xbarch import run
from xbarch.errors import ChangedError, InputError
from xbarch.plugins import registry
from xbarch.plugins.kinds import KINDS
from xbarch.request import Contents, Request
from xbarch.result.result import read
from xbarch.studies.artifact.bundle import versions
from xbarch.studies.artifact.differences import Difference, differences
from xbarch.studies.artifact.manifest import INPUTS, NAME, Bundle, Entry, read_bundle
from xbarch.support import about, bundled, files
from xbarch.support.packages import OWN
from xbarch.support.progress import Progress


@dataclass(frozen=True)
class Again:
    """A result that was run again."""

    name: str
    file: str
    differences: list[Difference]


@dataclass(frozen=True)
class Reproduction:
    """The outcome for every result, and how this installation differs from the one that made the bundle."""

    runs: list[Again]
    notes: list[str]

    @property
    def same(self) -> bool:
        """Whether every figure is equal to the bit."""
        return not any(each.differences for each in self.runs)

    def plain(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {"same": self.same, "notes": self.notes, "runs": [
            {"name": each.name, "result": each.file, "differences": [d._asdict() for d in each.differences]}
            for each in self.runs]}


def reproduce(folder: str | Path, *, other_version: bool = False, progress: Progress | None = None) -> Reproduction:
    """Check every file of a bundle and run each of its results again. The working folder is the bundle's meanwhile, so
    another thread must not rely on it.

    Args:
        folder: what `xbarch.bundle` wrote.
        other_version: run it although another version of xbarch made it.
        progress: called before each run with (runs done, runs in all, the run's name).

    Raises:
        InputError: there is no bundle.
        ChangedError: a file of it is missing or was changed, a package that it needs is missing or has another
            version, or another version of xbarch made it.
    """
    place = Path(folder).resolve()
    made = read_bundle(place)
    if made.xbarch != about.__version__ and not other_version:
        raise ChangedError(f"was made by xbarch {made.xbarch}, and this is {about.__version__}; install that version, "
                           "or see with --other-version (other_version=True) what differs", file=Path(folder) / NAME)
    _check_files(Path(folder), made)
    _check_packages(Path(folder), made)
    again, notes, known = [], list(_notes(made)), Contents()
    start = place / INPUTS
    with registry.Registry().active(), chdir(start if start.is_dir() else place):
        for file in made.plugin_files:
            registry.load_file(file)
        for number, entry in enumerate(made.runs):
            if progress is not None:
                progress(number, len(made.runs), entry.name)
            request = _request(place, entry)
            now = run.simulate(request)
            again.append(Again(entry.name, entry.result, differences(read(place / entry.result).data, now.data)))
            if known.machine(request) != entry.architecture:
                notes.append(f"{entry.name}: the architecture is another than then")
            if known.run(request)["workload"] != entry.workload:
                notes.append(f"{entry.name}: the workload is another than then")
    return Reproduction(again, notes)


def _request(place: Path, entry: Entry) -> Request:
    try:
        return Request(**entry.request)
    except InputError as error:
        raise InputError(error.message, file=place / NAME, field=f"runs: {entry.result}: {error.field}") from None


def _check_files(folder: Path, made: Bundle) -> None:
    needed = {entry.result for entry in made.runs} | {f"{INPUTS}/{file}" for file in made.plugin_files}
    for file in sorted(needed - set(made.files)):
        raise ChangedError(f"has no digest of {file}, which it names; take the bundle as it was made",
                           file=folder / NAME)
    for file, digest in made.files.items():
        if not (folder / file).is_file():
            raise ChangedError("is missing from the bundle; take the bundle as it was made", file=folder / file)
        if files.digest(folder / file) != digest:
            raise ChangedError("was changed since the bundle was made; take the bundle as it was made, or make another "
                               "one", file=folder / file)


def _check_packages(folder: Path, made: Bundle) -> None:
    here = offering()
    for name in made.plugins:
        if name not in here:
            other = next((each for each in here if each.rpartition(" ")[0] == name.rpartition(" ")[0]), "")
            raise ChangedError(f"needs the {name}, " + (
                f"but version {other.rpartition(' ')[2]} is installed" if other else "which is not installed")
                + "; install that version", file=folder / NAME, field="plugins")


def offering() -> set[str]:
    """Installed packages, with their versions, that offer plugins, architectures or workloads."""
    plugins = {registry.origin(kind, name) for kind in KINDS for name in registry.active().names(kind)}
    data = {origin for kind in ("architectures", "workloads") for origin in bundled.known(kind).values()}
    return (plugins | data) - {OWN}


def _notes(made: Bundle) -> Iterator[str]:
    """How this installation differs from the one that made the bundle."""
    if made.xbarch != about.__version__:
        yield f"made by xbarch {made.xbarch}, this is {about.__version__}"
    elif made.code != about.code():
        yield f"made by xbarch {made.xbarch} with other source text than this"
    here = {"Python": platform.python_version(), **versions()}
    for name, version in {"Python": made.python, **made.packages}.items():
        if here.get(name) != version:
            yield f"made with {name} {version}, this has {here.get(name, 'none')}"
