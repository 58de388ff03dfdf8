"""Checkpoints of training: everything that the rest of a phase depends on, in one file that is written whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from xbarch.errors import InputError


def write(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint.

    Raises:
        InputError: it cannot be written.
    """
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, temporary)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"cannot be written: {error.strerror}", file=path) from None


def read(path: Path, device: torch.device, take: Callable[[dict[str, Any]], int]) -> int:
    """What `take` makes of the checkpoint's state; 0 without a checkpoint.

    Raises:
        InputError: it is damaged, or of another recipe.
    """
    if not path.is_file():
        return 0
    try:
        return take(torch.load(path, weights_only=True, map_location=device))
    except Exception as error:
        raise InputError(f"is not a checkpoint of this recipe ({type(error).__name__}); delete it to start anew",
                         file=path) from None
