"""Loops that Numba compiles when they are first called, in a second or two; the code is kept for later processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def jit(loop: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that Numba can compile. Numba is not imported before it is called."""
    @cache
    def compiled() -> Any:
        from numba import njit

        try:
            return njit(cache=True, error_model="numpy")(loop)
        except RuntimeError:  # there is no place to keep the code
            return njit(error_model="numpy")(loop)

    @wraps(loop)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        made: R = compiled()(*args, **kwargs)
        return made

    return call
