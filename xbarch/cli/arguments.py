"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from xbarch.cli import names
from xbarch.cli.reading import place, whole
from xbarch.support import defaults


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
Reload = Annotated[bool, typer.Option(
    "--reload", help="Run a network larger than the machine in segments; needs --batch.")]
Batch = Annotated[int | None, number(
    "batch", f"Images per programming of the crossbars, 1 to {defaults.MOST_BATCH:,}.")]
Bits = Annotated[int | None, number(
    "bits", f"Store weights and activations in at least this many bits, {defaults.LEAST_BITS} to {defaults.MOST_BITS}; "
            "their values stay.")]
ActivationBits = Annotated[int | None, number(
    "activation_bits", "Least bits of activations alone, where that is more than --bits.")]
LevelBits = Annotated[int | None, number(
    "level_bits", f"Divide the range of activations into levels of at least this many bits, {defaults.LEAST_BITS} to "
                  f"{defaults.MOST_BITS}.")]
Density = Annotated[list[str], typer.Option(
    "--density", metavar="LAYER=SHARE",
    help="Share of its weights that a layer keeps: the weakest groups that the data path removes go, without training; "
         "repeatable.")]
Accuracy = Annotated[int | None, number(
    "accuracy", f"Test images to classify through the packed crossbars, 1 to {defaults.MOST_TESTED:,} (default: "
                "none).")]
Draws = Annotated[int, number(
    "draws", f"Devices to draw for the accuracy where there is noise, 1 to {defaults.MOST_DRAWS:,}.")]
_IMAGES = number("images", f"Images to run, 1 to {defaults.MOST_IMAGES:,}.")
_CHIPS = number("chips", f"Chips in a chain, 1 to {defaults.MOST_CHIPS:,}.")
_MODE = one_of("mode", "Execution mode", names.MODES)
_ENGINE = one_of("engine", "Simulation engine, with equal results", names.ENGINES)
_SCOPE = one_of("scope", "Scope of energies and TOPS/W: compute is the tiles, chip adds the network, whole the rest",
                defaults.SCOPES)
_PLACEMENT = one_of("placement", "Placement of tiles on the chip", names.PLACEMENTS)
_REPLICATION = one_of("replication", "How the copies of a layer share its output pixels", names.REPLICATIONS)
_PERIPHERY = one_of("periphery", "Sizes of shared units, ports, buses and links", tuple(defaults.PERIPHERIES))
Scope = Annotated[str, _SCOPE]
GivenScope = Annotated[str | None, _SCOPE]
Images = Annotated[int, _IMAGES]
Chips = Annotated[int, _CHIPS]
Mode = Annotated[str, _MODE]
Engine = Annotated[str, _ENGINE]
Placement = Annotated[str, _PLACEMENT]
Replication = Annotated[str, _REPLICATION]
Periphery = Annotated[str, _PERIPHERY]
# The same where a study may say it: None is the default of a request.
GivenImages = Annotated[int | None, _IMAGES]
GivenChips = Annotated[int | None, _CHIPS]
GivenMode = Annotated[str | None, _MODE]
GivenEngine = Annotated[str | None, _ENGINE]
GivenPlacement = Annotated[str | None, _PLACEMENT]
GivenReplication = Annotated[str | None, _REPLICATION]
GivenPeriphery = Annotated[str | None, _PERIPHERY]
DataPath = Annotated[str | None, typer.Option(
    "--datapath", "-d", metavar="NAME", help="Data path (default: the one the workload was made for).",
    autocompletion=names.named("datapaths"))]
Option = Annotated[list[str], typer.Option(
    "--option", "-o", metavar="NAME=VALUE", help="Option of the data path; repeatable.")]
Set = Annotated[list[str], typer.Option(
    "--set", metavar="FIELD=VALUE", help="Change the architecture, as in crossbar.rows=64; repeatable.")]
Noise = Annotated[str | None, typer.Option(
    "--noise", metavar="NAME", help="Errors of cells and converters: a bundled preset or a YAML file.",
    autocompletion=names.named("noise"))]
Plugin = Annotated[list[Path], typer.Option(
    "--plugin", metavar="FILE",
    help="Python file that defines data paths or parts of machines, or an architecture's YAML; repeatable.")]
Out = Annotated[Path | None, folder("Output folder for result.json, report.html and pictures.")]
Trace = Annotated[Path | None, typer.Option(
    parser=place("trace"), metavar="FILE",
    help="File for the times of every token at every stage: .perfetto-trace (for a viewer such as ui.perfetto.dev) or "
         ".csv, either with .gz after it.")]
Processes = Annotated[int | None, number("processes", "Worker processes, or jobs at once (default: one per CPU).")]
Executor = Annotated[str, typer.Option(
    "--executor", metavar="NAME",
    help=f"Where runs go: {' | '.join(names.EXECUTORS)}, or one that an installed package offers.",
    autocompletion=names.choice(*names.EXECUTORS))]
Scheduler = Annotated[str | None, typer.Option(
    "--scheduler", metavar="ADDRESS|FILE",
    help="With --executor dask: the scheduler's address or file; with slurm: a YAML file of job parameters.")]
Axis = Annotated[list[str], typer.Option(
    "--axis", metavar="FIELD=VALUES",
    help="Vary a field of the run, an option of the data path (options.NAME) or a field of the architecture over "
         "values separated by commas; repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output and nothing else.")]
