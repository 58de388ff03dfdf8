"""A user's own checkpoint becomes a workload: quantized and checked, or pruned in one shot, never trained."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xbarch.compress.importing.calibrate import Rule, calibrate, draw_images, fit_step, score
from xbarch.compress.importing.request import MODULE, ImportRequest, check_request
from xbarch.compress.intake import models
from xbarch.compress.intake.copying import copied
from xbarch.compress.intake.equal import answers
from xbarch.compress.intake.given import Given
from xbarch.compress.methods.pruner import Pruner, crossbar
from xbarch.compress.quantizers.levels import Fixed
from xbarch.compress.quantizers.network import Network, Node
from xbarch.compress.training import data, export
from xbarch.compress.training.crossbars import affordable, crossbar_accuracy
from xbarch.compress.training.network import build, take_parts
from xbarch.compress.training.provenance import sparsity, versions
from xbarch.datapaths.base import DataPath, Geometry
from xbarch.errors import InputError
from xbarch.plugins import guard, registry
from xbarch.plugins.measures import find as find_measure
from xbarch.specs.algorithms import Cut
from xbarch.specs.learning import Training
from xbarch.specs.recipe import Pruning, Recipe
from xbarch.specs.text import brief
from xbarch.support.files import digest, writable
from xbarch.support.progress import Progress, steps
from xbarch.workload.graph import Workload
from xbarch.workload.measures import usual
from xbarch.workload.names import check_name
from xbarch.workload.store import MANIFEST, save

_SINGLE = 8  # bits of levels whose sums single precision rounds as integers are rounded, but for rare ties
_STEPS = ("read images and model", "trace and rewrite the model", "run it in floating point", "round weights",
          "calibrate activations", "run integers", "run crossbars", "write")
_NO_TRAINING = Training(epochs=1, rate=1.0)  # a recipe must have one; nothing here runs it


def import_weights(model: str | nn.Module, weights: str | Path | None, method: str, *, out: str | Path,
                   data: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None,
                   density: float | None = None, layers: Mapping[str, float] | None = None,
                   quantization: Mapping[str, Any] | None = None, geometry: Mapping[str, Any] | None = None,
                   width: int | None = None, classes: int | None = None,
                   zeros: str = "auto", batch_norm: str = "keep",
                   calibration: str = "squared_error", percentile: float = 99.99,
                   seed: int = 0, threads: int = 1, stored_images: int = 4, crossbar_images: int | None = None,
                   measure: str | None = None, progress: Progress | None = None) -> Path:
    """Store a checkpoint as a workload of `method`; returns the folder written.

    Weights are rounded to levels, and weights that are zero count as removed. Then the scales of activations are set
    layer by layer from training images of `data`; nothing is trained.

    Args:
        model: reference name, path.py:factory, module:factory, a file .onnx or .pt2, or a module of torch.nn.
        weights: the model's state dict: a file of `torch.save` or safetensors. None for a file or a module, which
            bring their own.
        method: data path that the weights are for.
        out: folder for the workload; its name becomes the workload's.
        data: fields of `xbarch.specs.recipe.Data`: the images to calibrate and to measure accuracy on.
        options: options of the data path.
        density: None checks the method's constraint on the weights as they are; a number applies its projection,
            keeping that share of the pruned layers' weights.
        layers: densities of single layers, where `density` is set.
        quantization: fields of `xbarch.specs.recipe.Quantization`. weight_scale is "lsq" by default: every layer has a
            step of its own, here the one of least squared error. weight_step is "filter" by default, and "layer" with a
            density, since methods compare the levels of a layer's filters.
        geometry: rows, columns, cell_bits and operation_unit of the crossbar to check and prune for.
        width: filters of a reference model's first stage.
        classes: scores of a reference model; default: as many as the data has classes.
        zeros: whether weights that are zero count as removed, where the checkpoint holds no mask of them: "masked",
            "kept", or "auto", which keeps those of integers.
        batch_norm: "keep" leaves its statistics as trained; "refit" measures them again on the quantized network, which
            helps where many weights were pruned in one shot.
        calibration: clips of activations are set where the squared error is least, or at a percentile.
        percentile: of an activation's magnitudes, in percent.
        seed: of the data's split, of the images calibrated on and of the values drawn from them.
        threads: CPU threads.
        stored_images: test images whose activations are stored.
        crossbar_images: test images classified through packed crossbars; default: up to 32 where the network is small
            enough.
        measure: what is stored as accuracy: "top1", "pixel_accuracy", "mean_iou", "mse", "correlation", an entry point
            of the group `xbarch.measures`, or "path.py:function", a function of outputs and answers that returns a
            number for each image; default: what suits the answers of the data.
        progress: called with (steps done, steps in all, the step that is next).

    Raises:
        InputError: bad input; the weights do not keep the method's constraint; the density cannot be reached.
    """
    fields: dict[str, Any] = {
        "model": model if isinstance(model, str) else MODULE, "checkpoint": None if weights is None else str(weights),
        "method": method, "options": dict(options or {}),
        "density": density, "layers": dict(layers or {}), "geometry": dict(geometry or {}),
        "quantization": {"weight_scale": "lsq", "weight_step": "filter" if density is None else "layer",
                         **(quantization or {})},
        "width": width, "classes": classes, "zeros": zeros, "batch_norm": batch_norm, "calibration": calibration,
        "percentile": percentile, "seed": seed, "threads": threads, "stored_images": stored_images,
        "crossbar_images": crossbar_images, "measure": measure}
    request = check_request({**fields, **({"data": dict(data)} if data else {})})
    return run_import(request, Path(out), None if isinstance(model, str) else model, progress)


def run_import(request: ImportRequest, folder: Path, module: nn.Module | None = None,
               progress: Progress | None = None) -> Path:
    """`import_weights` of a checked request. module: the model, if it is an object."""
    step = steps(progress, _STEPS)
    step()
    name = _workload_name(folder)
    path = registry.datapath(request.method, request.options)
    torch.set_num_threads(request.threads)
    parts = _load_images(request)
    model = take_parts(_model(request, parts, module), parts.inputs)
    measure = find_measure(request.measure or usual(parts.test.labels.numpy()))
    step()
    network = build(_recipe(request), parts, measure, model)
    step()
    real = score(partial(answers, model.eval()), parts.test, measure)
    sha256 = digest(request.checkpoint or request.model) if request.model != MODULE else _digest(model)
    del model  # its memory is wanted
    fixed = any(isinstance(network.node(la.name).out, Fixed) for la in network.layers)  # levels that shall be equal
    if fixed or max(request.quantization.weight_bits, request.quantization.activation_bits) > _SINGLE:
        network.double()
    step()
    round_weights(network, request.zeros)
    _settle(network, path, crossbar(request.geometry), request)
    step()
    used = calibrate(network, draw_images(parts.train, network, request.seed), _rule(request))
    step()
    own = "its own weights" if request.checkpoint is None else "the weights of " + brief(
        Path(request.checkpoint).name, 120)
    kept = "as they were" if request.density is None else f"pruned to {request.density:g} in one shot"
    workload = export.workload(
        name, network, parts.test[slice(0, request.stored_images)][0], datapath=request.method, options=request.options,
        trained_on=f"imported weights, calibrated and measured on {request.data.name}",
        accuracy={"float": real, "imported": score(network.eval().answers, parts.test, measure)}, measure=measure.name,
        source=f"{brief(request.model, 120)} with {own} (sha256 {sha256[:16]}), {kept}")
    step()
    shown = min(affordable(workload, request.crossbar_images), len(parts.test))
    if shown:
        images, labels = parts.test[slice(0, shown)]
        found = crossbar_accuracy(workload, path, crossbar(request.geometry), measure, export.pixels(network, images),
                                  labels.numpy())
        workload = replace(workload, accuracy={**workload.accuracy, "crossbars": found})
    step()
    place = save(workload, folder, {
        "description": f"imported, {request.method}{_left_out(network)}", "seed": request.seed,
        "recipe": {**request.model_dump(mode="json"), "sha256": sha256, "calibration_images": used,
                   "crossbar_images": shown, **_image_step(network)},
        "data": {"train": len(parts.train), "val": len(parts.val), "test": len(parts.test), "classes": parts.classes,
                 **({"sha256": digest(str(request.data.path))} if request.data.name == "arrays" else {})},
        "versions": versions(), "sparsity": sparsity(network)})
    step()
    return place


def _image_step(network: Network) -> dict[str, Any]:
    """[step, lowest level, highest] of the model's own quantizer of images, if it has one."""
    found = network.node(network.layers[0].name).out
    return {"image_step": [float(found.step), found.low, found.top]} if isinstance(found, Fixed) else {}


