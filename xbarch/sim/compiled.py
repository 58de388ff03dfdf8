"""The kernel compiled by Numba. Its machine code is kept on disk, so that later runs need no more of Numba than LLVM's
loader: a hundredth of a second instead of half a second, or of the five that compiling takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from ctypes import CFUNCTYPE, c_int64, c_void_p, cast, pythonapi
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from types import FunctionType
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.sim import kernel
from xbarch.support import files

Run = Callable[[NDArray[np.int64], int], int]
_MOST = 2**24  # bytes of machine code; it has about 25,000
_NAME = "run"
# What Numba's frame of a function calls where an exception is on its way. The kernel raises none, but whoever links the
# code wants to know where these are; Numba, where it is imported, has told.
_RAISING = ("NRT_Free", "numba_do_raise", "numba_gil_ensure", "numba_gil_release", "numba_runtime_build_excinfo_struct",
            "numba_unpickle")


@lru_cache(maxsize=1)
def load() -> Run:
    """`xbarch.sim.kernel.run`, on an array.

    Raises:
        ImportError: Numba is not installed.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3, jit=True)
    for name in _RAISING:
        if llvm.address_of_symbol(name) is None:
            llvm.add_symbol(name, cast(pythonapi.PyErr_Clear, c_void_p).value)
    holder = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    holder.add_object_file(llvm.ObjectFileRef.from_data(_code(machine)))
    holder.finalize_object()
    inner = CFUNCTYPE(c_int64, c_void_p, c_int64)(holder.get_function_address(_NAME))

    def run(memory: NDArray[np.int64], most: int, holder: Any = holder) -> int:  # which must not go before
        return int(inner(memory.ctypes.data, most))

    return run


def _code(machine: Any) -> bytes:
    """The kernel's machine code for machines of this kind, from the cache where it is whole."""
    made = "\n".join([inspect.getsource(kernel), inspect.getsource(_compiled), version("numba"), version("llvmlite"),
                      machine.triple])
    try:
        path = files.cache() / "kernel" / f"{sha256(made.encode()).hexdigest()[:24]}.o"
    except InputError:  # no folder
        return _emitted(machine)
    with suppress(InputError):
        kept = files.read(path, _MOST)
        if kept[:32] == sha256(kept[32:]).digest():
            return kept[32:]
    code = _emitted(machine)
    with suppress(InputError):
        files.write(path, sha256(code).digest() + code)
    return code


def _emitted(machine: Any) -> bytes:
    code: bytes = machine.emit_object(llvm.parse_assembly(_compiled()))
    return code


def _compiled() -> str:
    """`kernel.run` in LLVM's language, with everything that it calls."""
    from numba import cfunc, njit, types

    names: dict[str, Any] = dict(vars(kernel))
    for plain in kernel.CALLEES_FIRST:
        copy = FunctionType(plain.__code__, names, plain.__name__)
        names[plain.__name__] = njit(error_model="numpy")(copy)
    inner = names["run"]

    def outer(memory: Any, most: int) -> int:
        return inner(memory, most)  # type: ignore[no-any-return]

    whole = cfunc(types.int64(types.CPointer(types.int64), types.int64))(outer)  # type: ignore[no-untyped-call]
    return whole.inspect_llvm().replace(whole.native_name, _NAME)
