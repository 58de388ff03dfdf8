"""Measures: what the outputs of a network are worth, against the right answers of test images.

A measure counts for each image numbers that add up, and its value follows from their sums. So images may come in parts,
and an interval follows from drawing images again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Answers = NDArray[Any]
Shapes = Sequence[tuple[int, ...]]
IGNORED = 255  # a pixel of a label map without a class, beside negative ones


class Measure(ABC):
    """Base of measures. All but functions of a user's own look at the first output alone."""

    name: str
    label: str
    """What it is called beside its value."""
    share = True
    """Whether it is a share from 0 to 1, shown in per cent."""
    larger = True
    """Whether larger values are better."""
    order = True
    """Whether nothing but the order of scores matters."""

    @abstractmethod
    def refuse(self, shapes: Shapes, answers: Answers, classes: int) -> str:
        """Why outputs of these shapes, without the axis of the images, cannot be measured; empty if they can."""

    @abstractmethod
    def counts(self, outputs: Sequence[Reals], answers: Answers) -> Reals:
        """[images, counts] from outputs [images, *shape]."""

    @abstractmethod
    def value(self, totals: Reals) -> Reals:
        """The measure [...] from sums of counts [..., counts]."""

    def classes(self, outputs: Sequence[Reals]) -> NDArray[np.int64] | None:
        """The class that each image, or each pixel of it, gets; None where there are none."""
        return None

    def text(self, value: float) -> str:
        """A value as a reader wants it."""
        return f"{value:.2%}" if self.share else f"{value:.4g}"


class TopOne(Measure):
    """The share of images whose largest score is that of the right class."""

    name, label = "top1", "accuracy"

    def refuse(self, shapes: Shapes, answers: Answers, classes: int) -> str:
        count, *rest = shapes[0] or (1,)
        if answers.ndim != 1 or answers.dtype.kind not in "iu":
            return _unfit(self, answers)
        if count < classes or any(n > 1 for n in rest):
            found = f"values of shape {tuple(shapes[0])}" if any(n > 1 for n in rest) else f"{count} scores"
            return f"must return one score for each of {classes} classes, not {found}"
        return ""

    def classes(self, outputs: Sequence[Reals]) -> NDArray[np.int64]:
        first = outputs[0]
        return np.asarray(first.reshape(len(first), -1).argmax(axis=1), np.int64)

    def counts(self, outputs: Sequence[Reals], answers: Answers) -> Reals:
        right = self.classes(outputs) == answers
        return np.stack([right, np.ones(len(right))], axis=1).astype(np.float64)

    def value(self, totals: Reals) -> Reals:
        return np.asarray(totals[..., 0] / totals[..., 1])


class PixelAccuracy(Measure):
    """The share of pixels with a class whose largest score is that of this class."""

    name, label = "pixel_accuracy", "pixel accuracy"

    def refuse(self, shapes: Shapes, answers: Answers, classes: int) -> str:
        if answers.ndim != 3 or answers.dtype.kind not in "iu":
            return _unfit(self, answers)
        least, wanted = max(2, classes), answers.shape[1:]
        if len(shapes[0]) != 3 or shapes[0][1:] != wanted or shapes[0][0] < least:
            return (f"must return maps of scores, one for each of {least} classes and each of {wanted[0]} x "
                    f"{wanted[1]} pixels, not values of shape {tuple(shapes[0])}")
        return ""

    def classes(self, outputs: Sequence[Reals]) -> NDArray[np.int64]:
        return np.asarray(outputs[0].argmax(axis=1), np.int64)

    def counts(self, outputs: Sequence[Reals], answers: Answers) -> Reals:
        known = _known(answers)
        right = (self.classes(outputs) == answers) & known
        return np.stack([part.sum(axis=(1, 2)) for part in (right, known)], axis=1).astype(np.float64)

    def value(self, totals: Reals) -> Reals:
        return np.asarray(totals[..., 0] / np.maximum(totals[..., 1], 1))


