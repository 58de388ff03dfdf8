"""Commands that make workloads: compress trains one, import takes a checkpoint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli.arguments import Option, Plugin, folder, load_plugins, number, operation_unit, pairs
from xbarch.cli.terminal import Bar, wrote
from xbarch.errors import InputError


def compress(
    recipe: Annotated[str, typer.Argument(
        help="Training recipe or grid of recipes: a YAML file or a bundled name.")],
    out: Annotated[Path | None, folder("Output folder for the workload (default: ./NAME).")] = None,
    fresh: Annotated[bool, typer.Option(help="Start again instead of resuming.")] = False,
    only: Annotated[str, typer.Option(
        metavar="PATTERN", help="Recipes of a grid to train, such as 'vgg7_*'.")] = "*",
    plugin: Plugin = [],
) -> None:
    """Train, prune and quantize a network, or each of a grid, and store it; an interrupted training resumes."""
    from xbarch.compress.recipes import resolve

    load_plugins(plugin)
    resolve(recipe, out, only=only)  # a wrong recipe is refused before torch is loaded
    from xbarch import train

    with Bar("compress", False) as bar:
        def progress(done: int, total: int, text: str) -> None:
            if bar is None:
                print(f"{text} (epoch {done} of {total})", file=sys.stderr, flush=True)
            else:
                bar(done, total, text)

        place = train(recipe, out=out, resume=not fresh, only=only, progress=progress)
    wrote(place)


def import_(
    model: Annotated[str, typer.Argument(help="Reference model, path.py:factory or module:factory.")],
    weights: Annotated[Path, typer.Option(help="Checkpoint: a state dict of the model, in floating point.")],
    method: Annotated[str, typer.Option(help="Data path that the weights are for.")],
    out: Annotated[Path, folder("Output folder for the stored workload.")],
    data: Annotated[list[str], typer.Option(
        help="Images: digits, digit_pairs or a folder, then field=value; repeatable.")] = [],
    option: Option = [],
    apply: Annotated[bool, typer.Option("--apply", help="Prune for the method instead of checking.")] = False,
    density: Annotated[float | None, typer.Option(help="With --apply: share of weights to keep.")] = None,
    layer: Annotated[list[str], typer.Option(
        help="With --apply: density of one layer, name=share; repeatable.")] = [],
    width: Annotated[int | None, number("width", "Filters in the first stage of a reference model.")] = None,
    classes: Annotated[int | None, number("classes", "Classes of a reference model (default: the data's).")] = None,
    size: Annotated[int | None, number("size", "Height and width of the images.")] = None,
    weight_bits: Annotated[int, number("weight_bits", "Bits per weight, sign included.")] = 4,
    activation_bits: Annotated[int, number("activation_bits", "Bits per activation, unsigned.")] = 4,
    weight_scale: Annotated[str, typer.Option(
        help="Scale of the weights: lsq (least squared error) | mean | nonzero_mean | sawb.")] = "lsq",
    chain: Annotated[str, typer.Option(help="Scales between layers: real | power_of_two.")] = "real",
    rows: Annotated[int, number("rows", "Word lines per crossbar.")] = 128,
    columns: Annotated[int, number("columns", "Bit lines per crossbar.")] = 128,
    cell_bits: Annotated[int, number("cell_bits", "Bits per cell.")] = 2,
    ou: Annotated[dict[str, int] | None, typer.Option(
        "--operation-unit", parser=operation_unit, metavar="ROWSxCOLUMNS",
        help="Cells sensed by one read (default: the whole crossbar).")] = None,
    seed: Annotated[int, number("seed", "Seed of the data's splits and of calibration.")] = 0,
    threads: Annotated[int, number("threads", "CPU threads.")] = 1,
    plugin: Plugin = [],
) -> None:
    """Quantize a checkpoint of your own, check it for a method or prune it, and store it as a workload."""
    if density is not None and not apply:
        raise InputError("--density is only valid with --apply", field="density")
    if apply and density is None:
        raise InputError("--apply needs --density, the share of weights to keep (above 0, up to 1)", field="density")
    load_plugins(plugin)
    from xbarch import import_weights
    from xbarch.compress.importing.request import data_fields
    from xbarch.workload.store import read_manifest

    images = data_fields(data)
    if size is not None:
        images["size"] = size
    place = import_weights(
        model, weights, method, out=out, data=images, options=pairs(option), density=density,
        layers=pairs(layer, "layer"), width=width, classes=classes, seed=seed, threads=threads,
        quantization={"weight_bits": weight_bits, "activation_bits": activation_bits, "weight_scale": weight_scale,
                      "chain": chain},
        geometry={"rows": rows, "columns": columns, "cell_bits": cell_bits, "operation_unit": ou})
    accuracy = read_manifest(place).accuracy
    print(f"accuracy {accuracy['imported']:.2%}, in floating point {accuracy['float']:.2%}")
    wrote(place)
