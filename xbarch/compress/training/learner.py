"""One step of an optimizer: forward, loss, penalties, backward, update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from xbarch.compress.quantizers.network import Network
from xbarch.compress.training import objective
from xbarch.compress.training.augment import Drawn, mix
from xbarch.compress.training.hardware import Setup
from xbarch.specs.learning import Distill, Training

_BETA = 0.999  # Adam's second
_SCALES = ("levels.learned", "scales.logarithms")


class Learner:
    """Takes steps along the gradient. teacher: the network that `distill` learns from, left as it is."""

    def __init__(self, network: Network, training: Training, setup: Setup, distill: Distill | None = None) -> None:
        self.network, self.training, self.setup, self.distill = network, training, setup, distill
        self.teacher = None if distill is None else deepcopy(network).eval()
        self.optimizer, self.scaler = _optimizer(network, training), setup.scaler()
        self.model = setup.wrapped(network)

    def step(self, x: Tensor, y: Tensor, share: float, drawn: Drawn | None,
             extra: Callable[[], list[Tensor]]) -> Tensor:
        """Update the network by this process's images x and labels y of a batch. Returns the mean loss over them, with
        the penalties as its second value.

        Args:
            share: of these images in the batch, times the number of processes; their mean gradient is then the batch's.
            extra: penalties that are added to the loss of the whole batch.
        """
        self.optimizer.zero_grad()
        losses = []
        parts = list(_parts(x, y, drawn, self.training.accumulate))
        for number, (images, labels, chosen) in enumerate(parts, 1):
            last = number == len(parts)
            with nullcontext() if last else self.setup.waiting(self.model):
                loss = self._loss(images, labels, chosen)
                losses.append(loss.detach() * (len(images) / len(x)))
                loss = loss if len(parts) == 1 and share == 1 else loss * (share * len(images) / len(x))
                for penalty in extra() if last else ():
                    loss = loss + penalty
                self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        mean = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        return torch.stack((mean, loss.detach()))

    def _loss(self, x: Tensor, y: Tensor, drawn: Drawn | None) -> Tensor:
        mixed = 1.0 if drawn is None else drawn.mixed
        x = self.setup.formed(mix(x if drawn is None else drawn.applied(x), mixed))
        with self.setup.autocast():
            scores = self.model(x).float()
        loss = objective.loss(self.network.outputs, scores, y)
        if mixed != 1:
            loss = mixed * loss + (1 - mixed) * objective.loss(self.network.outputs, scores, y.roll(1, 0))
        if self.teacher is None or self.distill is None:
            return loss
        with torch.no_grad(), self.setup.autocast():
            taught = self.teacher(x).float()
        t, weight = self.distill.temperature, self.distill.weight
        return (1 - weight) * loss + weight * t**2 * objective.apart(scores, taught, t)

    def state(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state.get("scaler", {})) if self.scaler.is_enabled() else None


def _parts(x: Tensor, y: Tensor, drawn: Drawn | None, count: int) -> Iterator[tuple[Tensor, Tensor, Drawn | None]]:
    """A batch in `count` parts, as equal as can be."""
    for i in range(count):
        chosen = slice(i * len(x) // count, (i + 1) * len(x) // count)
        yield x[chosen], y[chosen], None if drawn is None else drawn.part(chosen)


def _optimizer(network: Network, t: Training) -> torch.optim.Optimizer:
    """Learned steps of weights and full scales of converters do not decay."""
    named = list(network.named_parameters())
    steps = [p for name, p in named if name.endswith(_SCALES)]
    groups: list[dict[str, Any]] = [{"params": [p for name, p in named if not name.endswith(_SCALES)]}]
    if steps:
        groups.append({"params": steps, "weight_decay": 0.0})
    if t.optimizer == "adam":
        return torch.optim.Adam(groups, t.rate, (t.momentum, _BETA), weight_decay=t.weight_decay)
    return torch.optim.SGD(groups, t.rate, t.momentum, weight_decay=t.weight_decay)
