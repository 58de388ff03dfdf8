"""Commands that look things up: list, show, validate, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli import names
from xbarch.cli.arguments import Json, Plugin, Set, load_plugins, place
from xbarch.cli.terminal import print_json, wrote
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
        print(f"{file}: valid, {answer}")


def schema() -> None:
    """Print the JSON Schema of architecture files, for editors."""
    from xbarch.specs.architecture import Architecture
    from xbarch.specs.schema import json_schema

    print_json(json_schema(Architecture))


def catalogue(as_json: Json = False, plugin: Plugin = []) -> None:
    """List architectures, workloads, studies and plugins."""
    load_plugins(plugin)
    if plugin:
        from xbarch.cli.catalog import entries
    else:
        from xbarch.cli.answers import entries
    found = entries()
    if as_json:
        print_json(found)
        return
    from xbarch.render import tables

    tables.show_catalog(found)


def show(
    name: Annotated[str, typer.Argument(
        metavar="NAME", help="A YAML file of an architecture, or a name that `list` prints.",
        autocompletion=names.named(*names.KINDS))],
    set: Set = [], as_json: Json = False, plugin: Plugin = [],
    diagram: Annotated[Path | None, typer.Option(
        parser=place("diagram"), metavar="PATH",
        help="SVG file to write: the architecture's blocks and pipeline.")] = None,
) -> None:
    """Describe an architecture, workload or plugin by name."""
    from xbarch.cli import catalog

    load_plugins(plugin)
    if diagram is not None and diagram.suffix != ".svg":
        raise InputError(f"must be a name that ends in .svg, not {diagram.name[-60:]!r}", field="--diagram")
    found = catalog.described(name, set)
    if diagram is not None:
        _draw(name, set, diagram)
    if as_json:
        print_json(found[0] if len(found) == 1 else found)
        return
    from xbarch.render import tables

    tables.show_described(found)
    if diagram is not None:
        wrote(diagram)


def _draw(name: str, overrides: list[str], out: Path) -> None:
    from xbarch.render.diagram import diagram
    from xbarch.specs.architecture import Architecture
    from xbarch.specs.load import load
    from xbarch.support.files import write

    write(out, diagram(load(name, Architecture, overrides)))
