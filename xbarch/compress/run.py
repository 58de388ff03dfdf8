"""From a recipe to a stored workload."""

from __future__ import annotations

import hashlib
import os
import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from xbarch.compress import data, models
from xbarch.compress.ask import ask
from xbarch.compress.export import workload
from xbarch.compress.intake import intake
from xbarch.compress.network import Network
from xbarch.compress.train import Progress, Trainer, phases
from xbarch.errors import InputError
from xbarch.files import writable
from xbarch.spec.recipe import Recipe
from xbarch.workload.store import save


def train(source: str | Path, *, out: Path | None = None, resume: bool = True, cache: Path | None = None,
             progress: Progress | None = None) -> Path:
    """Train, prune and quantize as the recipe `source` (path or bundled name) says; returns the folder written.

    Args:
        out: folder for the stored workload; default: the recipe's name beside it, or here for a bundled one.
        resume: continue from checkpoints in `cache` (default ~/.cache/xbarch, or $XBARCH_CACHE).
        progress: called with (epochs done, epochs of the phase, text).

    Raises:
        InputError: bad recipe, model, data or weights; something cannot be written.
    """
    recipe, out = ask(source, out)
    name = Path(source).stem
    cache = cache or _cache()
    writable(cache / "train")
    torch.set_num_threads(recipe.threads)
    parts = data.load(recipe.data, recipe.seed)
    network = build(recipe, parts)
    trainer = Trainer(network, parts, recipe, cache / "train", progress)
    trainer.ask()
    accuracy: dict[str, float] = {}
    for phase in phases(recipe, _source(recipe)):
        trainer.run(phase, resume)
        accuracy[phase.name] = trainer.accuracy(parts.test)
        cut = [row["test_accuracy_cut"] for row in trainer.history if "test_accuracy_cut" in row]
        accuracy.update(dict(zip(["cut"], cut, strict=False)))
    images, _ = parts.test[slice(0, recipe.stored_images)]
    pruning = recipe.pruning
    made = workload(
        name, network, images, datapath=pruning.method if pruning else "dense",
        options=pruning.options if pruning else {},
        trained_on=recipe.data.name, accuracy=accuracy,
        source=f"{recipe.model} trained on {recipe.data.name} by the recipe {name}, seed {recipe.seed}")
    return save(made, out, {
        "description": recipe.description, "seed": recipe.seed, "recipe": recipe.model_dump(mode="json"),
        "data": {"train": len(parts.train), "val": len(parts.val), "test": len(parts.test), "classes": parts.classes},
        "versions": _versions(), "sparsity": _sparsity(network), "history": trainer.history})


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


def _source(recipe: Recipe) -> str:
    """Digest of a user's own files, so that checkpoints of other versions are not taken up."""
    digest = hashlib.sha256()
    for name in (recipe.model.rpartition(":")[0], recipe.checkpoint):
        if name and Path(name).is_file():
            digest.update(Path(name).read_bytes())
    return digest.hexdigest()[:16]


def _cache() -> Path:
    given = os.environ.get("XBARCH_CACHE")
    try:
        return Path(given) if given else Path.home() / ".cache" / "xbarch"
    except RuntimeError:  # no home
        raise InputError("found no home folder for checkpoints, allowed a folder in XBARCH_CACHE") from None


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{n: version(n) for n in ("xbarch", "torch", "numpy")}}


def _sparsity(network: Network) -> dict[str, dict[str, float]]:
    """Share of weights masked and share of weights that are zero, of every compute layer."""
    found: dict[str, dict[str, float]] = {}
    for node in network.compute_nodes():
        zero: Any = (node.quantized() == 0).float().mean()
        found[node.layer.name] = {"masked": 1 - float(node.mask.float().mean()), "zero": float(zero)}
    return found
