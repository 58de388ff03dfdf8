"""Expand a sweep into its points: one request each, with the values of the sweep's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from xbarch.errors import InputError
from xbarch.mapping.plan import parse_policy
from xbarch.request import Contents, Request, choose_datapath, chosen_options
from xbarch.specs.study import Value
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.axes import blame_field, variants
from xbarch.studies.runs.paths import Placed, check_names, choose, place, required
from xbarch.support.pairs import with_options

MOST = 100_000


@dataclass(frozen=True)
class Point:
    """One run of a sweep."""

    request: Request
    values: tuple[Value, ...] = ()
    """Of the sweep's fields, in their order."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the data path: those that were asked for, without those of the axes."""
    instead: tuple[str, ...] = ()
    """Data paths that did not run, since the architecture requires this one."""

    @property
    def run(self) -> tuple[str, str, str, str]:
        """Architecture, workload, data path and policy as given in the sweep."""
        r = self.request
        return str(r.arch), str(r.workload), with_options(r.datapath or "", self.options), r.policy


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
    needs = {name: required(known.named(name)) for name in asked.architectures}
    runs = [(placed, name) for name in asked.workloads for placed in _placed(asked, name, known, needs)]
    count = prod(map(len, asked.axes.values())) * len(runs) * len(asked.policies)
    if count > MOST:
        raise InputError(f"the sweep has {count:,} points; a sweep may have at most {MOST:,}", field="axes")
    every = list(variants(asked.axes))
    found = []
    for name in asked.architectures:
        for text in dict.fromkeys(v.overrides for v in every):
            with blame_field("axes", f" in {' '.join(text)}"):
                known.document(name, text)
        for placed, workload in runs:
            if placed.arch != name:
                continue
            path = placed.path
            chosen = _check_options(placed, workload, known)
            for variant in every:
                with blame_field("axes" if variant.choices else next(iter(asked.choices), "images")):
                    given = variant.apply(asked.choices, path.options)
                    found += [Point(Request(arch=name, workload=workload, datapath=path.name, policy=policy, **given),
                                    variant.values, chosen, placed.instead) for policy in asked.policies]
    return found


def _placed(asked: Sweep, workload: str, known: Contents, needs: Mapping[str, str]) -> list[Placed]:
    """Return the data paths that a workload is run with, on every architecture."""
    check_names(asked)
    paths = choose(asked, known.workload(workload).datapath)
    return list(place(asked, [(arch, path) for arch in asked.architectures for path in paths], needs))


def _check_options(placed: Placed, workload: str, known: Contents) -> dict[str, Any]:
    """Return the options of a data path that were asked for, after checking them."""
    network, wanted = known.workload(workload), known.named(placed.arch)
    with blame_field("options"):
        path = choose_datapath(network, placed.path.name, placed.path.options, wanted)
    return chosen_options(path, network, placed.path.name, wanted)
