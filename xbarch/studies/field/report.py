"""`xbarch report field`: measure and run all trained methods, and write the report."""

from __future__ import annotations

from pathlib import Path

from xbarch.errors import InputError
from xbarch.render.interactive.documents import write_report
from xbarch.result.result import checked_scope
from xbarch.studies.comparison import picture as comparison
from xbarch.studies.drawn import draw_files, file_names, to_pictures
from xbarch.studies.field import charts, pages, picture
from xbarch.studies.field.rows import STUDY, Field, run
from xbarch.studies.runs.bench import resumable_store
from xbarch.support.defaults import Scope
from xbarch.support.files import writable
from xbarch.support.progress import Progress

OUT = Path("reports/field")

_DRAWN = {
    "reach": "Compression ratio of each method at equal loss of accuracy",
    "accuracy_energy": "Change in accuracy against energy saving, every trained point at equal crossbars",
    "ratio_speed": "Speed-up against compression ratio, every trained point at equal crossbars",
    "large_ratio_speed": "VGG-16: speed-up against compression ratio",
    "large_energy": "VGG-16: energy per image by component",
}


def field(out: str | Path | None = OUT, *, workloads: str | Path | None = None, study: str | Path = STUDY,
          scope: Scope | None = None, periphery: str | None = None, processes: int | None = None,
          progress: Progress | None = None) -> Field:
    """Compare all trained methods at equal loss of accuracy and on equal crossbars, and write `field.md`, `.html`,
    `.csv` and the pictures.

    Args:
        out: folder of the report; None writes nothing. What is said of devices and peripheries is read from the reports
            beside it, `noise/noise.json` and `ranks.json`, if they are there.
        workloads: folder with one folder NETWORK_METHOD_POINT per point of the curves; None: the bundled grid.
        study: study of the large network, a file or a bundled name; workloads of it that are not stored are left out.
        scope: of energies, instead of the study's.
        periphery: published or balanced, instead of the study's.
        processes: worker processes; None: one per CPU.
        progress: called with (steps done, steps in all, what was run).

    Raises:
        InputError: no workload is stored, the folder cannot be written, or the study is refused.
    """
    if workloads is not None and not Path(workloads).is_dir():
        raise InputError("no such folder; give one with stored workloads", file=workloads)
    if out is not None:
        writable(Path(out), *file_names("field", _DRAWN))
    folder = None if out is None else Path(out)
    with resumable_store(folder, ["field", str(workloads), str(study), periphery]) as store:
        found = run(None if workloads is None else Path(workloads), study, progress, store=store,
                    processes=processes, scope=None if scope is None else checked_scope(scope), periphery=periphery,
                    beside=folder and folder.parent)
        if folder is not None:
            _write(folder, found)
    return found


def _write(out: Path, found: Field) -> None:
    figures = {"reach": picture.draw(found.methods), **comparison.draw(found.curves)}
    figures.pop("energy")  # some fifty points: too many bars to read
    if last := [r for r in found.large if r.policy == found.asked.policies[-1]]:
        drawn = {f"large_{name}": figure for name, figure in comparison.draw(last).items()}
        figures |= {name: figure for name, figure in drawn.items() if name in _DRAWN}
    files = draw_files(figures)
    document = pages.document(found, to_pictures(files, _DRAWN, charts.draw(found)), "xbarch report field")
    write_report(out, "field", document, pages.sheet(found), files)
