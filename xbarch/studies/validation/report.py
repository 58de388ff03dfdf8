"""`xbarch report validation`: what is simulated beside silicon and other tools' numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xbarch.render.interactive.documents import write_report
from xbarch.studies.drawn import file_names
from xbarch.studies.validation import named, neurosim, others, pages, picture
from xbarch.studies.validation.macros import SINANGIL, by_value, macros, simulated
from xbarch.studies.validation.row import Row
from xbarch.support.files import writable
from xbarch.support.progress import Progress

OUT = Path("reports/validation")
_PICTURE = "validation.svg"
_LIST = "UIUC-IMC-Benchmarking (Shanbhag and Roy)"
_SPREAD = "supply, what the cells compute with and the effective bits of converters differ, and no geometry says them"


def validation(out: str | Path | None = OUT, *, progress: Progress | None = None) -> list[Row]:
    """Simulate what silicon was measured for and other tools print, and write `validation.md`, `.html`, `.csv`, `.svg`.

    Args:
        out: folder of the report; None writes nothing.
        progress: called with (parts done, parts in all, what is simulated).

    Returns:
        The rows of `validation.csv`: of NeuroSim's chips by component, of PUMA, ISAAC and MNSIM, of macros by name and
        of the list.

    Raises:
        InputError: the folder cannot be written.
    """
    if out is not None:
        writable(Path(out), *file_names("validation", []), _PICTURE)
    found = [*neurosim.rows(progress), *others.rows(), *named.rows(), *_macros(progress), *_values()]
    if out is not None:
        write_report(Path(out), "validation", pages.document(found), pages.table(found),
                     {_PICTURE: picture.draw(found)})
    return found


def _macros(progress: Progress | None) -> Iterator[Row]:
    for number, macro in enumerate(macros()):
        if progress is not None:
            progress(number, len(macros()), f"macro of {macro.name}")
        spent, held = simulated(macro)
        ours, products = sum(spent.values()), macro.rows * macro.columns * macro.products / 1000
        about, source = f"{macro.name}, {macro.node} nm {macro.cell}", f"{_LIST}, row {macro.number}"
        yield Row(about=about, quantity=pages.TIME, unit="ns", theirs=macro.time, ours=held, kind="silicon",
                  standing="independent", low=0.7, high=1.3, source=source,
                  note=f"a SAR converter of {macro.adc_bits} bits at the node; {_SPREAD}")
        yield Row(about=about, quantity=pages.MACRO, unit="pJ", theirs=macro.energy, ours=ours, kind="silicon",
                  standing="independent", low=0.7, high=1.3, source=source,
                  note=f"{macro.energy / products:.3g} fJ for a product of one bit, ours {ours / products:.3g}, "
                       f"{spent['adc'] / ours:.0%} of it converters; {_SPREAD}")


def _values() -> Iterator[Row]:
    for value, ours in by_value().items():
        yield Row(about="Sinangil et al., JSSC 2021, 7 nm", quantity=f"energy at MAC value {value}", unit="pJ",
                  theirs=SINANGIL[value], ours=ours, kind="silicon", standing="fitted", low=0.85, high=1.15,
                  source="as CiMLoop's public tests state it",
                  note="" if value else "nothing switches at zero, which two constants do not say")


