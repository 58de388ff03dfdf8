"""Weights from a checkpoint file into a model. Nothing in the file is executed."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xbarch.compress.intake.archive import check_archive
from xbarch.errors import InputError
from xbarch.specs.text import brief

WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which training scripts store the state dict
_DDP = "module."  # DistributedDataParallel puts it before every name


def restore(model: nn.Module, checkpoint: str) -> None:
    """Load a checkpoint's tensors into `model`; they must be exactly the model's.

    Raises:
        InputError: the file cannot be read, holds no state dict, or one of another model.
    """
    state = read_state(checkpoint)
    wanted = model.state_dict()
    if state and all(key.startswith(_DDP) for key in state) and not any(key.startswith(_DDP) for key in wanted):
        state = {key.removeprefix(_DDP): tensor for key, tensor in state.items()}
    for key, tensor in state.items():
        if key not in wanted:
            raise InputError(f"holds a tensor {brief(key, 80)!r}, which the model does not have", file=checkpoint)
        _check_tensor(key, tensor, wanted[key], checkpoint)
    for key in wanted:
        if key not in state:
            raise InputError(f"lacks the tensor {key!r}, which the model needs", file=checkpoint)
    try:
        model.load_state_dict(state)
    except Exception as error:  # a module may have its own way of loading
        raise InputError(f"cannot be loaded into the model ({type(error).__name__})", file=checkpoint) from None


def read_state(checkpoint: str) -> dict[str, Tensor]:
    """The state dict in a file of `torch.save` or safetensors, also where it is stored under one of `WRAPPERS`.

    Raises:
        InputError: the file cannot be read or holds no state dict.
    """
    kind = check_archive(checkpoint, "checkpoint")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "safetensors":
                from safetensors.torch import load_file

                return dict(load_file(checkpoint))
            found = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file makes of the reader
        raise InputError(f"cannot be read as a state dict ({type(error).__name__}); save it with "
                         "torch.save(model.state_dict(), file), or as safetensors", file=checkpoint) from None
    state = _unwrapped(found)
    if state is None:
        names = ", ".join(f"{name!r}" for name in WRAPPERS)
        raise InputError("holds no state dict (tensors by their names); save it with torch.save(model.state_dict(), "
                         f"file), or under one of the keys {names}", file=checkpoint)
    return state


def _unwrapped(found: Any) -> dict[str, Tensor] | None:
    """The state dict itself, or the one under a wrapper's key; None if there is none."""
    for _ in range(3):  # the file itself, a wrapper, a wrapper in it
        if not isinstance(found, Mapping):
            return None
        if all(isinstance(v, Tensor) and isinstance(k, str) for k, v in found.items()):
            return dict(found)
        found = next((found[key] for key in WRAPPERS if key in found), None)
    return None


def _check_tensor(key: str, tensor: Tensor, wanted: Tensor, checkpoint: str) -> None:
    """A tensor of a checkpoint is dense, whole, and of its place's shape and kind."""
    name = brief(key, 80)
    if tensor.shape != wanted.shape:
        raise InputError(f"the shape of {name} must be {tuple(wanted.shape)}, not {tuple(tensor.shape)}",
                         file=checkpoint)
    if tensor.is_quantized or tensor.dtype.is_floating_point != wanted.dtype.is_floating_point or tensor.is_complex():
        raise InputError(f"the type of {name} must be {wanted.dtype}, not {tensor.dtype}", file=checkpoint)
    if tensor.layout != torch.strided or tensor.is_meta \
            or tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        raise InputError(f"{name} must be a dense tensor that stores all its numbers", file=checkpoint)


def digest(checkpoint: str) -> str:
    """SHA-256 of the file."""
    with Path(checkpoint).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
