"""The command compare: of saved results, or of what it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli import names
from xbarch.cli.arguments import (
    Accuracy,
    ActivationBits,
    Axis,
    Batch,
    Bits,
    GivenChips,
    GivenEngine,
    GivenImages,
    GivenMode,
    GivenPeriphery,
    GivenPlacement,
    GivenReplication,
    GivenScope,
    Json,
    LevelBits,
    Plugin,
    Processes,
    Reload,
    folder,
)
from xbarch.cli.reading import axes, given, load_plugins, options, words
from xbarch.cli.terminal import Bar, print_json, wrote
from xbarch.errors import InputError
from xbarch.support import defaults

_ARCHITECTURES = names.several(names.named("architectures"))


def compare(
    results: Annotated[list[Path] | None, typer.Argument(
        metavar="RESULT",
        help="Two or more result.json files or folders that hold one, or one study (YAML file or bundled name).",
        autocompletion=names.named("studies"))] = None,
    arch: Annotated[list[str], typer.Option(
        "--arch", "-a", metavar="NAMES", help="Architectures to run; the first is the base.",
        autocompletion=_ARCHITECTURES)] = [],
    workload: Annotated[list[str], typer.Option(
        "--workload", "-w", metavar="NAMES", help="Workloads to run.",
        autocompletion=names.several(names.named("workloads")))] = [],
    datapath: Annotated[list[str], typer.Option(
        "--datapath", "-d", metavar="NAMES", help="Data paths to run, with options as in meng:group_ch=8, or own | all "
        "(default: own, the one each workload was made for).",
        autocompletion=names.several(names.named("datapaths")))] = [],
    option: Annotated[list[str], typer.Option(
        "--option", "-o", metavar="NAME=VALUE", help="Option of all data paths that have it; repeatable.")] = [],
    policy: Annotated[list[str], typer.Option(
        metavar="POLICIES", help=f"Policies to run under (default: {defaults.EQUAL}, the same crossbars for all).",
        autocompletion=names.several(names.choice(*names.POLICIES)))] = [],
    images: GivenImages = None, chips: GivenChips = None, mode: GivenMode = None, placement: GivenPlacement = None,
    replication: GivenReplication = None, periphery: GivenPeriphery = None, batch: Batch = None,
    engine: GivenEngine = None, reload: Reload = False,
    bits: Bits = None, activation_bits: ActivationBits = None, level_bits: LevelBits = None, accuracy: Accuracy = None,
    axis: Axis = [], scope: GivenScope = None,
    processes: Processes = None, plugin: Plugin = [],
    out: Annotated[Path | None, folder(
        "HTML page to write if it ends in .html, else output folder for the page, tables and pictures.")] = None,
    as_json: Json = False,
) -> None:
    """Compare saved results, or run several designs and compare them.

    Of runs, every workload runs on every architecture by every data path under every policy, as far as they work
    together. Names are separated by commas, or the option is repeated. An interrupted comparison resumes.
    """
    from xbarch.result.result import checked_scope

    saved = results or []
    study = saved[0] if len(saved) == 1 and (saved[0].suffix == ".yaml" or _bundled(saved[0])) else None
    if not (arch or workload or study is not None):
        if beside := given(option=option, datapath=datapath, policy=policy, images=images, chips=chips, mode=mode,
                           placement=placement, replication=replication, periphery=periphery, batch=batch,
                           engine=engine, reload=reload, bits=bits, activation_bits=activation_bits,
                           level_bits=level_bits, accuracy=accuracy, axis=axis):
            raise InputError("saved results are compared as they are; to run others give --arch and --workload",
                             field=next(iter(beside)))
        _compare_saved(saved, out, as_json, checked_scope(defaults.SCOPE if scope is None else scope))
        return
    if (study is None) == (not (arch and workload)) or (study is None and saved):
        raise InputError("give both --arch and --workload, or one study file", field="compare")
    load_plugins(plugin)
    from xbarch.render import tables
    from xbarch.studies import comparison

    choices = given(images=images, chips=chips, mode=mode, placement=placement, replication=replication,
                    periphery=periphery, batch=batch, engine=engine, reload=reload, bits=bits,
                    activation_bits=activation_bits, level_bits=level_bits, accuracy=accuracy, axes=axes(axis),
                    options={"all": chosen} if (chosen := options(option)) else {})
    if study is not None and (beside := given(**choices, datapath=datapath, policy=policy)):
        raise InputError("a study file says this itself; change it there", field=next(iter(beside)))
    within = None if scope is None else checked_scope(scope)
    with Bar("compare", as_json) as progress:
        if study is not None:
            rows = comparison.study(study, scope=within, out=out, processes=processes, progress=progress)
        else:
            rows = comparison.compare(
                words(arch), words(workload), datapaths=words(datapath) or ["own"],
                policies=words(policy) or [defaults.EQUAL], scope=within or defaults.SCOPE, out=out,
                processes=processes, progress=progress, **choices)
    if as_json:
        print_json(comparison.plain(rows))
        return
    tables.show_study(comparison.plain(rows), comparison.warnings(rows))
    if out is not None:
        wrote(out if out.suffix == ".html" else f"{out}/comparison.html, .md, .csv and pictures")


def _bundled(study: Path) -> bool:
    from xbarch.support import bundled

    return not study.exists() and str(study) in bundled.names("studies")


def _compare_saved(places: list[Path], out: Path | None, as_json: bool, scope: defaults.Scope) -> None:
    """Compare results that `simulate --out` or `--json` saved."""
    from xbarch.render import compared, tables
    from xbarch.result import result

    records = [result.read(p / "result.json" if p.is_dir() else p) for p in places]
    if len(records) < 2:
        raise InputError(f"must be two or more, not {len(records)}", field="results")
    file = out if out is None or out.suffix == ".html" else out / "comparison.html"
    if file is not None:
        from xbarch.render.interactive.compared import compared_page
        from xbarch.render.interactive.pages import html
        from xbarch.support.files import writable, write

        writable(file.parent, file.name)
        write(file, html(compared_page(records, "xbarch comparison", scope)))
    if as_json:
        lines = [{"field": line.figure.key, "values": line.values, "gains": line.gains}
                 for line in compared.comparison(records, scope)]
        print_json({"results": [r.name for r in records], "figures": lines})
        return
    tables.show_comparison(records, scope)
    if file is not None:
        wrote(file)
