"""A state dict from a file. What is no tensor, number or plain container is replaced by an inert stand-in."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from xbarch.compress.intake.archive import check_archive
from xbarch.compress.intake.subclass import is_integers, plain, shell
from xbarch.errors import InputError
from xbarch.specs.text import brief

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "model_ema",
            "state_dict_ema", "ema_state_dict", "ema")  # keys under which training scripts store the state dict
_CURE = "save it with torch.save(model.state_dict(), file)"


class StandIn:
    """In place of an object of a class that is not loaded: it takes whatever is told to it and does nothing."""

    kind = ""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


def _table(*_: object) -> dict[object, object]:
    """In place of a defaultdict, whose items follow."""
    return {}


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
            with torch.serialization.safe_globals(_stand_ins(checkpoint) if kind == "zip" else []):
                found = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file makes of the reader
        raise InputError(f"cannot be read as a state dict ({type(error).__name__}); {_CURE}, or as safetensors",
                         file=checkpoint) from None
    state = _unwrapped(found, checkpoint)
    if state is None:
        names = ", ".join(f"{name!r}" for name in WRAPPERS)
        raise InputError(f"holds no state dict (tensors by their names); {_CURE}, or under one of the keys {names}",
                         file=checkpoint)
    return state


def _stand_ins(checkpoint: str) -> list[Any]:
    """A stand-in for every class or function that the file names and PyTorch does not load as plain data."""
    names = torch.serialization.get_unsafe_globals_in_checkpoint(checkpoint)
    return [(_stand_in(name), name) for name in names]


def _stand_in(name: str) -> Any:
    if name == "collections.defaultdict":
        return _table
    return shell(name) or type("StandIn", (StandIn,), {"kind": name})


def _unwrapped(found: Any, checkpoint: str) -> dict[str, Tensor] | None:
    """The state dict itself, or the one under a wrapper's key; None if there is none."""
    for _ in range(4):  # the file itself, a wrapper, a wrapper in it
        if isinstance(found, StandIn):
            raise InputError(f"holds a whole object ({brief(found.kind, 80)}), and loading it would run its code; in "
                             f"the program that saved it, {_CURE}", file=checkpoint)
        if not isinstance(found, Mapping):
            return None
        inner = [found[key] for key in WRAPPERS if isinstance(found.get(key), Mapping | StandIn)]
        if not inner:
            whole = all(isinstance(key, str) for key in found)
            return _flat(found, checkpoint) if whole and any(isinstance(v, Tensor) for v in found.values()) else None
        found = next((value for value in inner if isinstance(value, Mapping)), inner[0])
    return None


def _flat(found: Mapping[str, Any], checkpoint: str) -> dict[str, Tensor]:
    """The tensors of a state dict. PyTorch's quantized linear layers keep weight and bias as a pair, torchao's weights
    integers and scales."""
    state: dict[str, Tensor] = {}
    for key, value in found.items():
        if is_integers(value):
            state.update(plain(key, value, checkpoint))
        elif isinstance(value, Tensor):
            state[key] = value
        elif key.endswith("_packed_params._packed_params") and isinstance(value, tuple):
            lead = key.removesuffix("_packed_params._packed_params")
            pair = zip((f"{lead}weight", f"{lead}bias"), value, strict=False)
            state.update((name, part.detach()) for name, part in pair if isinstance(part, Tensor))
    return state
