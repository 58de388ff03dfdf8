"""The two constraint sets of Xue et al. (DATE 2023) and the projections on them, in integers, for all columns at once.

For a column segment (the rows of one crossbar column that are active together):

    value level     at most a given share of the weights is non-zero
    bit level       sum_i digit_p(m_i) <= cap for every digit p, over the magnitudes m_i of one sign

where digit p is what the p-th cell of a magnitude stores. With every input at its largest, a bit line then sums
to at most cap * (2**dac_bits - 1), so an ADC of k bits with cap <= (2**k - 1) / (2**dac_bits - 1) never saturates.
The abstract names the two levels; the sets and the solver of the second are this project's reading.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Ints
from xbarch.datapaths.xue import loops
from xbarch.datapaths.xue.optimum import least_errors
from xbarch.datapaths.xue.relax import Prices, relax
from xbarch.errors import InputError

Reals = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
_PAIRED = 32               # changes that are tried in pairs
_WORDS = 1 << 20           # entries of the largest working arrays
_COLUMNS = 1024            # most columns that are solved together


def budget(adc_bits: int, dac_bits: int = 1) -> int:
    """Largest digit sum of a column that an ADC of `adc_bits` holds when all `dac_bits` bits of every input are one.

    Raises:
        InputError: the ADC does not hold even one cell of value one.
    """
    most = ((1 << adc_bits) - 1) // ((1 << dac_bits) - 1)
    if most < 1:
        raise InputError(f"must be at least {dac_bits}, not {adc_bits}: one cell driven by {dac_bits}-bit inputs "
                         f"already sums to {(1 << dac_bits) - 1}", field="adc_bits")
    return most


def value_level(weights: Reals, rows: int, density: float) -> NDArray[np.bool_]:
    """The largest weights of every column segment: mask of the shape of `weights` [R, columns].

    Of every `rows` consecutive rows at most the share `density` stays, rounded down but at least one weight. Of equal
    magnitudes the first stay.
    """
    mask = np.zeros(weights.shape, bool)
    for start in range(0, len(weights), rows):
        part, kept = np.abs(weights[start:start + rows]), mask[start:start + rows]
        most = share(density, len(part))
        kept[:] = part >= np.partition(part, len(part) - most, axis=0)[len(part) - most]
        tied = np.flatnonzero(np.count_nonzero(kept, axis=0) > most)
        order = np.argsort(-part[:, tied], axis=0, kind="stable")[most:]
        kept[order, tied] = False
    return mask


def share(density: float, rows: int) -> int:
    """Weights that stay in a segment of `rows` rows. A millionth of a weight is added to absorb the rounding of
    `density`."""
    return max(1, int(density * rows + 1e-6))


def bit_level(magnitudes: Reals, bits: int, cell_bits: int, cap: int) -> Ints:
    """Nearest integers whose digits sum to at most `cap` in every column: int64 in the shape of `magnitudes`.

    Magnitudes are rounded to integers, halves up, to at most 2**bits - 1. A column is solved by Lagrangian relaxation
    of its digit sums, repair of what is over the cap, and improvement weight by weight. The result is always within the
    cap; its squared error is near the minimum, and proven minimal only where `least_errors` shows it. Integers within
    the cap come back unchanged, and what rounds to zero is zero. Columns are solved together, equal columns once. Only
    the ceil(bits / cell_bits) * cap largest magnitudes of a column matter: every weight that stays adds at least 1 to
    some digit's sum, and of two weights the larger may always have the larger value.

    Args:
        magnitudes: [rows, columns], not negative, in units of the scale, of weights of one sign that are active
            together; integers at most 2**bits - 1. Where two reals round to the same integer, their order is
            kept in steps of 2**(bits - 16).

    Raises:
        InputError: a magnitude outside that range, or a cap below one.
    """
    if cap < 1:
        raise InputError(f"must be at least 1, not {cap}", field="cap")
    top, fraction = (1 << bits) - 1, 16 - bits
    low, high = (magnitudes.min(), magnitudes.max()) if magnitudes.size else (0, 0)
    if not low >= 0 or not np.isfinite(high) or (high > top and magnitudes.dtype.kind in "iu"):
        raise InputError(f"magnitudes must be 0 to {top} ({bits} bits), not {high if low >= 0 else low}")
    # 16-bit fixed point sorts by radix, and the integers it rounds to are in the same order
    fixed = np.ascontiguousarray((np.minimum(magnitudes, top) * float(1 << fraction)).T.astype(np.uint16))
    lines: NDArray[Any] = fixed.astype(np.uint32) + (1 << fraction - 1) >> fraction
    lines = lines.astype(np.uint8 if bits <= 8 else np.uint32)
    table: NDArray[Any] = _digits(bits, cell_bits).astype(np.int32)  # half of what int64 would have to move
    rows = min(int((lines > 0).sum(axis=1).max(initial=0)), table.shape[1] * cap)
    result = np.zeros(lines.shape, np.int64)
    if rows:
        order = np.argsort(np.uint16(0xFFFF) - fixed, axis=1, kind="stable")[:, :rows]
        distinct, back = _distinct(np.take_along_axis(lines, order, axis=1))
        chunk = max(1, min(_COLUMNS, _WORDS // (rows * len(table))))
        solved = [_solve(distinct[i:i + chunk].astype(np.int32), table, cap) for i in range(0, len(distinct), chunk)]
        # the larger magnitude gets the larger value: the least error of all orders, with the same sums
        descending = -np.sort(-np.concatenate(solved), axis=1)
        np.put_along_axis(result, order, descending[back], axis=1)
    return result.T


def hold(codes: Reals, rows: int, bits: int, cell_bits: int, cap: int) -> Ints:
    """`bit_level` of signed weights [R, columns] in units of the scale, for every segment of `rows` rows and each sign
    separately.

    Args:
        bits: of a magnitude, without the sign.
    """
    height = max(1, min(rows, len(codes)))
    segments = -(-len(codes) // height)
    padded = np.zeros((segments * height, codes.shape[1]), np.promote_types(codes.dtype, np.int16))
    padded[:len(codes)] = codes
    tall = padded.reshape(segments, height, -1).transpose(1, 0, 2).reshape(height, -1)
    both = bit_level(np.concatenate((np.maximum(tall, 0), np.maximum(-tall, 0)), axis=1), bits, cell_bits, cap)
    held = both[:, :tall.shape[1]] - both[:, tall.shape[1]:]
    return held.reshape(height, segments, -1).transpose(1, 0, 2).reshape(padded.shape)[:len(codes)]


def largest_sums(codes: NDArray[np.integer[Any]], rows: int, bits: int, cell_bits: int) -> Ints:
    """Digit sums of signed weights [R, columns] by segment: [segments, columns, sign, digit], positive first.

    Multiplied by 2**dac_bits - 1 it is the worst-case sum of that bit line in a phase, reached with every input at its
    largest; no input pattern gives more, since no cell is negative.
    """
    starts, top = range(0, len(codes), rows), (1 << cell_bits) - 1
    digits = -(-bits // cell_bits)
    sums = np.zeros((len(starts), codes.shape[1], 2, digits), np.int64)
    for segment, start in enumerate(starts):
        part = np.ascontiguousarray(codes[start:start + rows].T)
        for sign, magnitudes in enumerate((np.maximum(part, 0), np.maximum(-part, 0))):
            for p in range(digits):
                cells = magnitudes >> p * cell_bits & top
                sums[segment, :, sign, p] = cells.sum(axis=1, dtype=np.int32)
    return sums


def _digits(bits: int, cell_bits: int) -> Ints:
    """What each cell of a magnitude stores: [2**bits, digits]."""
    shifts = np.arange(0, bits, cell_bits)
    return np.asarray(np.arange(1 << bits)[:, None] >> shifts & ((1 << cell_bits) - 1), np.int64)


def _distinct(lines: NDArray[Any]) -> tuple[NDArray[Any], Ints]:
    """The distinct rows of `lines`, and which of them each row is."""
    packed = np.ascontiguousarray(lines)
    keys = packed.view(np.dtype((np.void, packed.shape[1] * packed.itemsize))).ravel()
    _, first, back = np.unique(keys, return_index=True, return_inverse=True)
    return packed[first], back.astype(np.int64)


def _solve(m: Ints, table: Ints, cap: int) -> Ints:
    """Values near the magnitudes m [columns, n] whose digit sums are within the cap. A column is left as soon as its
    error is known to be the least possible."""
    least = least_errors(m, table, cap)
    best, relaxed, price = relax(m, table, cap, least)
    if least is None:
        return _improved(m, best, relaxed, price, table, cap)
    todo = np.flatnonzero(_error(m, best) > least)
    best[todo] = _improve(m[todo], best[todo], price[todo], table, cap)
    todo = todo[_error(m[todo], best[todo]) > least[todo]]
    best[todo] = _improved(m[todo], best[todo], relaxed[todo], price[todo], table, cap)
    return best


def _improved(m: Ints, best: Ints, relaxed: Ints, price: Prices, table: Ints, cap: int) -> Ints:
    """The best of three ways: from the relaxation's best, from its repaired solution, and greedily."""
    repaired = _repair(m, relaxed, table, cap)
    ends = [_improve(m, v, price, table, cap) for v in (best, repaired, _greedy(m, table, cap))]
    return np.asarray(np.choose(np.array([_error(m, v) for v in ends]).argmin(axis=0)[:, None], ends), np.int64)


