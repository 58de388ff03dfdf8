"""What is kept of a finished sweep, so that the same call need not read its rows again: which answers are its own, what
a pass over them found, and the files that were written from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from xbarch.plugins import registry
from xbarch.request import digest_of
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.bench import Bench
from xbarch.studies.runs.store import Buffer, Store
from xbarch.studies.sweep.points import Points
from xbarch.studies.sweep.sheet import Passed
from xbarch.studies.sweep.totals import Totals
from xbarch.support import files


@dataclass(frozen=True)
class Finished:
    """A sweep all of whose points have an answer."""

    names: Buffer
    """Digests of its points, one behind the other."""
    passed: Passed
    written: dict[str, str] = field(default_factory=dict)
    """Digests of the files in its folder, by name."""

    def lacks(self, folder: Path, wanted: Iterable[str]) -> list[str]:
        """Return those of the wanted files that are not there as they were written."""
        return [name for name in wanted
                if not files.is_file(folder / name) or files.digest(folder / name) != self.written.get(name)]

    def wrote(self, folder: Path, wanted: Iterable[str]) -> Finished:
        """Return the same with the digests of these files of its folder."""
        return Finished(self.names, self.passed, {
            **self.written, **{name: files.digest(folder / name) for name in wanted}})


def identity(asked: Sweep, every: Points, bench: Bench, screen: int | None = None) -> str:
    """Return a digest of all that the points of a sweep, their order and what is written of them follow from. screen:
    points that run at a time where the others may be screened out."""
    return digest_of([asked.model_dump(mode="json"), screen, [str(file) for file in registry.files()],
                      [bench.digest(point.request) for point in every.samples()]])


def find(store: Path, name: str) -> Finished | None:
    """Return what was kept under a sweep's identity; None: nothing was."""
    with Store(store) as kept:
        found = kept.finished(name)
    if found is None:
        return None
    said = json.loads(found[0])
    return Finished(found[1], Passed(Totals.of(said["totals"]), said["front"], found[2]), said["written"])


def keep(store: Path, name: str, found: Finished) -> None:
    """Keep it under the sweep's identity."""
    said = {"totals": found.passed.totals.plain(), "front": found.passed.front, "written": found.written}
    with Store(store) as kept:
        kept.finish(name, json.dumps(said), found.names, found.passed.ran)
