"""The command line. Parses, calls `xbarch.run`, prints; imports nothing heavy before it is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbarch.cli.terminal import Bar, guarded
from xbarch.errors import InputError

if TYPE_CHECKING:
    from xbarch.result.result import Result


def _whole(field: str) -> Callable[[str], int]:
    """Reads a whole number."""
    def read(text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise InputError(f"found {text[:40]!r}, allowed a whole number", field=field) from None
    return read


def _unit(text: str) -> dict[str, int]:
    """An operation unit, ROWSxCOLUMNS."""
    rows, _, columns = text.partition("x")
    if not (rows.isdecimal() and columns.isdecimal()):
        raise InputError(f"found {text[:40]!r}, allowed word lines x bit lines, as 16x16", field="operation_unit")
    return {"rows": int(rows), "columns": int(columns)}


def _place(text: str, field: str = "out") -> Path:
    """Where something is to be written."""
    if not text:
        raise InputError("found '', allowed a path", field=field)
    return Path(text)


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Arch = Annotated[str, typer.Option("--arch", "-a", help="Architecture: a YAML file or a bundled name.")]
Load = Annotated[str, typer.Option("--workload", "-w", help="Workload: a stored folder, a recipe or a bundled name.")]
Policy = Annotated[str, typer.Option(help="Copies of each layer: fit | one_copy | crossbars:K | chip | area")]
Images = Annotated[int, typer.Option(parser=_whole("images"), metavar="N", help="Images that flow through.")]
Mode = Annotated[str, typer.Option(help="What may run at a time: pipelined | layer_by_layer | batch")]
Engine = Annotated[str, typer.Option(help="What simulates, with the same result: auto | simpy | fast")]
Reload = Annotated[bool, typer.Option("--reload", help="Run a network larger than the machine in segments.")]
Batch = Annotated[int | None, typer.Option(
    parser=_whole("batch"), metavar="N", help="Images between two programmings of the crossbars.")]
Placement = Annotated[str, typer.Option(help="Tiles on the chip: row_major | snake | greedy")]
Chips = Annotated[int, typer.Option(parser=_whole("chips"), metavar="N", help="Chips in a chain.")]
DataPath = Annotated[str | None, typer.Option(help="Data path; the workload's own if not given.")]
Option = Annotated[list[str], typer.Option("--option", "-o", help="Option of the data path, name=value.")]
Set = Annotated[list[str], typer.Option("--set", help="Change the architecture: a.b.c=value.")]
Plugin = Annotated[list[Path], typer.Option(
    "--plugin", help="A Python file that defines data paths or parts of machines, or an architecture's YAML.")]
Out = Annotated[Path | None, typer.Option(parser=_place, metavar="PATH", help="Folder for result.json and pictures.")]
Trace = Annotated[Path | None, typer.Option(
    parser=lambda text: _place(text, "trace"), metavar="FILE",
    help="CSV file (.csv, .csv.gz) for every token's times at every stage.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output and nothing else.")]


def _version(wanted: bool) -> None:
    if wanted:
        from xbarch.support.about import __version__

        print(f"xbarch {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Simulate crossbar (in-memory computing) DNN accelerators running pruned, quantized networks."""


@app.command()
def simulate(
    arch: Arch, workload: Load, policy: Policy = "fit", images: Images = 8, chips: Chips = 1,
    datapath: DataPath = None, option: Option = [], set: Set = [], batch: Batch = None,
    placement: Placement = "row_major", mode: Mode = "pipelined", engine: Engine = "auto", reload: Reload = False,
    trace: Trace = None, plugin: Plugin = [], out: Out = None, as_json: Json = False,
) -> None:
    """Simulate a workload on an architecture."""
    from xbarch import run

    _plugins(plugin)
    if out is not None:
        from xbarch.support.files import writable

        if trace is not None and trace.resolve() in (out.resolve(), *out.resolve().parents):
            raise InputError(f"found {trace}, which is to be a folder, allowed a file beside or in it", field="trace")
        writable(out, "result.json", *(f"{name}.{kind}" for name in _PICTURES for kind in _KINDS))
    with Bar("simulate", as_json) as progress:
        result = run.simulate(arch, workload, policy=policy, images=images, chips=chips, datapath=datapath,
                              options=_options(option), overrides=set, batch=batch, placement=placement,
                              mode=mode, engine=engine, reload=reload, trace=trace, progress=progress)
    if out is not None:
        _save(result, out)
    if as_json:
        sys.stdout.write(result.to_json())
        return
    from xbarch.render import tables

    tables.show(result)
    if out is not None:
        print(f"written: {out}/result.json and pictures")
    if trace is not None:
        print(f"written: {trace}")


