"""`xbarch report field`: measure and run what the finding needs and write it."""

from __future__ import annotations

from pathlib import Path

from xbarch.errors import InputError
from xbarch.render.document import Picture, html, markdown
from xbarch.studies.comparison import picture as study
from xbarch.studies.field import pages, picture
from xbarch.studies.field.rows import STUDY, Field, measured
from xbarch.studies.runs.bench import Progress, resumable
from xbarch.support.files import writable, write_all

OUT = Path("reports/field")
_TEXT = ("field.md", "field.html", "field.csv")
_DRAWN = {
    "reach": "How far each method goes at equal losses of accuracy",
    "accuracy_energy": "Change of accuracy against energy, every trained point at equal crossbars",
    "ratio_speed": "Speed against the ratio of weights, every trained point at equal crossbars",
    "large_ratio_speed": "VGG-16: speed against the ratio of weights",
    "large_energy": "VGG-16: energy by component",
}


def field(out: str | Path | None = OUT, *, workloads: str | Path | None = None, study: str | Path = STUDY,
          processes: int | None = None, progress: Progress | None = None) -> Field:
    """Put every trained method at equal loss of accuracy and equal crossbars, and write `field.md`, `.html`, `.csv` and
    the pictures.

    Args:
        out: folder of the report; None writes nothing.
        workloads: folder with a folder NETWORK_METHOD_POINT for each point of the curves; None: the bundled grid's.
        study: the large network's study, a file or a bundled name; of its workloads those that are stored.
        processes: worker processes; None: one per CPU.
        progress: called with (steps done, steps in all, what is running).

    Raises:
        InputError: nothing is stored; the folder cannot be written; the study is refused.
    """
    if workloads is not None and not Path(workloads).is_dir():
        raise InputError("no such folder, allowed one with stored workloads", file=workloads)
    if out is not None:
        writable(Path(out), *_TEXT, *(f"{name}.{kind}" for name in _DRAWN for kind in ("svg", "png")))
    folder = None if out is None else Path(out)
    with resumable(folder, ["field", str(workloads), str(study)]) as store:
        found = measured(None if workloads is None else Path(workloads), study, progress, store, processes)
        if folder is not None:
            _write(folder, found)
    return found


def _write(out: Path, found: Field) -> None:
    figures = {"reach": picture.draw(found.methods), **study.draw(found.curves)}
    figures.pop("energy")  # of some fifty points: too many bars to read
    last = [r for r in found.large if r.policy == found.asked.policies[-1]]
    figures |= {f"large_{name}": figure for name, figure in study.draw(last).items() if f"large_{name}" in _DRAWN} \
        if last else {}
    drawn = {name: study.render(figure, "svg") for name, figure in figures.items()}
    pictures = [Picture(f"{name}.svg", _DRAWN[name], f"{_DRAWN[name]}; the numbers are in the tables", svg, narrow=True)
                for name, svg in drawn.items()]
    document = pages.document(found, pictures, "xbarch report field")
    contents: dict[Path, str | bytes] = {out / "field.md": markdown(document), out / "field.html": html(document),
                                         out / "field.csv": pages.sheet(found)}
    for name, figure in figures.items():
        contents[out / f"{name}.svg"] = drawn[name]
        contents[out / f"{name}.png"] = study.render(figure, "png")
    write_all(contents)
