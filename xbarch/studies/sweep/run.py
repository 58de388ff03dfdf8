"""`xbarch sweep`: run the points that are not known yet, keep every answer at once, write the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xbarch.errors import XbarchError
from xbarch.specs.load import Document, document, validate
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.answer import Answer
from xbarch.studies.runs.bench import STORE, Bench, Progress
from xbarch.studies.sweep.points import Point, points
from xbarch.studies.sweep.sheet import Row, Swept, figured, shown
from xbarch.support.files import writable, write

SHEET = "sweep.csv"


def read(source: str | Path) -> tuple[Sweep, Document]:
    """The sweep in a YAML file, a path or a bundled name, and the file."""
    found = document(source, kind="studies")
    return validate(found, Sweep), found


def sweep(source: str | Path | Sweep, out: str | Path, *, processes: int | None = None,
          progress: Progress | None = None) -> Swept:
    """Run every point of a sweep that `out` does not know yet, and write the table.

    Answers are kept in OUT/runs.sqlite as they come: interrupted or killed, the same call goes on where it was. A
    point that does not fit or cannot be built is an answer too. OUT/sweep.csv has the points of this sweep in their
    order, the same bytes however often it was interrupted; the store may hold those of others.

    Args:
        source: a sweep's YAML file or bundled name, or one that is loaded.
        out: folder.
        processes: worker processes; None: one per CPU.
        progress: called with (points known, points in all, what was run).

    Raises:
        InputError: the sweep is refused, something it names is not there, or the folder cannot be written.
        XbarchError: points whose process died; all others are kept, and the next call tries these again.
    """
    folder = Path(out)
    bench = Bench(folder / STORE, processes)
    asked, found = (source, Document("sweep", {})) if isinstance(source, Sweep) else read(source)
    with found.blamed():
        figured(asked)
        every = points(asked, bench.contents)
        names = [bench.name(point.request) for point in every]
    writable(folder, STORE, SHEET)
    lost: XbarchError | None = None
    try:
        bench.run((point.request for point in every), progress)
    except XbarchError as error:
        lost = error
    swept = Swept(asked, _rows(asked, every, names, bench.answers))
    if swept.rows:
        write(folder / SHEET, swept.csv())
    if lost is not None:
        raise lost
    return swept


def _rows(asked: Sweep, every: list[Point], names: list[str], known: Mapping[str, Answer]) -> list[Row]:
    """The points that are answered, each with the figures that are shown."""
    wanted, found = shown(asked), []
    for point, name in zip(every, names, strict=True):
        if name in known:
            figures = known[name].figures()
            found.append(Row(point, name, known[name].why, {key: figures[key] for key in wanted if key in figures}))
    return found
