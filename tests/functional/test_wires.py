"""Wires with resistance: small circuits by hand, larger ones by Kirchhoff's current law at every node."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xbarch.parts.wires import Wires

Reals = NDArray[np.float64]


def circuit(cells: Reals, wires: Wires) -> tuple[Reals, Reals]:
    """The conductance matrix between all nodes and what one volt on each word line makes flow into them, by the wiring
    list: cell (r, c) is between nodes (r, c) and (r, c) of the word and of the bit lines."""
    rows, columns = cells.shape
    size = cells.size
    matrix, driven = np.zeros((2 * size, 2 * size)), np.zeros((2 * size, rows))

    def join(a: int, b: int, conductance: float) -> None:
        for i, j in ((a, b), (b, a)):
            matrix[i, i] += conductance
            matrix[i, j] -= conductance

    for r in range(rows):
        for c in range(columns):
            here = r * columns + c
            join(here, size + here, cells[r, c])
            if c:
                join(here - 1, here, 1 / wires.word)
            if r:
                join(size + here - columns, size + here, 1 / wires.bit)
        matrix[r * columns, r * columns] += 1 / wires.word
        driven[r * columns, r] = 1 / wires.word
    for c in range(columns):
        matrix[2 * size - columns + c, 2 * size - columns + c] += 1 / wires.bit
    return matrix, driven


def by_nodes(cells: Reals, wires: Wires) -> Reals:
    """What `Wires.seen` must give: voltages of all nodes, and the currents through the last segments."""
    matrix, driven = circuit(cells, wires)
    volts = np.linalg.solve(matrix, driven)
    return volts[len(volts) - cells.shape[1]:].T / wires.bit


def levels(shape: tuple[int, int], seed: int = 0, lowest: float = 0.0) -> Reals:
    return lowest + (1 - lowest) * np.random.default_rng(seed).integers(0, 4, shape) / 3


def test_one_cell_is_three_resistors() -> None:
    assert Wires(0.1, 0.2).seen(np.array([[0.5]]))[0, 0] == pytest.approx(1 / (0.1 + 1 / 0.5 + 0.2))


def test_two_cells_of_a_word_line_are_a_ladder() -> None:
    word, bit, first, second = 0.1, 0.3, 0.5, 1.0
    far = 1 / (word + 1 / second + bit)  # what the first cell's node sees of the second
    near = 1 / (1 / first + bit)
    volt = 1 / (1 + word * (near + far))
    assert Wires(word, bit).seen(np.array([[first, second]])) == pytest.approx(np.array([[volt * near, volt * far]]))


def test_two_cells_of_a_bit_line_are_a_ladder() -> None:
    word, bit, upper, lower = 0.1, 0.3, 0.5, 1.0
    at = 1 / (1 / upper + word), 1 / (1 / lower + word)
    above = 1 / (1 / at[0] + bit)  # in parallel to the lower cell, before the last segment
    total = above + at[1]
    found = np.array([[above / (1 + bit * total)], [at[1] / (1 + bit * total)]])
    assert Wires(word, bit).seen(np.array([[upper], [lower]])) == pytest.approx(found)


@pytest.mark.parametrize("turned", [False, True])
def test_cells_on_a_diagonal_are_alone_in_their_wires(turned: bool) -> None:
    word, bit = 0.1, 0.3
    cells = np.array([[0.0, 0.5], [1.0, 0.0]] if turned else [[0.5, 0.0], [0.0, 1.0]])
    found = np.zeros((2, 2))
    for r, c in np.argwhere(cells):
        found[r, c] = 1 / ((c + 1) * word + 1 / cells[r, c] + (2 - r) * bit)
    assert Wires(word, bit).seen(cells) == pytest.approx(found)


def test_four_equal_cells_by_hand() -> None:
    """Cells and segments of one ohm, both word lines at one volt: Kirchhoff's law at the eight nodes, written out. Word
    lines' nodes are a, b (upper) and c, d (lower), bit lines' e, f and g, h."""
    laws = np.array([  # a, b, c, d, e, f, g, h; what flows in from outside
        [3, -1, 0, 0, -1, 0, 0, 0, 1], [-1, 2, 0, 0, 0, -1, 0, 0, 0],
        [0, 0, 3, -1, 0, 0, -1, 0, 1], [0, 0, -1, 2, 0, 0, 0, -1, 0],
        [-1, 0, 0, 0, 2, 0, -1, 0, 0], [0, -1, 0, 0, 0, 2, 0, -1, 0],
        [0, 0, -1, 0, -1, 0, 3, 0, 0], [0, 0, 0, -1, 0, -1, 0, 3, 0]], float)
    *_, g, h = np.linalg.solve(laws[:, :8], laws[:, 8])
    assert Wires(1, 1).seen(np.ones((2, 2))).sum(axis=0) == pytest.approx([g, h])


@pytest.mark.quick(3)
@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (5, 3), (3, 5), (12, 20), (20, 12)])
@pytest.mark.parametrize("wires", [Wires(1e-5, 1e-5), Wires(1e-4, 1e-3), Wires(0.1, 0.01)])
def test_every_node_obeys_kirchhoff(shape: tuple[int, int], wires: Wires) -> None:
    for lowest in (0.0, 0.1):
        cells = levels(shape, 1, lowest)
        assert wires.seen(cells) == pytest.approx(by_nodes(cells, wires), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("wires", [Wires(1e-3, 0), Wires(0, 1e-3), Wires(0, 0)])
def test_wires_of_one_kind_are_the_limit_of_vanishing_resistance(wires: Wires) -> None:
    cells = levels((9, 11))
    limit = Wires(wires.word or 1e-10, wires.bit or 1e-10)
    assert wires.seen(cells) == pytest.approx(by_nodes(cells, limit), rel=1e-6, abs=1e-7)
    assert (Wires(0, 0).seen(cells) == cells).all()


@pytest.mark.full
@pytest.mark.parametrize(("shape", "ratio"), [((64, 64), 1e-5), ((64, 64), 1e-3), ((128, 128), 1e-5),
                                              ((128, 128), 1e-4), ((128, 128), 1e-3)])
def test_arrays_of_full_size_equal_the_nodal_solution(shape: tuple[int, int], ratio: float) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    linalg = pytest.importorskip("scipy.sparse.linalg")
    cells, wires = levels(shape), Wires(ratio, ratio)
    rows, columns = shape
    word = np.arange(cells.size).reshape(shape)
    bit = word + cells.size
    pairs = [(word, bit, cells), (word[:, :-1], word[:, 1:], np.full((rows, columns - 1), 1 / ratio)),
             (bit[:-1], bit[1:], np.full((rows - 1, columns), 1 / ratio))]
    a, b, g = (np.concatenate([p[i].ravel() for p in pairs]) for i in range(3))
    ends = np.concatenate((word[:, 0], bit[-1]))
    own = np.bincount(np.concatenate((a, b, ends)), np.concatenate((g, g, np.full(len(ends), 1 / ratio))))
    every = np.arange(2 * cells.size)
    matrix = sparse.coo_array((np.concatenate((own, -g, -g)), (np.concatenate((every, a, b)),
                                                               np.concatenate((every, b, a))))).tocsc()
    rng = np.random.default_rng(2)
    volts = rng.integers(0, 2, (rows, 4)).astype(float)
    driven = np.zeros((2 * cells.size, 4))
    driven[word[:, 0]] = volts / ratio
    nodes = linalg.splu(matrix).solve(driven)
    assert np.abs(matrix @ nodes - driven).max() < 1e-7  # the oracle's own residual
    assert wires.seen(cells).T @ volts == pytest.approx(nodes[bit[-1]] / ratio, rel=1e-6, abs=1e-9)


def test_resistance_only_takes_away() -> None:
    cells = levels((16, 16))
    before = cells
    for ratio in (1e-5, 1e-4, 1e-3, 1e-2):
        now = Wires(ratio, ratio).seen(cells)
        assert now.min() >= 0 and (now.sum(axis=0) < before.sum(axis=0)).all()
        before = now
