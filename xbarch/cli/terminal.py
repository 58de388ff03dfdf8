"""The terminal: streams that never fail, a progress bar, and errors as one sentence with an exit code."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from xbarch.errors import XbarchError
from xbarch.support import output
from xbarch.support.wrapping import columns, wrapped

_BAR, _CLOCK = 20, 16  # letters of the bar; of the time left and the distances between columns


class Bar:
    """A progress bar on standard error, if that is a terminal and the output is not JSON."""

    def __init__(self, what: str, quiet: bool) -> None:
        self.what, self.quiet = what, quiet or not sys.stderr.isatty()

    def __enter__(self) -> Any:
        if self.quiet:
            return None
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        what = self.what
        console = Console(stderr=True)
        self.progress = Progress(BarColumn(_BAR), MofNCompleteColumn(), TimeRemainingColumn(),
                                 TextColumn("{task.description}", markup=False), console=console, transient=True)
        self.progress.start()
        task = self.progress.add_task(what, total=None)

        def show(done: int, total: int, text: str = what) -> None:
            room = console.width - _BAR - 2 * len(f"{total:,}") - _CLOCK
            self.progress.update(task, completed=done, total=total, description=tail(text, room))

        return show

    def __exit__(self, *_: object) -> None:
        if not self.quiet:
            self.progress.stop()


def tail(text: str, room: int) -> str:
    """Return the end of a text of many parts, which is what differs from step to step, in so many letters."""
    return text if len(text) <= room else "…" + text[len(text) - max(room, 8) + 1:]


_SPELT = {"µ": "u", "²": "^2", "×": "x", "·": "*", "…": "...", "–": "-", "—": "-"}


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that the terminal's encoding lacks."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_SPELT.get(c, "?") for c in error.object[error.start:error.end]), error.end


def guarded(app: Callable[..., Any]) -> None:
    """Run a command line of typer and exit. Errors become one sentence on standard error and their exit code;
    interrupts are `xbarch.__main__`'s."""
    _streams()
    try:
        with output.reserved() if "--json" in sys.argv else nullcontext():
            code = app(standalone_mode=False) or 0
        sys.stdout.flush()
        if code == 130:  # how typer says that it was interrupted
            raise KeyboardInterrupt
        sys.exit(code)
    except XbarchError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader has seen enough (| head)
        _drop(sys.stdout)
        sys.exit(1)
    except OSError as error:
        _drop(sys.stdout)
        _complain(f"{error.filename or 'standard output'}: cannot be read or written ({error.strerror})")
        sys.exit(2)
    except MemoryError:
        _complain("out of memory; fewer images or a smaller workload would fit")
        sys.exit(1)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _misused(error)
        sys.exit(2)


def _misused(error: Any) -> None:
    """Report a command line that typer refuses, in one line."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    if message.startswith("Usage:"):  # a group without a command answers with its help
        print(message, file=sys.stderr)
    elif says := " ".join(message.split()):
        if getattr(error, "option_name", "") in ("-v", "--verbose"):
            says = "no such option here; write it before the command, as in `xbarch -v simulate`"
        elif getattr(error, "option_name", "") == "-o":
            says += "; the output folder is given with --out"
        command = "" if context is None else context.command_path.removeprefix(context.find_root().command_path).strip()
        where = f"{command}: " if command else ""
        full = " ".join(["xbarch", command]).strip()
        _complain(f"{where}{says[:1].lower()}{says[1:].rstrip('.')} (see `{full} --help`)")


def print_json(value: object) -> None:
    """Print `value` as an indented JSON document."""
    import json

    output.write(json.dumps(value, indent=1) + "\n")


def say(text: str) -> None:
    """Print a sentence, wrapped to the terminal; whole where there is none. A path in it stays in one piece; other
    lines that a reader copies are `print`ed."""
    room = columns(sys.maxsize)
    print("\n".join(wrapped(printable(text), room, whole=True)))


def wrote(what: object) -> None:
    """Print what a command has written."""
    print(f"written: {printable(str(what))}")


def printable(text: str) -> str:
    """Return `text` with "?" for control and bidirectional characters, which could rewrite a terminal's line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _complain(text: str) -> None:
    try:
        sys.stderr.write(f"xbarch: {printable(text)}\n")
    except OSError:  # nobody can read it, but the exit code still says it
        _drop(sys.stderr)


def _streams() -> None:
    """Set up standard output and error: closed ones lead nowhere, and no character is refused."""
    codecs.register_error("spell", _spell)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # open to the end
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="spell")


def _drop(stream: Any) -> None:
    """Discard what is buffered for a stream that failed, or exiting would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
