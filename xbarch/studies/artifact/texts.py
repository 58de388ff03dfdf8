"""The texts of a bundle for people: README.md and CITATION.cff."""

from __future__ import annotations

from collections.abc import Sequence

from xbarch.render.document import Document, Section, Table, markdown
from xbarch.result.result import Result
from xbarch.studies.artifact.manifest import INPUTS, NAME, Bundle
from xbarch.support import bundled


def readme(made: Bundle, results: Sequence[Result]) -> str:
    """The page that a reader of the bundle sees first."""
    rows = [_row(entry.result, r) for entry, r in zip(made.runs, results, strict=True)]
    sources = [text for r in results for text in (r.architecture.source, r.workload.source, r.datapath.provenance)]
    return markdown(Document(f"Results of xbarch {made.xbarch}", "xbarch bundle", pictures=(), sections=[
        Section("Figures", 2, table=Table(_HEADS, rows, words=3)),
        Section("To reproduce them", 2, [
            f"Install xbarch {made.xbarch} and run `xbarch reproduce DIR` on this folder. It checks every file, runs "
            "each result again and says what differs. With the same version the figures are equal to the bit; "
            f"`{NAME}` has the versions of Python and of the packages that made them."],
            [f"Needed beside xbarch: {name}." for name in made.plugins]),
        Section("Commands", 2, [f"They start in the folder `{INPUTS}`; what is not in it comes with xbarch."],
                [f"`{entry.command}`" for entry in made.runs]),
        Section("What to cite", 2, ["xbarch (`CITATION.cff`), and the sources of machines, networks and methods:"],
                list(dict.fromkeys(filter(None, sources)))),
    ]), 120)


_HEADS = ("Run", "Weights", "File", "Images/s", "Energy per image (µJ, scope chip)", "Used area (mm²)")


def _row(file: str, r: Result) -> list[str]:
    rate = r.throughput.images_per_second
    return [r.name, r.provenance.weights, file, "one image" if rate is None else f"{rate:,.1f}",
            f"{r.energy.scopes_aj.chip / 1e12:,.4g}", f"{r.area.used_mm2:,.4g}"]


def citation() -> str:
    """The content of xbarch's own CITATION.cff."""
    return (bundled.folder("architectures").parent / "CITATION.cff").read_text(encoding="utf-8")
