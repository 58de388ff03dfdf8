"""Write docs/cli.md, the reference of the command line, from the commands themselves: `python docs/cli.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from xbarch.cli.app import app

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# Command line

Written by `python docs/cli.py` from the commands themselves. `xbarch COMMAND --help` prints the same. What the terms
mean is in the [reference](reference.md), with the [exit codes](reference.md#exit-codes).

`xbarch --install-completion` makes the shell complete commands, options and the names of architectures, workloads,
studies and plugins.
"""


def page() -> str:
    """Return the whole page."""
    group: Any = typer.main.get_command(app)
    parts = [HEAD, "## Before the command\n", *_options(group)]
    for name, command in commands(group):
        parts += [f"\n## xbarch {name}\n", *(f"{text}\n" for text in _paragraphs(command.help)), *_options(command)]
    return "\n".join(parts) + "\n"


def commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command of a group and of the groups in it, by the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{above}{name} ")
        else:
            yield above + name, command


def _paragraphs(text: str) -> list[str]:
    """Join the lines of each paragraph, and break them for this page."""
    import textwrap

    return [textwrap.fill(" ".join(part.split()), 120) for part in text.split("\n\n")]


def _options(command: Any) -> list[str]:
    """Return the table of a command's arguments and options."""
    rows = [_row(param) for param in command.params if param.name != "help"]
    return ["| Option | Meaning | Default |", "|---|---|---|", *rows] if rows else []


def _row(param: Any) -> str:
    argument = param.param_type_name == "argument"
    value = param.metavar or ""
    flag = getattr(param, "is_flag", False) or getattr(param, "count", False)
    name = f"`{value or param.name.upper()}`" if argument else ", ".join(f"`{option}`" for option in param.opts)
    if value and not argument and not flag:
        name += f" *{_cell(value)}*"
    default = param.default
    known = "" if callable(default) or default in (None, [], (), False, 0) else f"`{default}`"
    return f"| {name} | {_cell(param.help or '')} | {'required' if param.required else known} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
