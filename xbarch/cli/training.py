"""Commands that make workloads: compress trains one, import takes a checkpoint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xbarch.cli import names
from xbarch.cli.arguments import Option, Plugin, Scheduler, folder, number, one_of
from xbarch.cli.reading import load_plugins, operation_unit, options
from xbarch.cli.terminal import Bar, say, wrote
from xbarch.errors import InputError
from xbarch.support.pairs import read_pairs

if TYPE_CHECKING:
    from xbarch.workload.store import Manifest


def compress(
    recipe: Annotated[str, typer.Argument(
        metavar="NAME", help="Training recipe or grid of recipes: a YAML file or a bundled name.",
        autocompletion=names.named("workloads"))],
    out: Annotated[Path | None, folder("Output folder for the workload (default: beside the recipe, or here).")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again instead of resuming.")] = False,
    only: Annotated[str, typer.Option(
        metavar="PATTERN", help="Recipes of a grid to train, such as 'vgg7_*'.")] = "*",
    data: Annotated[list[str], typer.Option(
        metavar="NAME|FIELD=VALUE",
        help="Images in place of the recipes' own: digits, digit_pairs, mnist, speech or a folder, then field=value; "
             "repeatable.")] = [],
    processes: Annotated[int | None, number(
        "processes", "Recipes of a grid to train at once (default: one, here).")] = None,
    executor: Annotated[str | None, typer.Option(
        "--executor", metavar="NAME",
        help=f"Where recipes of a grid are trained: {' | '.join(names.EXECUTORS)}, or one that an installed package "
             "offers (default: here).", autocompletion=names.choice(*names.EXECUTORS))] = None,
    scheduler: Scheduler = None, plugin: Plugin = [],
) -> None:
    """Train, prune and quantize a network or a grid of them. An interrupted training resumes."""
    from xbarch.compress.importing.request import data_fields
    from xbarch.compress.recipes import resolve

    load_plugins(plugin)
    images = data_fields(data) or None
    jobs = resolve(recipe, out, only=only, data=images)  # a wrong recipe is refused before torch is loaded
    from xbarch import train

    with Bar("compress", False) as bar:
        step = "epoch" if executor is None and processes is None else "recipe"

        def progress(done: int, total: int, text: str) -> None:
            if bar is None:
                print(f"{text} ({step} {done} of {total})", file=sys.stderr, flush=True)
            else:
                bar(done, total, text)

        place = train(recipe, out=out, resume=not fresh, only=only, data=images, executor=executor, processes=processes,
                      scheduler=scheduler, progress=progress)
    from xbarch.workload.store import read_manifest

    for job in jobs:
        if not job.row and (several := len(read_manifest(job.out).outputs)) > 1:
            say(f"{job.name}: of {several} outputs only the first was trained")
    wrote(place)


def import_(
    model: Annotated[str, typer.Argument(
        metavar="MODEL", help="Reference model, path.py:factory, module:factory, or a file .onnx or .pt2.")],
    method: Annotated[str, typer.Option(
        metavar="NAME", help="Data path that the weights are for.", autocompletion=names.named("datapaths"))],
    out: Annotated[Path, folder("Output folder for the stored workload.")],
    weights: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Checkpoint: the model's state dict (none for .onnx and .pt2).")] = None,
    data: Annotated[list[str], typer.Option(
        metavar="NAME|FIELD=VALUE",
        help="Images: digits, digit_pairs or a folder, then field=value; repeatable.")] = [],
    option: Option = [],
    apply: Annotated[bool, typer.Option("--apply", help="Prune for the method instead of checking.")] = False,
    density: Annotated[float | None, typer.Option(
        metavar="SHARE", help="With --apply: share of weights to keep.")] = None,
    layer: Annotated[list[str], typer.Option(
        metavar="LAYER=SHARE", help="With --apply: density of one layer; repeatable.")] = [],
    width: Annotated[int | None, number("width", "Filters in the first stage of a reference model.")] = None,
    classes: Annotated[int | None, number("classes", "Classes of a reference model (default: the data's).")] = None,
    size: Annotated[int | None, number("size", "Height and width of the images.")] = None,
    weight_bits: Annotated[int, number("weight_bits", "Bits per weight, sign included.")] = 4,
    activation_bits: Annotated[int, number("activation_bits", "Bits per activation, unsigned.")] = 4,
    weight_scale: Annotated[str, one_of("weight_scale", "Scale of the weights", names.WEIGHT_SCALES)] = "lsq",
    weight_step: Annotated[str | None, one_of(
        "weight_step", "A step of its own for each (default: filter; layer with --apply)", names.WEIGHT_STEPS)] = None,
    zeros: Annotated[str, one_of("zeros", "Zero weights without a mask", names.ZEROS)] = "auto",
    chain: Annotated[str, one_of("chain", "Scales between layers", names.CHAINS)] = "real",
    batch_norm: Annotated[str, one_of(
        "batch_norm", "Batch norm statistics: as trained, or measured again", names.BATCH_NORMS)] = "keep",
    calibration: Annotated[str, one_of("calibration", "How activations' clips are set",
                                       names.CALIBRATIONS)] = "squared_error",
    percentile: Annotated[float, typer.Option(
        metavar="PERCENT", help="With --calibration percentile: of an activation's magnitudes.")] = 99.99,
    rows: Annotated[int, number("rows", "Word lines per crossbar.")] = 128,
    columns: Annotated[int, number("columns", "Bit lines per crossbar.")] = 128,
    cell_bits: Annotated[int, number("cell_bits", "Bits per cell.")] = 2,
    ou: Annotated[dict[str, int] | None, typer.Option(
        "--operation-unit", parser=operation_unit, metavar="ROWSxCOLUMNS",
        help="Cells sensed by one read (default: the whole crossbar).")] = None,
    measure: Annotated[str | None, typer.Option(
        metavar="NAME", help="What accuracy is: top1, pixel_accuracy, mean_iou, mse, correlation, an entry point, or "
        "path.py:function (default: what suits the data).")] = None,
    seed: Annotated[int, number("seed", "Seed of the data's splits and of calibration.")] = 0,
    threads: Annotated[int, number("threads", "CPU threads.")] = 1,
    plugin: Plugin = [],
) -> None:
    """Make a workload from a checkpoint of your own.

    The checkpoint is quantized, checked for a method's data path or pruned for it, and stored.
    """
    if density is not None and not apply:
        raise InputError("--density is only valid with --apply")
    if apply and density is None:
        raise InputError("--apply needs --density, the share of weights to keep (above 0, up to 1)")
    load_plugins(plugin)
    from xbarch import import_weights
    from xbarch.compress.importing.request import data_fields

    images = data_fields(data)
    if size is not None:
        images["size"] = size
    with Bar("import", False) as progress:
        place = import_weights(
            model, weights, method, out=out, data=images, options=options(option), density=density,
            layers=read_pairs(layer, "layer"), width=width, classes=classes, zeros=zeros, batch_norm=batch_norm,
            calibration=calibration, percentile=percentile, measure=measure, seed=seed, threads=threads,
            quantization={"weight_bits": weight_bits, "activation_bits": activation_bits,
                          "weight_scale": weight_scale, "chain": chain,
                          **({"weight_step": weight_step} if weight_step else {})},
            geometry={"rows": rows, "columns": columns, "cell_bits": cell_bits, "operation_unit": ou},
            progress=progress)
    from xbarch.workload.store import read_manifest

    say(_accuracy(read_manifest(place)))
    wrote(place)


def _accuracy(manifest: Manifest) -> str:
    """Accuracy, or another measure, in integers, in floating point and through crossbars, each with its n."""
    from xbarch.result import words

    found, count = manifest.accuracy, manifest.data["test"]
    said = {phase: words.value(value, manifest.measure) for phase, value in found.items()}
    text = f"{words.named(manifest.measure)} {said['imported']}, in floating point {said['float']}, n = {count:,}"
    if "crossbars" in found:
        text += f"; through crossbars {said['crossbars']}, n = {manifest.recipe['crossbar_images']:,}"
    return text
