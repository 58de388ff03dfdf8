"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

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
    """The choices that were made; those that were not have the defaults of a request."""
    return {name: value for name, value in choices.items() if value not in (None, False, [])}


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


Arch = Annotated[str, typer.Option("--arch", "-a", help="Architecture: a YAML file or a bundled name.")]
Load = Annotated[str, typer.Option("--workload", "-w", help="Workload: a stored folder, a recipe or a bundled name.")]
Policy = Annotated[str, typer.Option(help="Weight replication: fit | one_copy | crossbars:K | chip | area.")]
Images = Annotated[int, number("images", "Images to run.")]
Mode = Annotated[str, typer.Option(help="Execution mode: pipelined | layer_by_layer | batch.")]
Engine = Annotated[str, typer.Option(help="Simulation engine: auto | simpy | fast (the results are equal).")]
Reload = Annotated[bool, typer.Option("--reload", help="Run a network larger than the machine in segments.")]
Batch = Annotated[int | None, number("batch", "Images per programming of the crossbars.")]
Placement = Annotated[str, typer.Option(help="Placement of tiles on the chip: row_major | snake | greedy.")]
Chips = Annotated[int, number("chips", "Chips in a chain.")]
DataPath = Annotated[str | None, typer.Option(help="Data path (default: the one the workload was made for).")]
Option = Annotated[list[str], typer.Option("--option", "-o", help="Option of the data path, name=value; repeatable.")]
Set = Annotated[list[str], typer.Option("--set", help="Change the architecture, a.b.c=value; repeatable.")]
Plugin = Annotated[list[Path], typer.Option(
    "--plugin", help="Python file that defines data paths or parts of machines, or an architecture's YAML; "
                     "repeatable.")]
Out = Annotated[Path | None, folder("Output folder for result.json and pictures.")]
Trace = Annotated[Path | None, typer.Option(
    parser=place("trace"), metavar="FILE",
    help="CSV file (.csv or .csv.gz) for the times of every token at every stage.")]
Bits = Annotated[int | None, number(
    "bits", "Store weights and activations in at least this many bits; their values stay.")]
Processes = Annotated[int | None, number("processes", "Worker processes (default: one per CPU).")]
Axis = Annotated[list[str], typer.Option(
    "--axis", help="Vary a field of the run, an option of the data path (options.NAME) or a field of the architecture: "
                   "name=value,value; repeatable.")]
# The same for commands whose study may say it: None is the default of a request.
Given = Annotated[int | None, number("images", "Images to run.")]
GivenChips = Annotated[int | None, number("chips", "Chips in a chain.")]
GivenMode = Annotated[str | None, typer.Option("--mode", help="Execution mode: pipelined | layer_by_layer | batch.")]
GivenEngine = Annotated[str | None, typer.Option("--engine", help="Simulation engine: auto | simpy | fast.")]
GivenPlacement = Annotated[str | None, typer.Option(
    "--placement", help="Placement of tiles on the chip: row_major | snake | greedy.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output and nothing else.")]
