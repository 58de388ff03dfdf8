"""Compile the kernel: Numba translates its Python into LLVM's intermediate language, and LLVM makes machine code of it.

This happens when xbarch is installed (`hatch_build.py`) and takes about ten seconds. `xbarch.sim.compiled` repeats it
only where the installation left no code for this kernel and machine.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite.binding as llvm

from xbarch.sim.kernel import heaps, layout, loop, recurrence, stages, turns, windows

MODULES = (layout, heaps, stages, windows, turns, recurrence, loop)
ENTRY = "run"  # the name of the function in the machine code
_SEAL = 32  # bytes


def target() -> Any:
    """LLVM's description of this kind of machine: the baseline of its family, so that the code runs on every such
    machine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(opt=3, jit=True)


def key(triple: str) -> str:
    """The digest of everything that the machine code depends on: the text of the kernel and of this module, and the
    target."""
    text = sha256(triple.encode())
    for file in [module.__file__ for module in MODULES] + [__file__]:
        text.update(Path(str(file)).read_bytes())
    return text.hexdigest()


def seal(name: str, code: bytes) -> bytes:
    """The code, preceded by a digest of `name` (a `key`) and of the code, which `unseal` checks."""
    return sha256(name.encode() + code).digest() + code


def unseal(name: str, content: bytes) -> bytes | None:
    """The code in `content`; None where it is damaged or was made from something else."""
    code = content[_SEAL:]
    return code if code and content == seal(name, code) else None


def shipped(triple: str) -> Path:
    """Where an installation keeps the code for such machines."""
    return Path(__file__).parent / "kernel" / f"{triple}.o"


def emit(machine: Any) -> bytes:
    """The kernel's machine code for a `target`.

    Raises:
        ImportError: Numba is not installed.
    """
    code: bytes = machine.emit_object(llvm.parse_assembly(_translated()))
    return code


def _translated() -> str:
    """`loop.run` in LLVM's intermediate language, with everything that it calls."""
    from numba import cfunc, njit, types

    names: dict[str, Any] = {}
    for module in MODULES:
        names |= vars(module)
    for plain in loop.CALLEES_FIRST:
        copy = FunctionType(plain.__code__, names, plain.__name__)
        names[plain.__name__] = njit(error_model="numpy")(copy)
    inner = names["run"]

    def outer(memory: Any, most: int) -> int:
        return inner(memory, most)  # type: ignore[no-any-return]

    whole = cfunc(types.int64(types.CPointer(types.int64), types.int64))(outer)  # type: ignore[no-untyped-call]
    return whole.inspect_llvm().replace(whole.native_name, ENTRY)
