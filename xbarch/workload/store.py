"""Stored workloads: a folder of `manifest.json` and `tensors.safetensors`.

Integers are packed (two of up to 4 bits a byte), compressed with zlib and kept as byte tensors; what they unpack
to is known from the manifest before a byte is expanded, so a hostile file cannot grow.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xbarch.errors import InputError
from xbarch.specs.explain import explain
from xbarch.specs.text import brief, dotted
from xbarch.support.files import read, read_json, write_all
from xbarch.workload.graph import Ints, Layer, Named, Op, Workload
from xbarch.workload.names import LONGEST, PATTERN
from xbarch.workload.packing import pack, pack_mask, unpack, unpack_mask

MANIFEST, TENSORS = "manifest.json", "tensors.safetensors"
_MOST_JSON, _MOST = 2**24, 2**28  # bytes; weights of a network, values of a feature map or of stored activations

_MOST_BYTES = 2**32  # of the tensor file

Size = Annotated[int, Field(ge=1, le=2**20)]
Pair = tuple[Size, Size]
Offset = Annotated[int, Field(ge=0, le=2**16)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=PATTERN)]


class StoredLayer(BaseModel):
    """A layer's shape; see `xbarch.workload.graph.Layer`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True,
                              defer_build=True)

    name: Name
    op: Op
    inputs: tuple[Name, ...] = Field(max_length=2)
    in_shape: tuple[Size, Size, Size]
    out_shape: tuple[Size, Size, Size]
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: tuple[Offset, Offset] = (0, 0)
    dilation: Pair = (1, 1)
    groups: Size = 1
    relu: bool = False
    weight_bits: int = Field(8, ge=2, le=16)
    input_bits: int = Field(8, ge=1, le=16)
    output_bits: int = Field(8, ge=1, le=16)
    side: dict[str, Any] = Field(default_factory=dict, max_length=20)


class Manifest(BaseModel):
    """Everything about a stored workload but its numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True,
                              populate_by_name=True, defer_build=True)

    schema_: Literal["xbarch.workload/1"] = Field("xbarch.workload/1", alias="schema")
    name: Name
    description: str = Field("", max_length=600)
    datapath: Name
    options: dict[str, Any] = Field(default_factory=dict, max_length=50)
    trained_on: str | None = Field(None, max_length=600)
    accuracy: dict[str, Share] = Field(default_factory=dict, max_length=50)
    source: str = Field("", max_length=600)
    seed: int = 0
    recipe: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    change: dict[str, float] = Field(default_factory=dict, max_length=10, description="of accuracy by pruning: mean, "
                                     "low and high end of its 95 % interval")
    versions: dict[str, str] = Field(default_factory=dict, max_length=50)
    sparsity: dict[str, dict[str, float]] = Field(default_factory=dict)
    inputs: dict[str, dict[str, float]] = Field(default_factory=dict, description="statistics of every compute layer's "
                                                "inputs on test images: zeros, significant_bits, ones")
    history: list[dict[str, Any]] = Field(default_factory=list, max_length=100_000)
    images: int = Field(0, ge=0, le=1024)
    layers: list[StoredLayer] = Field(min_length=2, max_length=2_000)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of tensors.safetensors")


# -- saving and loading ---------------------------------------------------------------------------------------

def weight_shape(layer: Layer) -> tuple[int, int, int, int]:
    """(F, C / groups, kh, kw) of a compute layer."""
    inputs = math.prod(layer.in_shape) if layer.op == "linear" else layer.in_shape[0]
    return (layer.filters, inputs // layer.groups, *layer.kernel)


def save(workload: Workload, folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Write a stored workload, whole or not at all. manifest: the fields of `Manifest` that the workload lacks.

    Raises:
        InputError: the folder cannot be written.
    """
    from safetensors.numpy import save as tensors

    found: dict[str, NDArray[Any]] = {}
    for layer in workload.layers:
        if layer.compute:
            assert layer.weights is not None
            mask = layer.mask() if layer.mask is not None else None
            if mask is None:
                found[f"{layer.name}/weights"] = pack(layer.weights(), layer.weight_bits, True)
            else:
                found[f"{layer.name}/mask"] = pack_mask(mask)
                found[f"{layer.name}/kept"] = pack(layer.weights()[mask], layer.weight_bits, True)
            if layer.name in workload.activations:
                found[f"{layer.name}/inputs"] = pack(workload.activations[layer.name], layer.input_bits, False)
        for part in ("scale", "bias"):
            if getattr(layer, part) is not None:
                found[f"{layer.name}/{part}"] = np.asarray(getattr(layer, part), np.float64)
    data = tensors(found)
    names = set(StoredLayer.model_fields)
    images = {len(a) for a in workload.activations.values()}
    full = Manifest(
        name=workload.name, datapath=workload.datapath, options=dict(workload.options), source=workload.source,
        trained_on=workload.trained_on, accuracy=dict(workload.accuracy), images=max(images, default=0),
        layers=[StoredLayer(**{n: getattr(la, n) for n in names}) for la in workload.layers],
        sha256=hashlib.sha256(data).hexdigest(), **manifest)
    text = json.dumps(full.model_dump(mode="json", by_alias=True), indent=1) + "\n"
    write_all({folder / TENSORS: data, folder / MANIFEST: text})
    return folder


