"""Series resistance of word and bit lines: an array of linear cells as the matrix that its wires make of it.

The circuit: one segment of resistance between neighbouring cells, in word and bit lines; an ideal source drives a word
line through one segment before its first cell; an ideal virtual ground senses a bit line through one segment behind its
last cell; word lines that are not driven are at 0 V. It is linear, so the currents of bit lines are T' times the
voltages of word lines, with a matrix T [word lines, bit lines] that depends on the cells alone, whichever word lines
are driven: what operation units and single columns see are parts of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Wires:
    """Resistance of a segment of word and of bit lines, times the largest conductance of a cell; at least 0. One ohm
    between cells of at least 10 kilo-ohm is 1e-4."""

    word: float
    bit: float

    def seen(self, cells: NDArray[Any]) -> Reals:
        """T of an array, by nodal analysis: word line after word line, from the one farthest from the converters.

        All above a word line is an admittance matrix between the bit lines, and a current source into each. A segment
        of the bit lines in series and the next word line in parallel give the same of one word line more, so the cost
        is one inverse of a matrix between bit lines for every word line. The circuit is reciprocal: of wide arrays word
        and bit lines change places.

        Args:
            cells: conductances, [word lines, bit lines], shares of the largest; not negative.

        Returns:
            [word lines, bit lines]: current in a bit line for one volt on a word line, in the unit of the cells.
        """
        given = np.asarray(cells, np.float64)
        if given.shape[0] < given.shape[1] and self.word and self.bit:
            return Wires(self.bit, self.word).seen(given[::-1, ::-1].T)[::-1, ::-1].T
        if not self.bit:
            return given * _voltages(given, self.word)
        if not self.word:
            return _back(_turned(given) * _voltages(_turned(given), self.bit))
        return self._folded(given)

    def _folded(self, cells: Reals) -> Reals:
        """T of an array whose wires all have resistance."""
        found, lines = np.zeros_like(cells), np.arange(cells.shape[1])
        between, same = np.zeros((len(lines), len(lines))), np.eye(len(lines))
        currents, reach = cells * _voltages(cells, self.word), _reach(cells, self.word)
        for row, (own, spread) in enumerate(zip(cells, reach, strict=True)):
            found[row] = currents[row]
            between -= own[:, None] * spread * own
            between[lines, lines] += own
            passed = np.linalg.inv(same + self.bit * between)
            found[:row + 1] = found[:row + 1] @ passed
            between = (same - passed) / self.bit
        return found


def _turned(cells: Reals) -> Reals:
    """Bit lines as rows, from their sensed end."""
    return cells[::-1].T


def _back(lines: Reals) -> Reals:
    """The inverse of `_turned`."""
    return lines.T[::-1]


def _voltages(cells: Reals, segment: float) -> Reals:
    """At every cell of a wire for one volt at its end, the cells' other ends at 0 V, [wires, cells]."""
    load, behind = np.ones_like(cells), np.zeros(len(cells))
    for j in range(cells.shape[1] - 1, -1, -1):
        behind = cells[:, j] + behind
        load[:, j] += segment * behind
        behind = behind / load[:, j]
    return 1 / np.cumprod(load, axis=1)


def _reach(cells: Reals, segment: float) -> Reals:
    """Voltage at cell i of a wire for a unit of current at cell j, the cells' other ends and the wire's end at 0 V,
    [wires, cells, cells]."""
    near, behind = np.empty_like(cells), np.empty_like(cells)
    before, after = np.full(len(cells), 1 / segment), np.zeros(len(cells))
    for j in range(cells.shape[1]):  # conductance toward the end of the wire, its own cell left out
        near[:, j] = before
        before = (before + cells[:, j]) / (1 + segment * (before + cells[:, j]))
    for j in range(cells.shape[1] - 1, -1, -1):
        behind[:, j] = after
        after = (after + cells[:, j]) / (1 + segment * (after + cells[:, j]))
    share = np.cumsum(np.log1p(segment * (near + cells)), axis=1)  # of a voltage, lost toward the end
    share = np.concatenate((np.zeros((len(cells), 1)), share[:, :-1]), axis=1)
    own: Reals = 1 / (near + cells + behind)
    at = np.arange(cells.shape[1])
    found: Reals = np.exp(-np.abs(share[:, :, None] - share[:, None])) * own[:, np.maximum(at[:, None], at)]
    return found
