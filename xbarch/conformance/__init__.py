"""What every data path promises, checked on layers and crossbars drawn at random; for those who write one.

    for options in variants(Mine):
        conform(Mine(options))

The first broken promise is raised as one sentence. Every check is also a function of its own, of one `Case`.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import numpy as np

from xbarch.conformance.cases import Case, draw, extremes
from xbarch.conformance.effects import conform_effect
from xbarch.conformance.promises import (
    bounded,
    conserved,
    counted,
    even,
    exact,
    priced,
    promised,
    retrieved,
    signed,
    skipped,
)
from xbarch.conformance.training import projected, thinned
from xbarch.datapaths.base import DataPath
from xbarch.functional.proof import lawful
from xbarch.plugins import checked

__all__ = ["Case", "bounded", "conform", "conform_effect", "conserved", "counted", "draw", "even", "exact", "extremes",
           "priced", "projected", "promised", "retrieved", "signed", "skipped", "thinned", "values", "variants"]


def conform(path: DataPath, layers: int = 50, seed: int = 0) -> int:
    """Every check on `layers` random layers and on the extreme ones that the data path accepts; how many there were.

    Exact: the blocks, executed with ADCs that lose nothing, give the integers of the layer, for extreme and for signed
    inputs too and weight by weight. Conserving: every kept weight is held, no cell twice, promised caps and ADC bits
    suffice. Actions: what `work` counts is what the blocks are, sums that fan out are counted, unpruned nothing is
    gained over `dense`, and known inputs save reads, but none that is needed. Prices: what is counted beyond that has
    one, and one that hardware can have. Training: a projection, if there is one, gives weights that pack, at the
    density asked for. The same layers for the same seed.

    Raises:
        InputError: the first broken promise, with the data path, the layer and its crossbar.
    """
    rng = np.random.default_rng(seed)
    cases = [*extremes(path), *(draw(rng, path) for _ in range(layers))]
    for case in cases:
        packed = case.packed()
        lawful(case, packed, checked.work(path, packed, case.layer, case.geometry))
        exact(case, packed)
        retrieved(case, packed)
        signed(case, packed)
        promised(case, packed)
        skipped(case, packed)
        even(case, packed)
        priced(case, packed)
        projected(case, float(rng.uniform(0.3, 0.9)))
    thinned(path)
    return len(cases)


def variants(kind: type[DataPath]) -> list[dict[str, Any]]:
    """Options to check a data path with: its defaults, then each other value of every bool or Literal, alone."""
    fields = kind.Options.model_fields.items()
    return [{}, *({name: value} for name, info in fields for value in values(info.annotation) if value != info.default)]


def values(annotation: Any) -> list[Any]:
    """All values of a Literal or bool option."""
    if annotation is bool:
        return [False, True]
    return list(get_args(annotation)) if get_origin(annotation) is Literal else []


# -- promises -------------------------------------------------------------------------------------------------
