"""Expand a sweep into its points: one request each, with the values of the sweep's fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from xbarch.errors import InputError
from xbarch.mapping.plan import parse_policy
from xbarch.plugins import registry
from xbarch.request import Contents, Request, choose_datapath
from xbarch.specs.explain import unknown
from xbarch.specs.study import Value
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.axes import blame_field, variants

MOST = 100_000


@dataclass(frozen=True)
class Point:
    """One run of a sweep."""

    request: Request
    values: tuple[Value, ...] = ()
    """Of the sweep's fields, in their order."""

    @property
    def run(self) -> tuple[str, str, str, str]:
        """Architecture, workload, data path and policy as given in the sweep."""
        r = self.request
        return str(r.arch), str(r.workload), r.datapath or "", r.policy


def points(asked: Sweep, contents: Contents | None = None) -> list[Point]:
    """Return a point for every combination of architecture, workload, data path, axes (in their order) and policy.
    Points that share a packing follow one another. contents: what was read before.

    Raises:
        InputError: an architecture, workload, data path, option, policy or field does not exist, or the sweep has too
            many points.
    """
    known = Contents() if contents is None else contents
    for number, policy in enumerate(asked.policies):
        with blame_field(f"policies.{number}"):
            parse_policy(policy)
    runs = [(name, path) for name in asked.workloads for path in _paths(asked, name, known)]
    count = len(asked.architectures) * prod(map(len, asked.axes.values())) * len(runs) * len(asked.policies)
    if count > MOST:
        raise InputError(f"the sweep has {count:,} points; a sweep may have at most {MOST:,}", field="axes")
    every = list(variants(asked.axes))
    found = []
    for name in asked.architectures:
        known.document(name)
        for text in dict.fromkeys(v.overrides for v in every):
            with blame_field("axes", f" in {' '.join(text)}"):
                known.document(name, text)
        for workload, path in runs:
            for variant in every:
                with blame_field("axes" if variant.choices else next(iter(asked.choices), "images")):
                    given = variant.apply(asked.choices, asked.options.get(path))
                    found += [Point(Request(arch=name, workload=workload, datapath=path, policy=policy, **given),
                                    variant.values) for policy in asked.policies]
    return found


def _paths(asked: Sweep, workload: str, known: Contents) -> Iterator[str]:
    """Yield every data path that a workload is run with, after checking its options."""
    network, registered = known.workload(workload), registry.datapaths()
    for number, path in enumerate([*asked.datapaths, *asked.options]):
        if path not in registered and (path not in ("own", "all") or number >= len(asked.datapaths)):
            raise InputError(unknown("data path", path, registered),
                             field="options" if number >= len(asked.datapaths) else f"datapaths.{number}")
    for path in dict.fromkeys(p for given in asked.datapaths for p in (
            registered if given == "all" else [network.datapath] if given == "own" else [given])):
        with blame_field("options"):
            choose_datapath(network, path, asked.options.get(path, {}))
        yield path
