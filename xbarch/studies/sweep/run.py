"""`xbarch sweep`: run the points that are not known yet, keep every answer at once, write the table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from xbarch.errors import InputError, XbarchError
from xbarch.specs.load import Document, document, validate
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.store import Store
from xbarch.studies.runs.workers import answers
from xbarch.studies.sweep.points import Point, points
from xbarch.studies.sweep.sheet import Row, Swept, figured
from xbarch.support.files import writable, write

Progress = Callable[[int, int, str], None]
STORE, SHEET = "sweep.sqlite", "sweep.csv"


def read(source: str | Path) -> tuple[Sweep, Document]:
    """The sweep in a YAML file, a path or a bundled name, and the file."""
    found = document(source, kind="studies")
    return validate(found, Sweep), found


def sweep(source: str | Path | Sweep, out: str | Path, *, processes: int | None = None,
          plugins: Sequence[str | Path] = (), progress: Progress | None = None) -> Swept:
    """Run every point of a sweep that `out` does not know yet, and write the table.

    Answers are kept in OUT/sweep.sqlite as they come: interrupted or killed, the same call goes on where it was. A
    point that does not fit or cannot be built is an answer too. OUT/sweep.csv has the points of this sweep in their
    order, the same bytes however often it was interrupted; the store may hold those of others.

    Args:
        source: a sweep's YAML file or bundled name, or one that is loaded.
        out: folder.
        processes: how many run points; None: as many as there are CPUs for this process.
        plugins: files with plugins, already loaded here, that other processes load too.
        progress: called with (points known, points in all, what was run).

    Raises:
        InputError: the sweep is refused, something it names is not there, or the folder cannot be written.
        XbarchError: points whose process died; all others are kept, and the next call tries these again.
    """
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= processes <= 1024:
        raise InputError(f"found {processes}, allowed 1 to 1,024", field="processes")
    asked, found = (source, Document("sweep", {})) if isinstance(source, Sweep) else read(source)
    folder = Path(out)
    with found.blamed():
        figured(asked)
        every = points(asked, plugins)
    writable(folder, STORE, SHEET)
    with Store(folder / STORE) as store:
        lost = _run(every, store, processes, plugins, progress)
        known = store.answers()
    swept = Swept(asked, [Row(p, known[p.name].why, known[p.name].figures) for p in every if p.name in known])
    if swept.rows:
        write(folder / SHEET, swept.csv())
    if lost:
        raise XbarchError(f"the process of {len(lost)} of {len(every):,} points died, as of {_said(lost[0])}; the "
                          "others are kept, and the same command tries these again")
    return swept


def _run(every: Sequence[Point], store: Store, processes: int, plugins: Sequence[str | Path],
         progress: Progress | None) -> list[Point]:
    """Run the points that the store lacks, each once; those that have no answer."""
    known = store.names()
    named = {p.name: p for p in every}
    todo = [p for p in named.values() if p.name not in known]
    done, lost = len(named) - len(todo), []
    if progress is not None:
        progress(done, len(named), "sweep")
    for point, answer in answers(todo, min(processes, max(1, len(todo))), plugins):
        if answer is None:
            lost.append(point)
            continue
        store.add(point.name, point.to_json(), answer)
        done += 1
        if progress is not None:
            progress(done, len(named), _said(point))
    return lost


def _said(point: Point) -> str:
    return ", ".join([point.workload, point.datapath, point.architecture, *point.overrides, point.policy])
