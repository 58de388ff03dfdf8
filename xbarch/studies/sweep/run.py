"""`xbarch sweep`: run the points that have no answer yet, store every answer at once, write the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from itertools import chain
from pathlib import Path

from xbarch.render.interactive.pages import html
from xbarch.request import Request
from xbarch.result.result import checked_scope
from xbarch.specs.load import Document, document, validate
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.answer import LOST
from xbarch.studies.runs.batch import Named
from xbarch.studies.runs.bench import STORE, Bench, refuse_lost
from xbarch.studies.runs.store import Buffer
from xbarch.studies.sweep.finished import Finished, find, identity, keep
from xbarch.studies.sweep.frames import parquet as write_parquet
from xbarch.studies.sweep.frames import require
from xbarch.studies.sweep.page import page
from xbarch.studies.sweep.points import Points
from xbarch.studies.sweep.rows import BYTES, Rows
from xbarch.studies.sweep.screen import Screen, check_count, check_screen
from xbarch.studies.sweep.sheet import Swept, check_figures, table_figures
from xbarch.support.defaults import Scope
from xbarch.support.executors.named import DEFAULT
from xbarch.support.files import writable, write
from xbarch.support.progress import Progress

SHEET, TABLE, PAGE = "sweep.csv", "sweep.parquet", "sweep.html"


def read(source: str | Path) -> tuple[Sweep, Document]:
    """Read a sweep from a YAML file or a bundled name; return it with the file that its errors refer to."""
    found = document(source, kind="studies")
    return validate(found, Sweep), found


def sweep(source: str | Path | Sweep, out: str | Path, *, scope: Scope | None = None, processes: int | None = None,
          executor: str | Executor = DEFAULT, scheduler: str | None = None, screen: int | None = None,
          parquet: bool = False, progress: Progress | None = None) -> Swept:
    """Run every point of a sweep that has no answer in `out` yet, and write the table.

    Every answer is stored in OUT/runs.sqlite at once, so the same call resumes an interrupted or killed sweep. A point
    that does not fit or cannot be built has an answer too: the reason. OUT/sweep.csv lists the points of this sweep in
    their order, the same bytes however often it was interrupted; OUT/sweep.html is a page to look through them. The
    store may hold answers of other sweeps as well.

    Args:
        source: a YAML file, a bundled name or a loaded sweep.
        out: output folder.
        scope: of the energies in the front, instead of the sweep's; the figures of the CSV file are the sweep's.
        processes: worker processes, or jobs at once; None: one per CPU, or what the executor has.
        executor: where points run: `processes`, `dask`, `slurm`, another of the entry points `xbarch.executors`, or any
            `concurrent.futures.Executor`.
        scheduler: address of the executor's scheduler, or a file about it.
        screen: find the front without running every point: all are bounded, which is much less work than to simulate
            them, and those that can still be on the front are run, so many at a time. The others have no answer; their
            lines say that they were screened out.
        parquet: also write the table as OUT/sweep.parquet.
        progress: called with (points answered, points in all, what was run).

    Raises:
        InputError: the sweep is refused, something it names does not exist, the executor does not answer, or the folder
            cannot be written.
        MissingExtraError: a Parquet file is asked for and PyArrow is not installed.
        XbarchError: the process of a point died. All other answers are kept, and the next call tries it again.
    """
    folder = Path(out)
    check_count(screen)
    if parquet:
        require()
    asked, found = (source, Document("sweep", {})) if isinstance(source, Sweep) else read(source)
    if scope is not None:
        asked = asked.model_copy(update={"scope": checked_scope(scope)})
    bench = Bench(folder / STORE, processes, executor=executor, scheduler=scheduler, wanted=tuple(table_figures(asked)))
    with found.blamed():
        check_figures(asked)
        every = Points(asked, bench.contents)
        if screen is not None:
            check_screen(asked, every)
    wanted = [SHEET, PAGE, *([TABLE] if parquet else [])]
    writable(folder, STORE, *wanted)
    before, lost = find(folder / STORE, name := identity(asked, every, bench, screen)), list[Request]()
    if before is not None:
        names = before.names
    elif screen is None:
        names = _run(every, bench, name, lost, progress)
    else:
        names = Screen(asked, every, bench, folder / STORE, screen, lost, progress).run()
    swept = Swept(asked, Rows(every, names, folder / STORE, table_figures(asked), screen is not None),
                  None if before is None else before.passed)
    lacks = wanted if before is None else before.lacks(folder, wanted)
    for file in lacks:
        _WRITERS[file](swept, folder / file)
    refuse_lost(len(lost), len(every), lost[0] if lost else None)
    if lacks:
        done = Finished(names, swept.passed) if before is None else before
        keep(folder / STORE, name, done.wrote(folder, wanted))
    return swept


_WRITERS: dict[str, Callable[[Swept, Path], object]] = {
    SHEET: Swept.save, PAGE: lambda swept, path: write(path, html(page(swept))), TABLE: write_parquet}


def _run(every: Points, bench: Bench, sweep: str, lost: list[Request], progress: Progress | None) -> Buffer:
    """Run the points that have no answer yet and return the digests of all, one behind the other. Those that an
    interrupted call had found already are read. sweep: its identity. lost: receives points whose processes died."""
    names, missing = bench.noted(sweep)
    start, count = len(names) // BYTES, len(every)

    def again() -> Iterator[Named]:
        for number in missing:
            yield names[BYTES * number:BYTES * (number + 1)].hex(), every[number].request

    def others() -> Iterator[Named]:
        for point in every.after(start):
            name = bench.digest(point.request)
            names.extend(bytes.fromhex(name))
            yield name, point.request

    def report(before: int) -> Progress | None:
        return None if progress is None else lambda done, _, text: progress(before + done, count, text)

    for _, request, answer in chain(
            bench.stream(again(), len(missing), report(start - len(missing))),
            bench.stream(others(), count - start, report(start), note=(sweep, start))):
        if answer.error == LOST:
            lost.append(request)
    return names
