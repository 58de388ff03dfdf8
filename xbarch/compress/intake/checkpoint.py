"""A user's own checkpoint becomes a workload: quantized and checked, or pruned in one shot, never trained."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, ValidationError
from torch import Tensor

from xbarch.compress.intake import models
from xbarch.compress.methods.pruner import Pruner, crossbar
from xbarch.compress.quantizers.levels import Pact, Signed
from xbarch.compress.quantizers.network import Network, Node
from xbarch.compress.recipes import REFERENCE
from xbarch.compress.training import data, export
from xbarch.compress.training.run import _restore, _sparsity, _versions, build
from xbarch.datapaths.base import DataPath, Geometry
from xbarch.errors import InputError
from xbarch.plugins import guard, registry
from xbarch.specs.explain import explain
from xbarch.specs.model import Spec
from xbarch.specs.recipe import Cut, Data, Pruning, Quantization, Recipe, Shape, Training
from xbarch.specs.text import brief, dotted
from xbarch.support.files import writable
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.store import MANIFEST, save

_NONE = Training(epochs=1, rate=1.0)  # what recipes must have and nothing here runs
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_IMAGES, _VALUES = 512, 2**26  # calibration images; values of a feature map of all of them
_SAMPLE = 2**16  # values that a scale is fitted on


class Import(Spec):
    """What was asked for; kept in the manifest."""

    kind: Literal["imported"] = "imported"
    model: str = Field(max_length=4096, description="a reference model, path.py:factory or module:factory")
    width: int | None = Field(None, ge=1, le=4096)
    classes: int | None = Field(None, ge=2, le=1_000_000, description="scores of a reference model; default the data's")
    checkpoint: str = Field(max_length=4096)
    data: Data
    quantization: Quantization = Quantization(weight_scale="lsq")
    method: str = Field(max_length=100)
    options: dict[str, Any] = Field(default_factory=dict)
    geometry: Shape = Shape()
    density: float | None = Field(None, gt=0, le=1, description="of the pruned layers; none: weights as they are")
    layers: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    seed: int = Field(0, ge=0, lt=2**31)
    threads: int = Field(1, ge=1, le=1024)
    stored_images: int = Field(4, ge=1, le=64)


def take(model: str, weights: str | Path, method: str, *, out: str | Path, data: Mapping[str, Any] | None = None,
         options: Mapping[str, Any] | None = None, density: float | None = None,
         quantization: Mapping[str, Any] | None = None, geometry: Mapping[str, Any] | None = None,
         **more: Any) -> Path:
    """Store a checkpoint as a workload of `method`; returns the folder written.

    Weights are rounded to levels and weights that are zero count as removed. Then batch norm statistics and the
    scales of activations are taken afresh, layer by layer, on training images of `data`; nothing is trained.

    Args:
        model: reference name, path.py:factory or module:factory. weights: its state dict.
        data: fields of `xbarch.specs.recipe.Data`: the images to calibrate and to measure accuracy on.
        options: of the data path. geometry: rows, columns, cell_bits and operation_unit of the crossbar to check and
            prune for.
        density: None checks the method's constraint on the weights as they are; a number applies its projection,
            keeping that share of the pruned layers' weights.
        quantization: fields of `xbarch.specs.recipe.Quantization`; weight_scale is by default "lsq", a step of each
            layer's own, here the one of least squared error.
        more: width, classes, layers (densities of single layers), seed, threads, stored_images.

    Raises:
        InputError: bad input; the weights do not keep the method's constraint; the density cannot be reached.
    """
    asked = _asked({
        "model": model, "checkpoint": str(weights), "method": method, "options": dict(options or {}),
        "density": density, "quantization": {"weight_scale": "lsq", **(quantization or {})},
        "geometry": dict(geometry or {}), **({"data": dict(data)} if data else {}), **more})
    folder = Path(out)
    name = _name(folder)
    path = registry.datapath(asked.method, asked.options)
    torch.set_num_threads(asked.threads)
    parts = _images(asked)
    network = build(_recipe(asked), parts)
    _round(network)
    _settle(network, path, crossbar(asked.geometry), asked)
    used = calibrate(network, _drawn(parts.train, network, asked.seed))
    images, _ = parts.test[slice(0, asked.stored_images)]
    digest = _digest(asked.checkpoint)
    made = export.workload(
        name, network, images, datapath=asked.method, options=asked.options,
        trained_on=f"imported weights, calibrated and measured on {asked.data.name}",
        accuracy={"float": score(_plain(asked, parts), parts.test), "imported": score(network.eval(), parts.test)},
        source=f"{brief(asked.model, 120)} with the weights of {brief(Path(asked.checkpoint).name, 120)} "
               f"(sha256 {digest[:16]}), {'as they were' if density is None else f'pruned to {density:g} in one shot'}")
    return save(made, folder, {
        "description": f"imported, {asked.method}", "seed": asked.seed,
        "recipe": {**asked.model_dump(mode="json"), "sha256": digest, "calibration_images": used},
        "data": {"train": len(parts.train), "val": len(parts.val), "test": len(parts.test), "classes": parts.classes},
        "versions": _versions(), "sparsity": _sparsity(network)})


def data_words(words: Sequence[str]) -> dict[str, Any]:
    """Fields of `Data` from words of a command line: a name, or a folder of CIFAR-10's files or of images, and
    field=value.

    Raises:
        InputError: none or two of them, or a folder that is not there.
    """
    found: dict[str, Any] = {}
    for word in words:
        field, equals, value = word.partition("=")
        if equals and field in Data.model_fields:
            try:
                found[field] = json.loads(value)
            except (ValueError, RecursionError):
                found[field] = value
            continue
        if "name" in found:
            raise InputError(f"found {brief(word)!r} besides {brief(found['name'])!r}, allowed one name or folder, and "
                             "field=value", field="data")
        if word in ("digits", "digit_pairs", "cifar10", "folder"):
            found["name"] = word
        else:
            found.update(_folder(word))
    return found


def _folder(word: str) -> dict[str, Any]:
    """A folder of CIFAR-10's files, or of images."""
    try:
        place = Path(word)
        there = place.is_dir()
        cifar = any((place / f"data_batch_1{end}").is_file() for end in ("", ".bin"))
    except (OSError, ValueError):  # a name too long, or with a NUL
        there = cifar = False
    if not there:
        raise InputError(f"found no folder {brief(word, 80)!r}, allowed digits, digit_pairs or a folder of images",
                         field="data")
    return {"name": "cifar10" if cifar else "folder", "path": word}


