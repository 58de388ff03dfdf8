"""The compiled kernel: machine code from the installation, else from the cache, else compiled now.

Loading it takes only LLVM's loader, a hundredth of a second; importing Numba would take another half a second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from ctypes import CFUNCTYPE, c_int64, c_void_p, cast, pythonapi
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.sim import build
from xbarch.support import files

Run = Callable[[NDArray[np.int64], int], int]
_MOST = 2**24  # bytes of machine code; it has about 30,000
# Functions that Numba's wrapper of a function calls when an exception is raised. The kernel raises none, but the linker
# needs an address for each. Where Numba is imported, it has provided them.
_RAISING = ("NRT_Free", "numba_do_raise", "numba_gil_ensure", "numba_gil_release", "numba_runtime_build_excinfo_struct",
            "numba_unpickle")
_log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def load() -> Run:
    """`xbarch.sim.kernel.loop.run`, on an array."""
    machine = build.target()
    for name in _RAISING:
        if llvm.address_of_symbol(name) is None:
            llvm.add_symbol(name, cast(pythonapi.PyErr_Clear, c_void_p).value)
    holder = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    holder.add_object_file(llvm.ObjectFileRef.from_data(_code(machine)))
    holder.finalize_object()
    inner = CFUNCTYPE(c_int64, c_void_p, c_int64)(holder.get_function_address(build.ENTRY))

    def run(memory: NDArray[np.int64], most: int, holder: Any = holder) -> int:  # `inner` lives as long as `holder`
        return int(inner(memory.ctypes.data, most))

    return run


def _code(machine: Any) -> bytes:
    """The kernel's machine code for machines of this kind."""
    key, installed = build.key(machine.triple), build.shipped(machine.triple)
    places = [installed]
    with suppress(InputError):  # no cache folder
        places.append(files.cache() / "kernel" / f"{key[:24]}.o")
    for place in places:
        with suppress(InputError):  # no such file
            if code := build.unseal(key, files.read(place, _MOST)):
                _log.info("kernel: machine code from %s", place)
                return code
    _log.info("kernel: compiling, which takes some seconds; no code for this kernel in %s", installed)
    code = build.emit(machine)
    with suppress(InputError):
        for place in places[1:]:
            files.write(place, build.seal(key, code))
    return code
