"""`xbarch report accuracy`: measure the stored workloads of a grid of recipes and write the report."""

from __future__ import annotations

from pathlib import Path

from xbarch.errors import InputError
from xbarch.render.interactive.documents import write_report
from xbarch.studies.accuracy import charts, pages, picture
from xbarch.studies.accuracy.rows import GRID, Row, rows
from xbarch.studies.drawn import file_names
from xbarch.support import bundled
from xbarch.support.files import writable
from xbarch.support.progress import Progress

OUT = Path("reports/accuracy")
_PICTURE = "accuracy.svg"


def accuracy(
    out: str | Path | None = OUT, *, workloads: str | Path | None = None, progress: Progress | None = None,
) -> list[Row]:
    """Compare the accuracy of every stored workload of a grid with the weights it keeps, and write `accuracy.md`,
    `.html`, `.csv` and `.svg`.

    Args:
        out: folder of the report; None writes nothing.
        workloads: folder with one folder NETWORK_METHOD_POINT per stored workload; None: the bundled grid
            `digit_pairs`. If a grid of the folder's name lies beside the folder or is bundled, those of its recipes
            that are not stored are listed as not trained yet.
        progress: called with (workloads measured, workloads in all, the one being measured).

    Returns:
        The rows of `accuracy.csv`.

    Raises:
        InputError: a folder does not exist, has no such workload or cannot be written, or a workload is damaged.
    """
    folder = bundled.folder("workloads") / GRID if workloads is None else Path(workloads)
    if workloads is not None and not folder.is_dir():
        raise InputError("no such folder; give one with stored workloads", file=folder)
    if out is not None:
        writable(Path(out), *file_names("accuracy", []), _PICTURE)
    found = rows(folder, progress)
    if out is not None:
        drawn = picture.draw(found)
        document = pages.document(found, charts.draw(found))
        write_report(Path(out), "accuracy", document, pages.table(found), {_PICTURE: drawn})
    return found
