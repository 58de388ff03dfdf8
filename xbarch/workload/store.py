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
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xbarch.errors import InputError
from xbarch.specs.explain import explain
from xbarch.specs.text import dotted
from xbarch.support.files import read_json, write_all
from xbarch.workload.graph import Layer, Named, Op, Workload
from xbarch.workload.measures import no_share
from xbarch.workload.names import LONGEST, PATTERN
from xbarch.workload.outputs import Closing, Output
from xbarch.workload.packing import pack, pack_index, pack_mask
from xbarch.workload.shapes import MOST, check_outputs, check_shapes
from xbarch.workload.tensors import Tensors

MANIFEST, TENSORS = "manifest.json", "tensors.safetensors"
_MOST_JSON = 2**24  # bytes

MOST_INPUTS = 256  # of a concatenation
MOST_OUTPUTS = 64  # tensors

Size = Annotated[int, Field(ge=1, le=2**20)]
Pair = tuple[Size, Size]
Offset = Annotated[int, Field(ge=0, le=2**16)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=PATTERN)]


class StoredLayer(BaseModel):
    """A layer's shape; see `xbarch.workload.graph.Layer`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True,
                              defer_build=True)

    name: Name
    op: Op
    inputs: tuple[Name, ...] = Field(max_length=MOST_INPUTS)
    in_shape: tuple[Size, Size, Size]
    out_shape: tuple[Size, Size, Size]
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: tuple[Offset, Offset] = (0, 0)
    padding_end: tuple[Offset, Offset] | None = None
    dilation: Pair = (1, 1)
    groups: Size = 1
    relu: bool = False
    weight_bits: int = Field(8, ge=2, le=16)
    input_bits: int = Field(8, ge=1, le=16)
    output_bits: int = Field(8, ge=1, le=16)
    signed_in: bool = False
    signed_out: bool | None = None
    function: str = Field("", max_length=LONGEST)
    inner_bits: int = Field(8, ge=2, le=16)
    epsilon: float = Field(0.0, ge=0)
    to_even: bool = False
    aligned: bool = False
    full_scales: tuple[Annotated[int, Field(ge=0, le=2**20)], ...] = Field((), max_length=32)
    shares: str = Field("", max_length=LONGEST, description="an earlier layer with the same weights and mask")
    side: dict[str, Any] = Field(default_factory=dict, max_length=20)


class StoredOutput(BaseModel):
    """A tensor that the network returns; see `xbarch.workload.outputs.Output`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True,
                              defer_build=True)

    layer: Name
    shape: tuple[Size, ...] = Field(max_length=8)
    step: float = Field(1.0, gt=0)
    closing: Closing = ""
    axis: int = Field(0, ge=0, le=7)


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
    accuracy: dict[str, float] = Field(default_factory=dict, max_length=50)
    measure: str = Field("top1", max_length=4096, description="what `accuracy` is")
    outputs: list[StoredOutput] = Field(default_factory=list, max_length=MOST_OUTPUTS)
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

    @model_validator(mode="after")
    def _shares(self) -> Manifest:
        if problem := no_share(self.measure, self.accuracy):
            raise ValueError(problem)
        return self


def stored_layer(layer: Layer) -> StoredLayer:
    return StoredLayer(**{n: getattr(layer, n) for n in StoredLayer.model_fields})


def to_layer(stored: StoredLayer) -> Layer:
    """The layer without its numbers."""
    return Layer(**{n: getattr(stored, n) for n in StoredLayer.model_fields})


def _check_same(layer: Layer, other: Layer) -> None:
    """Refuse to store one layer's weights for two that differ."""
    for part in ("weights", "mask"):
        one, two = (getattr(la, part) for la in (layer, other))
        if (one is None) != (two is None) or (one is not None and one is not two and not np.array_equal(one(), two())):
            raise InputError(f"layer {layer.name} does not have the {part} of layer {other.name}, which it shares")


# -- saving and loading ---------------------------------------------------------------------------------------

