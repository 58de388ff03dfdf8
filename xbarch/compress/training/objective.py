"""What a network is trained for: classes of images or of pixels, or real numbers, as the answers of its data are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.compress.intake.evaluate import closed
from xbarch.errors import InputError
from xbarch.specs.recipe import Recipe
from xbarch.workload.measures import IGNORED
from xbarch.workload.outputs import Output

_NONE = -100  # the class that PyTorch's cross-entropy passes over


def loss(outputs: Sequence[Output], scores: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of the first output's scores for classes [n] or maps of classes [n, H, W], over the pixels that
    have one; the mean squared error for real numbers."""
    if y.is_floating_point():
        values = closed(outputs[0], scores.reshape(-1, *outputs[0].shape))
        return F.mse_loss(values.flatten(1), y.reshape(len(y), -1))
    if y.dim() > 1:
        y = torch.where((y < 0) | (y == IGNORED), _NONE, y)
    return F.cross_entropy(scores, y)


def apart(scores: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of classes from a teacher's, the mean over images, or over pixels of maps [n, C, H,
    W]."""
    scores, taught = (t if t.dim() == 2 else t.movedim(1, -1).flatten(0, -2) for t in (scores, taught))
    return F.kl_div(F.log_softmax(scores / temperature, 1), F.log_softmax(taught / temperature, 1),
                    reduction="batchmean", log_target=True)


def refuse_unfit(recipe: Recipe, answers: Tensor) -> None:
    """Refuse what a recipe asks for and its data's answers do not allow, before anything is trained.

    Raises:
        InputError: images that are moved away from their maps, a teacher of real numbers, a choice
            by classes of images where there are none.
    """
    how = recipe.data.changes
    if answers.dim() == 3 and not answers.is_floating_point() and how and (how.flip or how.shift or how.area):
        raise InputError("must not move images, whose maps of classes would stay where they are: give flip: false and "
                         "shift: 0, and no area", field="data.augment")
    if (answers.dim() > 1 or answers.is_floating_point()) and recipe.pruning is not None and getattr(
            recipe.pruning.algorithm, "by", "") == "discrimination":
        raise InputError("must be another than discrimination, which learns from a class of each image",
                         field="pruning.algorithm.by")
    if answers.is_floating_point() and recipe.pruning is not None and recipe.pruning.distill is not None:
        raise InputError("is for networks that return scores of classes, not real numbers", field="pruning.distill")
