"""From a recipe to a stored workload."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from xbarch.compress import data, models
from xbarch.compress.export import workload
from xbarch.compress.intake import intake
from xbarch.compress.network import Network
from xbarch.compress.train import Progress, Trainer, phases
from xbarch.errors import InputError
from xbarch.files import writable
from xbarch.spec.recipe import Recipe
from xbarch.workload.find import read_recipe
from xbarch.workload.store import save


def compress(source: str | Path, *, out: Path | None = None, resume: bool = True, cache: Path | None = None,
             progress: Progress | None = None) -> Path:
    """Train, prune and quantize as the recipe `source` (path or bundled name) says; returns the folder written.

    Args:
        out: folder for the stored workload; default: the recipe's name beside it, or here for a bundled one.
        resume: continue from checkpoints in `cache` (default ~/.cache/xbarch, or $XBARCH_CACHE).
        progress: called with (epochs done, epochs of the phase, text).

    Raises:
        InputError: bad recipe, model, data or weights; something cannot be written.
    """
    recipe = read_recipe(source)
    if not isinstance(recipe, Recipe):
        raise InputError("is a synthetic recipe, made on the fly; allowed kind: trained", file=source)
    name = Path(source).stem
    if out is None:
        out = Path(source).with_suffix("") if Path(source).exists() else Path(name)
    writable(out)
    torch.set_num_threads(recipe.threads)
    parts = data.load(recipe.data, recipe.seed)
    network = build(recipe, parts)
    trainer = Trainer(network, parts, recipe, (cache or _cache()) / "train", progress)
    accuracy: dict[str, float] = {}
    for phase in phases(recipe, _source(recipe)):
        trainer.run(phase, resume)
        accuracy[phase.name] = trainer.accuracy(parts.test)
    images, _ = parts.test[slice(0, recipe.stored_images)]
    pruning = recipe.pruning
    made = workload(
        name, network, images, datapath=pruning.method if pruning else "dense",
        options={"group_ch": pruning.group_ch} if pruning else {},
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
        if not bool(torch.isfinite(parameters.weight).all()):
            raise InputError(f"layer {name} has weights that are not finite numbers (NaN or infinite)", field="model")
    return Network(taken, recipe.quantization)


def _restore(model: torch.nn.Module, checkpoint: str) -> None:
    """A state dict of dense tensors; nothing of the file is executed."""
    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)
        state = found.get("state_dict", found) if isinstance(found, dict) else None
        if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
            raise InputError("found no state dict, allowed names and tensors", file=checkpoint)
        wanted = {k: v.shape for k, v in model.state_dict().items()}
        for key, tensor in state.items():
            if tensor.layout != torch.strided or tensor.shape != wanted.get(key) \
                    or tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
                raise InputError(f"{key[:80]} has shape {tuple(tensor.shape)}, allowed "
                                 f"{tuple(wanted[key]) if key in wanted else 'no such tensor'}", file=checkpoint)
        model.load_state_dict(state)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"cannot be read as a state dict of the model ({type(error).__name__})",
                         file=checkpoint) from None


def _source(recipe: Recipe) -> str:
    """Digest of a user's own files, so that checkpoints of other versions are not taken up."""
    digest = hashlib.sha256()
    for name in (recipe.model.rpartition(":")[0], recipe.checkpoint):
        if name and Path(name).is_file():
            digest.update(Path(name).read_bytes())
    return digest.hexdigest()[:16]


def _cache() -> Path:
    return Path(os.environ.get("XBARCH_CACHE") or Path.home() / ".cache" / "xbarch")


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{n: version(n) for n in ("xbarch", "torch", "numpy")}}


def _sparsity(network: Network) -> dict[str, dict[str, float]]:
    """Share of weights masked and share of weights that are zero, of every compute layer."""
    found: dict[str, dict[str, float]] = {}
    for node in network.compute_nodes():
        zero: Any = (node.quantized() == 0).float().mean()
        found[node.layer.name] = {"masked": 1 - float(node.mask.float().mean()), "zero": float(zero)}
    return found
