"""From a recipe to a stored workload."""

from __future__ import annotations

import hashlib
import platform
import warnings
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from xbarch.compress.intake import models
from xbarch.compress.intake.graph import intake
from xbarch.compress.methods.pruner import crossbar
from xbarch.compress.methods.search import searched
from xbarch.compress.quantizers.network import Network
from xbarch.compress.recipes import Asked, ask, python
from xbarch.compress.training import data
from xbarch.compress.training.export import statistics, workload
from xbarch.compress.training.train import Progress, Trainer, phases
from xbarch.errors import InputError
from xbarch.functional.network import through
from xbarch.plugins import registry
from xbarch.specs.recipe import Pruning, Recipe, Shape
from xbarch.workload.graph import Workload
from xbarch.workload.store import read_manifest, save


def train(source: str | Path, *, out: Path | None = None, resume: bool = True, cache: Path | None = None,
          only: str = "*", progress: Progress | None = None) -> Path:
    """Train, prune and quantize as the recipe or grid of recipes `source` (path or bundled name) says; returns the
    folder written, of a grid the one that holds its workloads' folders.

    Args:
        out: folder for the stored workload; default: the recipe's name beside it, or here for a bundled one.
        resume: continue from checkpoints in `cache` (default ~/.cache/xbarch, or $XBARCH_CACHE), and leave workloads
            of a grid that are stored already.
        only: recipes of a grid whose names match this pattern (`fnmatch`).
        progress: called with (epochs done, epochs of the phase, text).

    Raises:
        InputError: bad recipe, model, data or weights; something cannot be written.
    """
    asked = ask(source, out, cache, only)
    for number, each in enumerate(asked, 1):
        if resume and each.grid and _stored(each):
            continue
        counted = progress
        if progress is not None and each.grid:
            counted = partial(_counted, progress, f"{each.name}, {number} of {len(asked)}: ")
        with each.document.blamed():
            _trained(each, resume, counted)
    return asked[0].out.parent if asked[0].grid else asked[0].out


def _stored(asked: Asked) -> bool:
    """Whether the workload lies there as this recipe makes it."""
    try:
        return Recipe.model_validate(read_manifest(asked.out).recipe) == asked.recipe
    except (InputError, ValidationError):
        return False


def _counted(progress: Progress, lead: str, done: int, total: int, text: str) -> None:
    progress(done, total, lead + text)


def _trained(asked: Asked, resume: bool, progress: Progress | None) -> Path:
    recipe, name = asked.recipe, asked.name
    torch.set_num_threads(recipe.threads)
    parts = data.load(recipe.data, recipe.seed)
    network = build(recipe, parts)
    trainer = Trainer(network, parts, recipe, asked.cache / "train", progress)
    trainer.ask()
    accuracy: dict[str, float] = {}
    pruning: Pruning | None = None
    right: list[torch.Tensor] = []
    for phase in phases(recipe, _source(recipe, parts)):
        if phase.pruning is not None:
            phase.pruning = pruning = searched(trainer, phase.pruning, phase.key)
        trainer.run(phase, resume)
        accuracy[phase.name] = trainer.accuracy(parts.test)
        right.append(trainer.right(parts.test))
        cut = [row["test_accuracy_cut"] for row in trainer.history if "test_accuracy_cut" in row]
        accuracy.update(dict(zip(["cut"], cut, strict=False)))
    images, _ = parts.test[slice(0, recipe.stored_images)]
    made = workload(
        name, network, images, datapath=pruning.method if pruning else "dense",
        options=pruning.options if pruning else {},
        trained_on=recipe.data.name, accuracy=accuracy,
        source=f"{recipe.model} trained on {recipe.data.name} by the recipe {name}, seed {recipe.seed}")
    if recipe.crossbar_images:
        accuracy["crossbars"] = _through(made, recipe, parts.test)
        made = replace(made, accuracy=accuracy)
    return save(made, asked.out, {
        "description": recipe.description, "seed": recipe.seed, "recipe": recipe.model_dump(mode="json"),
        "data": {"train": len(parts.train), "val": len(parts.val), "test": len(parts.test), "classes": parts.classes},
        "change": change(right[0], right[-1], recipe.seed),
        "versions": _versions(), "sparsity": _sparsity(network),
        "inputs": statistics(network, made.layers, parts.test[slice(0, _SEEN)][0]), "history": trainer.history})


_SEEN = 64  # test images behind the statistics of inputs


def change(before: torch.Tensor, after: torch.Tensor, seed: int) -> dict[str, float]:
    """Change of accuracy between two networks on the same images, right or wrong [images]: mean and the limits of its
    95 % interval by paired bootstrap, 10,000 draws of as many images (Efron and Tibshirani, 1993)."""
    count = len(before)
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    shares = np.array([gained, lost, count - gained - lost]) / count
    drawn = np.random.default_rng(seed).multinomial(count, shares, 10_000)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / count, [0.025, 0.975])
    return {"mean": (gained - lost) / count, "low": float(low), "high": float(high)}


