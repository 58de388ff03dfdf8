"""Commands that write a report: claims, accuracy, field, architectures, validation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli import names
from xbarch.cli.arguments import GivenPeriphery, GivenScope, Images, Plugin, folder
from xbarch.cli.reading import load_plugins, place, words
from xbarch.cli.terminal import Bar, say, wrote


def claims(
    out: Annotated[Path, folder("Output folder for claims.html, .md, .csv, .svg and equal_loss.csv.")] = Path(
        "reports/claims"),
    workloads: Annotated[Path | None, typer.Option(
        metavar="PATH", help="Folder of stored workloads (default: the bundled ones).")] = None,
    policy: Annotated[list[str], typer.Option(
        metavar="POLICY", help="Policy instead of that of each figure; repeatable.",
        autocompletion=names.choice(*names.POLICIES))] = [],
    images: Images = 8, periphery: GivenPeriphery = None,
) -> None:
    """Compare published claims with simulations."""
    from xbarch.studies.claims.report import claims

    with Bar("claims", False) as progress:
        rows = claims(out, workloads=workloads, policies=policy, images=images, periphery=periphery,
                      progress=progress)
    for status in dict.fromkeys(r.status for r in rows if r.status.startswith("not available")):
        say(status)
    wrote(f"{out}/claims.html, .md, .csv and .svg, equal_loss.csv")


def accuracy(
    out: Annotated[Path, folder("Output folder for accuracy.html, .md, .csv and .svg.")] = Path("reports/accuracy"),
    workloads: Annotated[Path | None, typer.Option(
        metavar="PATH",
        help="Folder of a grid's stored workloads (default: those of the bundled digit_pairs).")] = None,
    against: Annotated[Path | None, typer.Option(
        metavar="PATH", help="Folder of another grid, of other data: are the methods in the same order there?")] = None,
    equal_loss: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Also write a grid of recipes, each method at the densities at which it loses 1 and 2 "
                             "points.")] = None,
) -> None:
    """Plot accuracy against the weights kept, for the stored workloads of a grid."""
    from xbarch.studies.accuracy import accuracy

    with Bar("accuracy", False) as progress:
        rows = accuracy(out, workloads=workloads, against=against, equal_loss=equal_loss, progress=progress)
    if missing := [row.name for row in rows if row.measured is None and row.seed is None]:
        say(f"not trained yet: {', '.join(missing)}")
    wrote(f"{out}/accuracy.html, .md, .csv and .svg")


def field(
    out: Annotated[Path, folder("Output folder for field.html, .md, .csv and pictures.")] = Path("reports/field"),
    workloads: Annotated[Path | None, typer.Option(
        parser=place("workloads"), metavar="PATH", help="Folder with one folder per point of the curves.")] = None,
    study: Annotated[str, typer.Option(
        metavar="NAME", help="Study of the large network: a file or a bundled name.",
        autocompletion=names.named("studies"))] = "field",
    scope: GivenScope = None, periphery: GivenPeriphery = None, plugin: Plugin = [],
) -> None:
    """Compare all trained methods at equal loss of accuracy and on equal crossbars."""
    from xbarch.result.result import checked_scope
    from xbarch.studies.field import field
    from xbarch.studies.field.findings import sentences

    load_plugins(plugin)
    within = None if scope is None else checked_scope(scope)
    with Bar("report", False) as progress:
        found = field(out, workloads=workloads, study=study, scope=within, periphery=periphery, progress=progress)
    for sentence in sentences(found):
        say(sentence)
    wrote(f"{out}/field.html, .md, .csv and pictures")


def validation(
    out: Annotated[Path, folder("Output folder for validation.html, .md, .csv and .svg.")] = Path("reports/validation"),
) -> None:
    """Set what is simulated beside silicon and other tools' numbers."""
    from xbarch.studies.validation import validation

    with Bar("validation", False) as progress:
        validation(out, progress=progress)
    wrote(f"{out}/validation.html, .md, .csv and .svg")


def architectures(
    arch: Annotated[list[str], typer.Option(
        "--arch", "-a", metavar="NAMES", help="Architectures, separated by commas (default: all that are bundled).",
        autocompletion=names.several(names.named("architectures")))] = [],
    out: Annotated[Path, folder("Output folder for NAME.md, NAME.svg and index.md.")] = Path("docs/architectures"),
    plugin: Plugin = [],
) -> None:
    """Describe architectures: block diagram, pipeline, published figures, assumptions."""
    load_plugins(plugin)
    from xbarch.render.architectures import architectures

    wrote(f"{len(architectures(out, words(arch)))} files in {out}")
