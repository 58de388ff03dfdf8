"""One run as a value: what runs on which machine, and how. This is the only place for a run's defaults and limits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast

from pydantic import AfterValidator, Field, InstanceOf, ValidationError

from xbarch.choice import choose_datapath, chosen_options
from xbarch.datapaths.base import DataPath
from xbarch.errors import InputError
from xbarch.mapping.placement import PLACEMENTS
from xbarch.mapping.plan import parse_policy
from xbarch.mapping.shares import REPLICATIONS
from xbarch.plugins import guard, kinds, registry
from xbarch.sim.engines import ENGINES
from xbarch.sim.modes import MODES
from xbarch.specs.architecture import Architecture
from xbarch.specs.checks import choice, instance, named_values, shares, texts, whole
from xbarch.specs.chip import Encoding
from xbarch.specs.explain import explain
from xbarch.specs.load import Document, document, overridden, override, validate
from xbarch.specs.model import Spec
from xbarch.specs.noise import expanded
from xbarch.specs.text import dotted
from xbarch.support import about, defaults, files
from xbarch.workload.find import read_recipe, resolve
from xbarch.workload.graph import Workload

_BYTES = 2**26  # most that a manifest may have
_KEPT = 1024  # architectures with overrides that stay in memory
_OTHERS = ("policy", "images", "chips", "mode", "placement", "replication", "periphery", "batch", "reload", "bits",
           "activation_bits", "level_bits", "density", "accuracy", "draws")
_RESTS = {"workload", "datapath", "options", *_OTHERS}


def _policy(value: str) -> str:
    try:
        parse_policy(value)
    except InputError as error:
        raise ValueError(error.message) from None
    return value


class Request(Spec):
    """What runs on which machine, and how: frozen, keywords only. Every figure of a run follows from its request.

    Raises:
        InputError: a field is missing, unknown, of the wrong type or out of range.
    """

    arch: Annotated[str | Path | InstanceOf[Architecture], instance(
        str | Path | Architecture, "a path, a bundled name or a loaded architecture")] = Field(
        description="architecture: a YAML file, a bundled name or a loaded architecture")
    workload: Annotated[str | Path | InstanceOf[Workload], instance(
        str | Path | Workload, "a path, a bundled name or a loaded workload")] = Field(
        description="workload: a stored folder, a recipe, a bundled name or a loaded workload")
    overrides: Annotated[tuple[str, ...], texts("a.b.c=value")] = Field(
        default=(), description="changes to the architecture, 'a.b.c=value', applied in order")
    datapath: Annotated[str | None, instance(str | None, "a name or None")] = Field(
        default=None,
        description="data path that packs the weights; None: the one the workload was stored for or, if it was for "
                    "none, the architecture's")
    options: Annotated[dict[str, Any], named_values()] = Field(
        default={},
        description="options of the data path; with the workload's own data path they change its stored options")
    policy: Annotated[str, instance(str, "a text such as 'fit'"), AfterValidator(_policy)] = Field(
        default=defaults.POLICY,
        description="weight replication policy: how many copies of each layer (`xbarch.mapping.plan.POLICIES`)")
    images: Annotated[int, whole(defaults.MOST_IMAGES)] = Field(
        default=defaults.IMAGES, description="images to simulate, one behind the other")
    chips: Annotated[int, whole(defaults.MOST_CHIPS)] = Field(
        default=defaults.CHIPS, description="chips in a chain")
    mode: Annotated[str, choice("mode", MODES)] = Field(
        default=defaults.MODE, description="execution mode: what may run at the same time (`xbarch.sim.modes.MODES`)")
    placement: Annotated[str, choice("placement", PLACEMENTS)] = Field(
        default=defaults.PLACEMENT,
        description="order in which the plan's tiles fill the chip (`xbarch.mapping.placement`)")
    replication: Annotated[str, choice("replication", REPLICATIONS)] = Field(
        default=defaults.REPLICATION,
        description="which output pixels each copy of a layer computes (`xbarch.mapping.shares.REPLICATIONS`)")
    periphery: Annotated[str, choice("periphery", defaults.PERIPHERIES)] = Field(
        default=defaults.PERIPHERY,
        description="sizes of shared units, ports, buses and links (`xbarch.machine.periphery`)")
    batch: Annotated[int | None, whole(defaults.MOST_BATCH, none=True)] = Field(
        default=None,
        description="images per programming of the crossbars, over which the cost of programming is amortized; "
                          "None: not amortized")
    engine: Annotated[str, choice("engine", ENGINES)] = Field(
        default=defaults.ENGINE,
        description="simulation engine; all give the same result (`xbarch.sim.engines.ENGINES`)")
    reload: bool = Field(
        default=False,
        description="run a network larger than the machine in segments; each is programmed in "
                         "turn and runs `batch` images (`xbarch.mapping.segments`)")
    bits: Annotated[int | None, whole(defaults.MOST_BITS, defaults.LEAST_BITS, none=True)] = Field(
        default=None,
        description="least bits of weights and activations: values stay the same, cells and input phases grow; "
                          "None: as stored")
    activation_bits: Annotated[int | None, whole(defaults.MOST_BITS, defaults.LEAST_BITS, none=True)] = Field(
        default=None,
        description="least bits of activations alone, where that is more than `bits`; values stay the same; "
                    "None: no more than `bits`")
    level_bits: Annotated[int | None, whole(defaults.MOST_BITS, defaults.LEAST_BITS, none=True)] = Field(
        default=None,
        description="least bits that divide the range of activations: finer levels than the stored ones, and cells "
                    "stay; None: as stored")
    density: Annotated[dict[str, float], shares()] = Field(
        default={},
        description="share of its weights that a layer keeps, by the layer's name: the weakest of the groups that the "
                    "data path removes go, without training (`xbarch.mapping.thin`)")
    accuracy: Annotated[int | None, whole(defaults.MOST_TESTED, none=True)] = Field(
        default=None,
        description="test images to classify through the packed crossbars (`xbarch.accuracy`); None: none")
    draws: Annotated[int, whole(defaults.MOST_DRAWS)] = Field(
        default=defaults.DRAWS,
        description="devices to draw, each for all test images, where the architecture has noise")

    if not TYPE_CHECKING:  # type checkers see the fields
        def __init__(self, **given: Any) -> None:
            try:
                super().__init__(**given)
            except ValidationError as error:
                message, trail = explain(error, given, type(self))
                raise InputError(message, field=dotted(trail)) from None
            if isinstance(self.arch, Architecture) and self.overrides:
                raise InputError("only an architecture given by file or name takes overrides; load the architecture "
                                 "with them instead", field="overrides")
            if self.reload and self.batch is None:
                raise InputError("--reload needs --batch N (batch=N), the number of images run before the next segment "
                                 "is loaded", field="batch")

    def changed(self, **fields: Any) -> Request:
        """Return a copy with other values, checked.

        Raises:
            InputError: as in the class.
        """
        return Request(**{name: getattr(self, name) for name in type(self).model_fields} | fields)

    def overridden(self, overrides: tuple[str, ...]) -> Request:
        """Return a copy with other overrides, which are known to have the form a.b.c=value: many points of a sweep
        differ in these alone."""
        made = Request.__new__(Request)
        object.__setattr__(made, "__dict__", {**self.__dict__, "overrides": overrides})
        object.__setattr__(made, "__pydantic_fields_set__", self.__pydantic_fields_set__ | {"overrides"})
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        made.__dict__.pop("key", None)
        return made

    @property
    def plain(self) -> bool:
        """Whether architecture and workload are names or paths, so that another process can read them."""
        return isinstance(self.arch, str | Path) and isinstance(self.workload, str | Path)

    def to_json(self) -> str:
        """Return a plain request as text, for another process.

        Raises:
            InputError: the architecture or the workload is a loaded one.
        """
        if not self.plain:
            raise InputError("a loaded architecture or workload has no text form; give its file instead",
                             field="arch")
        return json.dumps({**self.model_dump(exclude_defaults=True), "arch": str(self.arch),
                           "workload": str(self.workload)}, sort_keys=True, ensure_ascii=False, default=str)

    def fields(self) -> dict[str, Any] | None:
        """Return the fields that have other values than their defaults, as JSON has them; None: not `plain`."""
        return json.loads(self.to_json()) if self.plain else None

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Read the text that `to_json` wrote."""
        return cls(**json.loads(text))

    @cached_property
    def key(self) -> str:
        """Text that identifies the request within one process: its fields as given, loaded objects by identity."""
        loaded = {name: f"{id(value):x}" for name in ("arch", "workload")
                  if not isinstance(value := getattr(self, name), str | Path)}
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return json.dumps({**given, **loaded}, sort_keys=True, default=str)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and self.key == other.key

    def digest(self, contents: Contents | None = None) -> str:
        """Return a digest of everything the run's figures depend on: xbarch's source text, the content of the
        architecture after its overrides and of the workload, the data path with its options and origin, the packages
        and files that plugins come from, and the other fields. The engine is left out: all engines give the same
        result.

        contents: what was read before, when many requests are digested.

        Raises:
            InputError: something named does not exist or is refused.
        """
        known = Contents() if contents is None else contents
        return sha256(f"{known.machine(self)} {known.rest(self)}".encode()).hexdigest()