@app.command()
def compare(
    results: Annotated[list[Path] | None, typer.Argument(
        help="result.json files, or folders that hold one; or a study (YAML).")] = None,
    arch: Annotated[list[str], typer.Option("--arch", "-a", help="Architectures to run, the first is the base.")] = [],
    workloads: Annotated[list[str], typer.Option("--workloads", "-w", help="Workloads to run, commas between.")] = [],
    datapaths: Annotated[str, typer.Option(help="Data paths to run, commas between; own | all.")] = "own",
    policies: Annotated[str, typer.Option(help="Policies to run under, commas between.")] = "fit",
    images: Images = 8, plugin: Plugin = [],
    out: Annotated[Path | None, typer.Option(
        parser=_place, metavar="PATH", help="HTML page to write; of runs a folder.")] = None,
    as_json: Json = False,
) -> None:
    """Put saved results side by side, or run data paths, workloads and architectures and put those side by side."""
    from xbarch.render import tables
    from xbarch.result import result

    given = results or []
    study = given[0] if len(given) == 1 and (given[0].suffix == ".yaml" or _bundled(given[0])) else None
    if arch or workloads or study is not None:
        if (study is None) == (not (arch and workloads)) or (study is None and given):
            raise InputError("found only some of what is to be run, allowed --arch and --workloads, or one study file",
                             field="compare")
        _plugins(plugin)
        _studied(study, arch, _words(workloads), datapaths, policies, images, out, as_json)
        return
    records = [result.read(p / "result.json" if p.is_dir() else p) for p in given]
    if len(records) < 2:
        raise InputError(f"found {len(records)} result, allowed two or more", field="results")
    if out is not None:
        from xbarch.render.page import page
        from xbarch.support.files import writable, write

        writable(out.parent, out.name)
        write(out, page(records, "xbarch comparison"))
    if as_json:
        lines = [{"field": line.figure.key, "values": line.values, "gains": line.gains}
                 for line in tables.comparison(records)]
        print(json.dumps({"results": [r.name for r in records], "figures": lines}, indent=1))
        return
    tables.show_comparison(records)


def _studied(study: Path | None, arch: list[str], workloads: list[str], datapaths: str, policies: str, images: int,
             out: Path | None, as_json: bool) -> None:
    """Run a comparison, write its report where asked to, and print its gains."""
    from xbarch.render import tables
    from xbarch.studies import comparison as studies

    with Bar("compare", as_json) as progress:
        if study is not None:
            rows = studies.study(study, out=out, progress=progress)
        else:
            rows = studies.compare(_words(arch), workloads, datapaths=_words([datapaths]),
                                   policies=_words([policies]), images=images, out=out, progress=progress)
    if as_json:
        print(json.dumps(studies.plain(rows), indent=1))
        return
    tables.show_study(studies.plain(rows))
    if out is not None:
        print(f"written: {out}/comparison.html, .md, .csv and pictures")


def _bundled(study: Path) -> bool:
    from xbarch.support import bundled

    return not study.exists() and str(study) in bundled.names("studies")


def _words(texts: list[str]) -> list[str]:
    """What commas separate, and what options repeat."""
    return [word for text in texts for word in text.split(",") if word]