# -- what is asked ------------------------------------------------------------------------------------------------

def _asked(fields: dict[str, Any]) -> Import:
    """The request, validated before anything is loaded."""
    if "name" not in fields.get("data", {}):
        raise InputError("found none, allowed digits, digit_pairs or a folder of images: scales of activations and "
                         "accuracy come from images", field="data")
    if fields.get("layers") and fields["density"] is None:
        raise InputError("found densities of single layers, allowed together with a density of all", field="layers")
    try:
        asked = Import.model_validate(fields)
    except ValidationError as error:
        message, trail = explain(error, fields, Import)
        raise InputError(message, field=dotted(trail)) from None
    place, _, factory = asked.model.rpartition(":")
    if asked.model not in REFERENCE and not (place and factory):
        raise InputError(f"found {brief(asked.model)!r}, allowed {', '.join(REFERENCE)}, path.py:factory or "
                         "module:factory", field="model")
    try:
        there = Path(asked.checkpoint).is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL
        there = False
    if not there:
        raise InputError(f"found no file {brief(asked.checkpoint, 80)!r}", field="weights")
    return asked


def _name(folder: Path) -> str:
    """Of the workload: that of its folder."""
    writable(folder, MANIFEST)
    name = folder.absolute().name
    if not _NAME.fullmatch(name):
        raise InputError(f"found the name {brief(name)!r}, allowed letters, digits, '_', '.' and '-'", field="out")
    return name


def _images(asked: Import) -> data.Parts:
    parts = data.load(asked.data, asked.seed)
    if asked.classes is not None and asked.classes < parts.classes:
        raise InputError(f"found {asked.classes}, allowed at least the {parts.classes} of the data", field="classes")
    if len(parts.train) < 2:
        raise InputError(f"found {len(parts.train)} images to calibrate on, allowed at least 2", field="data")
    return parts if asked.classes is None else replace(parts, classes=asked.classes)


