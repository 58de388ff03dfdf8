"""`xbarch matrix`: every data path on every architecture, with its gains over dense packing on the same machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from xbarch.render.document import Document, Section, Table, markdown
from xbarch.render.interactive.documents import document_html
from xbarch.result.result import checked_scope
from xbarch.specs.study import Study
from xbarch.studies.comparison.lines import DENSE
from xbarch.studies.comparison.resources import required, unrated
from xbarch.studies.comparison.rows import Figures, Row, rows, speed_up
from xbarch.studies.runs.bench import resumable_store
from xbarch.support import bundled
from xbarch.support.defaults import SCOPE, Scope
from xbarch.support.files import writable, write
from xbarch.support.progress import Progress

WORKLOAD = "digit_pairs/vgg7_segprune_8x"
POLICY = "one_copy"
FIRST = "isaac_like"
HARDWARE = "segprune"  # claimed to fit any ReRAM accelerator
IMAGES = 2
_NONE = "–"
_WIDE = 120


def matrix(architectures: Sequence[str] = (), workload: str = WORKLOAD, *, images: int = IMAGES, scope: Scope = SCOPE,
           out: str | Path | None = None, processes: int | None = None,
           progress: Progress | None = None) -> list[Row]:
    """Run every registered data path on the architectures with one workload and one copy of each layer.

    Args:
        architectures: names or paths; none: all bundled ones.
        workload: name or path. Its mask was trained for one method and says little about the gains of others; the table
            shows what can run.
        scope: of energies: compute, chip or whole.
        out: .md or .html file to write.
        processes: worker processes; None: one per CPU.
        progress: called with (runs done, runs in all, what was run).

    Raises:
        InputError: something named does not exist or is refused, or the file cannot be written.
    """
    names = list(architectures) or sorted(bundled.names("architectures"), key=lambda n: (n != FIRST, n))
    if out is not None:
        writable(Path(out).parent, Path(out).name)
    asked = Study(architectures=names, workloads=[workload], datapaths=["all"], policies=[POLICY], images=images,
                  scope=checked_scope(scope))
    with resumable_store(None, ["matrix", asked.model_dump()]) as store:
        found = rows(asked, progress, store=store, processes=processes)
    if out is not None:
        made = Document("Data paths on architectures", _command(architectures, workload, images, scope), [], [
            explain(found, images), *sections(found)])
        write(Path(out), document_html(made) if Path(out).suffix == ".html" else markdown(made, _WIDE))
    return found


def _command(architectures: Sequence[str], workload: str, images: int, scope: str) -> str:
    """Return the command that writes such a report, without options that have their default."""
    given = [*(f"--arch {name}" for name in architectures),
             *([f"--workload {workload}"] if workload != WORKLOAD else []),
             *([f"--images {images}"] if images != IMAGES else []),
             *([f"--scope {scope}"] if scope != SCOPE else [])]
    return " ".join(["xbarch matrix", *given])


def explain(found: Sequence[Row], images: int) -> Section:
    """Return a section that says what was run."""
    names, paths = _architectures(found), dict.fromkeys(r.datapath for r in found)
    ran = sum(r.figures is not None for r in found)
    return Section("How it was made", 2, [
        f"Each of the {len(paths)} data paths ran the workload `{found[0].workload}` on each of the {len(names)} "
        f"architectures, with {images} images and one copy of each layer, wherever the pair can run: {ran} of "
        f"{len(found)} pairs can. A mask trained for one method says little about the gains of others: the table shows "
        "what runs, and what the same weights give there. A figure above 1 is a gain. The table *Converters* says "
        "where the machine's resolution suffices; what it costs in accuracy where it does not, `xbarch accuracy` "
        "measures."])


def sections(found: Sequence[Row]) -> list[Section]:
    """Return the table, what SegPrune's hardware costs and gains on each machine, and why pairs cannot run."""
    names, workload = _architectures(found), found[0].workload
    refused = dict.fromkeys((r.label, r.datapath, r.why) for r in found if r.why)
    hardware = [(r, dense) for r in found if r.datapath == HARDWARE and r.figures
                if (dense := _dense(found, r.architecture)) is not None]
    return [
        Section("Gains", 2, [f"Speed-up / energy saving (scope {found[0].scope}) over `dense` on the same machine, "
                             f"workload `{workload}`, policy `{POLICY}`; – where the data path cannot run.",
                             *required(found), *unrated(found)],
                table=Table(["data path", *names], table(found), 1)),
        Section("Bound by", 2, ["What binds each run: crossbars, a kind of server, or waiting for one another. A "
                                "speed-up over dense is that of the method only where crossbars bind both."],
                table=Table(["data path", *names], bounds(found), 1)),
        Section("Converters", 2, ["*Exact*: no conversion can clip, or none of the stored activations does."],
                table=Table(["data path", *names], exactness(found), 1)),
        Section("SegPrune on every machine", 2, table=Table(
            ["architecture", "added area", "crossbar saving", "speed-up",
             f"energy saving (scope {found[0].scope})", "area saving"], [
                [r.architecture, f"{100 * r.figures.added:.2f} %", *(_times(g) for g in (
                    dense.crossbars / r.figures.crossbars, speed_up(dense, r.figures),
                    _saving(dense, r), dense.area / r.figures.area))]
                for r, dense in hardware if r.figures], 1)),
        *([Section("Why pairs cannot run", 2, bullets=[
            f"{label} (`{name}`): {why}" for label, name, why in refused])] if refused else []),
    ]


def table(found: Sequence[Row]) -> list[list[str]]:
    """Return one line per data path, one cell per architecture."""
    names, by = _architectures(found), {(r.datapath, r.architecture): r for r in found}
    return [[label, *(_cell(by.get((path, name)), _dense(found, name)) for name in names)]
            for path, label in dict.fromkeys((r.datapath, r.label) for r in found)]


def exactness(found: Sequence[Row]) -> list[list[str]]:
    """Return one line per data path, one cell per architecture: whether converters suffice."""
    return _cells(found, lambda figures: figures.converters)


def bounds(found: Sequence[Row]) -> list[list[str]]:
    """Return one line per data path, one cell per architecture: what binds the run."""
    return _cells(found, lambda figures: figures.bound)


def _cells(found: Sequence[Row], text: Callable[[Figures], str]) -> list[list[str]]:
    names, by = _architectures(found), {(r.datapath, r.architecture): r for r in found}
    return [[label, *((text(r.figures) or _NONE) if (r := by.get((path, name))) and r.figures else _NONE
                      for name in names)]
            for path, label in dict.fromkeys((r.datapath, r.label) for r in found)]


def _architectures(found: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(r.architecture for r in found))


def _dense(found: Sequence[Row], architecture: str) -> Figures | None:
    return next((r.figures for r in found if r.datapath == DENSE and r.architecture == architecture), None)


def _cell(row: Row | None, dense: Figures | None) -> str:
    if row is None or row.figures is None or dense is None:
        return _NONE
    return f"{_times(speed_up(dense, row.figures))} / {_times(_saving(dense, row))}"


def _saving(dense: Figures, row: Row) -> float | None:
    """Return the energy of the dense run over the row's, in its scope."""
    energy = row.figures.energy[row.scope] if row.figures else 0
    return dense.energy[row.scope] / energy if energy else None


def _times(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3g}×"