@app.command()
def matrix(
    arch: Annotated[list[str], typer.Option("--arch", "-a", help="Architectures; all that are bundled.")] = [],
    workload: Annotated[str, typer.Option("--workload", "-w", help="What they run.")] = "digit_pairs/vgg7_segprune_8x",
    images: Images = 2, plugin: Plugin = [],
    out: Annotated[Path | None, typer.Option(parser=_place, metavar="PATH", help=".md or .html file to write.")] = None,
    as_json: Json = False,
) -> None:
    """Run every data path on every architecture and say which take each other."""
    from xbarch.render import tables
    from xbarch.studies import comparison

    _plugins(plugin)
    with Bar("matrix", as_json) as progress:
        rows = comparison.matrix(_words(arch), workload, images=images, out=out, progress=progress)
    if as_json:
        print(json.dumps(comparison.plain(rows), indent=1))
        return
    tables.show_sections(comparison.sections(rows))
    if out is not None:
        print(f"written: {out}")


@app.command()
def sweep(
    study: Annotated[str, typer.Argument(help="Sweep: a YAML file or a bundled name.")],
    out: Annotated[Path | None, typer.Option(
        parser=_place, metavar="PATH", help="Folder for sweep.csv and the store; of the sweep's name, here.")] = None,
    processes: Annotated[int | None, typer.Option(
        parser=_whole("processes"), metavar="N", help="That run points; one a CPU.")] = None,
    plugin: Plugin = [], as_json: Json = False,
) -> None:
    """Run every combination of an architecture's fields and a run's choices, and go on where it was interrupted."""
    from xbarch.render import tables
    from xbarch.studies import sweep as sweeps

    _plugins(plugin)
    folder = out if out is not None else Path(Path(study).stem)
    with Bar("sweep", as_json) as progress:
        found = sweeps.sweep(study, folder, processes=processes, progress=progress)
    ran = sum(not row.why for row in found.rows)
    if as_json:
        print(json.dumps(found.plain(), indent=1))
    else:
        tables.show_sections(sweeps.sections(found))
        print(f"written: {folder}/sweep.csv, {ran:,} of {len(found.rows):,} points run")
    if not ran:
        raise InputError(f"none of {len(found.rows):,} points could be run, the first: {found.rows[0].why}", file=study)


@app.command()
def verify(
    arch: Arch, workload: Load, datapath: DataPath = None, option: Option = [], set: Set = [],
    plugin: Plugin = [], lossless: Annotated[bool, typer.Option(help="ADCs of sufficient resolution.")] = False,
    as_json: Json = False,
) -> None:
    """Execute the packed crossbars on integers and compare with int64, layer by layer."""
    from xbarch import run

    _plugins(plugin)
    rows = run.verify(arch, workload, datapath=datapath, options=_options(option), overrides=set, lossless=lossless)
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        from xbarch.render import tables

        tables.show_verification(rows)
    if any(row["mismatches"] for row in rows):
        raise typer.Exit(5)


@app.command()
def compress(
    recipe: Annotated[str, typer.Argument(help="Training recipe or grid of them, a YAML file or a bundled name.")],
    out: Annotated[Path | None, typer.Option(parser=_place, metavar="PATH", help="Folder for the workload.")] = None,
    fresh: Annotated[bool, typer.Option(help="Start anew instead of resuming.")] = False,
    only: Annotated[str, typer.Option(metavar="PATTERN", help="Of a grid: the recipes to train, as 'vgg7_*'.")] = "*",
    plugin: Plugin = [],
) -> None:
    """Train, prune and quantize a network, or each of a grid, and store it. Resumes where it was interrupted."""
    from xbarch.compress.recipes import ask

    _plugins(plugin)
    ask(recipe, out, only=only)  # a wrong recipe is refused before torch is loaded
    from xbarch.compress.training.run import train

    with Bar("compress", False) as bar:
        def progress(done: int, total: int, text: str) -> None:
            if bar is None:
                print(f"{text} (epoch {done} of {total})", file=sys.stderr, flush=True)
            else:
                bar(done, total, text)

        folder = train(recipe, out=out, resume=not fresh, only=only, progress=progress)
    print(f"written: {folder}")