def _through(made: Workload, recipe: Recipe, test: data.Images) -> float:
    """Share of the first test images classified rightly through packed crossbars and the ADCs of the method."""
    path = registry.datapath(made.datapath, made.options)
    geometry = crossbar(recipe.pruning.geometry if recipe.pruning else Shape())
    enough = [path.adc_bits(la, geometry) for la in made.compute_layers]
    bits = max((b for b in enough if b is not None), default=geometry.adc_bits)
    x, y = test[slice(0, recipe.crossbar_images)]
    pixels = (x * ((1 << recipe.quantization.image_bits) - 1) + 0.5).floor().to(torch.int64).numpy()
    last = made.layers[-1].name
    found = [int(np.argmax(out[last])) for out in through(made, path, geometry, pixels, bits)]
    return float(np.mean(np.array(found) == y.numpy()))


def build(recipe: Recipe, parts: data.Parts) -> Network:
    """The recipe's network before training."""
    model = models.build(recipe.model, parts.classes, recipe.width, recipe.seed)
    taken = intake(model, parts.shape)
    if recipe.checkpoint is not None:
        _restore(model, recipe.checkpoint)
        taken = intake(model, parts.shape)
    for name, parameters in taken.parameters.items():
        if not all(bool(torch.isfinite(t).all()) for t in parameters.tensors()):
            raise InputError(f"layer {name} has weights that are not finite numbers (NaN or infinite)",
                             file=recipe.checkpoint, field="" if recipe.checkpoint else "model")
    _scores(taken.layers[-1].out_shape, parts.classes)
    return Network(taken, recipe.quantization)


def _scores(shape: tuple[int, int, int], classes: int) -> None:
    if shape[0] < classes or shape[1:] != (1, 1):
        found = f"{shape[0]} scores" if shape[1:] == (1, 1) else f"values of shape {shape}"
        raise InputError(f"makes {found}, allowed one score for each of {classes} classes", field="model")


def _restore(model: torch.nn.Module, checkpoint: str) -> None:
    """A state dict of dense tensors; nothing of the file is executed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(checkpoint, map_location="cpu", weights_only=True)
            state = found.get("state_dict", found) if isinstance(found, dict) else None
            if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
                raise InputError("found no state dict, allowed names and tensors", file=checkpoint)
            wanted = model.state_dict()
            for key, tensor in state.items():
                _alike(str(key), tensor, wanted.get(key), checkpoint)
            for key in wanted:
                if key not in state:
                    raise InputError(f"has no tensor {key}, which the model needs", file=checkpoint)
            model.load_state_dict(state)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"cannot be read as a state dict of the model ({type(error).__name__})",
                         file=checkpoint) from None


def _alike(key: str, tensor: torch.Tensor, wanted: torch.Tensor | None, checkpoint: str) -> None:
    """A tensor of a checkpoint is dense, whole, and of its place's shape and kind."""
    if wanted is None or tensor.shape != wanted.shape:
        raise InputError(f"{key[:80]} has shape {tuple(tensor.shape)}, allowed "
                         f"{'no such tensor' if wanted is None else tuple(wanted.shape)}", file=checkpoint)
    if tensor.is_quantized or tensor.dtype.is_floating_point != wanted.dtype.is_floating_point or tensor.is_complex():
        raise InputError(f"{key[:80]} is {tensor.dtype}, allowed {wanted.dtype}", file=checkpoint)
    if tensor.layout != torch.strided or tensor.is_meta \
            or tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        raise InputError(f"{key[:80]} has no numbers of its own, allowed a dense tensor", file=checkpoint)


def _source(recipe: Recipe, parts: data.Parts) -> str:
    """Digest of what is the user's own: the model's folder of Python files, the checkpoint, the images. Checkpoints of
    other versions are not taken up."""
    digest = hashlib.sha256()
    file = python(place) if (place := recipe.model.rpartition(":")[0]) else None
    own = [*sorted(file.parent.glob("*.py"))] if file is not None else []
    for path in (*own, *([Path(recipe.checkpoint)] if recipe.checkpoint else [])):
        digest.update(path.read_bytes())
    if recipe.data.path is not None:
        for part in (parts.train, parts.val, parts.test):
            for numbers in (part.pixels, part.labels):
                digest.update(numbers.contiguous().numpy())
    return digest.hexdigest()[:16]


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{n: version(n) for n in ("xbarch", "torch", "numpy")}}


def _sparsity(network: Network) -> dict[str, dict[str, float]]:
    """Share of weights masked and share of weights that are zero, of every compute layer."""
    found: dict[str, dict[str, float]] = {}
    for node in network.compute_nodes():
        zero: Any = (node.quantized() == 0).float().mean()
        found[node.layer.name] = {"masked": 1 - float(node.mask.float().mean()), "zero": float(zero)}
    return found
