"""Whether the runs of a comparison have equal resources, and a rate at all, in sentences for its readers."""

from __future__ import annotations

from collections.abc import Sequence

from xbarch.studies.comparison.rows import Figures, Row
from xbarch.studies.runs.paths import sentences
from xbarch.support import numbers


def warnings(rows: Sequence[Row]) -> list[str]:
    """Return what a reader must know before the gains: no sentence or some."""
    return [*required(rows), *unequal(rows), *unrated(rows)]


def required(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each architecture that runs the data path it requires in place of others."""
    return sentences([(r.architecture, r.datapath, r.instead) for r in rows])


def unequal(rows: Sequence[Row]) -> list[str]:
    """Return a sentence if runs were granted other crossbars, or occupy other tiles, than the dense run they are
    compared with."""
    pairs = [(r.figures, r.base) for r in rows if r.figures and r.base and r.figures is not r.base]
    other = [pair for pair in pairs if pair[0].budget != pair[1].budget]
    spread = [pair for pair in pairs if pair[0].tiles != pair[1].tiles]
    if not other and not spread:
        return []
    told = [f"{words} of {numbers.count(len(found), 'run')} ({_widest(found, what)})" for words, found, what in (
        ("the crossbars granted", other, "budget"), ("the tiles", spread, "tiles")) if found]
    return [f"Resources differ from the dense base's: {' and '.join(told)}"
            + ("; a policy crossbars:K grants all runs the same." if other else ".")]


def _widest(pairs: Sequence[tuple[Figures, Figures]], what: str) -> str:
    """Return the pair that differs most."""
    ours, base = max(((getattr(f, what), getattr(b, what)) for f, b in pairs),
                     key=lambda pair: max(pair) / max(1, min(pair)))
    return f"at the widest {numbers.number(ours)} against {numbers.number(base)}"


def unrated(rows: Sequence[Row]) -> list[str]:
    """Return a sentence if single images ran, which have a latency and no throughput."""
    alone = any(r.figures and r.figures.images_per_second is None for r in rows)
    return ["A single image has a latency and no throughput: run two or more for images/s and speed-ups."] \
        if alone else []
