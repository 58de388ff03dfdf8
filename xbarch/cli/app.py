"""The command line: every command and the function that runs it. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from xbarch.cli import checks, compare, lookup, reports, runs, sharing, skeletons, studies, training
from xbarch.cli.terminal import guarded

_Command = Callable[..., None]
_RUNS: dict[str, _Command] = {
    "simulate": runs.simulate, "verify": checks.verify, "accuracy": checks.accuracy, "retention": checks.retention,
    "compare": compare.compare, "matrix": studies.matrix, "sweep": studies.sweep,
    "search": studies.search,
    "bundle": sharing.bundle, "reproduce": sharing.reproduce,
    "compress": training.compress, "import": training.import_,
    "validate": lookup.validate, "list": lookup.catalogue, "show": lookup.show, "schema": lookup.schema,
    "doctor": lookup.doctor,
}
_REPORTS: dict[str, _Command] = {
    "claims": reports.claims, "accuracy": reports.accuracy, "field": reports.field,
    "architectures": reports.architectures, "validation": reports.validation,
}


def _group(help: str) -> typer.Typer:
    """Make a group of commands. Help texts are plain: rich would take longer to import than all that is here."""
    return typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


app = _group("Simulate crossbar (in-memory computing) DNN accelerators running pruned, quantized networks.")
report = _group("Write a report.")
new = _group("Write a working skeleton of a plugin, an architecture, a study or a sweep.")
for _name, _command in _RUNS.items():
    app.command(_name)(_command)
for _name, _command in _REPORTS.items():
    report.command(_name)(_command)
for _name, _help in skeletons.KINDS.items():
    new.command(_name, help=_help)(skeletons.skeleton)
app.add_typer(report, name="report")
app.add_typer(new, name="new")


def _version(wanted: bool) -> None:
    if wanted:
        from xbarch.support.about import __version__

        print(f"xbarch {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                          help="Print the version and exit.")] = False,
    verbose: Annotated[int, typer.Option(
        "--verbose", "-v", count=True, show_default=False,
        help="Print what is done to standard error; -vv for details.")] = 0,
) -> None:
    """Handle the options that stand before the command."""
    if verbose and not context.resilient_parsing:
        from xbarch.cli.log import Verbose

        context.call_on_close(Verbose(verbose).close)

def main() -> None:
    """Run the command line and exit; `xbarch.__main__` calls it."""
    guarded(app)
