"""One call in another process: it must run the same xbarch, and nothing that it prints is taken for an answer."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from contextlib import chdir, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any

from xbarch.support import about

_ONE = Lock()  # a process runs one call at a time, whatever threads its executor has: memos and the folder are its own


@dataclass(frozen=True)
class Refused:
    """Why a process does not take work."""

    why: str


def pack(work: Callable[..., Any], *given: Any) -> tuple[str, str, bytes]:
    """Return the arguments of `call` that make it call `work(*given)`."""
    return about.code(), os.getcwd(), pickle.dumps((work, given), pickle.HIGHEST_PROTOCOL)


def call(code: str, folder: str, content: bytes) -> Any:
    """Return what `pack` asks for, or `Refused` if this process runs another xbarch.

    code: digest of the source text of xbarch. folder: where relative paths start, if it is there.
    """
    if code != about.code():
        return Refused(f"a worker on {os.uname().nodename} runs another version of xbarch ({about.__version__}, source "
                       f"{about.code()[:12]} in place of {code[:12]}); install the same one on every machine and start "
                       "its workers again")
    with _ONE, chdir(folder) if os.path.isdir(folder) else nullcontext():
        work, given = pickle.loads(content)
        return work(*given)
