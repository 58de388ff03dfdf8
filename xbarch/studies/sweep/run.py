"""`xbarch sweep`: run the points that have no answer yet, store every answer at once, write the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xbarch.errors import XbarchError
from xbarch.result import words
from xbarch.result.result import checked_scope
from xbarch.specs.load import Document, document, validate
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.answer import Answer
from xbarch.studies.runs.bench import STORE, Bench
from xbarch.studies.sweep.points import Point, points
from xbarch.studies.sweep.sheet import Row, Swept, check_figures, table_figures
from xbarch.support.defaults import Scope
from xbarch.support.files import writable, write
from xbarch.support.progress import Progress

SHEET = "sweep.csv"


def read(source: str | Path) -> tuple[Sweep, Document]:
    """Read a sweep from a YAML file or a bundled name; return it with the file that its errors refer to."""
    found = document(source, kind="studies")
    return validate(found, Sweep), found


def sweep(source: str | Path | Sweep, out: str | Path, *, scope: Scope | None = None, processes: int | None = None,
          progress: Progress | None = None) -> Swept:
    """Run every point of a sweep that has no answer in `out` yet, and write the table.

    Every answer is stored in OUT/runs.sqlite at once, so the same call resumes an interrupted or killed sweep. A point
    that does not fit or cannot be built has an answer too: the reason. OUT/sweep.csv lists the points of this sweep in
    their order, the same bytes however often it was interrupted; the store may hold answers of other sweeps as well.

    Args:
        source: a YAML file, a bundled name or a loaded sweep.
        out: output folder.
        scope: of the energies in the front, instead of the sweep's; the figures of the CSV file are the sweep's.
        processes: worker processes; None: one per CPU.
        progress: called with (points answered, points in all, what was run).

    Raises:
        InputError: the sweep is refused, something it names does not exist, or the folder cannot be written.
        XbarchError: the process of a point died. All other answers are kept, and the next call tries it again.
    """
    folder = Path(out)
    bench = Bench(folder / STORE, processes)
    asked, found = (source, Document("sweep", {})) if isinstance(source, Sweep) else read(source)
    if scope is not None:
        asked = asked.model_copy(update={"scope": checked_scope(scope)})
    with found.blamed():
        check_figures(asked)
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
    """Return the points that have an answer, each with the figures of the table."""
    wanted, found = table_figures(asked), []
    for point, name in zip(every, names, strict=True):
        if name in known:
            figures, why = known[name].figures(), known[name].why
            found.append(Row(point, name, why, {key: figures[key] for key in wanted if key in figures},
                             "" if why else words.exactness(known[name].correctness)))
    return found
