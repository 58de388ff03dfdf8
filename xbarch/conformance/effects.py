"""What every effect of real devices promises, checked on arrays drawn at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from xbarch.errors import ContractError
from xbarch.parts.effects.base import BEHIND, Effect, Given, Singles
from xbarch.plugins.guard import asking

_SHAPE, _CONVERTERS, _GMAX = (24, 16), 4, 25_000_000


def conform_effect(effect: Effect[Any], arrays: int = 20, seed: int = 0) -> int:
    """Check an effect on `arrays` random arrays; how many there were.

    Shapes and kinds of what it returns; conductances finite and, but behind wires, at least 0; variances at least 0;
    equal answers for equal random numbers; what is given is not changed.

    Raises:
        ContractError: the first broken promise.
    """
    rng = np.random.default_rng(seed)
    for number in range(arrays):
        lowest = float(rng.choice([0.0, 0.01, 0.2]))
        cells = (lowest + (1 - lowest) * rng.integers(0, 4, _SHAPE) / 3).astype(np.float32)
        held = rng.random(_SHAPE) < 0.9
        answers = [_answers(effect, cells, Given(
            levels=3, lowest=lowest, highest=_GMAX, held=held, target=cells.copy(), converters=_CONVERTERS,
            random=np.random.default_rng([seed, number]))) for _ in range(2)]
        with asking(effect, "cells") as wrong:
            if not all(np.array_equal(a, b) for a, b in zip(*answers, strict=True)):
                raise wrong("must return the same for the same random numbers; draw them from given.random only")
    return arrays


def _answers(effect: Effect[Any], cells: Singles, given: Given) -> list[Singles]:
    """What an effect makes of an array."""
    before, which = cells.copy(), np.arange(_SHAPE[1]) * _CONVERTERS // _SHAPE[1]
    found: list[Singles] = []
    with asking(effect, "cells") as wrong:
        found.append(_sound(effect.cells(cells, given), -np.inf if effect.stage in BEHIND else 0, _SHAPE, wrong))
    with asking(effect, "reading") as wrong:
        for part in effect.reading(cells, given) or ():
            found.append(_sound(part, 0, _SHAPE, wrong))
    with asking(effect, "transfer") as wrong:
        if (curve := effect.transfer(which, given)) is not None:
            sums = np.linspace(0, 300, 16 * 50, dtype=np.float32).reshape(16, 50)
            found.append(_sound(curve(sums), -np.inf, sums.shape, wrong))
    with asking(effect, "jitter") as wrong:
        if not effect.jitter() >= 0:
            raise wrong(f"must be at least 0, not {effect.jitter()}")
    if not np.array_equal(cells, before):
        raise ContractError(f"effect {effect.name} changes the conductances that it is given; it must return others")
    return found


def _sound(found: Any, least: float, shape: tuple[int, ...], wrong: Any) -> Singles:
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or found.shape != shape:
        what = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise wrong(f"must return real numbers {shape}, not {what}")
    if not np.isfinite(found).all() or found.min() < least:
        raise wrong(f"must return finite numbers{'' if least < 0 else ' of at least 0'}")
    return found
