"""Weights that torchao stores as tensor subclasses: integers with their scales, in a module or in a state dict.

Such a subclass holds plain tensors (`qdata`, `scale`, `zero_point`); they are read, and none of its code is needed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from xbarch.compress.intake.given import Given, settle
from xbarch.errors import InputError
from xbarch.specs.text import brief

_LIBRARY = "torchao."


class Shell(Tensor):
    """In place of a tensor subclass that is not loaded: it holds what was stored and computes nothing."""

    kind = ""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError(f"{cls.kind} is not loaded")


def shell(name: str) -> type[Shell] | None:
    """A stand-in for a class that a checkpoint names, if it is a tensor subclass of torchao."""
    return type("Shell", (Shell,), {"kind": name}) if name.startswith(_LIBRARY) and name.endswith("Tensor") else None


def is_integers(value: object) -> bool:
    """Whether a tensor is a subclass that stores integers and scales."""
    return isinstance(value, Tensor) and type(value) not in (Tensor, nn.Parameter) and (
        isinstance(value, Shell) or type(value).__module__.startswith(_LIBRARY))


def plain(name: str, value: Tensor, where: str) -> dict[str, Tensor]:
    """The integers, scales and zero points of such a weight, as `xbarch.compress.intake.given.settle` takes them.

    Raises:
        InputError: it packs several numbers into one, or holds none of these.
    """
    parts = [getattr(value, part, None) for part in ("qdata", "scale", "zero_point")]
    levels, step, zero = (part.detach() if isinstance(part, Tensor) else None for part in parts)
    if levels is None or step is None or levels.shape != value.shape or levels.dtype != torch.int8:
        kind = value.kind if isinstance(value, Shell) else type(value).__name__
        raise InputError(f"holds {brief(name, 80)} as {brief(kind.rpartition('.')[2], 60)}; of torchao's tensors those "
                         "of one int8 number for each weight are taken (Int8Tensor, IntxUnpackedToInt8Tensor)",
                         file=where or None, field="" if where else "model")
    found = {name: levels, f"{name}_scale": step}
    return found if zero is None else {**found, f"{name}_zero_point": zero}


def settle_subclasses(model: nn.Module) -> dict[str, Given]:
    """What is given of the weights of a module that torchao quantized, by their names; they become plain ones.

    Raises:
        InputError: a weight is stored in another way, or its scales are not those of filters.
    """
    state = {name: p for name, p in model.named_parameters() if is_integers(p)}
    stored = {key: tensor for name, p in state.items() for key, tensor in plain(name, p, "").items()}
    reals, given = settle(stored, {name: torch.empty(p.shape, device="meta") for name, p in state.items()}, "")
    for name in state:
        owner = model.get_submodule(name.rpartition(".")[0])
        setattr(owner, name.rpartition(".")[2], nn.Parameter(reals[name], requires_grad=False))
    return given
