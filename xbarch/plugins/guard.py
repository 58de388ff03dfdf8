"""The guard around every call of a plugin: whatever goes wrong becomes one sentence that names the plugin's file."""

from __future__ import annotations

import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

from xbarch.errors import ConservationError, ContractError, XbarchError
from xbarch.plugins import limits
from xbarch.plugins.kinds import KINDS
from xbarch.specs.model import Plugin
from xbarch.specs.text import brief

_log = logging.getLogger(__name__)


def is_builtin(plugin: Plugin[Any] | type[Plugin[Any]]) -> bool:
    """Whether a plugin, a class or an object of it, comes with xbarch."""
    kind = plugin if isinstance(plugin, type) else type(plugin)
    return kind.__module__.partition(".")[0] == "xbarch"


def is_builtin_call(call: Callable[..., object]) -> bool:
    """Whether the function behind a callable, such as a block's `contents`, comes with xbarch."""
    while isinstance(call, partial):
        call = call.func
    return str(getattr(call, "__module__", "")).partition(".")[0] == "xbarch"


@contextmanager
def asking(plugin: Plugin[Any] | type[Plugin[Any]], method: str, layer: str = "", *,
           limited: bool = True) -> Iterator[Callable[[str], ContractError]]:
    """Call `method` of a plugin in the body; turn what it raises into one sentence with its file, method and layer.

    Yields a function that makes such a sentence of a wrong answer ("returned ..., ..."). Calls of outside plugins are
    watched by `restrained`; those of built-in ones cost nothing.

    limited: the body is one call, which ends or is ended by `xbarch.plugins.limits`; False where it is many.

    Raises:
        ContractError: the method raised an error that is not xbarch's, or did not end. It has the line of the plugin's
            file that raised; the log has the traceback.
    """
    kind = plugin if isinstance(plugin, type) else type(plugin)

    def wrong(does: str, place: tuple[str, int] | None = None) -> ContractError:
        where = f" of layer {brief(layer)}" if layer else ""
        file, line = place or (file_of(kind), None)
        return ContractError(f"{method}{where} {does}", file=file, line=line, field=called(kind))

    try:
        with nullcontext() if is_builtin(kind) else restrained(limited=limited):
            yield wrong
    except ConservationError as error:  # of an outside plugin, its answers contradict one another
        if is_builtin(kind):
            raise
        raise wrong(f"cannot be executed: {error}") from error
    except XbarchError:
        raise
    except limits.OverrunError as error:
        raise wrong(str(error)) from None
    except (Exception, SystemExit) as error:
        _log.info("%s of %s raised", method, called(kind), exc_info=error)
        raise wrong(f"raised {described(error)}", raised_at(kind, error)) from error


def called(plugin: Plugin[Any] | type[Plugin[Any]]) -> str:
    """What a sentence calls a plugin, such as "data path meng"."""
    kind = plugin if isinstance(plugin, type) else type(plugin)
    return f"{next((k.noun for k in KINDS if issubclass(kind, k.base)), 'plugin')} {brief(kind.name)}"


def raised_at(kind: type[Any], error: BaseException) -> tuple[str, int] | None:
    """File and line of a plugin's code that raised, the innermost of its own file or package; None: none did."""
    file, package = file_of(kind), kind.__module__.partition(".")[0]
    if file is None:
        return None
    folders = getattr(sys.modules.get(package), "__path__", ()) if package != "xbarch" else ()
    within = tuple(os.path.join(str(folder), "") for folder in folders)
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)
             if frame.f_code.co_filename == file or (within and frame.f_code.co_filename.startswith(within))]
    return lines[-1] if lines else None


@contextmanager
def watched(*plugins: Plugin[Any]) -> Iterator[Callable[[], None] | None]:
    """Run code of these plugins in the body, as `restrained` does; built-in ones alone run as they are.

    Yields a function that starts the time anew; None: there is no limit.
    """
    if all(is_builtin(plugin) for plugin in plugins):
        yield None
    else:
        with restrained() as restart:
            yield restart


@contextmanager
def restrained(*, limited: bool = True) -> Iterator[Callable[[], None] | None]:
    """Run outside code in the body: with limits of time and memory, and with the working directory as before
    afterwards. What it prints while the command line writes JSON goes to standard error (`xbarch.support.output`).

    Yields a function that starts the time anew; None: there is no limit.

    Raises:
        OverrunError: the body did not end.
        RuntimeError: it closed standard output.
    """
    place, stream = _directory(), sys.stdout
    was_open = _open(stream)
    try:
        with limits.limited() if limited else nullcontext() as restart:
            yield restart
    finally:
        if place is not None and _directory() != place:
            with suppress(OSError):
                os.chdir(place)
        closed = was_open and not _open(stream)
    if closed:
        raise RuntimeError("standard output was closed")


def described(error: BaseException) -> str:
    """An error in one line."""
    text = brief(error, 300)
    if isinstance(error, limits.OverrunError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def file_of(kind: type[Any]) -> str | None:
    """The file that defines a class, if any does."""
    try:
        return inspect.getfile(kind)
    except (TypeError, OSError):
        return None


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _open(stream: object) -> bool:
    return stream is not None and not getattr(stream, "closed", False)