def _left_out(network: Network) -> str:
    left = dict.fromkeys(output.closing for output in network.outputs if output.closing)
    return f"; without the {' and '.join(left)} at its end, which leaves the order of scores" if left else ""


def _workload_name(folder: Path) -> str:
    """That of its folder."""
    writable(folder, MANIFEST)
    name = folder.absolute().name
    check_name(name, "workload", field="out")
    return name


def _load_images(request: ImportRequest) -> data.Parts:
    parts = data.load(request.data, request.seed)
    if request.classes is not None and request.classes < parts.classes:
        raise InputError(f"must be at least {parts.classes}, the classes of the data, not {request.classes}",
                         field="classes")
    if len(parts.train) < 2:
        raise InputError(f"must have at least 2 training images to calibrate on, not {len(parts.train)}", field="data")
    return parts if request.classes is None else replace(parts, classes=request.classes)


def _recipe(request: ImportRequest) -> Recipe:
    return Recipe(kind="trained", model=request.model, width=request.width, checkpoint=request.checkpoint,
                  data=request.data, quantization=request.quantization, baseline=_NO_TRAINING, seed=request.seed)


def _rule(request: ImportRequest) -> Rule:
    return Rule(clip=request.calibration, percentile=request.percentile, refit=request.batch_norm == "refit",
                seed=request.seed)


