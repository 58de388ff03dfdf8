"""What a stored workload says about its own making, and what its checkpoints depend on."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from xbarch.compress.factory import is_program, python_file
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training.data import Parts
from xbarch.specs.recipe import Recipe
from xbarch.workload.find import resolve


def _add_files(digest: hashlib._Hash, files: Iterable[Path]) -> None:
    """Names and sizes, as the text of a list of pairs, piece by piece, since there may be millions."""
    lead = "["
    for path in files:
        digest.update(f"{lead}{(str(path), path.stat().st_size)!r}".encode())
        lead = ", "
    digest.update(b"]")


def source_digest(recipe: Recipe, parts: Parts) -> str:
    """Digest of the user's own files: the Python files in the model's folder, the checkpoint, the images. A training
    checkpoint made from other versions of them is not resumed."""
    digest = hashlib.sha256()
    if is_program(recipe.model):
        own = [Path(recipe.model)]
    else:
        file = python_file(place) if (place := recipe.model.rpartition(":")[0]) else None
        own = [*sorted(file.parent.glob("*.py"))] if file is not None else []
    for path in (*own, *([Path(recipe.checkpoint)] if recipe.checkpoint else [])):
        digest.update(path.read_bytes())
    if recipe.start is not None:
        for layer in resolve(recipe.start).compute_layers:
            for values in (layer.matrix, layer.scale, layer.bias):
                digest.update(b"" if values is None else values.tobytes())
    if recipe.data.path is not None:
        for part in (parts.train, parts.val, parts.test):
            digest.update(part.labels.contiguous().numpy())
            if isinstance(part.pixels, Tensor):
                digest.update(part.pixels.contiguous().numpy())
            else:
                _add_files(digest, part.pixels.files)
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Of what decides the numbers."""
    return {"python": platform.python_version(), **{n: version(n) for n in ("xbarch", "torch", "numpy")}}


def sparsity(network: Network) -> dict[str, dict[str, float]]:
    """Share of weights masked and share of weights that are zero, of every convolution and linear layer; where weights
    are tied to others, their share too."""
    found: dict[str, dict[str, float]] = {}
    for node in network.compute_nodes():
        zero: Any = (node.quantized() == 0).float().mean()
        found[node.layer.name] = {"masked": 1 - float(node.mask.float().mean()), "zero": float(zero),
                                  **({} if node.ties is None else {"tied": float((node.ties >= 0).mean())})}
    return found
