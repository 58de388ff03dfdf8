"""Where a layer's weight comes from: one of the model's parameters, moved as the model moves it before its use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, fx

_COPIES = ("clone", "alias", "contiguous", "detach", "lift_fresh_copy", "_to_copy", "to")
_MOVES = ("view", "reshape", "_unsafe_view", "flatten", "unflatten", "permute", "transpose", "t", "squeeze",
          "unsqueeze", "flip", "movedim", "swapaxes", "numpy_T", "mT")  # that keep every number, and each once

Move = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Origin:
    """name: the model's name of the parameter; empty where the weight is computed. moves: what makes the weight of it,
    one after the other; a weight may have axes of length one more."""

    name: str = ""
    moves: tuple[Move, ...] = ()

    def then(self, move: Move) -> Origin:
        return replace(self, moves=(*self.moves, move))

    def moved(self, stored: Tensor) -> Tensor:
        """Numbers that lie as the parameter does, as the weight lies."""
        for move in self.moves:
            stored = move(stored)
        return stored


def origin(node: Any, owners: Mapping[str, str], kind: Callable[[fx.Node], str]) -> Origin:
    """Origin of a constant of the program. owners: the model's names of the program's parameters. kind: an operation's
    name."""
    moves: list[Move] = []
    while node.name not in owners:
        if node.op != "call_function" or kind(node) not in _MOVES + _COPIES:
            return Origin()
        if kind(node) in _MOVES:
            moves.insert(0, _move(node))
        node = node.args[0]
    return Origin(str(owners[node.name]), tuple(moves))


def _move(node: fx.Node) -> Move:
    target: Any = node.target
    return lambda stored: target(stored, *node.args[1:], **node.kwargs)
