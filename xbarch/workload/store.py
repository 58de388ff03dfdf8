"""Stored workloads: a folder of `manifest.json` and `tensors.safetensors`.

Integers are packed (two of up to 4 bits a byte), compressed with zlib and kept as byte tensors; what they unpack
to is known from the manifest before a byte is expanded, so a hostile file cannot grow.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xbarch.errors import InputError
from xbarch.files import write
from xbarch.spec.text import brief
from xbarch.workload.graph import Ints, Layer, Op, Workload
from xbarch.workload.packing import pack, pack_mask, unpack, unpack_mask

MANIFEST, _TENSORS = "manifest.json", "tensors.safetensors"
_MOST_JSON, _MOST_WEIGHTS = 2**24, 2**31

Size = Annotated[int, Field(ge=1, le=2**20)]
Pair = tuple[Size, Size]
Offset = Annotated[int, Field(ge=0, le=2**16)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$")]


class StoredLayer(BaseModel):
    """A layer's shape; see `xbarch.workload.graph.Layer`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

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
                              populate_by_name=True)

    schema_: Literal["xbarch.workload/1"] = Field("xbarch.workload/1", alias="schema")
    name: Name
    description: str = Field("", max_length=600)
    datapath: Name
    options: dict[str, Any] = Field(default_factory=dict, max_length=50)
    trained_on: str | None = Field(None, max_length=600)
    accuracy: dict[str, float] = Field(default_factory=dict, max_length=50)
    source: str = Field("", max_length=600)
    seed: int = 0
    recipe: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict, max_length=50)
    sparsity: dict[str, dict[str, float]] = Field(default_factory=dict)
    history: list[dict[str, Any]] = Field(default_factory=list, max_length=100_000)
    images: int = Field(0, ge=0, le=1024)
    layers: list[StoredLayer] = Field(min_length=2, max_length=10_000)
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
            found[f"{layer.name}/weights"] = pack(layer.weights(), layer.weight_bits, True)
            mask = layer.mask() if layer.mask is not None else None
            if mask is not None:
                found[f"{layer.name}/mask"] = pack_mask(mask)
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
    write(folder / _TENSORS, data)
    write(folder / MANIFEST, text)  # last: its digest makes the tensors valid
    return folder


def load(folder: Path) -> Workload:
    """A stored workload; its numbers are unpacked when they are first asked for.

    Raises:
        InputError: not a workload, damaged, or its shapes do not fit together.
    """
    manifest = read_manifest(folder)
    tensors = _Tensors(folder / _TENSORS, manifest.sha256)
    layers: list[Layer] = []
    activations: dict[str, Any] = {}
    for number, stored in enumerate(manifest.layers):
        layer = Layer(**{n: getattr(stored, n) for n in StoredLayer.model_fields})
        _fits(layer, layers, f"layers.{number}", folder / MANIFEST)
        if layer.compute:
            shape = weight_shape(layer)
            object.__setattr__(layer, "weights", partial(tensors.ints, layer, "weights", shape))
            if tensors.has(layer, "mask"):
                object.__setattr__(layer, "mask", partial(tensors.mask, layer, shape))
            if manifest.images and tensors.has(layer, "inputs"):
                activations[layer.name] = partial(tensors.ints, layer, "inputs", (manifest.images, *layer.in_shape))
        for part in ("scale", "bias"):
            object.__setattr__(layer, part, tensors.reals(layer, part))
        layers.append(layer)
    return Workload(
        manifest.name, tuple(layers), manifest.datapath, manifest.options, manifest.trained_on, manifest.accuracy,
        manifest.source, _Lazy(activations), manifest.model_dump(mode="json", exclude={"layers"}))


class _Lazy(dict[str, Any]):
    """Values made at their first use from the functions given."""

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
    try:
        if path.stat().st_size > _MOST_JSON:
            raise InputError(f"found {path.stat().st_size:,} bytes, allowed {_MOST_JSON:,}", file=path)
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read as a workload's manifest ({type(error).__name__})", file=path) from None
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise InputError(brief(first["msg"], 200), file=path,
                         field=brief(".".join(str(p) for p in first["loc"]), 100)) from None


