"""Commands that look things up: list, show, validate, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli import names
from xbarch.cli.arguments import Json, Plugin, Set
from xbarch.cli.reading import load_plugins, place
from xbarch.cli.terminal import print_json, say, wrote
from xbarch.errors import InputError


def validate(
    file: Annotated[Path, typer.Argument(
        metavar="NAME", help="Architecture, recipe, grid, study or sweep: a YAML file or a bundled name.",
        autocompletion=names.named(*names.FILES))],
    set: Set = [], plugin: Plugin = [],
) -> None:
    """Check an architecture, recipe, grid, study or sweep."""
    from xbarch.cli.answers import checked

    load_plugins(plugin)
    for answer in checked(file, set, bool(plugin)):
        say(f"{file}: valid, {answer}")


def schema() -> None:
    """Print the JSON Schema of architecture files, for editors."""
    from xbarch.specs.architecture import Architecture
    from xbarch.specs.schema import json_schema

    print_json(json_schema(Architecture))


def catalogue(
    kind: Annotated[str | None, typer.Argument(
        help=f"Only this kind: {' | '.join(names.KINDS)}.", autocompletion=names.choice(*names.KINDS))] = None,
    filter: Annotated[str, typer.Option(
        "--filter", "-f", metavar="WORDS", help="Only what has all these words in its name or summary.")] = "",
    long: Annotated[bool, typer.Option("--long", "-l", help="Print summaries in full, sources and origins.")] = False,
    as_json: Json = False, plugin: Plugin = [],
) -> None:
    """List architectures, workloads, studies and plugins: of all kinds the names, of one kind their summaries too."""
    if kind is not None and kind not in names.KINDS:
        from xbarch.specs.explain import unknown

        raise InputError(unknown("kind", kind, names.KINDS), field="list")
    load_plugins(plugin)
    if plugin:
        from xbarch.cli.catalog import entries
    else:
        from xbarch.cli.answers import entries
    wanted = filter.lower().split()
    found = {name: [row for row in rows if all(word in f"{row['name']} {row['summary']}".lower() for word in wanted)]
             for name, rows in entries().items() if kind in (None, name)}
    if as_json:
        print_json(found)
        return
    from xbarch.cli.screens import show_catalog, show_names

    if kind is None and not wanted and not long:
        show_names(found)
    else:
        show_catalog({name: rows for name, rows in found.items() if rows}, long)


def show(
    name: Annotated[str, typer.Argument(
        metavar="NAME", help="A name that `list` prints, GRID/NAME of a grid's workload, or a file or stored workload.",
        autocompletion=names.named(*names.KINDS))],
    set: Set = [], as_json: Json = False, plugin: Plugin = [],
    diagram: Annotated[Path | None, typer.Option(
        parser=place("diagram"), metavar="PATH",
        help="SVG file to write: the architecture's blocks and pipeline.")] = None,
) -> None:
    """Describe an architecture, workload, study or plugin by name."""
    from xbarch.cli.describe import described

    load_plugins(plugin)
    if diagram is not None and diagram.suffix != ".svg":
        raise InputError(f"must be a name that ends in .svg, not {diagram.name[-60:]!r}", field="--diagram")
    found = described(name, set)
    if diagram is not None:
        _draw(name, set, diagram)
    if as_json:
        print_json(found[0] if len(found) == 1 else found)
        return
    from xbarch.cli.screens import show_described

    show_described(found)
    if diagram is not None:
        wrote(diagram)


def _draw(name: str, overrides: list[str], out: Path) -> None:
    from xbarch.render.diagram import diagram
    from xbarch.specs.architecture import Architecture
    from xbarch.specs.load import load
    from xbarch.support.files import write

    write(out, diagram(load(name, Architecture, overrides)))


def doctor(as_json: Json = False) -> None:
    """Check the installation: versions, extras, the compiled kernel, the cache, threads and plugins."""
    from xbarch.installation import doctor as examined

    found = examined()
    if as_json:
        print_json([finding._asdict() for finding in found])
    else:
        from xbarch.cli.screens import show_findings

        show_findings(found)
    if any(finding.state == "wrong" for finding in found):
        raise typer.Exit(1)