@app.command("import")
def import_(
    model: Annotated[str, typer.Argument(help="Reference model, path.py:factory or module:factory.")],
    weights: Annotated[Path, typer.Option(help="Checkpoint: a state dict of the model, in floating point.")],
    method: Annotated[str, typer.Option(help="Data path that the weights are for.")],
    out: Annotated[Path, typer.Option(parser=_place, metavar="PATH", help="Folder for the stored workload.")],
    data: Annotated[list[str], typer.Option(help="Images: digits, digit_pairs or a folder; field=value.")] = [],
    option: Option = [],
    apply: Annotated[bool, typer.Option("--apply", help="Prune for the method instead of checking.")] = False,
    density: Annotated[float | None, typer.Option(help="With --apply: share of weights to keep.")] = None,
    layer: Annotated[list[str], typer.Option(help="With --apply: density of one layer, name=share.")] = [],
    width: Annotated[int | None, typer.Option(
        parser=_whole("width"), metavar="N", help="Filters of a reference model's first stage.")] = None,
    classes: Annotated[int | None, typer.Option(
        parser=_whole("classes"), metavar="N", help="Scores of a reference model; the data's classes.")] = None,
    size: Annotated[int | None, typer.Option(
        parser=_whole("size"), metavar="N", help="Height and width of the images.")] = None,
    weight_bits: Annotated[int, typer.Option(parser=_whole("weight_bits"), metavar="N", help="Sign included.")] = 4,
    activation_bits: Annotated[int, typer.Option(
        parser=_whole("activation_bits"), metavar="N", help="Unsigned.")] = 4,
    weight_scale: Annotated[str, typer.Option(help="lsq (least squared error) | mean | nonzero_mean | sawb")] = "lsq",
    chain: Annotated[str, typer.Option(help="Scales: real | power_of_two")] = "real",
    rows: Annotated[int, typer.Option(parser=_whole("rows"), metavar="N", help="Word lines of a crossbar.")] = 128,
    columns: Annotated[int, typer.Option(parser=_whole("columns"), metavar="N", help="Its bit lines.")] = 128,
    cell_bits: Annotated[int, typer.Option(parser=_whole("cell_bits"), metavar="N", help="Bits of a cell.")] = 2,
    operation_unit: Annotated[dict[str, int] | None, typer.Option(
        parser=_unit, metavar="ROWSxCOLUMNS", help="Cells that one read senses; the whole crossbar.")] = None,
    seed: Annotated[int, typer.Option(parser=_whole("seed"), metavar="N", help="Of splits and calibration.")] = 0,
    threads: Annotated[int, typer.Option(parser=_whole("threads"), metavar="N", help="CPU threads.")] = 1,
    plugin: Plugin = [],
) -> None:
    """Quantize a checkpoint of your own, check it for a method or prune it, and store it as a workload."""
    if apply == (density is None):
        raise InputError(f"found {'none' if apply else 'one without --apply'}, allowed a share above 0 up to 1 "
                         "together with --apply", field="density")
    _plugins(plugin)
    from xbarch.compress.intake.checkpoint import data_words, take
    from xbarch.workload.store import read_manifest

    images = data_words(data)
    if size is not None:
        images["size"] = size
    folder = take(
        model, weights, method, out=out, data=images, options=_options(option), density=density,
        layers=_options(layer, "layer"), width=width, classes=classes, seed=seed, threads=threads,
        quantization={"weight_bits": weight_bits, "activation_bits": activation_bits, "weight_scale": weight_scale,
                      "chain": chain},
        geometry={"rows": rows, "columns": columns, "cell_bits": cell_bits, "operation_unit": operation_unit})
    found = read_manifest(folder).accuracy
    print(f"accuracy {found['imported']:.2%}, in floating point {found['float']:.2%}")
    print(f"written: {folder}")


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(
        help="Architecture, recipe, grid, study or sweep: a YAML file or a bundled name.")],
    set: Set = [], plugin: Plugin = [],
) -> None:
    """Check an architecture, a recipe, a grid with every recipe in it, a study or a sweep."""
    from xbarch.cli.answers import checked

    _plugins(plugin)
    for found in checked(file, set, bool(plugin)):
        print(f"{file}: valid, {found}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of architecture files, for editors."""
    from xbarch.specs.architecture import Architecture
    from xbarch.specs.schema import json_schema

    print(json.dumps(json_schema(Architecture), indent=1))


report = typer.Typer(no_args_is_help=True, help="Write a report from stored workloads.")
app.add_typer(report, name="report")


@report.callback()
def _reports() -> None:
    """Write a report from stored workloads."""


@report.command("claims")
def claims_(
    out: Annotated[Path, typer.Option(parser=_place, metavar="PATH", help="Folder for claims.html, .md, .csv and .svg.")
                   ] = Path("reports/claims"),
    workloads: Annotated[Path | None, typer.Option(help="Folder of stored workloads; the bundled ones.")] = None,
    policy: Annotated[list[str], typer.Option(help="Instead of each claim's own; repeatable.")] = [],
    images: Images = 8,
) -> None:
    """Put published claims beside what is simulated."""
    from xbarch.studies.claims.report import claims

    with Bar("claims", False) as progress:
        rows = claims(out, workloads=workloads, policies=policy, images=images, progress=progress)
    lacking = dict.fromkeys(r.status for r in rows if r.status.startswith("not available"))
    for status in lacking:
        print(status)
    print(f"written: {out}/claims.html, .md, .csv and .svg")


@report.command("accuracy")
def accuracy_(
    out: Annotated[Path, typer.Option(parser=_place, metavar="PATH",
                                      help="Folder for accuracy.html, .md, .csv and .svg.")] = Path("reports/accuracy"),
    workloads: Annotated[Path | None, typer.Option(
        help="Folder of a grid's stored workloads; those of the bundled digit_pairs.")] = None,
) -> None:
    """Put accuracy beside what is kept, for the stored workloads of a grid."""
    from xbarch.studies.accuracy import accuracy

    with Bar("accuracy", False) as progress:
        rows = accuracy(out, workloads=workloads, progress=progress)
    missing = [row.name for row in rows if row.measured is None]
    if missing:
        print(f"not trained yet: {', '.join(missing)}")
    print(f"written: {out}/accuracy.html, .md, .csv and .svg")


@report.command("field")
def field_(
    out: Annotated[Path, typer.Option(parser=_place, metavar="PATH",
                                      help="Folder for field.html, .md, .csv and pictures.")] = Path("reports/field"),
    workloads: Annotated[Path | None, typer.Option(
        parser=_place, metavar="PATH", help="Folder with a folder for each point of the curves.")] = None,
    study: Annotated[str, typer.Option(help="Study of the large network: a file or a bundled name.")] = "field",
    plugin: Plugin = [],
) -> None:
    """Put every trained method at equal loss of accuracy and equal crossbars side by side."""
    from xbarch.studies.field import field
    from xbarch.studies.field.pages import said

    _plugins(plugin)
    with Bar("report", False) as progress:
        found = field(out, workloads=workloads, study=study, progress=progress)
    for sentence in said(found):
        print(sentence)
    print(f"written: {out}/field.html, .md, .csv and pictures")


@report.command("architectures")
def architectures_(
    arch: Annotated[list[str], typer.Option("--arch", "-a", help="Architectures; all that are bundled.")] = [],
    out: Annotated[Path, typer.Option(parser=_place, metavar="PATH", help="Folder for NAME.md, NAME.svg and index.md.")
                   ] = Path("docs/architectures"),
    plugin: Plugin = [],
) -> None:
    """Describe architectures: block diagram, pipeline, what is published, what is assumed."""
    _plugins(plugin)
    from xbarch.render.architectures import architectures

    written = architectures(out, _words(arch))
    print(f"written: {len(written)} files in {out}")


new = typer.Typer(no_args_is_help=True, help="Write a working skeleton of something of your own.")
app.add_typer(new, name="new")


@new.callback()
def _skeletons() -> None:
    """Write a working skeleton of something of your own."""


@new.command("datapath")
def new_datapath(
    name: Annotated[str, typer.Argument(help="Of the data path and of its package: a_b1.")],
    out: Annotated[Path | None, typer.Option(parser=_place, metavar="PATH", help="Its folder; NAME here.")] = None,
) -> None:
    """Write a Python package with a data path that works, and its conformance test."""
    from xbarch.plugins.new import new

    print(f"written: {new('datapath', name, out)}")


@new.command("unit")
def new_unit(
    name: Annotated[str, typer.Argument(help="Of the sensing unit and of its package: a_b1.")],
    out: Annotated[Path | None, typer.Option(parser=_place, metavar="PATH", help="Its folder; NAME here.")] = None,
) -> None:
    """Write a Python package with a sensing unit that works, and its test."""
    from xbarch.plugins.new import new

    print(f"written: {new('unit', name, out)}")


@new.command("process")
def new_process(
    name: Annotated[str, typer.Argument(help="Of the process and of its package: a_b1.")],
    out: Annotated[Path | None, typer.Option(parser=_place, metavar="PATH", help="Its folder; NAME here.")] = None,
) -> None:
    """Write a Python package with a unit as a SimPy process that works, and its test."""
    from xbarch.plugins.new import new

    print(f"written: {new('process', name, out)}")


@new.command("architecture")
def new_architecture(
    name: Annotated[str, typer.Argument(help="Of the architecture: a_b1.")],
    out: Annotated[Path | None, typer.Option(parser=_place, metavar="PATH", help="Its file; NAME.yaml here.")] = None,
) -> None:
    """Write a valid architecture with comments to start from."""
    from xbarch.plugins.new import new

    print(f"written: {new('architecture', name, out)}")


@app.command("list")
def catalogue(as_json: Json = False, plugin: Plugin = []) -> None:
    """Name the architectures, workloads, studies, data paths and other plugins there are, and whose they are."""
    _plugins(plugin)
    if plugin:
        from xbarch.cli.catalog import entries
    else:
        from xbarch.cli.answers import entries
    found = entries()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    from xbarch.render import tables

    tables.show_catalog(found)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A YAML file of an architecture, or a name that `list` prints.")],
    set: Set = [], as_json: Json = False, plugin: Plugin = [],
    diagram: Annotated[Path | None, typer.Option(
        parser=_place, metavar="PATH", help="SVG file to write: the architecture's blocks and pipeline.")] = None,
) -> None:
    """Print what has a name: an architecture's counts, area and power; what a plugin is, its options, whose it is."""
    from xbarch.cli import catalog

    _plugins(plugin)
    if diagram is not None and diagram.suffix != ".svg":
        raise InputError(f"found {diagram.name[-60:]!r}, allowed a name that ends in .svg", field="--diagram")
    found = catalog.described(name, set)
    if diagram is not None:
        _diagram(name, set, diagram)
    if as_json:
        print(json.dumps(found[0] if len(found) == 1 else found, indent=1))
        return
    from xbarch.render import tables

    tables.show_described(found)
    if diagram is not None:
        print(f"written: {diagram}")