class Packings(TypedDict, total=False):
    """The keywords of `xbarch.accuracy`: the fields of `Request` that decide what is stored in which cells."""

    overrides: Sequence[str]
    datapath: str | None
    options: Mapping[str, Any] | None
    bits: int | None
    activation_bits: int | None
    level_bits: int | None
    density: Mapping[str, float]


class Choices(Packings, total=False):
    """The keywords of `xbarch.simulate`, `execute` and `verify`: the fields of `Request` other than architecture and
    workload."""

    policy: str
    images: int
    chips: int
    mode: str
    placement: str
    replication: str
    periphery: str
    batch: int | None
    engine: str
    reload: bool
    accuracy: int | None
    draws: int


def to_request(arch: str | Path | Architecture | Request, workload: str | Path | Workload | None,
              choices: Choices | Packings) -> Request:
    """Return the request of a call: the one given, or one made from an architecture, a workload and keywords.

    Raises:
        InputError: as in `Request`; or a request is given together with other arguments.
    """
    if isinstance(arch, Request):
        if workload is not None or choices:
            raise InputError("a Request describes the whole run and takes no other arguments; change it with "
                             "request.changed(...)", field="workload" if workload is not None else next(iter(choices)))
        return arch
    return Request(arch=arch, workload=cast(Any, workload), **cast(Any, choices))


