"""Commands that let others run results again: bundle, reproduce."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli.arguments import Json, Plugin, folder
from xbarch.cli.reading import load_plugins
from xbarch.cli.terminal import Bar, print_json, wrote

_SHOWN = 10  # fields that differ, of each result; --json has all


def bundle(
    results: Annotated[list[Path], typer.Argument(
        metavar="RESULT", help="One or more result.json files or folders that hold one.")],
    out: Annotated[Path, folder("New folder for the bundle.")],
    plugin: Plugin = [],
) -> None:
    """Write what others need to run saved results again.

    The folder gets the results, their requests as command lines, your own architectures, workloads, noise presets and
    plugin files, the versions of everything that computes, digests of all files, a README and a CITATION. Each result
    is run again first; one that is not what its request gives now is refused. Start it in the folder in which the
    results were simulated, with the same --plugin files.
    """
    from xbarch.studies.artifact.bundle import bundle

    load_plugins(plugin)
    with Bar("bundle", False) as progress:
        bundle(results, out, progress=progress)
    wrote(f"{out}/bundle.json, README.md, results and inputs")


def reproduce(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `xbarch bundle` wrote.")],
    other_version: Annotated[bool, typer.Option(
        "--other-version", help="Run it although another version of xbarch made it.")] = False,
    as_json: Json = False,
) -> None:
    """Run the results of a bundle again and say what differs.

    The exit code is 5 if a figure differs, and 6 if the bundle is not as it was made or needs another version of xbarch
    or of a plugin.
    """
    from xbarch.studies.artifact.reproduce import reproduce

    with Bar("reproduce", as_json) as progress:
        found = reproduce(place, other_version=other_version, progress=progress)
    if as_json:
        print_json(found.plain())
    else:
        from xbarch.render import tables

        tables.show_reproduction(found.plain(), _SHOWN)
    if not found.same:
        raise typer.Exit(5)
