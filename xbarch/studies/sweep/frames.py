"""A sweep's table for other programs: as data frames of some rows at a time, and as a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarch.studies.sweep.sheet import Swept
from xbarch.support.extras import needs
from xbarch.support.files import stream_bytes

if TYPE_CHECKING:
    import pandas

_ROWS = 10_000  # of a frame, and of a row group


def frames(found: Swept, rows: int = _ROWS) -> Iterator[pandas.DataFrame]:
    """Yield the table in frames of at most so many rows, each read from the store when it is asked for. Needs pandas.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    with needs("tables", "a table of points"):
        import pandas

    lines = found.lines()
    while some := list(islice(lines, rows)):
        yield pandas.DataFrame(some, columns=found.heads)


def require() -> None:
    """Raise an error where no Parquet file could be written.

    Raises:
        MissingExtraError: PyArrow is not installed.
    """
    with needs("tables", "a Parquet file"):
        import pyarrow.parquet  # noqa: F401


def parquet(found: Swept, path: str | Path) -> Path:
    """Write the table as a Parquet file, whole or not at all, and return its path. Whole numbers stay whole; an axis
    whose values are of several kinds is text. Needs PyArrow.

    Raises:
        MissingExtraError: PyArrow is not installed.
        InputError: the file cannot be written.
    """
    with needs("tables", "a Parquet file"):
        import pyarrow
        from pyarrow.parquet import ParquetWriter

    kinds = _kinds(found)
    schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in kinds.items()])
    text = {name for name, kind in kinds.items() if kind == "string"}
    lines = found.lines()
    with stream_bytes(Path(path)) as file, ParquetWriter(file, schema) as writer:
        while some := list(islice(lines, _ROWS)):
            columns = {name: [_cell(line[name], name in text) for line in some] for name in kinds}
            writer.write_table(pyarrow.table(columns, schema))
    return Path(path)


def _cell(value: Any, text: bool) -> Any:
    return str(value) if text and value is not None else value


def _kinds(found: Swept) -> dict[str, str]:
    """Return the type of each column: of a number the widest of its values."""
    order = ("bool_", "int64", "float64", "string")
    kinds = {"bool": "bool_", "int": "int64", "float": "float64", "str": "string"}
    ranks = dict.fromkeys(found.heads, -1)
    for line in found.lines():
        for name, value in line.items():
            if value is not None and ranks[name] < (rank := order.index(kinds[type(value).__name__])):
                mixed = ranks[name] == 0 and rank in (1, 2)  # truth values among numbers
                ranks[name] = len(order) - 1 if mixed else rank
    return {name: order[rank] if rank >= 0 else "float64" for name, rank in ranks.items()}
