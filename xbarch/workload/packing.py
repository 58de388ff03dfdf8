"""Integers as compressed bytes: two numbers of up to 4 bits a byte, then zlib; expanded to a known size only."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.workload.graph import Ints

_EFFORT = 6  # of zlib; 9 takes three times as long for half a percent


def _narrow(bits: int, signed: bool) -> Any:
    return np.dtype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")


def pack(values: Ints, bits: int, signed: bool) -> NDArray[np.uint8]:
    """Integers of `bits` bits as compressed bytes."""
    flat = np.ascontiguousarray(values).ravel()
    if bits <= 4:
        codes = (flat.astype(np.int16) + (8 if signed else 0)).astype(np.uint8)
        codes = np.append(codes, np.zeros(len(codes) % 2, np.uint8))
        raw = (codes[::2] | codes[1::2] << 4).tobytes()
    else:
        raw = flat.astype(_narrow(bits, signed)).tobytes()
    return np.frombuffer(zlib.compress(raw, _EFFORT), np.uint8)


def unpack(data: NDArray[np.uint8], shape: tuple[int, ...], bits: int, signed: bool) -> Ints:
    """The inverse of `pack`.

    Raises:
        ValueError: not as many numbers as `shape` has, or some outside their bits.
    """
    count = math.prod(shape)
    size = (count + 1) // 2 if bits <= 4 else count * _narrow(bits, signed).itemsize
    raw = _expand(data, size)
    if bits <= 4:
        codes = np.frombuffer(raw, np.uint8)
        flat: Ints = np.empty(2 * len(codes), np.int8)
        flat[::2], flat[1::2] = codes & 15, codes >> 4
        flat = flat[:count] - np.int8(8 if signed else 0)
    else:
        flat = np.frombuffer(raw, _narrow(bits, signed))
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if flat.size and (flat.min() < low or flat.max() > high):
        raise ValueError(f"numbers must be {low} to {high}, not {flat.min()} to {flat.max()}")
    return flat.reshape(shape)


def pack_mask(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A mask as compressed bits."""
    return np.frombuffer(zlib.compress(np.packbits(mask.ravel()).tobytes(), _EFFORT), np.uint8)


def unpack_mask(data: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The inverse of `pack_mask`."""
    count = math.prod(shape)
    bits = np.unpackbits(np.frombuffer(_expand(data, -(-count // 8)), np.uint8), count=count)
    return bits.astype(bool).reshape(shape)


def pack_index(index: Ints) -> NDArray[np.uint8]:
    """Positions as compressed differences, which are few where the order is regular."""
    steps = np.diff(index.ravel(), prepend=0).astype(np.int32)
    return np.frombuffer(zlib.compress(steps.tobytes(), _EFFORT), np.uint8)


def unpack_index(data: NDArray[np.uint8], shape: tuple[int, ...]) -> Ints:
    """The inverse of `pack_index`."""
    steps = np.frombuffer(_expand(data, 4 * math.prod(shape)), np.int32)
    return np.cumsum(steps, dtype=np.int64).reshape(shape)


def _expand(data: NDArray[np.uint8], size: int) -> bytes:
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(data.tobytes(), size + 1)
    except zlib.error as error:
        raise ValueError(f"cannot be expanded ({error})") from None
    if len(raw) != size:
        raise ValueError(f"must have {size} bytes of numbers, not {'more than ' if len(raw) > size else ''}"
                         f"{min(len(raw), size)}")
    if not stream.eof:
        raise ValueError("the compressed bytes are cut off")
    return raw
