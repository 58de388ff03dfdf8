"""Quantized values of ONNX and QONNX: QuantizeLinear, DequantizeLinear and Quant (Pappalardo et al., QONNX, 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xbarch.compress.intake.given import Given
from xbarch.compress.intake.rounding import place

Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Quantized:
    """Constants on levels: real = step * level, the zero point taken off the levels."""

    real: Numbers
    levels: Numbers
    step: Numbers


def levels_of(found: Quantized) -> Given:
    """As a checkpoint gives integers."""
    step = (found.step if found.step.size > 1 else found.step.reshape(1)).astype(np.float64)
    return Given(levels=torch.from_numpy(found.levels.astype(np.int32)), step=torch.from_numpy(step))


def _shaped(value: Any, like: Any, axis: int) -> Numbers:
    """Scales and zero points of single filters lie along an axis."""
    numbers = np.asarray(value)
    return numbers.reshape([-1 if a == axis % like.ndim else 1 for a in range(like.ndim)]) if numbers.ndim == 1 and \
        numbers.size > 1 else numbers


def dequantize(i: list[Any], w: Any) -> Any:
    """Integers as reals; the image's values, which `quantize` left real, pass."""
    x, axis = i[0], w.get("axis", 1)
    if isinstance(x, Tensor):
        return x
    step, zero = _shaped(i[1], x, axis), 0 if len(i) < 3 or i[2] is None else _shaped(i[2], x, axis).astype(np.int64)
    levels = x.astype(np.int64) - zero
    return _quantized(levels, step)


def _quantized(levels: Numbers, step: Numbers) -> Any:
    real = (levels * step.astype(np.float64)).astype(np.float32)
    return real if levels.ndim < 2 else Quantized(real, levels, step)  # a bias has no levels of its own


def quantize(i: list[Any], w: Any) -> Any:
    """Reals as integers; the image's values stay real, marked with their step and levels."""
    x, axis = i[0], w.get("axis", 1)
    zero = np.zeros((), np.uint8) if len(i) < 3 or i[2] is None else np.asarray(i[2])
    limits = np.iinfo(zero.dtype)
    if isinstance(x, Tensor):
        return place(x, i[1], zero.astype(np.int64), int(limits.min), int(limits.max))
    levels = np.rint(x / _shaped(i[1], x, axis)) + _shaped(zero, x, axis).astype(np.int64)
    return np.clip(levels, limits.min, limits.max).astype(zero.dtype)


def quant(i: list[Any], w: Any) -> Any:
    """QONNX's Quant: the real values of levels of any number of bits."""
    x, step, zero, bits = i[0], np.asarray(i[1]), np.asarray(i[2]), float(np.asarray(i[3]))
    signed, narrow = bool(w.get("signed", 1)), bool(w.get("narrow", 0))
    top = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    if isinstance(x, Tensor):
        return place(x, step, zero, int(low), int(top))
    levels = (np.clip(np.rint(x / step + zero), low, top) - zero).astype(np.int64)
    return _quantized(levels, step)


QUANTIZED = {"QuantizeLinear": quantize, "DequantizeLinear": dequantize, "Quant": quant}