def load(folder: Path) -> Workload:
    """A stored workload. Weights and masks are unpacked once to check them, and again whenever they are asked for.

    Raises:
        InputError: not a workload, damaged, or its shapes do not fit together.
    """
    manifest = read_manifest(folder)
    if not (folder / TENSORS).exists():
        raise InputError(f"is incomplete: {TENSORS} is missing; run `xbarch compress {manifest.name}` to make it",
                         file=folder)
    tensors = _Tensors(folder / TENSORS, manifest.sha256)
    layers: dict[str, Layer] = {}
    weights = 0
    activations: dict[str, Any] = {}
    for number, stored in enumerate(manifest.layers):
        layer = Layer(**{n: getattr(stored, n) for n in StoredLayer.model_fields})
        _fits(layer, layers, f"layers.{number}", folder / MANIFEST)
        if layer.compute:
            shape = weight_shape(layer)
            weights += math.prod(shape)
            if weights > _MOST:
                raise InputError(f"the layers up to this one have {weights:,} weights; at most {_MOST:,} are read",
                                 file=folder / MANIFEST, field=f"layers.{number}.out_shape")
            numbers: dict[str, Any] = {"weights": partial(tensors.weights, layer, shape)}
            if tensors.has(layer, "mask"):
                numbers["mask"] = partial(tensors.mask, layer, shape)
            for part, make in numbers.items():
                make()  # refused now if it is damaged
                object.__setattr__(layer, part, Named(f"{manifest.sha256} {layer.name} {part}", make))
            if manifest.images and tensors.has(layer, "inputs"):
                if (size := manifest.images * math.prod(layer.in_shape)) > _MOST:
                    raise InputError(f"layer {layer.name} has {size:,} stored inputs; at most {_MOST:,} are read",
                                     file=folder / MANIFEST, field="images")
                activations[layer.name] = partial(tensors.ints, layer, "inputs", (manifest.images, *layer.in_shape))
                if len(activations) == 1:
                    activations[layer.name]()  # as many images as the manifest says; the others when asked for
            elif manifest.images or tensors.has(layer, "inputs"):
                are = "" if tensors.has(layer, "inputs") else "no "
                raise InputError(f"must be the number of stored images, not {manifest.images}: {are}inputs of layer "
                                 f"{layer.name} are stored", file=folder / MANIFEST, field="images")
        for part in ("scale", "bias"):
            object.__setattr__(layer, part, tensors.reals(layer, part))
        layers[layer.name] = layer
    if not any(layer.compute for layer in layers.values()):
        raise InputError("must have at least one conv or linear layer", file=folder / MANIFEST, field="layers")
    return Workload(
        name=manifest.name, layers=tuple(layers.values()), datapath=manifest.datapath, options=manifest.options,
        trained_on=manifest.trained_on, accuracy=manifest.accuracy, source=manifest.source,
        activations=Lazy(activations, manifest.sha256), manifest=manifest.model_dump(mode="json", exclude={"layers"}),
        file=str(folder / MANIFEST))