class Contents:
    """The architectures and workloads that requests name, and their digests, each read once. A file that changes later
    is not read again."""

    def __init__(self) -> None:
        self.parts = {"packages": registry.packages(), "files": registry.digests()}
        self._files: dict[str, Document] = {}
        self._documents: dict[tuple[str, tuple[str, ...]], Document] = {}
        self._latest: tuple[tuple[str, tuple[str, ...]], Architecture, Document] | None = None
        self._machines: dict[tuple[str, tuple[str, ...]], str] = {}
        self._encodings: dict[tuple[str, tuple[str, ...]], Encoding | None] = {}
        self._known: dict[tuple[str, int], tuple[Any, str]] = {}
        self._networks: dict[str, Workload] = {}
        self._contents: dict[str, str] = {}
        self._paths: dict[tuple[str, str | None, str, str], dict[str, Any]] = {}
        self._rests: dict[tuple[Any, ...], tuple[dict[str, Any], str]] = {}
        self._last: tuple[tuple[int, ...], list[Any], str] | None = None  # ids of fields, which are held, and `rest`
        self._written: tuple[Any, str] | None = None
        self._path: tuple[list[Any], tuple[DataPath, dict[str, Any]]] | None = None

    def document(self, name: str, overrides: tuple[str, ...] = ()) -> Document:
        """Return the architecture's file with overrides applied. One override is applied to the result of those before
        it, so the neighbouring points of a sweep share the work."""
        if not overrides:
            if name not in self._files:
                self._files[name] = document(name)
            return self._files[name]
        key = name, overrides
        if key not in self._documents:
            _bound(self._documents)
            self._documents[key] = override(self.document(name, overrides[:-1]), overrides[-1])
        return self._documents[key]

    def workload(self, source: str | Path | Workload) -> Workload:
        """Return the workload of a request."""
        if isinstance(source, Workload):
            return source
        if str(source) not in self._networks:
            self._networks[str(source)] = resolve(source)
        return self._networks[str(source)]

    def architecture(self, request: Request) -> tuple[Architecture, Document | None]:
        """Return the architecture of a request and the file that its errors refer to (None: a loaded architecture)."""
        if isinstance(request.arch, Architecture):
            return request.arch, None
        key = str(request.arch), request.overrides
        if self._latest is None or self._latest[0] != key:
            found = overridden(self.document(key[0]), request.overrides)
            self._latest = key, validate(found, Architecture), found
        return self._latest[1:]

    def spec(self, name: str) -> Architecture:
        """Return the architecture of that name without overrides."""
        return validate(self.document(name), Architecture)

    def encoding(self, request: Request) -> Encoding | None:
        """Return the data path that the architecture of a request names."""
        if isinstance(request.arch, Architecture):
            return request.arch.datapath
        return self.named(str(request.arch), request.overrides)

    def named(self, name: str, overrides: tuple[str, ...] = ()) -> Encoding | None:
        """Return the data path that the architecture of that name names."""
        found = self.document(name, overrides)
        if overrides and found.data.get("datapath") is self.document(name).data.get("datapath"):
            return self.named(name)
        key = name, overrides
        if key not in self._encodings:
            _bound(self._encodings)
            self._encodings[key] = validate(found, Architecture).datapath if "datapath" in found.data else None
        return self._encodings[key]

    def datapath(self, request: Request, wanted: Encoding | None) -> tuple[DataPath, dict[str, Any]]:
        """Return the data path of a request, and the options that were asked for. wanted: the one that its architecture
        names. Those of the request before, if it agrees in what they follow from and the path is one of xbarch's."""
        network = self.workload(request.workload)
        same = [wanted, network, request.datapath, request.options]
        if self._path is None or any(a is not b for a, b in zip(self._path[0], same, strict=True)):
            path = choose_datapath(network, request.datapath, request.options, wanted)
            made = path, chosen_options(path, network, request.datapath, wanted)
            if not guard.is_builtin(path):
                return made
            self._path = same, made
        return self._path[1]

    def machine(self, request: Request) -> str:
        """Return a digest of the architecture after its overrides."""
        if isinstance(request.arch, Architecture):
            return digest_of(request.arch.model_dump(mode="json"))
        key = str(request.arch), request.overrides
        if key not in self._machines:
            _bound(self._machines)
            self._machines[key] = self._priced(self.document(*key))
        return self._machines[key]

    def _priced(self, found: Document) -> str:
        """Return a digest of what an architecture's prices follow from (`Document.priced`)."""
        if not found.written or found.written == found.data:
            return self._sections(found.data)
        if self._written is None or self._written[0] is not found.written:
            self._written = found.written, self._sections(found.written)
        return sha256(f"{self._written[1]} {self._sections(found.data)} {sorted(found.stated)}".encode()).hexdigest()

    def _sections(self, data: Mapping[str, Any]) -> str:
        """Return a digest of all sections, from one of each. Documents share the sections that overrides leave as they
        are."""
        return sha256("\n".join(sorted([f"{name!r} {self._section(name, section)}" for name, section in data.items()])
                                ).encode()).hexdigest()

    def _section(self, name: str, section: Any) -> str:
        if (name, id(section)) not in self._known:
            _bound(self._known)
            content = expanded(section) if name == "noise" else section  # a preset is a file of its own
            self._known[name, id(section)] = section, digest_of(content)  # held, so that its id stays unique
        return self._known[name, id(section)][1]

    def rest(self, request: Request) -> str:
        """Return a digest of everything but the architecture that a request's figures depend on. Points of a sweep
        differ in few of these."""
        same = [self.encoding(request), *(value for name, value in request.__dict__.items() if name in _RESTS)]
        ids = tuple(map(id, same))
        if self._last is None or self._last[0] != ids:  # the points of a sweep share these objects
            self._last = ids, same, self._rest(request)
        return self._last[2]

    def _rest(self, request: Request) -> str:
        others = [getattr(request, name) for name in _OTHERS]
        key = id(run := self.run(request)), *(repr(each) if isinstance(each, dict) else each for each in others)
        if key not in self._rests:
            _bound(self._rests)
            self._rests[key] = run, digest_of({"xbarch": about.code(), "run": run, "parts": self.parts,
                                               **dict(zip(_OTHERS, others, strict=True))})
        return self._rests[key][1]

    def run(self, request: Request) -> dict[str, Any]:
        """Return what runs: a digest of the workload, and the data path with its options and origin. The same object
        for requests that agree in these."""
        network = self.workload(request.workload)
        content = self._content(request.workload, network)
        wanted = self.encoding(request)
        options = json.dumps(request.options, sort_keys=True, default=repr) if request.options else ""
        key = content, request.datapath, repr(wanted), options
        if key not in self._paths:
            path = choose_datapath(network, request.datapath, request.options, wanted)
            origin = registry.origin(kinds.PATHS, path.name)  # a file's content is among the parts
            self._paths[key] = {"workload": content, "datapath": path.name, "options": path.options.model_dump(),
                                "of": "" if Path(origin).is_file() else origin}
        return self._paths[key]

    def _content(self, source: str | Path | Workload, network: Workload) -> str:
        """Return a digest of a workload: of its manifest, which has the tensors' digest, of its recipe or of its
        layers."""
        if not isinstance(source, str | Path):  # it may differ from the file that it was loaded from
            return digest_of([repr(network.layers), network.name, network.datapath, dict(network.options)])
        key = network.file or str(source)
        if key not in self._contents:
            self._contents[key] = sha256(files.read(Path(network.file), _BYTES)).hexdigest() if network.file \
                else digest_of(read_recipe(source).model_dump(mode="json"))
        return self._contents[key]


def _bound(kept: dict[Any, Any]) -> None:
    """Drop half of what is kept, the oldest, if it is much."""
    if len(kept) > _KEPT:
        for key in list(kept)[:_KEPT // 2]:
            del kept[key]


def digest_of(content: Any) -> str:
    """Return the SHA-256 digest of a JSON value, in hexadecimal."""
    return sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()
