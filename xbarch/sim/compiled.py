"""The kernel compiled by Numba, kept on disk between runs. Importing this asks for Numba."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from numba import njit, types
from numba.extending import intrinsic

from xbarch.sim import kernel


@intrinsic
def _bare(typing: Any, array: Any) -> Any:
    """Where an array's numbers lie: passed on and read with less ado than the array, whose indices may be negative."""
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, given[0]).data

    return types.CPointer(array.dtype)(array), generate  # type: ignore[no-untyped-call]


def _compiled() -> Callable[..., int]:
    """`kernel.go`, calling compiled copies of the functions it calls."""
    names: dict[str, Any] = {**vars(kernel), "bare": _bare}
    for plain in kernel.CALLEES_FIRST:
        copy = FunctionType(plain.__code__, names, plain.__name__)
        names[plain.__name__] = njit(cache=True, error_model="numpy")(copy)
    return names["go"]  # type: ignore[no-any-return]


go = _compiled()
