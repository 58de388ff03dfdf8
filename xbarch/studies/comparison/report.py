"""`xbarch compare` with architectures, workloads and data paths: run them and write the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xbarch.render.interactive.documents import document_html, write_report
from xbarch.result.result import checked_scope
from xbarch.specs.load import Document, validate
from xbarch.specs.load import document as read
from xbarch.specs.study import Study
from xbarch.studies.comparison import charts, pages, picture
from xbarch.studies.comparison.rows import Row, rows, run_names
from xbarch.studies.drawn import draw_files, file_names, to_pictures
from xbarch.studies.runs.bench import resumable_store
from xbarch.support.defaults import Scope
from xbarch.support.files import writable, write
from xbarch.support.progress import Progress

_DRAWN = {"ratio_speed": "Speed-up against compression ratio", "accuracy_energy": "Accuracy against energy saving",
          "energy": "Energy per image by component"}


def study(source: str | Path, *, scope: Scope | None = None, out: str | Path | None = None,
          processes: int | None = None, progress: Progress | None = None) -> list[Row]:
    """Run the comparison described by a study file (YAML, `kind: study`). scope: of energies, instead of the study's.

    Raises:
        InputError: there is no such file, it is refused, or something it names does not exist.
    """
    found = read(source, kind="studies")
    with found.blamed():
        asked = validate(found, Study)
        if scope is not None:
            asked = asked.model_copy(update={"scope": checked_scope(scope)})
        return run(asked, out=out, processes=processes, progress=progress,
                   command=f"xbarch compare {Path(source).name}")


def compare(architectures: Sequence[str], workloads: Sequence[str], *, out: str | Path | None = None,
            processes: int | None = None, progress: Progress | None = None, **more: Any) -> list[Row]:
    """Compare data paths on architectures and workloads, and write one report.

    Args:
        architectures: names or paths; the first is the base machine.
        workloads: names or paths.
        out: folder for comparison.md, .html, .csv and the pictures, or a file .html for the page alone; None writes
            nothing.
        processes: worker processes; None: one per CPU.
        progress: called with (runs done, runs in all, what was run).
        more: the other fields of a study (`xbarch.specs.study.Study`): datapaths (names, "own" or "all"), policies,
            machines, axes, and fields of a request for every run: images, chips, mode, placement, replication, batch,
            engine, reload, bits, activation_bits, level_bits; scope.

    Raises:
        InputError: something named does not exist or is refused, or the folder cannot be written.
    """
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in more.items()}
    asked = validate(Document("compare", {"architectures": [str(a) for a in architectures],
                                          "workloads": [str(w) for w in workloads], **given}), Study)
    return run(asked, out=out, processes=processes, progress=progress)


def run(asked: Study, *, out: str | Path | None = None, processes: int | None = None,
        progress: Progress | None = None, command: str = "xbarch compare") -> list[Row]:
    """Run a study, resuming an interrupted one, and write its report. command: named in the report.

    Raises:
        InputError: as in `compare`.
    """
    place = None if out is None else Path(out)
    page = place is not None and place.suffix == ".html"
    if place is not None and page:
        writable(place.parent, place.name)
    elif place is not None:
        writable(place, *file_names("comparison", _DRAWN))
    with resumable_store(None if page else place, ["compare", asked.model_dump()]) as store:
        found = rows(asked, progress, store=store, processes=processes)
        if place is not None:
            _write(place, asked, found, command)
    return found


def _write(out: Path, asked: Study, found: Sequence[Row], command: str) -> None:
    """Write the page alone if `out` is an .html file, else all files into that folder."""
    files = draw_files(picture.draw(found))
    looked = charts.draw(found, run_names(found))
    document = pages.document(asked, found, to_pictures(files, _DRAWN, looked), command)
    if out.suffix == ".html":
        write(out, document_html(document))
    else:
        write_report(out, "comparison", document, pages.sheet(found), files)
