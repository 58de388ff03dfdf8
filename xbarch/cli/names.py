"""Names that tab completion offers. Read from folders and from the lists of installed packages: nothing is imported for
them, or completing would take longer than typing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

POLICIES = ("fit", "one_copy", "crossbars:2", "crossbars:4", "chip", "area")
MODES = ("pipelined", "layer_by_layer", "batch")
PLACEMENTS = ("traffic", "row_major", "snake", "greedy")
REPLICATIONS = ("auto", "stripes", "stripes_by_layer", "in_turn")
ENGINES = ("auto", "simpy", "fast")
EXECUTORS = ("processes", "dask", "slurm")
WEIGHT_SCALES = ("lsq", "mean", "nonzero_mean", "sawb")
FORMATS = ("svg", "png", "pdf")
WEIGHT_STEPS = ("filter", "layer")
ZEROS = ("auto", "masked", "kept")
CHAINS = ("real", "power_of_two")
BATCH_NORMS = ("keep", "refit")
CALIBRATIONS = ("squared_error", "percentile")
PLUGINS = ("datapaths", "sensing", "scaling", "topologies", "processes", "effects")
FILES = ("architectures", "workloads", "studies")
NOISE = "noise"
KINDS = (*FILES, NOISE, *PLUGINS)

Complete = Callable[[str], list[str]]


def choice(*known: str) -> Complete:
    """Complete one of `known`."""
    return lambda incomplete: _matching(known, incomplete)


def named(*kinds: str) -> Complete:
    """Complete a name of one of these `KINDS`."""
    return lambda incomplete: _matching(_names(kinds, incomplete), incomplete)


def several(complete: Complete) -> Complete:
    """Complete the last of a list with commas."""
    def last(incomplete: str) -> list[str]:
        before, comma, word = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in complete(word)]
    return last


def members() -> list[str]:
    """Return the stored workloads of bundled grids, GRID/NAME."""
    from xbarch.support import bundled

    place = bundled.folder("workloads")
    return sorted(f"{file.parent.parent.name}/{file.parent.name}" for file in place.glob("*/*/manifest.json"))


def _matching(known: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in known if name.startswith(incomplete))


def _names(kinds: Sequence[str], incomplete: str) -> Iterator[str]:
    from xbarch.support import bundled

    with suppress(Exception):  # a broken installation must not spoil the command line
        for kind in kinds:
            yield from bundled.known(kind) if kind in (*FILES, NOISE) else _plugins(kind)
        if "workloads" in kinds and "/" in incomplete:
            yield from members()


def _plugins(kind: str) -> list[str]:
    from importlib.metadata import entry_points

    return [point.name for point in entry_points(group=f"xbarch.{kind}")]
