"""Commands that check a workload on an architecture: verify, accuracy, retention."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli.arguments import (
    ActivationBits,
    Arch,
    Bits,
    DataPath,
    Draws,
    Json,
    LevelBits,
    Load,
    Noise,
    Option,
    Plugin,
    Set,
    folder,
    number,
)
from xbarch.cli.reading import load_plugins, options
from xbarch.cli.terminal import Bar, print_json, say, wrote
from xbarch.support import defaults

_ACCURACY = "accuracy.json"


def verify(
    arch: Arch, workload: Load, datapath: DataPath = None, option: Option = [], set: Set = [],
    bits: Bits = None, activation_bits: ActivationBits = None, level_bits: LevelBits = None, plugin: Plugin = [],
    lossless: Annotated[bool, typer.Option("--lossless", help="Use ADCs of sufficient resolution.")] = False,
    as_json: Json = False,
) -> None:
    """Check the packed crossbars against int64 arithmetic.

    The crossbars are executed on integers, layer by layer, with the activations stored with the workload. The exit code
    is 5 if any output differs. Noise is left out, and a line says so: `xbarch accuracy` draws devices.
    """
    from xbarch import run
    from xbarch.request import Request

    load_plugins(plugin)
    with Bar("verify", as_json) as progress:
        setup = run.prepare(Request(arch=arch, workload=workload, datapath=datapath, options=options(option),
                                    overrides=tuple(set), bits=bits, activation_bits=activation_bits,
                                    level_bits=level_bits))
        rows = run.verify_prepared(setup, lossless, progress)
    if as_json:
        print_json(rows)
    else:
        from xbarch.render import tables
        from xbarch.result import words

        tables.show_verification(rows)
        if (noise := setup.architecture.noise) is not None and not noise.ideal:
            say(words.NOISE)
    if any(row["mismatches"] for row in rows):
        raise typer.Exit(5)


def accuracy(
    arch: Arch, workload: Load, datapath: DataPath = None, option: Option = [], noise: Noise = None, set: Set = [],
    bits: Bits = None, activation_bits: ActivationBits = None, level_bits: LevelBits = None,
    images: Annotated[int, number(
        "images", f"Test images, 1 to {defaults.MOST_TESTED:,}; all, where there are fewer.")] = defaults.TESTED,
    draws: Draws = defaults.DRAWS,
    until: Annotated[float | None, typer.Option(
        "--until", metavar="SHARE", help="Draw fewer where half the 95 % interval is at most that, as 0.01.")] = None,
    plugin: Plugin = [],
    out: Annotated[Path | None, folder("Output folder for accuracy.json.")] = None,
    as_json: Json = False,
) -> None:
    """Classify test images through the packed crossbars, converter by converter.

    The integer network classifies the same images. Where the architecture has noise, devices are drawn, and each
    classifies all of them. A network that was imported with another measure is judged by that. Test images travel with
    xbarch for the data sets digits, digit_pairs and speech, and are read again from a file .npz.
    """
    from xbarch.measure import accuracy
    from xbarch.render import tables
    from xbarch.support.files import writable, write

    load_plugins(plugin)
    if out is not None:
        writable(out, _ACCURACY)
    with Bar("accuracy", as_json) as progress:
        found = accuracy(arch, workload, images=images, draws=draws, until=until, datapath=datapath,
                         options=options(option), noise=noise, overrides=set, bits=bits,
                         activation_bits=activation_bits, level_bits=level_bits, progress=progress)
    if out is not None:
        write(out / _ACCURACY, json.dumps(found.plain(), indent=1) + "\n")
    if as_json:
        print_json(found.plain())
        return
    tables.show_accuracy(found)
    if out is not None:
        wrote(f"{out}/{_ACCURACY}")


def retention(
    arch: Arch, workload: Load, datapath: DataPath = None, option: Option = [], noise: Noise = None, set: Set = [],
    loss: Annotated[float, typer.Option("--loss", metavar="SHARE", help="Accuracy that may be lost.")] = 0.01,
    images: Annotated[int, number(
        "images", f"Test images, 1 to {defaults.MOST_TESTED:,}; all, where there are fewer.")] = defaults.TESTED,
    draws: Annotated[int, number("draws", f"Devices to draw, 1 to {defaults.MOST_DRAWS:,}.")] = defaults.DRAWS,
    writes: Annotated[float | None, typer.Option(
        "--writes", metavar="N", help="Pulses that a cell survives, for its lifetime.")] = None,
    plugin: Plugin = [], as_json: Json = False,
) -> None:
    """Find how long a programmed network holds, and price programming it again.

    The noise must have the effect drift. Accuracy is measured on the same devices at growing times until it has fallen.
    """
    from xbarch.render import tables
    from xbarch.studies.retention import retention

    load_plugins(plugin)
    with Bar("retention", as_json) as progress:
        found = retention(arch, workload, loss=loss, images=images, draws=draws, writes=writes, datapath=datapath,
                          options=options(option), noise=noise, overrides=set, progress=progress)
    if as_json:
        print_json(found.plain())
    else:
        tables.show_retention(found.plain())