class MeanIou(PixelAccuracy):
    """Intersection over union of the pixels of a class, those that are it and those that are taken for it, over all
    images; the mean over the classes that occur (Everingham et al., Int. J. Comput. Vis. 111, 98, 2015)."""

    name, label = "mean_iou", "mean IoU"

    def counts(self, outputs: Sequence[Reals], answers: Answers) -> Reals:
        taken, known, number = self.classes(outputs), _known(answers), np.arange(outputs[0].shape[1])
        both, either = [], []
        for one in number:  # class by class, so that no array is larger than a map
            found, wanted = (taken == one) & known, (answers == one) & known
            both.append((found & wanted).sum(axis=(1, 2)))
            either.append((found | wanted).sum(axis=(1, 2)))
        return np.array([*both, *either], np.float64).T

    def value(self, totals: Reals) -> Reals:
        both, either = np.split(totals, 2, axis=-1)
        return np.asarray((both / np.maximum(either, 1)).sum(axis=-1) / np.maximum((either > 0).sum(axis=-1), 1))


class SquaredError(Measure):
    """The mean of the squared differences of all numbers."""

    name, label, share, larger, order = "mse", "mean squared error", False, False, False

    def refuse(self, shapes: Shapes, answers: Answers, classes: int) -> str:
        if answers.dtype.kind != "f":
            return _unfit(self, answers)
        if np.prod(shapes[0], dtype=np.int64) != np.prod(answers.shape[1:], dtype=np.int64):
            return f"must return as many values as the answers have, {answers.shape[1:]}, not {tuple(shapes[0])}"
        return ""

    def counts(self, outputs: Sequence[Reals], answers: Answers) -> Reals:
        apart = (outputs[0].reshape(len(answers), -1) - answers.reshape(len(answers), -1)) ** 2
        return np.stack([apart.sum(axis=1), np.full(len(apart), float(apart.shape[1]))], axis=1)

    def value(self, totals: Reals) -> Reals:
        return np.asarray(totals[..., 0] / totals[..., 1])


class Correlation(SquaredError):
    """Pearson's correlation of all numbers with the answers; 0 where one of them does not vary."""

    name, label, larger = "correlation", "correlation", True

    def counts(self, outputs: Sequence[Reals], answers: Answers) -> Reals:
        x, y = (part.reshape(len(answers), -1).astype(np.float64) for part in (outputs[0], answers))
        parts = [np.ones_like(x), x, y, x * x, y * y, x * y]
        return np.stack([part.sum(axis=1) for part in parts], axis=1)

    def value(self, totals: Reals) -> Reals:
        n, x, y, xx, yy, xy = np.moveaxis(totals, -1, 0)
        spread = np.sqrt(np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0))
        return np.asarray(np.where(spread > 0, (n * xy - x * y) / np.where(spread > 0, spread, 1), 0.0))


def _unfit(measure: Measure, answers: Answers) -> str:
    """A measure of other answers than the data has."""
    what, fitting = ("real numbers", "mse, correlation") if answers.dtype.kind == "f" else (
        "a map of classes for each image", "pixel_accuracy, mean_iou") if answers.ndim == 3 else (
        "a class for each image", "top1")
    return f"must be {fitting} or a function of your own for answers that are {what}, not {measure.name}"


def _known(answers: Answers) -> NDArray[np.bool_]:
    """Pixels that have a class."""
    return np.asarray((answers >= 0) & (answers != IGNORED))


def no_share(measure: str, values: Mapping[str, float]) -> str:
    """Which of the stored values of a measure is none, where it is a share; empty if all are."""
    if measure in BUNDLED and BUNDLED[measure].share:
        for phase, value in values.items():
            if not 0 <= value <= 1:
                return f"accuracy.{phase[:60]}: must be {'at least 0' if value < 0 else 'at most 1'}, not {value}"
    return ""


def classes_of(answers: Answers) -> int:
    """How many classes the answers tell apart; none where they are real numbers."""
    if answers.dtype.kind == "f":
        return 0
    known = answers if answers.ndim == 1 else answers[_known(answers)]
    return int(known.max(initial=-1)) + 1


def usual(answers: Answers) -> str:
    """The measure of a data set's answers: classes of images, of pixels, or real numbers."""
    return SquaredError.name if answers.dtype.kind == "f" else (
        PixelAccuracy.name if answers.ndim == 3 else TopOne.name)


BUNDLED: dict[str, Measure] = {m.name: m for m in (TopOne(), PixelAccuracy(), MeanIou(), SquaredError(), Correlation())}
TOP_ONE = BUNDLED["top1"]
