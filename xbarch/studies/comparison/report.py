"""`xbarch compare` of architectures, workloads and data paths: run them and write the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xbarch.render.document import Picture, html, markdown
from xbarch.specs.load import Document, validate
from xbarch.specs.load import document as read
from xbarch.specs.study import Study
from xbarch.studies.comparison import pages, picture
from xbarch.studies.comparison.rows import Progress, Row
from xbarch.studies.comparison.rows import rows as measured
from xbarch.support.files import writable, write_all

_TEXT = ("comparison.md", "comparison.html", "comparison.csv")
_DRAWN = {"ratio_speed": "Speed against the ratio of weights", "accuracy_energy": "Accuracy against energy",
          "energy": "Energy by component"}


def study(source: str | Path, *, out: str | Path | None = None, progress: Progress | None = None) -> list[Row]:
    """`compare` as a study file (YAML, `kind: study`) says.

    Raises:
        InputError: no such file, refused, or something it names is not there.
    """
    found = read(source, kind="studies")
    asked = validate(found, Study)
    with found.blamed():
        return _compare(asked, out, progress, f"xbarch compare {Path(source).name}")


def compare(
    architectures: Sequence[str], workloads: Sequence[str], *, datapaths: Sequence[str] = ("own",),
    policies: Sequence[str] = ("fit",), images: int = 8, out: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Put data paths side by side on architectures and workloads, and write one report.

    Args:
        architectures: names or paths; the first is the base machine.
        workloads: names or paths.
        datapaths: names, "own" (each workload's) or "all"; pairs that do not take each other come with the reason.
        policies: how many copies of each layer.
        images: images in flight.
        out: folder for comparison.md, .html, .csv and the pictures; None writes nothing.
        progress: called with (runs done, runs in all, what is running).

    Raises:
        InputError: something named is not there or refused; the folder cannot be written.
    """
    asked = validate(_document(architectures, workloads, datapaths, policies, images), Study)
    return _compare(asked, out, progress, "xbarch compare")


def _document(architectures: Sequence[str], workloads: Sequence[str], datapaths: Sequence[str],
              policies: Sequence[str], images: int) -> Document:
    return Document("compare", {
        "architectures": [str(a) for a in architectures], "workloads": [str(w) for w in workloads],
        "datapaths": list(datapaths), "policies": list(policies), "images": images})


def _compare(asked: Study, out: str | Path | None, progress: Progress | None, command: str) -> list[Row]:
    if out is not None:
        writable(Path(out), *_TEXT, *(f"{name}.{kind}" for name in _DRAWN for kind in ("svg", "png")))
    found = measured(asked, progress)
    if out is not None:
        _write(Path(out), asked, found, command)
    return found


def _write(out: Path, asked: Study, rows: Sequence[Row], command: str) -> None:
    figures = picture.draw(rows)
    drawn = {name: picture.render(figure, "svg") for name, figure in figures.items()}
    pictures = [Picture(f"{name}.svg", _DRAWN[name], f"{_DRAWN[name]}; the numbers are in the tables", svg, narrow=True)
                for name, svg in drawn.items()]
    document = pages.document(asked, rows, pictures, command)
    contents: dict[Path, str | bytes] = {
        out / "comparison.md": markdown(document), out / "comparison.html": html(document),
        out / "comparison.csv": pages.sheet(rows)}
    for name, figure in figures.items():
        contents[out / f"{name}.svg"] = drawn[name]
        contents[out / f"{name}.png"] = picture.render(figure, "png")
    write_all(contents)
