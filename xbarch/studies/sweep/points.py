"""From a sweep to its points, each named by a digest of all that its figures depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from xbarch.errors import InputError
from xbarch.mapping.plan import parse_policy
from xbarch.plugins import registry
from xbarch.result.schema import SCHEMA
from xbarch.run import choose
from xbarch.specs.load import Document, document, override
from xbarch.specs.sweep import Sweep, Value, fields
from xbarch.specs.text import brief
from xbarch.support.about import __version__
from xbarch.support.files import read
from xbarch.workload.find import read_recipe, resolve
from xbarch.workload.graph import Workload

MOST = 100_000
_LETTERS = 16  # of a name: 64 bits, of which 10^5 points share none
_BYTES = 2**26  # of a manifest or a plugin's file


@dataclass(frozen=True)
class Point:
    """One run. name: its digest. overrides: of the architecture, "a.b=value". values: of the sweep's fields, in their
    order. options: of the data path, beside the workload's own."""

    architecture: str
    overrides: tuple[str, ...]
    workload: str
    datapath: str
    options: Mapping[str, Any]
    policy: str
    images: int
    values: tuple[Value, ...] = ()
    name: str = field(default="", compare=False)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Point:
        data = json.loads(text)
        return cls(**{**data, "overrides": tuple(data["overrides"]), "values": tuple(data["values"])})


def points(asked: Sweep, files: Sequence[str | Path] = ()) -> list[Point]:
    """Every combination, those that share a packing one after the other: architectures, workloads, data paths, axes in
    their order, policies.

    files: plugin files that are loaded.

    Raises:
        InputError: an architecture, workload, data path, option, policy or field that there is not; too many points.
    """
    for number, policy in enumerate(asked.policies):
        with _at(f"policies.{number}"):
            parse_policy(policy)
    runs = [run for name in asked.workloads for run in _runs(asked, name)]
    count = len(asked.architectures) * prod(map(len, asked.axes.values())) * len(runs) * len(asked.policies)
    if count > MOST:
        raise InputError(f"found {count:,} points, allowed at most {MOST:,}", field="axes")
    machines = [(name, list(_changed(document(name), asked.axes))) for name in asked.architectures]
    shared = {"xbarch": __version__, "result": SCHEMA, "images": asked.images, "packages": registry.packages(),
              "plugins": sorted(hashlib.sha256(read(Path(f), _BYTES)).hexdigest() for f in files)}
    found = []
    for (name, changed), (workload, datapath, content) in product(machines, runs):
        for (values, overrides, machine), policy in product(changed, asked.policies):
            digest = _digest({**shared, "architecture": machine, "run": content, "policy": policy})
            found.append(Point(name, overrides, workload, datapath, asked.options.get(datapath, {}), policy,
                               asked.images, values, digest[:_LETTERS]))
    return found


def _changed(base: Document, axes: Mapping[str, Sequence[Value | list[Value]]],
             values: tuple[Value, ...] = (), overrides: tuple[str, ...] = (),
             ) -> Iterator[tuple[tuple[Value, ...], tuple[str, ...], str]]:
    """(values, overrides, digest of the whole) of the architecture at every combination, the last axis fastest."""
    if not axes:
        yield values, overrides, _digest(base.data)
        return
    axis, *others = axes
    names = fields(axis)
    for value in axes[axis]:
        each = value if isinstance(value, list) else [value] * len(names)
        texts = tuple(f"{name}={json.dumps(v, ensure_ascii=False)}" for name, v in zip(names, each, strict=True))
        machine = base
        for text in texts:
            with _at("axes", f" in {text}"):
                machine = override(machine, text)
        yield from _changed(machine, {a: axes[a] for a in others}, (*values, *each), (*overrides, *texts))


def _runs(asked: Sweep, name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(workload, data path, what both are) of every data path that a workload is to run by."""
    network, known = resolve(name), registry.datapaths()
    for number, path in enumerate([*asked.datapaths, *asked.options]):
        if path not in known and (path not in ("own", "all") or number >= len(asked.datapaths)):
            raise InputError(f"found {brief(path)!r}, allowed {', '.join(known)}",
                             field="options" if number >= len(asked.datapaths) else f"datapaths.{number}")
    content = _content(name, network)
    for path in dict.fromkeys(p for given in asked.datapaths for p in (
            known if given == "all" else [network.datapath] if given == "own" else [given])):
        with _at("options"):
            options = choose(network, path, asked.options.get(path)).options.model_dump()
        origin = registry.origin(registry.PATHS, path)
        yield name, path, {"workload": content, "datapath": path, "options": options,
                           "of": "" if Path(origin).is_file() else origin}  # a file's content is in the digest


def _content(name: str, network: Workload) -> str:
    """Digest of a workload: of the manifest, which holds that of the numbers, or of what it is made from."""
    if network.file:
        return hashlib.sha256(read(Path(network.file), _BYTES)).hexdigest()
    return _digest(read_recipe(name).model_dump(mode="json"))


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()


@contextmanager
def _at(place: str, what: str = "") -> Iterator[None]:
    """Errors of what the sweep gives are about that part of it."""
    try:
        yield
    except InputError as error:
        raise InputError(error.message + what, field=place) from None