def weight_shape(layer: Layer) -> tuple[int, int, int, int]:
    """(F, C / groups, kh, kw) of a compute layer."""
    inputs = math.prod(layer.in_shape) if layer.op == "linear" else layer.in_shape[0]
    return (layer.filters, inputs // layer.groups, *layer.kernel)


def save(workload: Workload, folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Write a stored workload, whole or not at all. manifest: the fields of `Manifest` that the workload lacks.

    Raises:
        InputError: shapes do not fit together, or the folder cannot be written.
    """
    from safetensors.numpy import save as tensors

    found: dict[str, NDArray[Any]] = {}
    known: dict[str, Layer] = {}
    for number, layer in enumerate(workload.layers):
        check_shapes(layer, known, f"layers.{number}", folder / MANIFEST)
        known[layer.name] = layer
        if layer.compute:
            assert layer.weights is not None
            mask = layer.mask() if layer.mask is not None else None
            if layer.shares:
                _check_same(layer, known[layer.shares])
            elif mask is None:
                found[f"{layer.name}/weights"] = pack(layer.weights(), layer.weight_bits, True)
            else:
                found[f"{layer.name}/mask"] = pack_mask(mask)
                found[f"{layer.name}/kept"] = pack(layer.weights()[mask], layer.weight_bits, True)
            if layer.name in workload.activations:
                found[f"{layer.name}/inputs"] = pack(workload.activations[layer.name], layer.input_bits,
                                                     layer.signed_in)
        if layer.table is not None:
            found[f"{layer.name}/table"] = pack(layer.table, 16, True)
        if layer.index is not None:
            found[f"{layer.name}/index"] = pack_index(layer.index)
        for part in ("scale", "bias"):
            if getattr(layer, part) is not None:
                found[f"{layer.name}/{part}"] = np.asarray(getattr(layer, part), np.float64)
    data = tensors(found)
    images = {len(a) for a in workload.activations.values()}
    full = Manifest(
        name=workload.name, datapath=workload.datapath, options=dict(workload.options), source=workload.source,
        trained_on=workload.trained_on, accuracy=dict(workload.accuracy), measure=workload.measure,
        outputs=[StoredOutput(**vars(output)) for output in workload.outputs], images=max(images, default=0),
        layers=[stored_layer(la) for la in workload.layers],
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
    tensors = Tensors(folder / TENSORS, manifest.sha256)
    layers: dict[str, Layer] = {}
    weights = 0
    activations: dict[str, Any] = {}
    for number, stored in enumerate(manifest.layers):
        layer = to_layer(stored)
        check_shapes(layer, layers, f"layers.{number}", folder / MANIFEST)
        if layer.compute:
            shape = weight_shape(layer)
            weights += 0 if layer.shares else math.prod(shape)
            if weights > MOST:
                raise InputError(f"the layers up to this one have {weights:,} weights; at most {MOST:,} are read",
                                 file=folder / MANIFEST, field=f"layers.{number}.out_shape")
            numbers: dict[str, Any] = {"weights": partial(tensors.weights, layer, shape)}
            if tensors.has(layer, "mask"):
                numbers["mask"] = partial(tensors.mask, layer, shape)
            for part, make in numbers.items() if not layer.shares else ():
                make()  # refused now if it is damaged
                object.__setattr__(layer, part, Named(f"{manifest.sha256} {layer.name} {part}", make))
            if layer.shares:
                for part in ("weights", "mask"):
                    object.__setattr__(layer, part, getattr(layers[layer.shares], part))
            if manifest.images and tensors.has(layer, "inputs"):
                if (size := manifest.images * math.prod(layer.in_shape)) > MOST:
                    raise InputError(f"layer {layer.name} has {size:,} stored inputs; at most {MOST:,} are read",
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
        object.__setattr__(layer, "table", tensors.table(layer))
        object.__setattr__(layer, "index", tensors.index(layer))
        layers[layer.name] = layer
    if not any(layer.compute for layer in layers.values()):
        raise InputError("must have at least one conv or linear layer", file=folder / MANIFEST, field="layers")
    outputs = tuple(Output(**dict(output)) for output in manifest.outputs)
    check_outputs(outputs, layers, folder / MANIFEST)
    return Workload(
        name=manifest.name, layers=tuple(layers.values()), datapath=manifest.datapath, options=manifest.options,
        trained_on=manifest.trained_on, accuracy=manifest.accuracy, source=manifest.source, outputs=outputs,
        measure=manifest.measure, activations=Lazy(activations, manifest.sha256),
        manifest=manifest.model_dump(mode="json", exclude={"layers", "outputs"}), file=str(folder / MANIFEST))


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
