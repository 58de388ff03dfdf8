"""One family of errors. Each is a sentence a user can act on; the command line prints it and exits."""

from __future__ import annotations


class XbarchError(Exception):
    """Something xbarch refuses or could not finish. `exit_code` is the status of the command line."""

    exit_code = 1


class InputError(XbarchError):
    """Bad input: says where (file, line, field), what was found and what is allowed.

    Args:
        message: what was found and what is allowed, one sentence.
        file: the file at fault, if any.
        line: 1-based line in that file, if known.
        field: dotted path of the field, if any.
    """

    exit_code = 2

    def __init__(self, message: str, *, file: object = None, line: int | None = None, field: str = "") -> None:
        place = ":".join(str(part) for part in (file, line) if part is not None)
        head = ": ".join(part for part in (place, field) if part)
        super().__init__(f"{head}: {message}" if head else message)
        self.message, self.file, self.line, self.field = message, file, line, field


class ContractError(InputError):
    """A plugin breaks the contract of its kind: its answer is wrong, or it raises or does not end."""


class IncompatibleError(InputError):
    """A data path cannot run a workload on a machine's crossbars. `reason` is the data path's own sentence."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(f"{message}: {reason}")
        self.reason = reason


class CapacityError(InputError):
    """A layer or network does not fit the machine: says need, limit and what would make it fit."""


class StuckError(XbarchError):
    """The simulation cannot go on (deadlock) or goes on without time passing (livelock).

    The message names every waiting flow and what it waits for.
    """

    exit_code = 3


class ConservationError(XbarchError):
    """A run broke a law it must keep (an error of xbarch itself, never of the input)."""

    exit_code = 4


class ChangedError(InputError):
    """A bundle cannot be reproduced as it was made: a file was changed, or a plugin or the version is another."""

    exit_code = 6