def _diagram(name: str, overrides: list[str], out: Path) -> None:
    from xbarch.render.diagram import diagram
    from xbarch.specs.architecture import Architecture
    from xbarch.specs.load import load
    from xbarch.support.files import write

    write(out, diagram(load(name, Architecture, overrides)))


def _options(pairs: list[str], field: str = "option") -> dict[str, Any]:
    """name=value pairs; values are read as JSON where they are JSON, else as text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"found {pair[:40]!r}, allowed name=value", field=field)
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            found[name] = value
    return found


def _plugins(files: list[Path]) -> None:
    if files:
        from xbarch.plugins import registry

        for file in files:
            registry.load_file(file)


_PICTURES, _KINDS = ("energy", "timeline", "utilization", "chip"), ("svg", "png")


def _save(result: Result, out: Path) -> None:
    """The record and the pictures, together or not at all."""
    from xbarch.render import pictures
    from xbarch.support.files import write_all

    drawn: dict[Path, str | bytes] = {
        out / f"{name}.{kind}": pictures.render(pictures.PICTURES[name], result, kind)
        for name in _PICTURES for kind in _KINDS}
    write_all({**drawn, out / "result.json": result.to_json()})


def main() -> None:
    """The command line as `xbarch.__main__` calls it."""
    guarded(app)
