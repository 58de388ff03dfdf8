"""Integers as cells: digits, flipped bit lines, and the coefficients that read them back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Contents, Ints
from xbarch.errors import InputError


def digits(codes: NDArray[np.integer[Any]], count: int, bits: int) -> NDArray[np.uint8]:
    """Base 2**bits digits of the non-negative `codes` [rows, n], least significant first, as [rows, n * count]."""
    shifts = np.arange(count) * bits
    cells = (codes.astype(np.int64)[:, :, None] >> shifts) & ((1 << bits) - 1)
    return cells.reshape(len(codes), -1).astype(np.uint8)


def weights_of(count: int, bits: int, numbers: int) -> Ints:
    """Value of each digit column of `numbers` numbers side by side, [numbers * count]."""
    return np.tile(1 << np.arange(count, dtype=np.int64) * bits, numbers)


def check(weights: NDArray[np.integer[Any]], low: int, high: int, layer: str, path: str) -> None:
    """Refuse weights outside low..high.

    Raises:
        InputError: a weight is outside that range; the message names the layer and the weight.
    """
    if weights.size and (weights.min() < low or weights.max() > high):
        worst = int(weights.min()) if weights.min() < low else int(weights.max())
        raise InputError(f"layer {layer} has weight {worst}; data path {path} stores {low} to {high}")


def offset(weights: NDArray[np.integer[Any]], outputs: Ints, bits: int, cell_bits: int, width: int) -> Contents:
    """ISAAC's encoding of `weights` [rows, n]: w + 2**(bits-1) is stored, full bit lines are flipped, a unit column is
    added.

    A bit line whose cells sum to more than half of rows * (2**cell_bits - 1) stores the complement, which
    saves the ADC one bit; the unit column, the last of `width` bit lines, holds ones, so it delivers the sum
    of the inputs that undoes offset and flips (Shafiee et al., ISCA 2016, section V).
    """
    top, slices = (1 << cell_bits) - 1, -(-bits // cell_bits)
    stored = digits(weights.astype(np.int64) + (1 << bits - 1), slices, cell_bits)
    rows, used = stored.shape
    flipped = 2 * stored.sum(axis=0, dtype=np.int64) > rows * top
    value = weights_of(slices, cell_bits, len(outputs))
    cells = np.zeros((rows, width), np.uint8)
    cells[:, :used] = np.where(flipped, top - stored, stored)
    cells[:, -1] = 1
    undo = (flipped * value * top).reshape(-1, slices).sum(axis=1) - (1 << bits - 1)
    return Contents(
        cells,
        column=np.concatenate((np.arange(used), np.full(len(outputs), width - 1))),
        output=np.concatenate((np.repeat(outputs, slices), outputs)),
        coefficient=np.concatenate((np.where(flipped, -value, value), undo)),
    )


def differential(weights: NDArray[np.integer[Any]], outputs: Ints, bits: int, cell_bits: int, width: int) -> Contents:
    """Positive and negative parts of `weights` in adjacent bit lines, subtracted after conversion.

    Each part has as many digits as a weight, so a weight takes twice the cells.
    """
    slices = -(-bits // cell_bits)
    w = weights.astype(np.int64)
    parts = np.stack((np.maximum(w, 0), np.maximum(-w, 0)), axis=2).reshape(len(w), -1)
    value = weights_of(slices, cell_bits, len(outputs)).reshape(-1, 1, slices)
    return Contents(
        _padded(digits(parts, slices, cell_bits), width), np.arange(2 * slices * len(outputs)),
        np.repeat(outputs, 2 * slices), np.concatenate((value, -value), axis=1).ravel(),
    )


def twos(weights: NDArray[np.integer[Any]], outputs: Ints, bits: int, cell_bits: int, width: int) -> Contents:
    """Two's complement: the low bits - 1 bits as digits, then the sign bit in a cell of its own, worth -2**(bits-1).

    A sign bit that shared a cell with magnitude bits could not be weighted apart from them after the analog sum.
    """
    slices = -(-(bits - 1) // cell_bits)
    w = weights.astype(np.int64)
    low = digits(w & ((1 << bits - 1) - 1), slices, cell_bits).reshape(*w.shape, slices)
    cells = np.concatenate((low, (w < 0).astype(np.uint8)[:, :, None]), axis=2).reshape(len(w), -1)
    value = np.append(weights_of(slices, cell_bits, 1), -(1 << bits - 1))
    return Contents(
        _padded(cells, width), np.arange((slices + 1) * len(outputs)),
        np.repeat(outputs, slices + 1), np.tile(value, len(outputs)),
    )


def signed(weights: NDArray[np.integer[Any]], outputs: Ints, bits: int, cell_bits: int, width: int) -> Contents:
    """Digits of the magnitude of `weights`, each with the sign of its weight. Positive and negative digits are cells of
    two arrays whose bit lines are subtracted before they are sensed (PRIME: Chi et al., ISCA 2016)."""
    slices = -(-bits // cell_bits)
    w = weights.astype(np.int64)
    cells = digits(np.abs(w), slices, cell_bits).astype(np.int16) * np.repeat(np.sign(w), slices, axis=1)
    return Contents(
        np.pad(cells, ((0, 0), (0, width - cells.shape[1]))).astype(np.int16), np.arange(slices * len(outputs)),
        np.repeat(outputs, slices), weights_of(slices, cell_bits, len(outputs)),
    )


def _padded(cells: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.pad(cells, ((0, 0), (0, width - cells.shape[1])))
