"""`xbarch report claims`: run what the claims need and write the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xbarch.errors import InputError
from xbarch.mapping.plan import parse_policy
from xbarch.render.document import html, markdown
from xbarch.studies.claims import pages, picture
from xbarch.studies.claims.chips import Choice, choices, hold
from xbarch.studies.claims.desk import Desk
from xbarch.studies.claims.published import CLAIMS, DENSE
from xbarch.studies.claims.rows import Row, cases, rows
from xbarch.studies.runs.bench import Bench, Progress, resumable
from xbarch.support.files import writable, write_all

OUT = Path("reports/claims")
_FILES = ("claims.md", "claims.html", "claims.csv", "claims.svg")


def claims(
    out: str | Path | None = OUT, *, workloads: str | Path | None = None, policies: Sequence[str] = (),
    images: int | None = None, processes: int | None = None, progress: Progress | None = None,
) -> list[Row]:
    """Simulate what the claims of the four papers need and write `claims.md`, `.html`, `.csv` and `.svg`.

    Args:
        out: folder of the report; None writes nothing.
        workloads: folder with a folder a stored workload; None: those that come with xbarch. One that is not there
            makes its rows say so.
        policies: instead of each claim's own; the first gives the headline.
        images: images in flight, as of a request.
        processes: worker processes; None: one per CPU.
        progress: called with (runs done, runs in all, what is running).

    Returns:
        The table that `claims.csv` has.

    Raises:
        InputError: a policy there is not, a folder that is not there or cannot be written, a damaged workload.
    """
    for policy in policies:
        parse_policy(policy)
    folder = None if workloads is None else Path(workloads)
    if folder is not None and not folder.is_dir():
        raise InputError("no such folder, allowed one with stored workloads", file=folder)
    if out is not None:
        writable(Path(out), *_FILES)
    with resumable(None if out is None else Path(out), ["claims", str(workloads), list(policies), images]) as store:
        desk = Desk(Bench(store, processes), folder, images)
        found = rows(desk, cases(policies=policies), progress)
        if out is not None:
            _write(Path(out), pages.Report(found, held(desk), trained(desk), desk.images))
    return found


def held(desk: Desk) -> list[Choice]:
    """The largest network that chips hold: the dense ones of the workloads whose claim is the smallest chip, and
    these workloads themselves; those that are stored."""
    pruned = [name for claim in CLAIMS if claim.figure == "smallest chip" for name in claim.workloads]
    both = ([(DENSE[name], "dense") for name in pruned], [(name, "") for name in pruned])
    before, after = ([hold(desk.setup(desk.request(name, datapath=path))) for name, path in names
                      if desk.network(name) is not None] for names in both)
    return choices(before, after)


def trained(desk: Desk) -> dict[str, tuple[str, int]]:
    """What every stored workload was trained on, and on how many images its accuracy was measured."""
    names = dict.fromkeys(name for claim in CLAIMS for name in claim.workloads)
    stored = {name: network for name in names if (network := desk.network(name))}
    return {name: (n.trained_on or "synthetic weights", int(n.manifest.get("data", {}).get("test", 0)))
            for name, n in stored.items()}


def _write(out: Path, report: pages.Report) -> None:
    """The four files, together or not at all."""
    drawn = picture.draw(report.rows)
    document = pages.document(report, drawn)
    made: tuple[str | bytes, ...] = (markdown(document), html(document), pages.table(report), drawn)
    write_all({out / name: content for name, content in zip(_FILES, made, strict=True)})
