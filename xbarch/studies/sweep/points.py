"""From a sweep to its points: a request each, with the values of the sweep's fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from xbarch.errors import InputError
from xbarch.mapping.plan import parse_policy
from xbarch.plugins import registry
from xbarch.request import Contents, Request
from xbarch.specs.explain import unknown
from xbarch.specs.study import Value
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.axes import at, variants

MOST = 100_000


@dataclass(frozen=True)
class Point:
    """One run of a sweep. values: of the sweep's fields, in their order."""

    request: Request
    values: tuple[Value, ...] = ()

    @property
    def run(self) -> tuple[str, str, str, str]:
        """Architecture, workload, data path and policy, as they were given."""
        r = self.request
        return str(r.arch), str(r.workload), r.datapath or "", r.policy


def points(asked: Sweep, contents: Contents | None = None) -> list[Point]:
    """Every combination, those that share a packing one after the other: architectures, workloads, data paths, axes in
    their order, policies. contents: for what is read.

    Raises:
        InputError: an architecture, workload, data path, option, policy or field that there is not; too many points.
    """
    known = Contents() if contents is None else contents
    for number, policy in enumerate(asked.policies):
        with at(f"policies.{number}"):
            parse_policy(policy)
    runs = [(name, path) for name in asked.workloads for path in _paths(asked, name, known)]
    count = len(asked.architectures) * prod(map(len, asked.axes.values())) * len(runs) * len(asked.policies)
    if count > MOST:
        raise InputError(f"the sweep has {count:,} points; a sweep may have {MOST:,}", field="axes")
    every = list(variants(asked.axes))
    found = []
    for name in asked.architectures:
        known.document(name)
        for text in dict.fromkeys(v.overrides for v in every):
            with at("axes", f" in {' '.join(text)}"):
                known.document(name, text)
        for workload, path in runs:
            for variant in every:
                with at("axes") if variant.choices else at(next(iter(asked.choices), "images")):
                    given = variant.changed(asked.choices, asked.options.get(path))
                    found += [Point(Request(arch=name, workload=workload, datapath=path, policy=policy, **given),
                                    variant.values) for policy in asked.policies]
    return found


def _paths(asked: Sweep, workload: str, known: Contents) -> Iterator[str]:
    """Every data path that a workload is to run by, its options looked over."""
    network, registered = known.workload(workload), registry.datapaths()
    for number, path in enumerate([*asked.datapaths, *asked.options]):
        if path not in registered and (path not in ("own", "all") or number >= len(asked.datapaths)):
            raise InputError(unknown("data path", path, registered),
                             field="options" if number >= len(asked.datapaths) else f"datapaths.{number}")
    for path in dict.fromkeys(p for given in asked.datapaths for p in (
            registered if given == "all" else [network.datapath] if given == "own" else [given])):
        with at("options"):
            known.run(Request(arch="", workload=workload, datapath=path, options=asked.options.get(path, {})))
        yield path
