"""Saved results as a folder that others can run again: requests, results, inputs, versions, digests, commands."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from xbarch import run
from xbarch.errors import InputError
from xbarch.request import Request
from xbarch.result.result import Result, read
from xbarch.studies.artifact import texts
from xbarch.studies.artifact.differences import differences
from xbarch.studies.artifact.inputs import Inputs
from xbarch.studies.artifact.manifest import INPUTS, NAME, Bundle, Entry
from xbarch.studies.runs.commands import command
from xbarch.support import about, files
from xbarch.support.progress import Progress

PACKAGES = ("numpy", "simpy", "numba", "llvmlite", "pydantic")  # what figures could depend on
_MOST = 2**32  # bytes of an input
_MANY = 10_000  # results of a bundle


def bundle(results: Sequence[str | Path | Result], out: str | Path, *, progress: Progress | None = None) -> Path:
    """Write what makes results reproducible into a new folder. Each result is run again first, so that a bundle never
    holds one that its own inputs do not give.

    Args:
        results: saved ones (`result.json` or its folder), or those of `xbarch.simulate`, of files and bundled names.
        out: a new or empty folder.
        progress: called before each run with (runs done, runs in all, the run's name).

    Returns:
        The folder.

    Raises:
        InputError: a result does not say which request made it, or is not what that request gives now; a file that
            it depends on lies outside the working folder; the folder is not empty.
    """
    folder = Path(out)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError("must be a new or empty folder", file=folder)
    if not 1 <= len(results) <= _MANY:
        raise InputError(f"must be 1 to {_MANY:,}, not {len(results):,}", field="results")
    files.writable(folder, NAME)
    found = [each if isinstance(each, Result) else read(each) for each in results]
    places = [None if isinstance(each, Result) else each for each in results]
    inputs, runs = Inputs(), []
    plugins = inputs.plugins()
    for number, (result, place) in enumerate(zip(found, places, strict=True)):
        if progress is not None:
            progress(number, len(found), result.name)
        runs.append(_entry(result, place, number, inputs, plugins))
    contents = _contents(found, runs, inputs)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    made = Bundle(
        schema="xbarch.bundle/1", xbarch=about.__version__, code=about.code(), python=platform.python_version(),
        packages=versions(), plugins=sorted(inputs.packages), plugin_files=plugins, runs=runs, files=digests)
    contents["README.md"] = texts.readme(made, found).encode()
    digests["README.md"] = hashlib.sha256(contents["README.md"]).hexdigest()
    contents[NAME] = made.model_copy(update={"files": digests}).to_json().encode()
    files.write_all({folder / name: content for name, content in contents.items()})
    return folder


def versions() -> dict[str, str]:
    """The packages that compute, with their versions here; those that are not installed are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _entry(result: Result, place: object, number: int, inputs: Inputs, plugins: Sequence[str]) -> Entry:
    fields = result.provenance.request
    if fields is None:
        raise InputError("does not say which request made it: an earlier version saved it, or it is of a loaded "
                         "architecture or workload; simulate it again, from files or names",
                         file=place or result.name)
    asked = inputs.request(Request(**fields))
    now = run.simulate(asked)
    if changed := differences(result.data, now.data):
        first = changed[0]
        raise InputError(f"is not what its request gives now: {first.field} is {first.now}, not {first.before}"
                         f"{f' (and {len(changed) - 1:,} more)' * (len(changed) > 1)}; simulate it again",
                         file=place or result.name)
    fields = asked.fields()
    assert fields is not None
    known = inputs.contents
    return Entry(name=result.name, result=f"results/{number + 1:03}.json", request=fields,
                 command=command(asked, plugins), architecture=known.machine(asked),
                 workload=str(known.run(asked)["workload"]))


def _contents(found: Sequence[Result], runs: Sequence[Entry], inputs: Inputs) -> dict[str, bytes]:
    """Every file but the manifest and the README, by its place in the bundle."""
    return {
        **{entry.result: result.to_json().encode() for entry, result in zip(runs, found, strict=True)},
        **{f"{INPUTS}/{place}": files.read(path, _MOST) for place, path in sorted(inputs.files.items())},
        "CITATION.cff": texts.citation().encode(),
        "commands.sh": ("#!/bin/sh\n# Prints each result; start it in the folder of the bundle.\n"
                        f"set -eu\nmkdir -p {INPUTS}\ncd {INPUTS}\n"
                        + "".join(f"{entry.command}\n" for entry in runs)).encode(),
    }
