"""A copy of a user's module."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn


def copied(model: nn.Module, given: dict[int, Any] | None = None) -> nn.Module:
    """A copy, also where hooks compute weights (torch.nn.utils.prune, weight_norm): PyTorch copies no tensor that has
    a gradient's history, so these are copied as numbers, which the hooks then compute anew.

    given: what takes the place of tensors, by their id().
    """
    memo = dict(given or {})
    for module in model.modules():
        memo |= {id(t): t.detach().clone() for t in vars(module).values() if isinstance(t, Tensor) and not t.is_leaf}
    return copy.deepcopy(model, memo)