def _refused(name: str) -> float:
    raise ValueError(f"{name} is not allowed")


class _Tensors:
    """The tensor file, checked against its digest, opened when a number is asked for."""

    def __init__(self, path: Path, digest: str) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != digest:
                raise InputError(f"found the digest {found[:12]}, allowed the manifest's {digest[:12]}: the file is "
                                 "truncated or was changed", file=path)
            self.open: Any = safe_open(str(path), framework="numpy")
            self.names = frozenset(self.open.keys())  # type: ignore[no-untyped-call]
        except (OSError, SafetensorError) as error:
            raise InputError(f"cannot be read as safetensors ({type(error).__name__})", file=path) from None

    def has(self, layer: Layer, part: str) -> bool:
        return f"{layer.name}/{part}" in self.names

    def bytes(self, layer: Layer, part: str) -> NDArray[np.uint8]:
        if not self.has(layer, part):
            raise InputError(f"has no {part} of layer {layer.name}", file=self.path)
        data: NDArray[np.uint8] = self.open.get_tensor(f"{layer.name}/{part}")
        if data.dtype != np.uint8 or data.ndim != 1:
            raise InputError(f"{part} of layer {layer.name} are {data.dtype} {data.shape}, allowed packed bytes",
                             file=self.path)
        return data

    def ints(self, layer: Layer, part: str, shape: tuple[int, ...]) -> Ints:
        bits, signed = (layer.weight_bits, True) if part == "weights" else (layer.input_bits, False)
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
        data = self.open.get_tensor(f"{layer.name}/{part}")
        count = layer.filters if layer.compute else {"add": 2, "avgpool": 1}.get(layer.op, 0)
        if data.dtype != np.float64 or data.shape != (count,) or not np.isfinite(data).all():
            raise InputError(f"{part} of layer {layer.name}: found {data.dtype} {data.shape}, allowed {count} finite "
                             "float64", file=self.path)
        return np.array(data)


def _fits(layer: Layer, before: list[Layer], place: str, path: Path) -> None:
    """Shapes agree with the layers before and with the layer's own window."""
    known = {la.name: la for la in before}

    def refuse(message: str, part: str) -> InputError:
        return InputError(message, file=path, field=f"{place}.{part}")

    if layer.name in known:
        raise refuse(f"found {layer.name!r} twice, allowed once", "name")
    wanted = {"input": 0, "add": 2}.get(layer.op, 1)
    if len(layer.inputs) != wanted or (layer.op == "input") != (not before):
        raise refuse(f"found {len(layer.inputs)} inputs, allowed {wanted}; one input layer, the first", "inputs")
    for position, name in enumerate(layer.inputs):
        if name not in known:
            raise refuse(f"found {name!r}, allowed an earlier layer", "inputs")
        if position == 0 and known[name].out_shape != layer.in_shape:
            raise refuse(f"found {layer.in_shape}, allowed {known[name].out_shape} as {name} makes", "in_shape")
    c, h, w = layer.in_shape
    window = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(
        (h, w), layer.padding, layer.dilation, layer.kernel, layer.stride, strict=True))
    out = {"input": layer.in_shape, "add": layer.in_shape, "flatten": (c * h * w, 1, 1),
           "conv": (layer.filters, *window), "maxpool": (c, *window), "avgpool": (c, *window),
           "linear": (layer.filters, 1, 1)}[layer.op]
    if out != layer.out_shape:
        raise refuse(f"found {layer.out_shape}, allowed {out}", "out_shape")
    if c % layer.groups or layer.filters % layer.groups:
        raise refuse(f"found {layer.groups} for {c} channels and {layer.filters} filters, allowed a divisor of both",
                     "groups")
    if layer.compute and math.prod(weight_shape(layer)) > _MOST_WEIGHTS:
        raise refuse(f"found {math.prod(weight_shape(layer)):,} weights, allowed {_MOST_WEIGHTS:,}", "out_shape")
