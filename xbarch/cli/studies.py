"""Commands that run or compare many: compare, matrix, sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli import names
from xbarch.cli.arguments import Images, Json, Plugin, folder, load_plugins, number, words
from xbarch.cli.terminal import Bar, print_json, wrote
from xbarch.errors import InputError

_ARCHITECTURES = names.several(names.named("architectures"))


def compare(
    results: Annotated[list[Path] | None, typer.Argument(
        metavar="RESULT",
        help="Two or more result.json files or folders that hold one, or one study (YAML file or bundled name).",
        autocompletion=names.named("studies"))] = None,
    arch: Annotated[list[str], typer.Option(
        "--arch", "-a", metavar="NAMES", help="Architectures to run, separated by commas; the first is the base.",
        autocompletion=_ARCHITECTURES)] = [],
    workloads: Annotated[list[str], typer.Option(
        "--workloads", "-w", metavar="NAMES", help="Workloads to run, separated by commas.",
        autocompletion=names.several(names.named("workloads")))] = [],
    datapaths: Annotated[str, typer.Option(
        metavar="NAMES", help="Data paths to run, separated by commas, or own | all.",
        autocompletion=names.several(names.named("datapaths")))] = "own",
    policies: Annotated[str, typer.Option(
        metavar="NAMES", help="Policies to run under, separated by commas.",
        autocompletion=names.several(names.choice(*names.POLICIES)))] = "fit",
    images: Images = 8, plugin: Plugin = [],
    out: Annotated[Path | None, folder("Of saved results, HTML page to write; of runs, output folder.")] = None,
    as_json: Json = False,
) -> None:
    """Compare saved results, or run several designs and compare them.

    Of runs, every workload runs on every architecture by every data path under every policy, as far as they work
    together.
    """
    given = results or []
    study = given[0] if len(given) == 1 and (given[0].suffix == ".yaml" or _bundled(given[0])) else None
    if not (arch or workloads or study is not None):
        _compare_saved(given, out, as_json)
        return
    if (study is None) == (not (arch and workloads)) or (study is None and given):
        raise InputError("give both --arch and --workloads, or one study file", field="compare")
    load_plugins(plugin)
    from xbarch.render import tables
    from xbarch.studies import comparison

    with Bar("compare", as_json) as progress:
        if study is not None:
            rows = comparison.study(study, out=out, progress=progress)
        else:
            rows = comparison.compare(words(arch), words(workloads), datapaths=words([datapaths]),
                                      policies=words([policies]), images=images, out=out, progress=progress)
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
    from xbarch.render import tables
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
                 for line in tables.comparison(records)]
        print_json({"results": [r.name for r in records], "figures": lines})
        return
    tables.show_comparison(records)


def matrix(
    arch: Annotated[list[str], typer.Option(
        "--arch", "-a", metavar="NAMES", help="Architectures, separated by commas (default: all that are bundled).",
        autocompletion=_ARCHITECTURES)] = [],
    workload: Annotated[str, typer.Option(
        "--workload", "-w", metavar="NAME", help="Workload to run.",
        autocompletion=names.named("workloads"))] = "digit_pairs/vgg7_segprune_8x",
    images: Images = 2, plugin: Plugin = [],
    out: Annotated[Path | None, folder("File to write, .md or .html.")] = None,
    as_json: Json = False,
) -> None:
    """Run every data path on every architecture."""
    from xbarch.render import tables
    from xbarch.studies import comparison

    load_plugins(plugin)
    with Bar("matrix", as_json) as progress:
        rows = comparison.matrix(words(arch), workload, images=images, out=out, progress=progress)
    if as_json:
        print_json(comparison.plain(rows))
        return
    tables.show_sections(comparison.sections(rows))
    if out is not None:
        wrote(out)


def sweep(
    study: Annotated[str, typer.Argument(
        metavar="NAME", help="Sweep: a YAML file or a bundled name.", autocompletion=names.named("studies"))],
    out: Annotated[Path | None, folder("Output folder for sweep.csv and the store (default: ./NAME).")] = None,
    processes: Annotated[int | None, number("processes", "Worker processes (default: one per CPU).")] = None,
    plugin: Plugin = [], as_json: Json = False,
) -> None:
    """Run every combination of a sweep's values. An interrupted sweep resumes."""
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
