"""`xbarch report claims`: run what the claims need and write the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xbarch.errors import InputError
from xbarch.mapping.plan import parse_policy
from xbarch.render.interactive.documents import write_report
from xbarch.studies.claims import charts, equal_pages, pages, picture
from xbarch.studies.claims.chips import Choice, choices, fit
from xbarch.studies.claims.desk import Desk
from xbarch.studies.claims.equal import at_equal_loss
from xbarch.studies.claims.published import CLAIMS, DENSE
from xbarch.studies.claims.rows import Row, cases, rows
from xbarch.studies.drawn import file_names
from xbarch.studies.runs.bench import Bench, resumable_store
from xbarch.support.files import writable
from xbarch.support.progress import Progress

OUT = Path("reports/claims")
_PICTURE = "claims.svg"


def claims(
    out: str | Path | None = OUT, *, workloads: str | Path | None = None, policies: Sequence[str] = (),
    images: int | None = None, periphery: str | None = None, processes: int | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Simulate what the published claims need and write `claims.md`, `.html`, `.csv` and `.svg`, and
    `equal_loss.csv`.

    Args:
        out: folder of the report; None writes nothing.
        workloads: folder with one folder per stored workload; None: the bundled ones. Rows of a missing workload say
            that it is not available.
        policies: instead of that of each figure; the first gives the headline.
        periphery: published or balanced, instead of both for what depends on pace and published for the rest.
        images: images of every run, two or more; None: as many as a request has by default.
        processes: worker processes; None: one per CPU.
        progress: called with (runs done, runs in all, what was run).

    Returns:
        The rows of `claims.csv`.

    Raises:
        InputError: a policy is unknown, or a single image is asked for, which has no throughput; a folder
            does not exist or cannot be written, or a workload is damaged.
    """
    for policy in policies:
        parse_policy(policy)
    if images == 1:
        raise InputError("must be 2 or more, not 1: a single image has a latency and no throughput", field="images")
    folder = None if workloads is None else Path(workloads)
    if folder is not None and not folder.is_dir():
        raise InputError("no such folder; give one with stored workloads", file=folder)
    if out is not None:
        writable(Path(out), *file_names("claims", []), _PICTURE, equal_pages.FILE)
    content = ["claims", str(workloads), list(policies), images, periphery]
    with resumable_store(None if out is None else Path(out), content) as store:
        desk = Desk(Bench(store, processes), folder, images)
        found = rows(desk, cases(policies=policies, periphery=periphery or ""), progress)
        if out is not None:
            _write(Path(out), pages.Report(found, largest_networks(desk), training_data(desk), desk.images,
                                           at_equal_loss(desk, progress)))
    return found


def largest_networks(desk: Desk) -> list[Choice]:
    """Return the largest network that each size of chip holds, among the stored workloads whose claim is the smallest
    chip and among their dense networks."""
    pruned = [name for claim in CLAIMS if claim.figure == "smallest chip" for name in claim.workloads]
    both = ([(DENSE[name], "dense") for name in pruned], [(name, "") for name in pruned])
    before, after = ([fit(desk.setup(desk.request(name, datapath=path))) for name, path in names
                      if desk.network(name) is not None] for names in both)
    return choices(before, after)


def training_data(desk: Desk) -> dict[str, tuple[str, int]]:
    """Return what every stored workload was trained on, and on how many images its accuracy was measured."""
    names = dict.fromkeys(name for claim in CLAIMS for name in claim.workloads)
    stored = {name: network for name in names if (network := desk.network(name))}
    return {name: (n.trained_on or "synthetic weights", int(n.manifest.get("data", {}).get("test", 0)))
            for name, n in stored.items()}


def _write(out: Path, report: pages.Report) -> None:
    drawn = picture.draw(report.rows)
    document = pages.document(report, charts.draw(report.rows))
    write_report(out, "claims", document, pages.table(report), {
        _PICTURE: drawn, equal_pages.FILE: equal_pages.table(report.equal).encode()})
