"""The command that runs one workload on one architecture: simulate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli import names
from xbarch.cli.arguments import (
    Accuracy,
    ActivationBits,
    Arch,
    Batch,
    Bits,
    Chips,
    DataPath,
    Density,
    Draws,
    Engine,
    Images,
    Json,
    LevelBits,
    Load,
    Mode,
    Option,
    Out,
    Periphery,
    Placement,
    Plugin,
    Policy,
    Reload,
    Replication,
    Scope,
    Set,
    Trace,
)
from xbarch.cli.reading import load_plugins, options, words
from xbarch.cli.terminal import Bar, wrote
from xbarch.errors import InputError
from xbarch.support import defaults, output
from xbarch.support.pairs import read_pairs
from xbarch.support.wrapping import columns


def simulate(
    arch: Arch, workload: Load, policy: Policy = defaults.POLICY, images: Images = defaults.IMAGES,
    chips: Chips = defaults.CHIPS, datapath: DataPath = None, option: Option = [], set: Set = [], batch: Batch = None,
    placement: Placement = defaults.PLACEMENT, replication: Replication = defaults.REPLICATION,
    periphery: Periphery = defaults.PERIPHERY, mode: Mode = defaults.MODE, engine: Engine = defaults.ENGINE,
    reload: Reload = False, bits: Bits = None, activation_bits: ActivationBits = None, level_bits: LevelBits = None,
    density: Density = [], accuracy: Accuracy = None, draws: Draws = defaults.DRAWS, trace: Trace = None,
    plugin: Plugin = [], out: Out = None,
    format: Annotated[list[str], typer.Option(
        metavar="FORMATS", help=f"With --out: formats of the pictures, of {', '.join(names.FORMATS)} (default: svg).",
        autocompletion=names.several(names.choice(*names.FORMATS)))] = [],
    scope: Scope = defaults.SCOPE,
    full: Annotated[bool, typer.Option(
        "--full", help="Print all tables too: energy by component, waiting, layers and segments.")] = False,
    as_json: Json = False,
) -> None:
    """Simulate a workload on an architecture."""
    from xbarch import run
    from xbarch.request import Request
    from xbarch.result.result import checked_scope
    from xbarch.result.summary import COLUMNS

    load_plugins(plugin)
    within, formats = checked_scope(scope), words(format) or ["svg"]
    if out is not None:
        _require_room(out, formats, trace)
    elif format:
        raise InputError("--format needs --out, the folder for the pictures")
    with Bar("simulate", as_json) as progress:
        request = Request(arch=arch, workload=workload, policy=policy, images=images, chips=chips, datapath=datapath,
                          options=options(option), overrides=tuple(set), batch=batch, placement=placement,
                          replication=replication, periphery=periphery, mode=mode, engine=engine, reload=reload,
                          bits=bits, activation_bits=activation_bits, level_bits=level_bits,
                          density=read_pairs(density, "density"), accuracy=accuracy, draws=draws)
        result = run.simulate(request, trace=trace, progress=progress)
    if out is not None:
        from xbarch.render.pictures import save

        save(result, out, formats, within)
    if as_json:
        output.write(result.to_json())
        return
    if full:
        from xbarch.render import tables

        tables.show(result, within, full)
    else:  # one screen of text, without what tables load
        print(result.summary(within, columns(COLUMNS)))
    if out is not None:
        wrote(f"{out}/result.json, report.html and pictures")
    if trace is not None:
        wrote(trace)


def _require_room(out: Path, formats: list[str], trace: Path | None) -> None:
    """Refuse an output folder that cannot be written, before a long run."""
    from xbarch.render import pictures
    from xbarch.support.files import writable

    if trace is not None and trace.resolve() in (out.resolve(), *out.resolve().parents):
        raise InputError(f"must be a file beside or in the output folder, not {trace}, which is to be a folder",
                         field="trace")
    writable(out, *pictures.names(formats))