def _recipe(asked: Import) -> Recipe:
    return Recipe(kind="trained", model=asked.model, width=asked.width, checkpoint=asked.checkpoint, data=asked.data,
                  quantization=asked.quantization, baseline=_NONE, seed=asked.seed)


def _digest(checkpoint: str) -> str:
    with Path(checkpoint).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# -- weights ------------------------------------------------------------------------------------------------------

@torch.no_grad()
def _round(network: Network) -> None:
    """Zeros are removed weights; the others get a step.

    Raises:
        InputError: a layer's name cannot be stored.
    """
    for layer in network.layers:
        if not _NAME.fullmatch(layer.name):
            raise InputError(f"found a layer named {brief(layer.name)!r}, allowed letters, digits, '_', '.' and '-'",
                             field="model")
    for node in network.compute_nodes():
        node.mask.copy_(node.weight != 0)
        _fit_step(node, node.weight)


def _settle(network: Network, path: DataPath, crossbar: Geometry, asked: Import) -> None:
    """Check the method's constraint, or apply it first.

    Raises:
        InputError: the method does not take the network, its constraint is broken, or the density is out of reach.
    """
    shapes = tuple(n.layer for n in network.compute_nodes())
    with guard.asking(path, "accepts"):
        reason = path.accepts(Workload("imported", shapes), crossbar)
    if reason:
        raise InputError(reason, field="method")
    if asked.density is not None:
        _prune(network, path, crossbar, asked)
    for node in network.compute_nodes():
        reason = _broken(path, node, crossbar)
        if reason:
            hint = f"--apply --density D would prune it for {path.name}" if asked.density is None else (
                f"allowed --layer {node.layer.name}=D with a D below 1")
            raise InputError(f"{reason}; {hint}", file=asked.checkpoint)


def _broken(path: DataPath, node: Node, crossbar: Geometry) -> str:
    """What the layer's weights break of the method's promise; empty if nothing."""
    with guard.asking(path, "check", node.layer.name):
        return path.check(stored(node), crossbar)


def _prune(network: Network, path: DataPath, crossbar: Geometry, asked: Import) -> None:
    """The projection at the density asked for; then, of layers left dense, those that break the constraint are
    projected too, with no more removed than it asks for."""
    spec = Pruning(method=asked.method, options=asked.options, geometry=asked.geometry, algorithm=Cut(name="cut"),
                   density=asked.density, layers=asked.layers, cut_after=0, training=_NONE)
    pruner = Pruner(network, spec, path)
    _cut(pruner)
    done = {n.layer.name for n in pruner.nodes} | set(asked.layers)
    rest = [n for n in network.compute_nodes()
            if n.layer.name not in done and _broken(path, n, crossbar)]
    if rest:
        pruner = Pruner(network, spec.model_copy(update={"layers": {n.layer.name: 1.0 for n in rest}}), path)
        pruner.nodes = rest
        _cut(pruner)


@torch.no_grad()
def _cut(pruner: Pruner) -> None:
    """Whole weights first, so that steps fit what is left; then for good."""
    density = pruner.spec.density
    assert density is not None
    weights = [n.weight for n in pruner.nodes]
    with guard.asking(pruner.path, "projections"):
        first = pruner.path.projections()[0]
    for node, found in zip(pruner.nodes, pruner.projected(weights, density, first), strict=True):
        _fit_step(node, node.weight * torch.from_numpy(found.mask.copy()).reshape(node.weight.shape))
    pruner.harden()


def stored(node: Node) -> Layer:
    """The node's layer with its integer weights and mask."""
    ints, _ = node.levels.integers(node.weight * node.mask)
    shape = tuple(ints.shape) if ints.dim() == 4 else (*ints.shape, 1, 1)
    weights, mask = ints.numpy().astype("int8").reshape(shape), node.mask.numpy().reshape(shape)
    return replace(node.layer, weights=lambda: weights, mask=lambda: mask)


# -- scales -------------------------------------------------------------------------------------------------------

