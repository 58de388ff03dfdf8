"""A table as lines of text, as wide as there is room: no number and no word is cut.

Text is wrapped at spaces, long names behind a dot or the like; a number stays with its unit. A table that is still too
wide is split into several, each with the first columns again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from rich.cells import cell_len, chop_cells

from xbarch.support.wrapping import NAME, PROSE, VALUE

_LONG, _SHORT = 20, 12  # letters of a name that stay together, where there is room and where there is little
_GAP = 2  # spaces between columns


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    head: str
    cells: tuple[str, ...]
    text: bool
    """Whether its cells are text, to the left; else values, to the right."""

    def least(self, longest: int) -> int:
        """The width that shows every number and word whole, and so many letters of a name."""
        return max(cell_len(part) if value else _least(part, longest)
                   for pieces, value in self._pieces() for part in pieces)

    def most(self) -> int:
        """The width that shows every cell on one line."""
        return max(map(cell_len, (self.head, *self.cells)))

    def lines(self, width: int) -> Iterator[list[str]]:
        """The head and each cell as lines of `width` letters."""
        for pieces, _ in self._pieces():
            spaces = [(line, " " * (width - cell_len(line))) for line in _filled(pieces, width)]
            yield [line + space if self.text else space + line for line, space in spaces]

    def _pieces(self) -> Iterator[tuple[list[str], bool]]:
        """Head and cells in pieces that stay together, and whether they are of a value."""
        yield PROSE.split(self.head), False
        where = PROSE if self.text else VALUE
        yield from ((where.split(cell), not self.text) for cell in self.cells)


def _least(name: str, longest: int) -> int:
    """The width that a name needs: of one longer than `longest`, that of its parts."""
    parts = [name] if cell_len(name) <= longest else NAME.split(name)
    return min(_LONG, max(map(cell_len, parts)))


def _filled(pieces: Sequence[str], width: int) -> list[str]:
    """Pieces joined to lines as long as fit; a longer one is cut."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(piece) <= width:
            lines[-1] += f" {piece}"
        else:
            lines += _cut(piece, width)
    return [line for line in lines if line] or [""]


def _cut(name: str, width: int) -> Iterator[str]:
    """A name in parts that fit, cut where `NAME` says if it can be."""
    while cell_len(name) > width:
        whole = chop_cells(name, width)[0]
        part = whole[:max((cut.start() for cut in NAME.finditer(whole)), default=0)] or whole
        yield part
        name = name[len(part):]
    yield name


@dataclass(frozen=True)
class Grid:
    """A table for the terminal."""

    title: str
    columns: tuple[Column, ...]
    keys: int
    """How many first columns are text, which says what a row is."""
    group: int
    """How many of the others belong together, counted from the last: never apart where the table is split."""

    def tables(self, room: int) -> Iterator[list[str]]:
        """The lines of each table that the columns take in `room` letters: heads, a rule, rows.

        A line is wider only where a single value does not fit.
        """
        for columns, least in self._parts(room):
            widths = _widths(columns, least, room)
            made = [column.lines(width) for column, width in zip(columns, widths, strict=True)]
            heads, *rows = zip(*made, strict=True)
            high = max(map(len, heads))
            above = _beside([[" " * width] * (high - len(head)) + head
                             for head, width in zip(heads, widths, strict=True)], widths)
            yield [*filter(None, above), "─" * _wide(widths), *(line for row in rows for line in _beside(row, widths))]

    def _parts(self, room: int) -> Iterator[tuple[Sequence[Column], list[int]]]:
        """The columns of every table, and the widths that they need there."""
        for longest in (_LONG, _SHORT):
            least = [column.least(longest) for column in self.columns]
            if _wide(least) <= room:
                yield self.columns, least
                return
        keys = self._repeated(room)
        names = [min(key.most(), max(key.least(_SHORT), room // 3 // len(keys))) for key in keys]
        groups = self._groups(len(keys))
        needs = [[column.least(_SHORT) for column in group] for group in groups]
        for part in _shared([_wide(need) + _GAP for need in needs], room - _wide(names)):
            yield ([*keys, *(column for i in part for column in groups[i])],
                   [*names, *(need for i in part for need in needs[i])])

    def _repeated(self, room: int) -> Sequence[Column]:
        """The columns that every table has: all that say what a row is, if they leave half of the room."""
        keys = self.columns[:self.keys]
        if len(keys) < len(self.columns) and _wide([key.least(_SHORT) for key in keys]) <= room // 2:
            return keys
        return keys[:1]

    def _groups(self, start: int) -> list[Sequence[Column]]:
        """The columns from `start` on, those that belong together in one group."""
        left = len(self.columns) - max(start, self.keys)
        sizes = [1] * (len(self.columns) - start - left) + [left % self.group or self.group] + \
            [self.group] * ((left - 1) // self.group)
        ends = [start + sum(sizes[:i]) for i in range(len(sizes) + 1)]
        return [self.columns[a:b] for a, b in pairwise(ends) if a < b]


def _shared(sizes: Sequence[int], room: int) -> list[list[int]]:
    """Numbers of the sizes, in order, in as few parts as hold them, and those as equal as can be."""
    parts = _packed(sizes, room)
    while room > max(sizes) and len(narrower := _packed(sizes, room - 1)) == len(parts):
        parts, room = narrower, room - 1
    return parts


def _packed(sizes: Sequence[int], room: int) -> list[list[int]]:
    parts: list[list[int]] = []
    for i, size in enumerate(sizes):
        if parts and sum(sizes[j] for j in parts[-1]) + size <= room:
            parts[-1].append(i)
        else:
            parts.append([i])
    return parts


def _wide(widths: Sequence[int]) -> int:
    """The width of columns side by side."""
    return sum(widths) + _GAP * max(len(widths) - 1, 0)


def _widths(columns: Sequence[Column], least: Sequence[int], room: int) -> list[int]:
    """The width of each column: what it needs, and of the room that is left as much as it can use, those first that
    use least. Where a value fills the room, the names beside it give way."""
    widths = [*least]
    left = room - _wide(widths)
    if left < 0 and columns[0].text:
        widths[0] = max(widths[0] + left, _SHORT // 2)
    more = [column.most() - width for column, width in zip(columns, widths, strict=True)]
    order = sorted(range(len(widths)), key=lambda i: more[i])
    for place, i in enumerate(order):
        given = max(0, min(more[i], left // (len(order) - place)))
        widths[i], left = widths[i] + given, left - given
    return widths


def _beside(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    """The lines of a row, cells side by side."""
    for line in zip_longest(*cells):
        yield (" " * _GAP).join(" " * width if part is None else part
                                for part, width in zip(line, widths, strict=True)).rstrip()
