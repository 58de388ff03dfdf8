"""One run as a value: what runs on which machine, and how. Defaults and limits of a run stand here and nowhere else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, ValidationError

from xbarch.datapaths.base import DataPath
from xbarch.errors import InputError
from xbarch.mapping.placement import PLACEMENTS
from xbarch.mapping.plan import parse_policy
from xbarch.plugins import kinds, registry
from xbarch.sim.engines import ENGINES
from xbarch.sim.modes import MODES
from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import explain, shown, unknown
from xbarch.specs.load import Document, document, overridden, override, validate
from xbarch.specs.model import Spec
from xbarch.specs.text import dotted
from xbarch.support import about, defaults, files
from xbarch.workload.find import read_recipe, resolve
from xbarch.workload.graph import Workload

_BYTES = 2**26  # of a manifest
_KEPT = 256  # documents of overridden architectures
_OTHERS = ("policy", "images", "chips", "mode", "placement", "batch", "reload", "bits")


def _kind(kind: Any, allowed: str) -> BeforeValidator:
    """Refuse values of another kind; `allowed` completes "must be ..."."""
    def check(value: object) -> object:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"must be {allowed}, not {shown(value)}")
        return value
    return BeforeValidator(check)


def _whole(most: int, least: int = 1, none: bool = False) -> BeforeValidator:
    """Refuse what is no whole number from `least` to `most`, nor None where that is allowed."""
    def check(value: object) -> object:
        if not (none and value is None) and (not isinstance(value, int) or isinstance(value, bool)
                                             or not least <= value <= most):
            more = " or None" if none else ""
            raise ValueError(f"must be a whole number from {least} to {most:,}{more}, not {shown(value)}")
        return value
    return BeforeValidator(check)


def _texts(value: object) -> object:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"must be a list of texts 'a.b.c=value', not {shown(value)}")
    return tuple(value)


def _named(value: object) -> object:
    if value is not None and not (isinstance(value, Mapping) and all(isinstance(name, str) for name in value)):
        raise ValueError(f"must be a dict of names and values, not {shown(value)}")
    return dict(value or {})


def _choice(noun: str, known: Mapping[str, object]) -> BeforeValidator:
    def check(value: object) -> object:
        if not isinstance(value, str) or value.replace("-", "_") not in known:
            raise ValueError(unknown(noun, value, known))
        return value.replace("-", "_")
    return BeforeValidator(check)


def _policy(value: str) -> str:
    try:
        parse_policy(value)
    except InputError as error:
        raise ValueError(error.message) from None
    return value


class Request(Spec):
    """What runs on which machine, and how. Frozen, keywords only; every figure of a run follows from it.

    Raises:
        InputError: a field is missing, unknown, of another kind or out of its range.
    """

    arch: Annotated[str | Path | InstanceOf[Architecture], _kind(
        str | Path | Architecture, "a path, a bundled name or a loaded architecture")] = Field(
        description="architecture: a YAML file, a bundled name, or a loaded one")
    workload: Annotated[str | Path | InstanceOf[Workload], _kind(
        str | Path | Workload, "a path, a bundled name or a loaded workload")] = Field(
        description="workload: a stored folder, a recipe, a bundled name, or a loaded one")
    overrides: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        (), description="changes of the architecture, 'a.b.c=value', the later ones last")
    datapath: Annotated[str | None, _kind(str | None, "a name or None")] = Field(
        None, description="data path to pack with; None: the workload's own")
    options: Annotated[dict[str, Any], BeforeValidator(_named)] = Field(
        {}, description="options of the data path, on top of the workload's own where it is the workload's own")
    policy: Annotated[str, _kind(str, "a text such as 'fit'"), AfterValidator(_policy)] = Field(
        defaults.POLICY,
        description="weight replication: how many copies of each layer (`xbarch.mapping.plan.POLICIES`)")
    images: Annotated[int, _whole(defaults.MOST_IMAGES)] = Field(
        defaults.IMAGES, description="images that flow through")
    chips: Annotated[int, _whole(defaults.MOST_CHIPS)] = Field(
        defaults.CHIPS, description="chips in a chain")
    mode: Annotated[str, _choice("mode", MODES)] = Field(
        defaults.MODE, description="what may run at the same time (`xbarch.sim.modes.MODES`)")
    placement: Annotated[str, _choice("placement", PLACEMENTS)] = Field(
        defaults.PLACEMENT, description="which tile of the chip takes which of the plan's (`xbarch.mapping.placement`)")
    batch: Annotated[int | None, _whole(defaults.MOST_BATCH, none=True)] = Field(
        None, description="images per programming of the crossbars, over which its cost is amortized; None: not "
                          "amortized")
    engine: Annotated[str, _choice("engine", ENGINES)] = Field(
        defaults.ENGINE,
        description="what interprets the stage graph, with the same result (`xbarch.sim.engines.ENGINES`)")
    reload: bool = Field(False, description="run a network larger than the machine in segments, whose weights replace "
                         "one another every `batch` images (`xbarch.mapping.segments`)")
    bits: Annotated[int | None, _whole(defaults.MOST_BITS, defaults.LEAST_BITS, none=True)] = Field(
        None, description="store weights and activations in at least this many bits; their values stay, cells and "
                          "input phases grow; None: as stored")

    if not TYPE_CHECKING:  # type checkers see the fields
        def __init__(self, **given: Any) -> None:
            try:
                super().__init__(**given)
            except ValidationError as error:
                message, trail = explain(error, given, type(self))
                raise InputError(message, field=dotted(trail)) from None
            if isinstance(self.arch, Architecture) and self.overrides:
                raise InputError("overrides change an architecture's file; a loaded one is changed by itself",
                                 field="overrides")
            if self.reload and self.batch is None:
                raise InputError("--reload needs --batch N (batch=N), the number of images run before the next segment "
                                 "is loaded", field="batch")

    def changed(self, **fields: Any) -> Request:
        """A copy with other values, checked.

        Raises:
            InputError: as the class.
        """
        return Request(**{name: getattr(self, name) for name in type(self).model_fields} | fields)

    @property
    def plain(self) -> bool:
        """Whether architecture and workload are names or paths, which another process can read."""
        return isinstance(self.arch, str | Path) and isinstance(self.workload, str | Path)

    def to_json(self) -> str:
        """The request as text, for another process; of a plain one.

        Raises:
            InputError: the architecture or the workload is a loaded one.
        """
        if not self.plain:
            raise InputError("a loaded architecture or workload has no text form; name its file", field="arch")
        return json.dumps({**self.model_dump(exclude_defaults=True), "arch": str(self.arch),
                           "workload": str(self.workload)}, sort_keys=True, ensure_ascii=False, default=str)

    @classmethod
    def from_json(cls, text: str) -> Request:
        """The request that `to_json` wrote."""
        return cls(**json.loads(text))

    @cached_property
    def key(self) -> str:
        """Tells requests of one process apart: fields as they were given, loaded objects by identity."""
        loaded = {name: f"{id(value):x}" for name in ("arch", "workload")
                  if not isinstance(value := getattr(self, name), str | Path)}
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return json.dumps({**given, **loaded}, sort_keys=True, default=str)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and self.key == other.key

    def digest(self, contents: Contents | None = None) -> str:
        """Names all that the run's figures depend on: xbarch's source text, the content of the architecture after its
        overrides and of the workload, the data path with its options and origin, packages and files with parts of
        machines, and the other fields. The engine is not part of it: engines are equal.

        contents: what was read already, for digests of many requests.

        Raises:
            InputError: something named is not there or refused.
        """
        known = Contents() if contents is None else contents
        rest = {name: getattr(self, name) for name in _OTHERS}
        return hashed({"xbarch": about.code(), "machine": known.machine(self), "run": known.run(self),
                       "parts": known.parts, **rest})


class Choices(TypedDict, total=False):
    """The keywords of `xbarch.simulate`, `execute` and `verify`: the fields of `Request` beside architecture and
    workload."""

    overrides: Sequence[str]
    datapath: str | None
    options: Mapping[str, Any] | None
    policy: str
    images: int
    chips: int
    mode: str
    placement: str
    batch: int | None
    engine: str
    reload: bool
    bits: int | None


def requested(arch: str | Path | Architecture | Request, workload: str | Path | Workload | None,
              choices: Choices) -> Request:
    """The request of a call: the one given, or one made of an architecture, a workload and keywords.

    Raises:
        InputError: as `Request`; a request with more beside it.
    """
    if isinstance(arch, Request):
        if workload is not None or choices:
            raise InputError("a Request says everything about a run; give nothing beside it, or change it with "
                             "request.changed(...)", field="workload" if workload is not None else next(iter(choices)))
        return arch
    return Request(arch=arch, workload=cast(Any, workload), **cast(Any, choices))


class Contents:
    """What requests name, read once: architectures, workloads, and digests of them. A file that changes while this is
    in use is not looked at again."""

    def __init__(self) -> None:
        self.parts = {"packages": registry.packages(), "files": registry.digests()}
        self._documents: dict[tuple[str, tuple[str, ...]], Document] = {}
        self._machines: dict[tuple[str, tuple[str, ...]], str] = {}
        self._networks: dict[str, Workload] = {}
        self._contents: dict[str, str] = {}
        self._paths: dict[tuple[str, str | None, str], dict[str, Any]] = {}

    def document(self, name: str, overrides: tuple[str, ...] = ()) -> Document:
        """The architecture's file with its overrides; those of a sweep's neighbours are built on one another."""
        key = name, overrides
        if key not in self._documents:
            self._documents[key] = override(self.document(name, overrides[:-1]), overrides[-1]) if overrides \
                else document(name)
            if len(self._documents) > _KEPT:
                self._documents.pop(next(iter(self._documents)))
        return self._documents[key]

    def workload(self, source: str | Path | Workload) -> Workload:
        """The workload of a request."""
        if isinstance(source, Workload):
            return source
        if str(source) not in self._networks:
            self._networks[str(source)] = resolve(source)
        return self._networks[str(source)]

    def architecture(self, request: Request) -> tuple[Architecture, Document | None]:
        """The architecture of a request, and the file that errors about its fields are in; None for a loaded one."""
        if isinstance(request.arch, Architecture):
            return request.arch, None
        found = overridden(self.document(str(request.arch)), request.overrides) if len(request.overrides) < 2 \
            else self.document(str(request.arch), request.overrides)
        return validate(found, Architecture), found

    def spec(self, name: str) -> Architecture:
        """The architecture of that name, as its file says."""
        return validate(self.document(name), Architecture)

    def machine(self, request: Request) -> str:
        """Digest of the architecture after the overrides."""
        if isinstance(request.arch, Architecture):
            return hashed(request.arch.model_dump(mode="json"))
        key = str(request.arch), request.overrides
        if key not in self._machines:
            self._machines[key] = hashed(self.document(*key).data)
        return self._machines[key]

    def run(self, request: Request) -> dict[str, Any]:
        """What runs: the workload's content, the data path as it is made."""
        network = self.workload(request.workload)
        key = network.name, request.datapath, json.dumps(request.options, sort_keys=True, default=repr)
        if key not in self._paths:
            path = choose(network, request.datapath, request.options)
            origin = registry.origin(kinds.PATHS, path.name)  # a file's content is among the parts
            self._paths[key] = {"datapath": path.name, "options": path.options.model_dump(),
                                "of": "" if Path(origin).is_file() else origin}
        return {"workload": self._content(request.workload, network), **self._paths[key]}

    def _content(self, source: str | Path | Workload, network: Workload) -> str:
        """Digest of a workload: of its manifest, which holds that of the tensors, or of what it is made from."""
        key = network.file or str(source)
        if key not in self._contents:
            self._contents[key] = hashlib.sha256(files.read(Path(network.file), _BYTES)).hexdigest() if network.file \
                else hashed(read_recipe(source).model_dump(mode="json")) if isinstance(source, str | Path) \
                else hashed([repr(network.layers), network.name, network.datapath, dict(network.options)])
        return self._contents[key]


def choose(network: Workload, datapath: str | None, options: Mapping[str, Any] | None) -> DataPath:
    """The data path of that name, or the workload's own with its own options.

    Raises:
        InputError: no such data path, or an option that it does not take.
    """
    name = network.datapath if datapath is None else datapath
    if name != network.datapath:
        return registry.datapath(name, options)
    try:
        own = registry.datapath(name, network.options)
    except InputError as error:  # the fault of who stored it
        if error.file is not None or not network.file:
            raise
        raise InputError(error.message, file=network.file, field=error.field) from None
    return registry.datapath(name, {**network.options, **options}) if options else own


def widened(network: Workload, bits: int) -> Workload:
    """The same network with at least `bits` for weights and activations; the image keeps its own."""
    image = network.layers[0].name
    layers = [la if la.name == image else replace(
        la, weight_bits=max(bits, la.weight_bits), output_bits=max(bits, la.output_bits),
        input_bits=la.input_bits if image in la.inputs else max(bits, la.input_bits)) for la in network.layers]
    return replace(network, name=f"{network.name} at {bits} bits", layers=tuple(layers))


def hashed(content: Any) -> str:
    """SHA-256 of a JSON value, in hexadecimal."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()