def _model(request: ImportRequest, parts: data.Parts, module: nn.Module | None) -> nn.Module:
    """The model as the user has it, in floating point; a copy of an object of theirs."""
    if module is None:
        return models.build(request.model, parts.classes, request.width, request.seed)
    try:
        return copied(module).float()
    except Exception as error:  # a module may hold what cannot be copied
        raise InputError(f"cannot be copied ({type(error).__name__}); give its factory as path.py:factory, and its "
                         "state dict as weights", field="model") from None


def _digest(model: nn.Module) -> str:
    """SHA-256 of a model's own weights."""
    found = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        found.update(name.encode() + tensor.detach().contiguous().cpu().numpy().tobytes())
    return found.hexdigest()


# -- weights ------------------------------------------------------------------------------------------------------

@torch.no_grad()
def round_weights(network: Network, zeros: str = "auto") -> None:
    """Weights get their masks and steps: those that the checkpoint gives, else zero weights become removed weights and
    steps are fitted. zeros: `masked` or `kept` for weights without a mask; `auto` keeps the zeros of integers."""
    for layer in network.layers:
        check_name(layer.name, "layer", field="model")
    for node in network.compute_nodes():
        given = node.given or Given()
        if given.mask is not None:
            node.remove(given.mask)
        elif zeros == "masked" or (zeros == "auto" and given.levels is None):
            node.remove(node.weight != 0)
        if given.levels is None:
            fit_step(node, node.weight)
        else:
            _take_levels(node, given.levels, given.step)


def _take_levels(node: Node, levels: torch.Tensor, step: torch.Tensor | None) -> None:
    """The checkpoint's integers, as they are.

    Raises:
        InputError: they need more bits, or steps that are no powers of two.
    """
    assert step is not None
    bits = Given(levels=levels).bits
    if bits > node.layer.weight_bits:
        raise InputError(f"must be at least {bits} for layer {node.layer.name}, whose integers are {int(levels.min())} "
                         f"to {int(levels.max())}, not {node.layer.weight_bits}", field="quantization.weight_bits")
    if node.chain:
        raise InputError("must be real where the checkpoint holds integers with steps of their own",
                         field="quantization.chain")
    node.levels.fix(levels, step)


def _settle(network: Network, path: DataPath, geometry: Geometry, request: ImportRequest) -> None:
    """Check the method's constraint, or apply it first.

    Raises:
        InputError: the method does not take the network, its constraint is broken, or the density is out of reach.
    """
    shapes = tuple(n.layer for n in network.compute_nodes())
    with guard.asking(path, "accepts"):
        reason = path.accepts(Workload(name="imported", layers=shapes), geometry)
    if reason:
        raise InputError(reason, field="method")
    for node in network.compute_nodes():
        if node.given is not None and node.given.levels is not None:
            _check_range(path, node, node.given.levels)
    if request.density is not None:
        _prune(network, path, geometry, request)
    for node in network.compute_nodes():
        reason = _violation(path, node, geometry)
        if reason:
            cure = f"--apply --density D would prune it for {path.name}" if request.density is None else (
                f"--layer {node.layer.name}=D with a D below 1 would prune it")
            raise InputError(f"{reason}; {cure}", file=request.checkpoint)


def _check_range(path: DataPath, node: Node, levels: torch.Tensor) -> None:
    """Integers that are given lie among the levels that the method stores."""
    bits = node.layer.weight_bits
    with guard.asking(path, "levels"):
        low, high = path.levels(bits)
    if levels.numel() and not low <= int(levels.min()) <= int(levels.max()) <= high:
        raise InputError(f"must be more than {bits}: {path.name} stores {low} to {high} in {bits} bits, and the "
                         f"integers of layer {node.layer.name} are {int(levels.min())} to {int(levels.max())}",
                         field="quantization.weight_bits")


def _violation(path: DataPath, node: Node, geometry: Geometry) -> str:
    """How the layer's weights break the method's constraint; empty if they keep it."""
    with guard.asking(path, "check", node.layer.name):
        return path.check(node.stored(), geometry)


def _prune(network: Network, path: DataPath, geometry: Geometry, request: ImportRequest) -> None:
    """Project to the density asked for; then project those layers left dense that break the constraint, removing no
    more than it demands."""
    spec = Pruning(method=request.method, options=request.options, geometry=request.geometry, algorithm=Cut(name="cut"),
                   density=request.density, layers=request.layers, cut_after=0, training=_NO_TRAINING)
    pruner = Pruner(network, spec, path)
    _cut(pruner)
    done = {n.layer.name for n in pruner.nodes} | set(request.layers)
    rest = [n for n in network.compute_nodes()
            if n.layer.name not in done and _violation(path, n, geometry)]
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
        if node.given is None or node.given.levels is None:
            fit_step(node, node.weight * torch.from_numpy(found.mask.copy()).reshape(node.weight.shape))
    pruner.harden()
