"""`xbarch report accuracy`: measure the stored workloads of a grid and write the report."""

from __future__ import annotations

from pathlib import Path

from xbarch.errors import InputError
from xbarch.render.document import html, markdown
from xbarch.studies.accuracy import pages, picture
from xbarch.studies.accuracy.rows import GRID, Row
from xbarch.studies.accuracy.rows import rows as measured
from xbarch.studies.runs.bench import Progress
from xbarch.support import bundled
from xbarch.support.files import writable, write_all

OUT = Path("reports/accuracy")
_FILES = ("accuracy.md", "accuracy.html", "accuracy.csv", "accuracy.svg")


def accuracy(
    out: str | Path | None = OUT, *, workloads: str | Path | None = None, progress: Progress | None = None,
) -> list[Row]:
    """Put the accuracy of every stored workload of a grid beside what it keeps, and write `accuracy.md`, `.html`,
    `.csv` and `.svg`.

    Args:
        out: folder of the report; None writes nothing.
        workloads: folder with a folder NETWORK_METHOD_POINT for each stored workload; None: those of the bundled grid
            `digit_pairs`. Recipes of the grid beside the folder, or bundled under its name, that are not stored are
            named as not trained yet.
        progress: called with (workloads measured, workloads in all, the one being measured).

    Returns:
        The table that `accuracy.csv` has.

    Raises:
        InputError: a folder that is not there, has no stored workload of that form or cannot be written; a damaged
            workload.
    """
    folder = bundled.folder("workloads") / GRID if workloads is None else Path(workloads)
    if workloads is not None and not folder.is_dir():
        raise InputError("no such folder, allowed one with stored workloads", file=folder)
    if out is not None:
        writable(Path(out), *_FILES)
    found = measured(folder, progress)
    if out is not None:
        drawn = picture.draw(found)
        document = pages.document(found, drawn)
        contents: tuple[str | bytes, ...] = (markdown(document), html(document), pages.table(found), drawn)
        write_all({Path(out) / name: content for name, content in zip(_FILES, contents, strict=True)})
    return found
