"""Commands that run or compare many: compare, matrix, sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli.arguments import (
    Axis,
    Batch,
    Bits,
    Given,
    GivenChips,
    GivenEngine,
    GivenMode,
    GivenPlacement,
    Images,
    Json,
    Plugin,
    Processes,
    Reload,
    axes,
    folder,
    given,
    load_plugins,
    words,
)
from xbarch.cli.terminal import Bar, print_json, wrote
from xbarch.errors import InputError
from xbarch.support import defaults


def compare(
    results: Annotated[list[Path] | None, typer.Argument(
        help="Two or more result.json files or folders that hold one, or one study (YAML file or bundled name).",
    )] = None,
    arch: Annotated[list[str], typer.Option(
        "--arch", "-a", help="Architectures to run, separated by commas; the first is the base.")] = [],
    workloads: Annotated[list[str], typer.Option(
        "--workloads", "-w", help="Workloads to run, separated by commas.")] = [],
    datapaths: Annotated[str, typer.Option(help="Data paths to run, separated by commas, or own | all.")] = "own",
    policies: Annotated[str, typer.Option(help="Policies to run under, separated by commas.")] = defaults.POLICY,
    images: Given = None, chips: GivenChips = None, mode: GivenMode = None, placement: GivenPlacement = None,
    batch: Batch = None, engine: GivenEngine = None, reload: Reload = False, bits: Bits = None, axis: Axis = [],
    processes: Processes = None, plugin: Plugin = [],
    out: Annotated[Path | None, folder("Of saved results, HTML page to write; of runs, output folder.")] = None,
    as_json: Json = False,
) -> None:
    """Compare saved results, or run data paths, workloads and architectures and compare those."""
    saved = results or []
    study = saved[0] if len(saved) == 1 and (saved[0].suffix == ".yaml" or _bundled(saved[0])) else None
    if not (arch or workloads or study is not None):
        _compare_saved(saved, out, as_json)
        return
    if (study is None) == (not (arch and workloads)) or (study is None and saved):
        raise InputError("give both --arch and --workloads, or one study file", field="compare")
    load_plugins(plugin)
    from xbarch.render import tables
    from xbarch.studies import comparison

    with Bar("compare", as_json) as progress:
        if study is not None:
            rows = comparison.study(study, out=out, processes=processes, progress=progress)
        else:
            rows = comparison.compare(
                words(arch), words(workloads), datapaths=words([datapaths]), policies=words([policies]), out=out,
                processes=processes, progress=progress,
                **given(images=images, chips=chips, mode=mode, placement=placement, batch=batch, engine=engine,
                        reload=reload, bits=bits, axes=axes(axis) or None))
    if as_json:
        print_json(comparison.plain(rows))
        return
    tables.show_study(comparison.plain(rows))
    if out is not None:
        wrote(f"{out}/comparison.html, .md, .csv and pictures")


def _bundled(study: Path) -> bool:
    from xbarch.support import bundled

    return not study.exists() and str(study) in bundled.names("studies")


def _compare_saved(places: list[Path], out: Path | None, as_json: bool) -> None:
    """Compare results that `simulate --out` or `--json` saved."""
    from xbarch.render import compared, tables
    from xbarch.result import result

    records = [result.read(p / "result.json" if p.is_dir() else p) for p in places]
    if len(records) < 2:
        raise InputError(f"must be two or more, not {len(records)}", field="results")
    if out is not None:
        from xbarch.render.page import page
        from xbarch.support.files import writable, write

        writable(out.parent, out.name)
        write(out, page(records, "xbarch comparison"))
    if as_json:
        lines = [{"field": line.figure.key, "values": line.values, "gains": line.gains}
                 for line in compared.comparison(records)]
        print_json({"results": [r.name for r in records], "figures": lines})
        return
    tables.show_comparison(records)


def matrix(
    arch: Annotated[list[str], typer.Option(
        "--arch", "-a", help="Architectures, separated by commas (default: all that are bundled).")] = [],
    workload: Annotated[str, typer.Option(
        "--workload", "-w", help="Workload to run.")] = "digit_pairs/vgg7_segprune_8x",
    images: Images = 2, processes: Processes = None, plugin: Plugin = [],
    out: Annotated[Path | None, folder("File to write, .md or .html.")] = None,
    as_json: Json = False,
) -> None:
    """Run every data path on every architecture and show which can run together."""
    from xbarch.render import tables
    from xbarch.studies import comparison

    load_plugins(plugin)
    with Bar("matrix", as_json) as progress:
        rows = comparison.matrix(words(arch), workload, images=images, out=out, processes=processes, progress=progress)
    if as_json:
        print_json(comparison.plain(rows))
        return
    tables.show_sections(comparison.sections(rows))
    if out is not None:
        wrote(out)


def sweep(
    study: Annotated[str, typer.Argument(help="Sweep: a YAML file or a bundled name.")],
    out: Annotated[Path | None, folder("Output folder for sweep.csv and the store (default: ./NAME).")] = None,
    processes: Processes = None, plugin: Plugin = [], as_json: Json = False,
) -> None:
    """Run every combination of an architecture's fields and a run's choices; an interrupted sweep resumes."""
    from xbarch.render import tables
    from xbarch.studies import sweep as sweeps

    load_plugins(plugin)
    place = out if out is not None else Path(Path(study).stem)
    with Bar("sweep", as_json) as progress:
        done = sweeps.sweep(study, place, processes=processes, progress=progress)
    ran = sum(not row.why for row in done.rows)
    if as_json:
        print_json(done.plain())
    else:
        tables.show_sections(sweeps.sections(done))
        wrote(f"{place}/sweep.csv, {ran:,} of {len(done.rows):,} points run")
    if not ran:
        raise InputError(f"none of {len(done.rows):,} points could be run; the first: {done.rows[0].why}", file=study)
