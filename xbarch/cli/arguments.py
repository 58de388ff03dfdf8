"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from xbarch.cli import names
from xbarch.errors import InputError


def whole(field: str) -> Callable[[str], int]:
    """Return the parser of a whole number; errors name `field`."""
    def read(text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise InputError(f"must be a whole number, not {text[:40]!r}", field=field) from None
    return read


def place(field: str = "out") -> Callable[[str], Path]:
    """Return the parser of a path that is to be written; errors name `field`."""
    def read(text: str) -> Path:
        if not text:
            raise InputError("must be a path, not ''", field=field)
        return Path(text)
    return read


def operation_unit(text: str) -> dict[str, int]:
    """Read an operation unit, ROWSxCOLUMNS."""
    rows, _, columns = text.partition("x")
    if not (rows.isdecimal() and columns.isdecimal()):
        raise InputError(f"must be word lines x bit lines, such as 16x16, not {text[:40]!r}", field="operation_unit")
    return {"rows": int(rows), "columns": int(columns)}


def pairs(texts: list[str], field: str = "option") -> dict[str, Any]:
    """Read name=value pairs; a value that is JSON is read as JSON, any other is text."""
    import json

    read: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"must be name=value, not {text[:40]!r}", field=field)
        try:
            read[name] = json.loads(value)
        except (ValueError, RecursionError):
            read[name] = value
    return read


def axes(texts: list[str]) -> dict[str, list[Any]]:
    """Read axes, name=value,value: a value that is JSON is read as JSON, any other is text."""
    read: dict[str, list[Any]] = {}
    for name, value in ((name, value) for text in texts for name, value in [text.partition("=")[::2]]):
        if not (name and value):
            raise InputError(f"must be name=value,value, not {name[:40]!r}", field="axis")
        read[name] = [pairs([f"value={each}"])["value"] for each in value.split(",")]
    return read


def given(**choices: Any) -> dict[str, Any]:
    """Keep the choices that were made; the others have the defaults of a request."""
    return {name: value for name, value in choices.items() if value not in (None, False, [], {})}


def words(texts: list[str]) -> list[str]:
    """Split a repeated option at its commas."""
    return [word for text in texts for word in text.split(",") if word]


def load_plugins(files: list[Path]) -> None:
    """Register the plugins that the files define."""
    if files:
        from xbarch.plugins import registry

        for file in files:
            registry.load_file(file)


def folder(help: str) -> Any:
    """Return the option --out of a command that writes a folder or a file."""
    return typer.Option("--out", parser=place(), metavar="PATH", help=help)


def number(name: str, help: str) -> Any:
    """Return an option that takes a whole number."""
    return typer.Option(f"--{name.replace('_', '-')}", parser=whole(name), metavar="N", help=help)


def one_of(name: str, help: str, known: Sequence[str]) -> Any:
    """Return an option that takes one of `known`, which its help lists and tab completion offers."""
    return typer.Option(f"--{name.replace('_', '-')}", metavar="NAME", help=f"{help}: {' | '.join(known)}.",
                        autocompletion=names.choice(*known))


Arch = Annotated[str, typer.Option(
    "--arch", "-a", metavar="NAME", help="Architecture: a YAML file or a bundled name.",
    autocompletion=names.named("architectures"))]
Load = Annotated[str, typer.Option(
    "--workload", "-w", metavar="NAME", help="Workload: a stored folder, a recipe or a bundled name.",
    autocompletion=names.named("workloads"))]
Policy = Annotated[str, typer.Option(
    metavar="POLICY", help="Weight replication: fit | one_copy | crossbars:K | chip | area.",
    autocompletion=names.choice(*names.POLICIES))]
Reload = Annotated[bool, typer.Option("--reload", help="Run a network larger than the machine in segments.")]
Batch = Annotated[int | None, number("batch", "Images per programming of the crossbars.")]
Bits = Annotated[int | None, number(
    "bits", "Store weights and activations in at least this many bits; their values stay.")]
_IMAGES, _CHIPS = number("images", "Images to run."), number("chips", "Chips in a chain.")
_MODE = one_of("mode", "Execution mode", names.MODES)
_ENGINE = one_of("engine", "Simulation engine, with equal results", names.ENGINES)
_PLACEMENT = one_of("placement", "Placement of tiles on the chip", names.PLACEMENTS)
Images = Annotated[int, _IMAGES]
Chips = Annotated[int, _CHIPS]
Mode = Annotated[str, _MODE]
Engine = Annotated[str, _ENGINE]
Placement = Annotated[str, _PLACEMENT]
# The same where a study may say it: None is the default of a request.
GivenImages = Annotated[int | None, _IMAGES]
GivenChips = Annotated[int | None, _CHIPS]
GivenMode = Annotated[str | None, _MODE]
GivenEngine = Annotated[str | None, _ENGINE]
GivenPlacement = Annotated[str | None, _PLACEMENT]
DataPath = Annotated[str | None, typer.Option(
    metavar="NAME", help="Data path (default: the one the workload was made for).",
    autocompletion=names.named("datapaths"))]
Option = Annotated[list[str], typer.Option(
    "--option", "-o", metavar="NAME=VALUE", help="Option of the data path; repeatable.")]
Set = Annotated[list[str], typer.Option(
    "--set", metavar="FIELD=VALUE", help="Change the architecture, as in crossbar.rows=64; repeatable.")]
Plugin = Annotated[list[Path], typer.Option(
    "--plugin", metavar="FILE",
    help="Python file that defines data paths or parts of machines, or an architecture's YAML; repeatable.")]
Out = Annotated[Path | None, folder("Output folder for result.json and pictures.")]
Trace = Annotated[Path | None, typer.Option(
    parser=place("trace"), metavar="FILE",
    help="CSV file (.csv or .csv.gz) for the times of every token at every stage.")]
Processes = Annotated[int | None, number("processes", "Worker processes (default: one per CPU).")]
Axis = Annotated[list[str], typer.Option(
    "--axis", metavar="FIELD=VALUES",
    help="Vary a field of the run, an option of the data path (options.NAME) or a field of the architecture over "
         "values separated by commas; repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output and nothing else.")]
