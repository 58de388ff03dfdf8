"""What the manifest of a stored workload must have to be measured."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xbarch.errors import InputError
from xbarch.specs.explain import explain
from xbarch.specs.recipe import Recipe
from xbarch.specs.text import brief, dotted
from xbarch.workload.graph import Workload

Share = Annotated[float, Field(ge=0, le=1)]
Change = Annotated[float, Field(ge=-1, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class _Accuracy(_Part):
    baseline: Share
    pruning: Share
    cut: Share | None = None
    crossbars: Share | None = None


class _Interval(_Part):
    mean: Change
    low: Change
    high: Change

    @model_validator(mode="after")
    def _ordered(self) -> _Interval:
        if not self.low <= self.mean <= self.high:
            raise ValueError(f"low, mean, high must be in ascending order, not {self.low:g}, {self.mean:g}, "
                             f"{self.high:g}")
        return self


class _Data(_Part):
    test: Annotated[int, Field(ge=1)]


class Facts(_Part):
    """The part of a manifest that is needed."""

    accuracy: _Accuracy
    change: _Interval
    data: _Data
    recipe: Recipe

    @model_validator(mode="after")
    def _pruned(self) -> Facts:
        if self.recipe.pruning is None or self.recipe.baseline is None:
            raise ValueError("recipe: must have the sections baseline and pruning")
        return self


def read_facts(network: Workload) -> Facts:
    """Check the manifest of a trained workload.

    Raises:
        InputError: something is missing or wrong, or the workload was not trained dense and then pruned.
    """
    data: dict[str, Any] = dict(network.manifest)
    try:
        return Facts.model_validate(data)
    except ValidationError as error:
        message, trail = explain(error, data, Facts)
        raise InputError(brief(message, 400), file=network.file, field=dotted(trail)) from None
