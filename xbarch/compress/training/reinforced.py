"""Densities of layers by reinforcement learning: an actor names a density for one layer after another, and a critic
says what to expect (the kind of search of AUTO-PRUNE, Yang et al., ICS 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log

import torch
from torch import Tensor, nn

from xbarch.workload.graph import Layer

Densities = dict[str, float]
Reward = Callable[[Densities], float]

_HIDDEN, _RATE, _ENTROPY = 32, 0.02, 0.01


class ActorCritic(nn.Module):
    """Two heads on one hidden layer: odds of every density, and the reward that is expected."""

    def __init__(self, inputs: int, actions: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, _HIDDEN), nn.Tanh())
        self.actor, self.critic = nn.Linear(_HIDDEN, actions), nn.Linear(_HIDDEN, 1)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        found = self.body(state)
        return self.actor(found).log_softmax(-1), self.critic(found).squeeze(-1)


def reinforced(reward: Reward, layers: Sequence[Layer], values: Sequence[float], trials: int, seed: int) -> Densities:
    """Return the densities with the largest reward of `trials` episodes.

    An episode names a density for every layer in order and gets one reward, at its end. The actor follows the gradient
    of (reward - critic) * log odds of what it named, with a little entropy; the critic that of the squared error.
    (Public text says that an agent sets each layer's rate, and that its reward has accuracy and the crossbars that
    are occupied. The rest is this project's reading: what it sees of a layer, discrete actions, an advantage
    actor-critic instead of a deterministic policy.)

    Args:
        reward: of densities by layer, larger is better.
        layers: in the order in which they are decided.
        values: that a density may have.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        states, known = _states(layers), dict[tuple[int, ...], float]()
        agent = ActorCritic(states.shape[1] + 1, len(values))
        optimizer = torch.optim.Adam(agent.parameters(), _RATE)
        for _ in range(trials):
            named, odds, expected, spread = _episode(agent, states, values)
            if named not in known:
                known[named] = reward(_densities(layers, values, named))
            gain = known[named] - expected
            loss = -(gain.detach() * odds).sum() + gain.square().sum() - _ENTROPY * spread
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    best, _ = max(known.items(), key=lambda each: each[1])
    return _densities(layers, values, best)


def _densities(layers: Sequence[Layer], values: Sequence[float], named: Sequence[int]) -> Densities:
    return {layer.name: values[i] for layer, i in zip(layers, named, strict=True)}


def _episode(agent: ActorCritic, states: Tensor, values: Sequence[float]) -> tuple[
        tuple[int, ...], Tensor, Tensor, Tensor]:
    """(what was named, its log odds [layers], rewards expected before each [layers], entropy)."""
    named, odds, expected, spread, before = [], [], [], torch.zeros(()), 1.0
    for state in states:
        logs, worth = agent(torch.cat((state, torch.tensor([before]))))
        action = int(torch.multinomial(logs.detach().exp(), 1))
        spread = spread - (logs.exp() * logs).sum()
        named.append(action)
        odds.append(logs[action])
        expected.append(worth)
        before = values[action]
    return tuple(named), torch.stack(odds), torch.stack(expected), spread


def _states(layers: Sequence[Layer]) -> Tensor:
    """What the agent sees of each layer: its place, and logarithms of its filters, rows, windows and weights, each from
    0 to 1 over the layers."""
    rows = [[float(i), log(la.filters), log(la.rows), log(la.windows), log(la.filters * la.rows)]
            for i, la in enumerate(layers)]
    found = torch.tensor(rows)
    low, high = found.amin(dim=0), found.amax(dim=0)
    return (found - low) / (high - low).clamp(min=1e-6)