def _fit_step(node: Node, weight: Tensor) -> None:
    """A learned step becomes the one of least squared error; steps that follow the weights need nothing.

    The largest weight on each of the levels is tried, so weights that lie on levels already stay where they are.
    """
    levels = node.levels
    if levels.scale == "lsq" and bool(weight.any()):
        some = [1 / m for m in range(1, levels.top + 1)]
        _fit(levels.learned, some + [s / levels.top for s in _shares()], weight[weight != 0], levels)


@torch.no_grad()
def calibrate(network: Network, images: Tensor) -> int:
    """Layer by layer, behind layers already done: batch norm statistics as plain means, and the clip of each
    activation quantizer where the squared error is least; how many images were used.

    images: [n, C, H, W] in [0, 1].

    Raises:
        InputError: values that are not finite.
    """
    network.eval()
    last = {name: la.name for la in network.layers for name in la.inputs}
    values: dict[str, Tensor] = {}
    for la in network.layers:
        node = network.node(la.name)
        inputs = [values[i] for i in la.inputs] or [images]
        y = _measured(node, node.sums(inputs[0])) if la.compute else node.compute(*inputs)
        if not bool(torch.isfinite(y).all()):
            raise InputError(f"layer {la.name} makes values that are not finite, allowed weights whose sums are",
                             field="weights")
        if isinstance(node.out, Pact):
            _fit(node.out.alpha, _shares(), y, node.out)
        elif isinstance(node.out, Signed):
            _fit(node.out.most, _shares(), y, node.out)
        values[la.name] = y if node.out is None else node.out(y)
        for name in la.inputs:
            if last[name] == la.name:
                values.pop(name, None)
    return len(images)


def _measured(node: Node, sums: Tensor) -> Tensor:
    """The layer's output before quantization, its batch norm on the statistics of these very sums."""
    norm = node.norm
    if norm is not None:
        assert norm.running_mean is not None and norm.running_var is not None
        flat = sums.transpose(0, 1).flatten(1)
        norm.running_mean.copy_(flat.mean(dim=1) + (0 if node.bias is None else node.bias))
        norm.running_var.copy_(flat.var(dim=1))
    return node.biased(sums)


def _shares() -> list[float]:
    """Of the largest value, down to 1 / 128 in eighths of an octave."""
    return [2 ** (-k / 8) for k in range(57)]


@torch.no_grad()
def _fit(scale: Tensor, shares: Sequence[float], values: Tensor, quantizer: Callable[[Tensor], Tensor]) -> None:
    """Set `scale`, which `quantizer` uses, to the share of the largest value that errs least; of equals the largest."""
    flat = values.flatten()
    most = float(flat.abs().max())
    flat = torch.cat([flat[::-(-len(flat) // _SAMPLE)], flat[flat.abs().argmax()][None]])
    tries = sorted({share * most for share in shares}, reverse=True)
    errors = []
    for tried in tries:
        scale.fill_(tried)
        errors.append(float((quantizer(flat).double() - flat.double()).square().sum()))
    level = min(errors) + 1e-12 * float(flat.double().square().sum())  # what single precision leaves of no error
    scale.fill_(next(t for t, e in zip(tries, errors, strict=True) if e <= level))


# -- images -------------------------------------------------------------------------------------------------------

def _drawn(train: data.Images, network: Network, seed: int) -> Tensor:
    """Training images to calibrate on, drawn by seed; fewer where feature maps are large."""
    widest = max(la.out_shape[0] * la.out_shape[1] * la.out_shape[2] for la in network.layers)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return train[order[:max(2, min(_IMAGES, _VALUES // widest))]][0]


def _plain(asked: Import, parts: data.Parts) -> torch.nn.Module:
    """The model as the user has it, in floating point."""
    model = models.build(asked.model, parts.classes, asked.width, asked.seed).eval()
    with torch.no_grad():
        model(torch.zeros(1, *parts.shape))  # shapes of lazy modules
    _restore(model, asked.checkpoint)
    return model


@torch.no_grad()
def score(model: torch.nn.Module, images: data.Images) -> float:
    """Share of right answers."""
    right = 0
    for i in range(0, len(images), 250):
        x, y = images[slice(i, i + 250)]
        right += int((model(x).flatten(1).argmax(1) == y).sum())
    return right / len(images)