class Lazy(dict[str, Any]):
    """Values made at their first use from the functions given. name: of their content, as `Named`'s."""

    def __init__(self, made: Mapping[str, Any], name: str) -> None:
        super().__init__(made)
        self.name = name

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if callable(value):
            self[key] = value = value()
        return value

    def values(self) -> Any:
        return [self[key] for key in self]

    def items(self) -> Any:
        return [(key, self[key]) for key in self]


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone."""
    path = folder / MANIFEST
    if folder.is_dir() and not path.exists():
        raise InputError(f"is no stored workload: it has no {MANIFEST}", file=folder)
    data = read_json(path, _MOST_JSON)
    try:
        return Manifest.model_validate_json(json.dumps(data), strict=True)  # strict, and lists for tuples
    except ValidationError as error:
        message, trail = explain(error, data, Manifest)
        raise InputError(message, file=path, field=dotted(trail)) from None


class _Tensors:
    """The tensor file, checked against its digest, opened when a number is asked for."""

    def __init__(self, path: Path, digest: str) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            found = hashlib.sha256(read(path, _MOST_BYTES)).hexdigest()
            if found != digest:
                raise InputError(f"is cut off or was changed: its digest must be {digest[:12]}, as in the manifest, "
                                 f"not {found[:12]}", file=path)
            self.open: Any = safe_open(str(path), framework="numpy")
            self.names = frozenset(self.open.keys())  # type: ignore[no-untyped-call]
        except (SafetensorError, ValueError, TypeError, OSError) as error:
            raise InputError(f"cannot be read as safetensors: {brief(error, 100)}", file=path) from None

    def has(self, layer: Layer, part: str) -> bool:
        return f"{layer.name}/{part}" in self.names

    def bytes(self, layer: Layer, part: str) -> NDArray[np.uint8]:
        if not self.has(layer, part):
            raise InputError(f"has no {part} of layer {layer.name}", file=self.path)
        kind, shape = self.described(layer, part)
        if kind != "U8" or len(shape) != 1:
            raise InputError(f"{part} of layer {layer.name} must be packed bytes (U8), not {kind} {shape}",
                             file=self.path)
        data: NDArray[np.uint8] = self.read(layer, part)
        return data

    def described(self, layer: Layer, part: str) -> tuple[str, tuple[int, ...]]:
        """(type, shape) as the file states them, before anything is read: NumPy has no type for some of them."""
        with self.guarded(layer, part):
            found = self.open.get_slice(f"{layer.name}/{part}")
            return str(found.get_dtype()), tuple(found.get_shape())

    def read(self, layer: Layer, part: str) -> Any:
        with self.guarded(layer, part):
            return self.open.get_tensor(f"{layer.name}/{part}")

    @contextmanager
    def guarded(self, layer: Layer, part: str) -> Iterator[None]:
        """Whatever the library makes of a damaged file is one sentence."""
        try:
            yield
        except Exception as error:
            raise InputError(f"{part} of layer {layer.name} cannot be read ({type(error).__name__}: "
                             f"{brief(error, 100)})", file=self.path) from None

    def weights(self, layer: Layer, shape: tuple[int, ...]) -> Ints:
        """All weights of a layer; where it has a mask, zero but for the kept ones."""
        if not self.has(layer, "kept"):
            return self.ints(layer, "weights", shape)
        mask = self.mask(layer, shape)
        kept = self.ints(layer, "kept", (int(mask.sum()),))
        found = np.zeros(shape, kept.dtype)
        found[mask] = kept
        return found

    def ints(self, layer: Layer, part: str, shape: tuple[int, ...]) -> Ints:
        bits, signed = (layer.input_bits, False) if part == "inputs" else (layer.weight_bits, True)
        try:
            return unpack(self.bytes(layer, part), shape, bits, signed)
        except ValueError as error:
            raise InputError(f"{part} of layer {layer.name}: {error}", file=self.path) from None

    def mask(self, layer: Layer, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        try:
            return unpack_mask(self.bytes(layer, "mask"), shape)
        except ValueError as error:
            raise InputError(f"mask of layer {layer.name}: {error}", file=self.path) from None

    def reals(self, layer: Layer, part: str) -> NDArray[np.float64] | None:
        if not self.has(layer, part):
            return None
        kind, shape = self.described(layer, part)
        count = layer.filters if layer.compute else {"add": 2, "avgpool": 1}.get(layer.op, 0)
        if kind != "F64" or shape != (count,):
            raise InputError(f"{part} of layer {layer.name} must be {count} numbers of type F64, not {kind} {shape}",
                             file=self.path)
        data = np.array(self.read(layer, part))
        if not np.isfinite(data).all():
            raise InputError(f"{part} of layer {layer.name} must be finite numbers", file=self.path)
        return data


def _fits(layer: Layer, known: Mapping[str, Layer], place: str, path: Path) -> None:
    """Shapes agree with the layers before, `known`, and with the layer's own window."""

    def refuse(message: str, part: str) -> InputError:
        return InputError(message, file=path, field=f"{place}.{part}")

    if layer.name in known:
        raise refuse(f"{layer.name!r} is the name of an earlier layer", "name")
    wanted = {"input": 0, "add": 2}.get(layer.op, 1)
    if len(layer.inputs) != wanted or (layer.op == "input") != (not known):
        raise refuse(f"a layer of op {layer.op} must have {wanted} inputs, not {len(layer.inputs)}, and the first "
                     "layer alone is of op input", "inputs")
    for position, name in enumerate(layer.inputs):
        if name not in known:
            raise refuse(f"must be earlier layers, not {name!r}", "inputs")
        if position == 0 and known[name].out_shape != layer.in_shape:
            raise refuse(f"must be {known[name].out_shape}, the output of {name}, not {layer.in_shape}", "in_shape")
    c, h, w = layer.in_shape
    window = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(
        (h, w), layer.padding, layer.dilation, layer.kernel, layer.stride, strict=True))
    if min(window) < 1:
        raise refuse(f"must fit in the padded input, {h} x {w} before padding, which {layer.kernel} with dilation "
                     f"{layer.dilation} does not", "kernel")
    out = {"input": layer.in_shape, "add": layer.in_shape, "flatten": (c * h * w, 1, 1),
           "conv": (layer.filters, *window), "maxpool": (c, *window), "avgpool": (c, *window),
           "linear": (layer.filters, 1, 1)}[layer.op]
    if out != layer.out_shape:
        raise refuse(f"must be {out}, not {layer.out_shape}", "out_shape")
    if c % layer.groups or layer.filters % layer.groups:
        raise refuse(f"must divide {c} channels and {layer.filters} filters, which {layer.groups} does not", "groups")
    for part, shape in (("in_shape", layer.in_shape), ("out_shape", layer.out_shape)):
        if math.prod(shape) > _MOST:
            raise refuse(f"must have at most {_MOST:,} values, not {math.prod(shape):,}", part)
