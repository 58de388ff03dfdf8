"""`xbarch report accuracy`: measure the stored workloads of a grid of recipes and write the report."""

from __future__ import annotations

from pathlib import Path

from xbarch.errors import InputError
from xbarch.render.interactive.documents import write_report
from xbarch.studies.accuracy import charts, pages, picture
from xbarch.studies.accuracy.equal import equal_grid
from xbarch.studies.accuracy.rows import GRID, Row, list_left, rows
from xbarch.studies.accuracy.seeds import Order, averaged, orders
from xbarch.studies.drawn import file_names
from xbarch.support import bundled
from xbarch.support.files import writable, write_all
from xbarch.support.progress import Progress

OUT = Path("reports/accuracy")
_PICTURE = "accuracy.svg"


def accuracy(
    out: str | Path | None = OUT, *, workloads: str | Path | None = None, against: str | Path | None = None,
    equal_loss: str | Path | None = None, progress: Progress | None = None,
) -> list[Row]:
    """Compare the accuracy of every stored workload of a grid with the weights it keeps, and write `accuracy.md`,
    `.html`, `.csv` and `.svg`.

    Args:
        out: folder of the report; None writes nothing.
        workloads: folder with one folder NETWORK_METHOD_POINT per stored workload; None: the bundled grid
            `digit_pairs`. If a grid of the folder's name lies beside the folder or is bundled, those of its recipes
            that are not stored are listed as not trained yet. Of a grid with seeds the report has means over the seeds
            with their intervals.
        against: the folder of another grid, of other data: are the methods in the same order there?
        equal_loss: file to write a grid of recipes to: each method of the grid once more, at the densities at which its
            curve loses 1 and 2 points of accuracy.
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
    if against is not None and not Path(against).is_dir():
        raise InputError("no such folder; give one with stored workloads", file=Path(against), field="against")
    if equal_loss is not None:
        writable(Path(equal_loss).parent, Path(equal_loss).name)
    found = rows(folder, progress)
    recipes = None if equal_loss is None else equal_grid(folder)
    other = rows(Path(against)) if against is not None else []
    if out is not None:
        shown = _shown(found)
        drawn = picture.draw(shown)
        document = pages.document(shown, charts.draw(shown), list_left(folder, found), _orders(shown, _shown(other)))
        write_report(Path(out), "accuracy", document, pages.table(found), {_PICTURE: drawn})
    if equal_loss is not None and recipes is not None:
        write_all({Path(equal_loss): recipes})
    return found


def _shown(found: list[Row]) -> list[Row]:
    """Return the rows as the report has them: means over seeds where there are several."""
    return averaged(found) if any(row.seed is not None for row in found) else found


def _orders(here: list[Row], there: list[Row]) -> list[Order]:
    """Return the orders of the methods on the first network here that is there too."""
    for network in dict.fromkeys(row.network for row in here):
        if network in {row.network for row in there}:
            return orders([r for r in here if r.network == network], [r for r in there if r.network == network])
    return []
