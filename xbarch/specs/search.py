"""Searches: a space of designs of which an optimizer tries some, for the best of several objectives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xbarch.specs.model import Spec
from xbarch.specs.recipe import Text
from xbarch.specs.study import Name
from xbarch.specs.sweep import Space

MOST = 100_000  # trials: each of them is in memory
OBJECTIVES: dict[str, Literal["min", "max"]] = {
    "throughput.images_per_second": "max", "energy.scopes_aj.chip": "min", "area.used_mm2": "min"}
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Limits(Spec):
    """Values that a figure may have. A truth value stands for itself: true is 1."""

    at_least: Finite | None = None
    at_most: Finite | None = None

    @model_validator(mode="before")
    @classmethod
    def _truth(cls, given: Any) -> Any:
        return ({"at_least": 1.0} if given else {"at_most": 0.0}) if isinstance(given, bool) else given

    @model_validator(mode="after")
    def _some(self) -> Limits:
        if self.at_least is None and self.at_most is None:
            raise ValueError("must have at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least: must be at most {self.at_most:g} (at_most), not {self.at_least:g}")
        return self

    def excess(self, value: float) -> float:
        """Return how far a value is outside, relative to the limit where that is not zero; 0 inside."""
        below = 0.0 if self.at_least is None else (self.at_least - value) / (abs(self.at_least) or 1.0)
        above = 0.0 if self.at_most is None else (value - self.at_most) / (abs(self.at_most) or 1.0)
        return max(below, above, 0.0)


class Search(Space):
    """Points of a space, chosen by an optimizer.

    objectives: numbers of `result.json`, each to be small or large. constraints: limits of numbers, or the truth value
    that one must have; a point that breaks one is on no front. Points are chosen `at_once` at a time, and which
    they are follows from the file alone, wherever they run.
    """

    kind: Literal["search"]
    title: Text = "Search"
    objectives: dict[Name, Literal["min", "max"]] = Field(OBJECTIVES, min_length=1, max_length=8)
    constraints: dict[Name, Limits] = Field({}, max_length=20, description="figure: true, false, or limits "
                                                   "at_least and at_most")
    sampler: Literal["model", "nsga2", "tpe", "random"] = Field(
        "model", description="how points are chosen: by a model of the objectives (`xbarch.studies.search.model`), "
                             "NSGA-II (Deb et al., 2002), a tree of Parzen estimators (Ozaki et al., 2022), or at "
                             "random")
    trials: int = Field(100, ge=1, le=MOST, description="points that are simulated, each once")
    at_once: int = Field(10, ge=1, le=1000, description="points that are chosen together, and simulated at once where "
                       "there are so many processes; the population of NSGA-II")
    seed: int = Field(0, ge=0, lt=2**31)
