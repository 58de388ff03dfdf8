"""The kernel compiled by Numba, kept on disk between runs. Importing this asks for Numba."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from numba import njit

from xbarch.sim import kernel


def _compiled() -> Callable[..., int]:
    """`kernel.advance`, calling compiled copies of the functions it calls."""
    names: dict[str, Any] = dict(vars(kernel))
    for plain in kernel.CALLEES_FIRST:
        copy = FunctionType(plain.__code__, names, plain.__name__)
        names[plain.__name__] = njit(cache=True, error_model="numpy")(copy)
    return names["advance"]  # type: ignore[no-any-return]


advance = _compiled()
