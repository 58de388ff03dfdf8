"""Commands that run many designs: matrix, sweep, search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli import names
from xbarch.cli.arguments import (
    Executor,
    GivenScope,
    Images,
    Json,
    Plugin,
    Processes,
    Scheduler,
    Scope,
    folder,
    number,
)
from xbarch.cli.reading import load_plugins, words
from xbarch.cli.terminal import Bar, print_json, printable, wrote
from xbarch.errors import InputError
from xbarch.support import defaults


def matrix(
    arch: Annotated[list[str], typer.Option(
        "--arch", "-a", metavar="NAMES", help="Architectures to run (default: all that are bundled).",
        autocompletion=names.several(names.named("architectures")))] = [],
    workload: Annotated[str, typer.Option(
        "--workload", "-w", metavar="NAME", help="Workload to run.",
        autocompletion=names.named("workloads"))] = "digit_pairs/vgg7_segprune_8x",
    images: Images = 2, scope: Scope = defaults.SCOPE, processes: Processes = None, plugin: Plugin = [],
    out: Annotated[Path | None, folder("File to write, .md or .html.")] = None,
    as_json: Json = False,
) -> None:
    """Run every data path on every architecture."""
    from xbarch.render import tables
    from xbarch.result.result import checked_scope
    from xbarch.studies import comparison

    load_plugins(plugin)
    with Bar("matrix", as_json) as progress:
        rows = comparison.matrix(words(arch), workload, images=images, scope=checked_scope(scope),
                                 out=out, processes=processes, progress=progress)
    if as_json:
        print_json(comparison.plain(rows))
        return
    tables.show_sections(comparison.sections(rows))
    if out is not None:
        wrote(out)


def sweep(
    study: Annotated[str, typer.Argument(
        metavar="NAME", help="Sweep: a YAML file or a bundled name.", autocompletion=names.named("studies"))],
    out: Annotated[Path | None, folder(
        "Output folder for sweep.csv, sweep.html and the store (default: ./NAME).")] = None,
    scope: GivenScope = None, processes: Processes = None, executor: Executor = names.EXECUTORS[0],
    scheduler: Scheduler = None,
    screen: Annotated[int | None, number("screen", "Find the front without running every point: bound all, run those "
                                                   "that can still be on it, N at a time.")] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Also write OUT/sweep.parquet.")] = False,
    plugin: Plugin = [], as_json: Json = False,
) -> None:
    """Run every combination of a sweep's values. An interrupted sweep resumes."""
    from xbarch.render import tables
    from xbarch.result.result import checked_scope
    from xbarch.studies import sweep as sweeps

    load_plugins(plugin)
    within = None if scope is None else checked_scope(scope)
    place = out if out is not None else Path(Path(study).stem)
    with Bar("sweep", as_json) as progress:
        done = sweeps.sweep(study, place, scope=within, processes=processes, executor=executor, scheduler=scheduler,
                            screen=screen, parquet=parquet, progress=progress)
    ran = done.totals.ran
    if as_json:
        print_json(done.plain())
    else:
        tables.show_sections(sweeps.sections(done))
        wrote(f"{place}/sweep.csv and sweep.html, {ran:,} of {len(done.rows):,} points run")
    if not ran:
        raise InputError(f"none of {len(done.rows):,} points could be run; the first: {done.totals.first}", file=study)


def search(
    study: Annotated[str, typer.Argument(
        metavar="NAME", help="Search: a YAML file or a bundled name.", autocompletion=names.named("studies"))],
    out: Annotated[Path | None, folder("Output folder for search.csv, .json, .svg, .html, trials and answers (default: "
                                       "./NAME).")] = None,
    trials: Annotated[int | None, number("trials", "Points to simulate, instead of the search's.")] = None,
    seed: Annotated[int | None, number("seed", "Seed instead of the search's.")] = None,
    storage: Annotated[str | None, typer.Option(
        "--storage", metavar="FILE|URL", help="Where Optuna keeps the trials (default: OUT/search.journal).")] = None,
    processes: Processes = None, executor: Executor = names.EXECUTORS[0], scheduler: Scheduler = None,
    plugin: Plugin = [], as_json: Json = False,
) -> None:
    """Let an optimizer choose points of a space. An interrupted search resumes."""
    from xbarch.render import tables
    from xbarch.studies import search as searches

    load_plugins(plugin)
    place = out if out is not None else Path(Path(study).stem)
    with Bar("search", as_json) as progress:
        done = searches.search(study, place, trials=trials, seed=seed, storage=storage, processes=processes,
                               executor=executor, scheduler=scheduler, progress=progress)
    if as_json:
        print_json(done.plain())
    else:
        tables.show_sections(searches.sections(done))
        for each in done.front:
            print(f"trial {each.trial}: {printable(each.command)}")
        wrote(f"{place}/search.csv, .json, .svg and .html, {len(done.points):,} points tried")
    if all(each.why for each in done.points):
        raise InputError(f"none of {len(done.points):,} points could be run; the first: {done.points[0].why}",
                         file=study)