def _error(m: Ints, v: Ints) -> Ints:
    """Squared error of every column."""
    return np.asarray(((v - m) ** 2).sum(axis=1))


def _greedy(m: Ints, table: Ints, cap: int) -> Ints:
    """Grant the highest digit first, to the largest magnitudes first; a weight that gets less than it asks for then
    asks for the largest value of all lower digits."""
    v, rest = np.zeros_like(m), m.copy()
    for p in reversed(range(table.shape[1])):
        unit = int(np.flatnonzero(table[:, p])[0])
        order = np.argsort(-rest, axis=1, kind="stable")
        asked = np.take_along_axis(rest // unit, order, 1)
        given = np.zeros_like(m)
        np.put_along_axis(given, order, np.clip(cap - (np.cumsum(asked, axis=1) - asked), 0, asked), axis=1)
        rest = np.where(given < rest // unit, unit - 1, rest % unit)
        v += given * unit
    return v


def _repair(m: Ints, v: Ints, table: Ints, cap: int) -> Ints:
    """Make the change of one weight that costs least per amount of excess removed, again and again until no excess is
    left."""
    v = v.copy()
    todo = np.flatnonzero((table[v].sum(axis=1) > cap).any(axis=1))
    while len(todo):
        cost, rise, room = _changes(m[todo], v[todo], table, cap)
        excess = np.maximum(-room, 0).sum(axis=0)
        gain = excess - np.maximum(rise - room, 0).sum(axis=0)
        rate = np.where(gain > 0, cost / np.maximum(gain, 1), np.inf)
        # an excess digit is always on some weight, and dropping that weight to 0 removes a part of it
        item, value = np.divmod(rate.reshape(len(todo), -1).argmin(axis=1), len(table))
        v[todo, item] = value
        todo = todo[(table[v[todo]].sum(axis=1) > cap).any(axis=1)]
    return v


def _improve(m: Ints, v: Ints, price: Prices, table: Ints, cap: int) -> Ints:
    """Make the change of one weight, or of two together, that lowers the error most and stays within the cap, again and
    again until there is none. Pairs are formed from the _PAIRED changes that are cheapest at the prices of the
    digits."""
    v, whole = v.copy(), table.astype(np.int64)
    todo = np.arange(len(v))
    while len(todo):
        here, priced = v[todo], np.empty((len(todo), v.shape[1] * len(table)))
        loops.appraise(m[todo], here, price[todo], whole, priced)
        count = min(_PAIRED, priced.shape[1])
        near, changed = np.argpartition(priced, count - 1, axis=1)[:, :count], np.empty(len(todo), bool)
        loops.change(m[todo], here, np.ascontiguousarray(near), whole, cap, changed)
        v[todo] = here
        todo = todo[changed]
    return v


def _changes(m: Ints, v: Ints, table: Ints, cap: int) -> tuple[Ints, Ints, Ints]:
    """For giving weight i the value u: the cost [columns, n, values], the growth of the digit sums
    [digits, columns, n, values], and the growth that is allowed [digits, columns, 1, 1]."""
    cost = (m[:, :, None] - np.arange(len(table))) ** 2 - ((m - v) ** 2)[:, :, None]
    own = table.T[:, v]
    return cost, table.T[:, None, None] - own[..., None], (cap - own.sum(axis=2))[:, :, None, None]
