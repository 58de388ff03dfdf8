"""The algorithms that bring weights to what a method keeps, as data. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from xbarch.specs.learning import Grown
from xbarch.specs.model import Spec


class Lasso(Spec):
    """Group lasso on the groups of the method, clipped where `ratio` < 1 (Meng et al., TCAS-II 2021); with threshold
    `none` and whole rows or filters structured sparsity learning (Wen et al., NIPS 2016).

    threshold tau: `layer`, ratio * mean group norm of a layer; `layer_quantile`, the ratio-quantile of a layer's
    norms; `global`, the ratio-quantile of mean|w| over all layers' groups; `none`, plain group lasso. form:
    `gradient` adds the penalty to the loss; `proximal` shrinks groups below tau after each step instead; `reweighted`
    is strength * sum of |w_g|² / (|w_g|² + e), the denominators those of the epoch before, for all groups, with an
    implicit step after each step (BLK-REW, Ma et al., 2020).
    """

    name: Literal["lasso"]
    reading: Literal["sub_groups", "size_schedule"] = Field(
        "sub_groups", description="sub_groups: all groups whole; size_schedule: the channels of a group double from 4 "
                                  "up to their number during the epochs before the cut")
    threshold: Literal["layer", "layer_quantile", "global", "none"] = "layer"
    ratio: float | None = Field(None, gt=0, le=10, description="default: 1 - density; 0.7 without a density")
    strength: float = Field(2e-3, ge=0, le=10, description="lambda")
    form: Literal["gradient", "proximal", "reweighted"] = "gradient"


class Admm(Grown):
    """ADMM with the method's projections (Boyd et al., 2011, scaled form)."""

    late: ClassVar[frozenset[str]] = frozenset({"levels"})

    name: Literal["admm"]
    rho: float = Field(1e-3, gt=0, le=100, description="penalty at the start")
    growth: float = Field(1.5, ge=1, le=100, description="what rho is multiplied by at every update of the projections")
    every: int = Field(1, ge=1, le=1000, description="epochs between updates")
    freeze_after: int | None = Field(None, ge=0, le=10_000, description="epochs after which what is kept is kept for "
                                     "good (SegPrune: shapes frozen) while ADMM goes on; a multiple of `every`")
    levels: bool = Field(False, description="the levels of the quantizer are a constraint of their own, projected on "
                         "the nearest level (ADMM-NN, Ren et al., 2019)")

    @model_validator(mode="after")
    def _met(self) -> Admm:
        if self.freeze_after is not None and self.freeze_after % self.every:
            raise ValueError(f"freeze_after: must be a multiple of {self.every} (every), not {self.freeze_after}")
        return self


class Zeroize(Spec):
    """Zeroize and recover (as in ZeroBN, Huai et al.): in every other epoch what the projection removes is set to zero
    after each step, in the others it may grow back. The density falls linearly to its target over `ramp` epochs."""

    name: Literal["recover"]
    ramp: int = Field(4, ge=1, le=10_000)


class Cut(Spec):
    """The projection once, at `cut_after` (magnitude pruning, one shot)."""

    name: Literal["cut"]


class Slices(Spec):
    """The cut after training with bit-slice L1 (Zhang et al., 2019): the digits that cells store are made small."""

    name: Literal["slices"]
    strength: float = Field(1e-5, ge=0, le=10, description="weight of the sum of all weights' mean digits in the loss")


class Hoyer(Spec):
    """The cut after training for even column sparsity (D.U.B., 2024): the variance of the columns' Hoyer measures
    within a crossbar is made small."""

    name: Literal["hoyer"]
    strength: float = Field(1e-2, ge=0, le=1e4, description="weight of the sum of all crossbars' variances in the loss")


class Stepwise(Spec):
    """Magnitude pruning step by step with training between (Han et al., 2015): `steps` cuts, the last at `cut_after`,
    the others as far apart before it; what a cut removes stays removed. The density falls by the same factor each time
    (this project's reading; the paper names no schedule)."""

    name: Literal["stepwise"]
    steps: int = Field(3, ge=2, le=1000)


class Decorrelate(Spec):
    """The cut after training with a penalty on what filters of a layer have in common (Zhu et al., IJCAI 2018): their
    correlations are made small, so that filters can be removed."""

    name: Literal["decorrelate"]
    strength: float = Field(1e-2, ge=0, le=1e4, description="weight of the sum, over layers, of the mean squared "
                            "correlation of two different filters")


class Select(Spec):
    """The cut, with what is kept chosen by more than its norm; the method says how much is kept, and of what.

    l1: filters of largest sum of absolute weights (Li et al., ICLR 2017). random: kernels, the same number of every
    filter, drawn before training, which then starts from new weights (Changpinyo et al., 2017); needs cut_after 0.
    Input channels, layer by layer, with the layers before already cut: thinet, those whose removal changes the layer's
    sums least, greedily, then a factor for each that is left by least squares (Luo et al., ICCV 2017); lasso, those
    that enter first on the path of a lasso that rebuilds the sums of the uncut network, then all weights that are left
    by least squares (He et al., ICCV 2017); discrimination, those whose weights have the largest gradient of a loss of
    the layer's own classifier and of the error of its sums, greedily (Zhuang et al., NeurIPS 2018).
    """

    name: Literal["select"]
    by: Literal["l1", "random", "thinet", "lasso", "discrimination"]
    images: int = Field(256, ge=2, le=100_000, description="training images that are looked at")
    places: int = Field(10, ge=1, le=10_000, description="outputs of a layer per image that are looked at")
    repair: bool = Field(True, description="thinet and lasso: the weights that are left are rebuilt by least squares")


Algorithm = Annotated[Lasso | Admm | Zeroize | Cut | Slices | Hoyer | Stepwise | Decorrelate | Select,
                      Field(discriminator="name")]
