"""Weights from a checkpoint file into a model. Nothing in the file is executed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xbarch.compress.intake.given import Given, settle
from xbarch.compress.intake.statefile import read_state
from xbarch.errors import InputError
from xbarch.specs.text import brief

_COMPILED = "_orig_mod."  # torch.compile puts it before the names inside what it compiled
_COPIES = ("ema", "teacher", "average")  # second networks that are stored beside the model
_COUNTED = (".total_ops", ".total_params")  # left behind by tools that count operations
_SINCE = ".num_batches_tracked"  # which PyTorch before 0.4.1 did not store


def restore(model: nn.Module, checkpoint: str) -> dict[str, Given]:
    """Load a checkpoint's tensors into `model`; they must be exactly the model's. Returns what it says of single
    weights beyond their values (masks, integers and steps), by the weights' names.

    Raises:
        InputError: the file cannot be read, holds no state dict, or one of another model.
    """
    wanted = model.state_dict()
    state, given = settle(_named(read_state(checkpoint), wanted), wanted, checkpoint)
    for key, tensor in state.items():
        if key not in wanted:
            raise InputError(f"holds a tensor {brief(key, 80)!r}, which the model does not have", file=checkpoint)
        _check_tensor(key, tensor, wanted[key], checkpoint)
    for key in wanted:
        if key not in state and not key.endswith(_SINCE):
            raise InputError(f"lacks the tensor {key!r}, which the model needs", file=checkpoint)
    try:
        model.load_state_dict({**wanted, **state})
    except Exception as error:  # a module may have its own way of loading
        raise InputError(f"cannot be loaded into the model ({type(error).__name__})", file=checkpoint) from None
    return given


def _named(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names that the model gives them: without what wrappers put before them (`module.` of
    DistributedDataParallel, `model.` of Lightning, any other) and without what is stored beside the model."""
    if not any(_COMPILED in key for key in wanted):
        state = {key.replace(_COMPILED, ""): tensor for key, tensor in state.items()}
    state = {key: tensor for key, tensor in state.items() if key in wanted or not f".{key}".endswith(_COUNTED)}
    lead = _lead(state, wanted)
    return {key.removeprefix(lead): tensor for key, tensor in state.items() if key.startswith(lead)}


def _lead(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    """What stands before all of the model's names; of several the model's own rather than a copy's, then the
    shortest."""
    stems = {key.rpartition(".")[0] for key in wanted} - {""}
    if not stems:
        return ""
    first = max(sorted(stems), key=len)
    found = {key[:key.rindex(first)] for key in state if f".{first}." in f".{key}"}
    known = {key.rpartition(".")[0] for key in state}
    whole = [lead for lead in found if all(f"{lead}{stem}" in known for stem in stems)]
    return min(whole, key=lambda lead: (any(word in lead for word in _COPIES), len(lead), lead), default="")


def _check_tensor(key: str, tensor: Tensor, wanted: Tensor, checkpoint: str) -> None:
    """A tensor of a checkpoint is dense, whole, and of its place's shape and kind."""
    name = brief(key, 80)
    if tensor.layout != torch.strided or tensor.is_meta \
            or tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        raise InputError(f"{name} must be a dense tensor that stores all its numbers", file=checkpoint)
    if isinstance(wanted, nn.parameter.UninitializedTensorMixin):
        return
    if tensor.shape != wanted.shape:
        raise InputError(f"the shape of {name} must be {tuple(wanted.shape)}, not {tuple(tensor.shape)}",
                         file=checkpoint)
    if tensor.dtype.is_floating_point != wanted.dtype.is_floating_point or tensor.is_complex():
        raise InputError(f"the type of {name} must be {wanted.dtype}, not {tensor.dtype}", file=checkpoint)
