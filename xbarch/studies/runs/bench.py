"""Runs points one after the other; what they share is read, built and packed once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from xbarch.errors import XbarchError
from xbarch.machine.machine import buildable
from xbarch.mapping.packings import kept
from xbarch.result.record import record
from xbarch.run import execute
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import Document, document, validate
from xbarch.studies.runs.store import Answer
from xbarch.studies.sweep.points import Point
from xbarch.workload.find import resolve
from xbarch.workload.graph import Workload

_PACKINGS = 2  # networks; points that share one follow one another
_COMPILED = find_spec("numba") is not None


def answer(point: Point) -> Answer:
    """The numbers of a point's result, or why there is none."""
    kept.most = max(kept.most, _PACKINGS)
    try:
        architecture = _architecture(point.architecture, point.overrides)
        run = execute(architecture, _workload(point.workload), policy=point.policy, images=point.images,
                      datapath=point.datapath, options=point.options, engine=_engine(architecture))
        return Answer("", numbers(record(run).document()))
    except XbarchError as error:
        return Answer(str(error), {})


def _engine(architecture: Architecture) -> str:
    """The figures are the same; the compiled one is loaded once for all points."""
    return "fast" if _COMPILED and not architecture.processes else "auto"


@lru_cache(maxsize=8)
def _document(name: str) -> Document:
    return document(name)


@lru_cache(maxsize=8)
def _architecture(name: str, overrides: tuple[str, ...]) -> Architecture:
    return validate(_document(name), Architecture, overrides, buildable)


@lru_cache(maxsize=8)
def _workload(name: str) -> Workload:
    return resolve(name)


def numbers(found: Mapping[str, Any], above: str = "") -> dict[str, float]:
    """Every number and truth of a record that is not in a list, by its dotted path; not who made it."""
    made: dict[str, float] = {}
    for key, value in found.items():
        if isinstance(value, Mapping) and key != "provenance":
            made |= numbers(value, f"{above}{key}.")
        elif isinstance(value, int | float):
            made[above + key] = value
    return made
