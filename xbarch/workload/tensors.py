"""The numbers of a stored workload, read from its tensor file when they are asked for."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.specs.text import brief
from xbarch.support.files import read
from xbarch.workload.graph import Ints, Layer
from xbarch.workload.packing import unpack, unpack_index, unpack_mask

_MOST_BYTES = 2**32  # of the tensor file


class Tensors:
    """The tensor file, checked against its digest, opened when a number is asked for."""

    def __init__(self, path: Path, digest: str) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            found = hashlib.sha256(read(path, _MOST_BYTES)).hexdigest()
            if found != digest:
                raise InputError(f"is cut off or was changed: its digest must be {digest[:12]}, as in the manifest, "
                                 f"not {found[:12]}", file=path)
            self.open: Any = safe_open(str(path), framework="numpy")
            self.names = frozenset(self.open.keys())  # type: ignore[no-untyped-call]
        except (SafetensorError, ValueError, TypeError, OSError) as error:
            raise InputError(f"cannot be read as safetensors: {brief(error, 100)}", file=path) from None

    def has(self, layer: Layer, part: str) -> bool:
        return f"{layer.name}/{part}" in self.names

    def bytes(self, layer: Layer, part: str) -> NDArray[np.uint8]:
        if not self.has(layer, part):
            raise InputError(f"has no {part} of layer {layer.name}", file=self.path)
        kind, shape = self.described(layer, part)
        if kind != "U8" or len(shape) != 1:
            raise InputError(f"{part} of layer {layer.name} must be packed bytes (U8), not {kind} {shape}",
                             file=self.path)
        data: NDArray[np.uint8] = self.read(layer, part)
        return data

    def described(self, layer: Layer, part: str) -> tuple[str, tuple[int, ...]]:
        """(type, shape) as the file states them, before anything is read: NumPy has no type for some of them."""
        with self.guarded(layer, part):
            found = self.open.get_slice(f"{layer.name}/{part}")
            return str(found.get_dtype()), tuple(found.get_shape())

    def read(self, layer: Layer, part: str) -> Any:
        with self.guarded(layer, part):
            return self.open.get_tensor(f"{layer.name}/{part}")

    @contextmanager
    def guarded(self, layer: Layer, part: str) -> Iterator[None]:
        """Whatever the library makes of a damaged file is one sentence."""
        try:
            yield
        except Exception as error:
            raise InputError(f"{part} of layer {layer.name} cannot be read ({type(error).__name__}: "
                             f"{brief(error, 100)})", file=self.path) from None

    def weights(self, layer: Layer, shape: tuple[int, ...]) -> Ints:
        """All weights of a layer; where it has a mask, zero but for the kept ones."""
        if not self.has(layer, "kept"):
            return self.ints(layer, "weights", shape)
        mask = self.mask(layer, shape)
        kept = self.ints(layer, "kept", (int(mask.sum()),))
        found = np.zeros(shape, kept.dtype)
        found[mask] = kept
        return found

    def ints(self, layer: Layer, part: str, shape: tuple[int, ...]) -> Ints:
        bits, signed = (layer.input_bits, layer.signed_in) if part == "inputs" else (layer.weight_bits, True)
        try:
            return unpack(self.bytes(layer, part), shape, bits, signed)
        except ValueError as error:
            raise InputError(f"{part} of layer {layer.name}: {error}", file=self.path) from None

    def mask(self, layer: Layer, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        try:
            return unpack_mask(self.bytes(layer, "mask"), shape)
        except ValueError as error:
            raise InputError(f"mask of layer {layer.name}: {error}", file=self.path) from None

    def table(self, layer: Layer) -> Ints | None:
        """Output levels of a layer with a function."""
        if not layer.function:
            return None
        least, most = layer.levels
        try:
            found = unpack(self.bytes(layer, "table"), ((1 << layer.inner_bits) - 1,), 16, True).astype(np.int32)
        except ValueError as error:
            raise InputError(f"table of layer {layer.name}: {error}", file=self.path) from None
        if not layer.signed_out:
            found &= 0xFFFF
        if found.min() < least or found.max() > most:
            raise InputError(f"table of layer {layer.name} must have levels of {least} to {most}, not {found.min()} to "
                             f"{found.max()}", file=self.path)
        return found

    def index(self, layer: Layer) -> Ints | None:
        """Where a view's values come from."""
        if layer.op != "view":
            return None
        try:
            found = unpack_index(self.bytes(layer, "index"), layer.out_shape)
        except ValueError as error:
            raise InputError(f"index of layer {layer.name}: {error}", file=self.path) from None
        most = math.prod(layer.in_shape)
        if found.min() < -1 or found.max() >= most:
            raise InputError(f"index of layer {layer.name} must be -1 to {most - 1}, not {found.min()} to "
                             f"{found.max()}", file=self.path)
        return found

    def reals(self, layer: Layer, part: str) -> NDArray[np.float64] | None:
        if not self.has(layer, part):
            return None
        kind, shape = self.described(layer, part)
        channels = layer.compute or layer.op in ("affine", "norm")
        count = layer.filters if channels else 1 if layer.op == "mul" else len(layer.inputs)
        counts = (1, layer.windows) if layer.op == "avgpool" else (count,)
        if kind != "F64" or shape not in [(n,) for n in counts]:
            raise InputError(f"{part} of layer {layer.name} must be {' or '.join(map(str, dict.fromkeys(counts)))} "
                             f"numbers of type F64, not {kind} {shape}", file=self.path)
        data = np.array(self.read(layer, part))
        if not np.isfinite(data).all():
            raise InputError(f"{part} of layer {layer.name} must be finite numbers", file=self.path)
        return data
